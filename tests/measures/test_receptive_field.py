import keras
import numpy as np
import pytest
from keras import layers

from tfviz.measures.receptive_field import ReceptiveField, receptive_field
from tfviz.method.objectives import neuron
from tfviz.method.probe import value_and_gradient


def chain(*steps, size=(41, 37)):
    picture = keras.Input((*size, 3))
    x = picture
    for step in steps:
        x = step(x)
    return keras.Model(picture, x)


def positive(model):
    """Positive weights: no contribution to the gradient cancels another."""
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    return model


def seen(model, layer, at):
    """The pixels with a non-zero gradient: first and last row, first and last column."""
    pictures = np.ones((1, *model.input.shape[1:]), np.float32)
    _, _, gradient = value_and_gradient(model, neuron(layer, 0, at=at), pictures)
    rows, columns = np.nonzero(np.abs(gradient[0]).sum(axis=-1))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def joined():
    picture = keras.Input((41, 37, 3))
    left = layers.Conv2D(2, 5, strides=2, padding="same", name="left")(picture)
    right = layers.AveragePooling2D(2, padding="same")(layers.Conv2D(2, (1, 3), padding="same")(picture))
    return keras.Model(picture, layers.Add(name="last")([left, right]))


MODELS = {
    "three by three twice": lambda: chain(layers.Conv2D(1, 3), layers.Conv2D(1, 3, name="last")),
    "alexnet's start": lambda: chain(
        layers.ZeroPadding2D(2),
        layers.Conv2D(2, 11, strides=4),
        layers.AveragePooling2D(3, 2),
        layers.Conv2D(2, 5, padding="same", name="last"),
        size=(95, 87),
    ),
    "same, even kernel, stride": lambda: chain(
        layers.Conv2D(2, 4, strides=2, padding="same"),
        layers.Conv2D(1, 2, strides=3, padding="same", name="last"),
    ),
    "dilated, not square": lambda: chain(
        layers.Conv2D(1, (2, 5), dilation_rate=(3, 2)), layers.DepthwiseConv2D((4, 1), name="last")
    ),
    "cropped and padded": lambda: chain(
        layers.Cropping2D(((3, 1), (0, 2))),
        layers.ZeroPadding2D(((0, 1), (2, 1))),
        layers.Conv2D(1, 3, strides=2, name="last"),
    ),
    "branches": joined,
}


@pytest.mark.parametrize("name", MODELS)
def test_formula_is_the_set_of_pixels_with_a_gradient(name):
    model = positive(MODELS[name]())
    field = receptive_field(model, "last")
    rows, columns = model.get_layer("last").output.shape[1:3]
    for at in ((rows // 2, columns // 2), (0, 0), (rows - 1, columns - 1)):
        window = field.window(*at, model.input.shape[1:3])
        assert seen(model, "last", at) == (
            window[0].start,
            window[0].stop,
            window[1].start,
            window[1].stop,
        )


def test_by_hand():
    model = chain(
        layers.ZeroPadding2D(2), layers.Conv2D(1, 11, strides=4), layers.MaxPooling2D(3, 2, name="last")
    )
    assert receptive_field(model, "last") == ReceptiveField((19, 19), (8, 8), (-2, -2))


def test_pointwise_layers_change_nothing():
    model = chain(
        layers.Rescaling(2.0),
        layers.Conv2D(2, 3, name="conv"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Dropout(0.5),
        layers.Activation("tanh", name="last"),
    )
    assert receptive_field(model, "last") == receptive_field(model, "conv")


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ((layers.Conv2DTranspose(1, 3, name="last"),), "Conv2DTranspose"),
        ((layers.Flatten(name="last"),), "Flatten"),
    ],
)
def test_what_is_not_known_is_said(steps, says):
    with pytest.raises(ValueError, match=says):
        receptive_field(chain(*steps), "last")


def test_branches_of_different_stride_are_refused():
    picture = keras.Input((8, 8, 3))
    small = layers.Conv2D(1, 1, strides=2)(picture)
    large = layers.Conv2D(1, 5)(picture)
    model = keras.Model(picture, layers.Add(name="last")([small, large]))
    with pytest.raises(ValueError, match="different stride"):
        receptive_field(model, "last")


def test_same_padding_with_stride_needs_a_size():
    model = chain(layers.Conv2D(1, 3, strides=2, padding="same", name="last"), size=(None, None))
    with pytest.raises(ValueError, match="fixed input size"):
        receptive_field(model, "last")
