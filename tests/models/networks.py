"""Networks as people have them, with random weights, and what can be looked at in each."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers as L

import tfviz
from tfviz.method.probe import value_and_gradient
from tfviz.models import description, graph, ranges
from tfviz.models.own import use

APPLICATIONS = {
    "MobileNetV2": 96,
    "MobileNetV3Small": 96,
    "MobileNetV3Large": 96,
    "ResNet50V2": 96,
    "EfficientNetB0": 96,
    "VGG16": 64,
    "DenseNet121": 64,
    "InceptionV3": 96,
    "ConvNeXtTiny": 64,
    "NASNetMobile": 64,
    "Xception": 96,
}
"""Names in keras.applications, and a small side of the pictures that each takes."""
CLASSES = 10


def settled(model):
    """The model, its batch normalisations fitted to noise: with random weights alone all signal is lost on the way."""
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, L.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    noise = np.random.default_rng(0).random((8, *model.input_shape[1:]), dtype=np.float32)
    model(noise * (255 if taken(model) == "0..255" else 1), training=True)
    return model


def taken(model):
    """The range of its pictures, where its layers show one; with random weights any other is as good."""
    return ranges.shown(model) or "[0,1]"


def application(name):
    keras.utils.set_random_seed(0)
    build = getattr(keras.applications, name)
    side = APPLICATIONS[name]
    return settled(build(weights=None, input_shape=(side, side, 3), classes=CLASSES))


def transfer():
    """A base that was trained elsewhere, nested, and a head."""
    keras.utils.set_random_seed(0)
    base = settled(keras.applications.MobileNetV2(weights=None, input_shape=(64, 64, 3), include_top=False))
    picture = keras.Input((64, 64, 3))
    x = base(L.Rescaling(1 / 127.5, -1)(picture), training=False)
    x = L.Dropout(0.2)(L.GlobalAveragePooling2D()(x))
    return keras.Model(picture, L.Dense(CLASSES, activation="softmax")(x), name="transfer")


def grey():
    """Digits of 28 x 28."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            L.Conv2D(16, 5, activation="relu"),
            L.MaxPooling2D(),
            L.Conv2D(32, 3, activation="relu"),
            L.Flatten(),
            L.Dense(CLASSES, activation="softmax"),
        ],
        name="grey",
    )


def siamese():
    """Whether two pictures show the same: one tower, called twice."""
    keras.utils.set_random_seed(0)
    tower = keras.Sequential(
        [keras.Input((24, 24, 3)), L.Conv2D(8, 5, strides=2, name="conv"), L.Flatten(), L.Dense(4)],
        name="tower",
    )
    left, right = keras.Input((24, 24, 3), name="left"), keras.Input((24, 24, 3), name="right")
    apart = keras.ops.abs(L.Subtract()([tower(left), tower(right)]))
    return keras.Model([left, right], L.Dense(1, activation="sigmoid")(apart), name="siamese")


class Positions(L.Layer):
    """Adds a vector of its own to each token."""

    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], initializer="random_normal", name="table")

    def call(self, tokens):
        return tokens + self.table


def transformer(side=32, patch=8, width=32, depth=2):
    """A small Vision Transformer (Dosovitskiy and others 2021)."""
    keras.utils.set_random_seed(0)
    picture = keras.Input((side, side, 3))
    x = L.Conv2D(width, patch, strides=patch, name="patches")(picture)
    x = Positions(name="positions")(L.Reshape((-1, width))(x))
    for block in range(depth):
        seen = L.LayerNormalization()(x)
        x = x + L.MultiHeadAttention(4, width // 4, name=f"attention{block}")(seen, seen)
        hidden = L.Dense(2 * width, activation="gelu")(L.LayerNormalization()(x))
        x = x + L.Dense(width)(hidden)
    return keras.Model(picture, L.Dense(CLASSES)(L.GlobalAveragePooling1D()(x)), name="transformer")


BUILDERS = {
    **{name: lambda name=name: application(name) for name in APPLICATIONS},
    "transfer": transfer,
    "grey": grey,
    "siamese": siamese,
    "transformer": transformer,
}


@dataclass(frozen=True)
class Row:
    """What was seen of a network.

    Attributes:
        name: of it.
        layers: how many can be read.
        takes: in which range it takes pictures.
        head: that was found.
        off: largest difference of its probabilities from what the network itself returns.
        climbed: by how much a class's logit rose in one step.
        hidden: probabilities with a block hidden.
        field: the layer that was asked, and its receptive field or why there is none.
    """

    name: str
    layers: int
    takes: str
    head: str
    off: float
    climbed: float
    hidden: np.ndarray
    field: str


def looked_into(name):
    """One step towards a class, a coarse occlusion map, and the receptive field of the last layer that is maps."""
    theirs = BUILDERS[name]()
    options = {}
    if name == "siamese":
        other = np.random.default_rng(1).random((24, 24, 3), dtype=np.float32)
        options = {"input_name": "left", "held": {"right": other}}
    model = use(theirs, pictures=taken(theirs), **options)
    about = description.of(model)
    picture = np.random.default_rng(0).random(model.input_shape[1:], dtype=np.float32)
    there = 255 * picture[None] if about.takes == "0..255" else picture[None]
    own = np.asarray(theirs([there, other[None]] if options else there))
    if about.head == "logits":
        own = np.asarray(keras.ops.softmax(own))
    ours = np.asarray(about.probabilities(model(picture[None])))[:, -own.shape[1] :]

    goal = tfviz.objectives.logit(1)
    _, _, gradient = value_and_gradient(model, goal, picture[None])
    trace = tfviz.ascend(model, goal, picture, steps=1, rate=1e-3 / float(np.abs(gradient).max()))
    side = picture.shape[0] // 2
    hidden = tfviz.occlusion_map(model, picture, 1, patch=side, stride=side)
    layer = description.last_maps(model)
    try:
        field = tfviz.receptive_field(model, layer)
        seen = f"{layer}: {field.size[0]} x {field.size[1]} px, steps of {field.stride[0]}"
    except ValueError as error:
        seen = f"{layer}: refused: {error}"
    return Row(
        name,
        len(graph.paths(model)),
        str(about.takes),
        str(about.head),
        float(np.abs(ours - own).max()),
        float(trace.scores[1, 0] - trace.scores[0, 0]),
        hidden,
        seen,
    )
