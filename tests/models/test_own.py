"""The user's own networks: what goes in, what comes out, what is refused."""

import keras
import numpy as np
import pytest
from keras import layers as L
from keras import ops
from scipy.special import expit, logit, softmax

import tfviz
from tests.models import networks
from tfviz.models import description, graph
from tfviz.models.layers import CaffePicture
from tfviz.models.own import before_activation
from tfviz.models.own import use as use_as_it_shows
from tfviz.models.reading import Reader
from tfviz.models.trial import one_line

RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.random((3, 12, 10, 3), dtype=np.float32)


def use(model, *, pictures="[0,1]", **options):
    """Most networks here show no range of their pictures: it is said."""
    return use_as_it_shows(model, pictures=pictures, **options)


@pytest.fixture
def inputs():
    return keras.Input((12, 10, 3), name="photo")


def averaged(x, filters=6):
    return L.GlobalAveragePooling2D()(L.Conv2D(filters, 3, activation="relu", name="conv")(x))


def said(model, pictures=PICTURES):
    """The probabilities that tfviz makes of the model's output."""
    return np.asarray(description.of(model).probabilities(model(pictures)))


SOFTMAX = {
    "in the dense layer": lambda x: L.Dense(4, activation="softmax")(x),
    "a layer": lambda x: L.Softmax()(L.Dense(4)(x)),
    "an activation": lambda x: L.Activation("softmax")(L.Dense(4)(x)),
    "an operation": lambda x: keras.ops.softmax(L.Dense(4)(x)),
    "before a reshape": lambda x: L.Reshape((4,))(L.Dense(4, activation="softmax")(x)),
    "in a nested head": lambda x: keras.Sequential(
        [keras.Input((6,)), L.Dropout(0.5), L.Dense(4, activation="softmax")], name="head"
    )(x),
}


@pytest.mark.parametrize("build", SOFTMAX.values(), ids=SOFTMAX)
def test_a_softmax_is_taken_off_and_once_taken_gives_the_networks_own_output(inputs, build):
    theirs = keras.Model(inputs, build(averaged(inputs)))
    model = use(theirs)
    about = description.of(model)
    assert (about.output, about.head, about.told) == ("logits", "softmax", False)
    np.testing.assert_allclose(said(model), theirs(PICTURES), atol=1e-6)
    assert np.ptp(model(PICTURES), axis=1).max() > 0
    assert not np.allclose(np.sum(model(PICTURES), axis=1), 1), "logits, not probabilities"


def test_logits_stay_what_they_are(inputs):
    theirs = keras.Model(inputs, L.Dense(4)(averaged(inputs)))
    model = use(theirs)
    np.testing.assert_array_equal(model(PICTURES), theirs(PICTURES))
    assert description.of(model).output == "logits"


def test_several_sigmoids_are_classes_by_themselves(inputs):
    theirs = keras.Model(inputs, L.Dense(4, activation="sigmoid")(averaged(inputs)))
    model = use(theirs)
    assert description.of(model).output == "independent logits"
    np.testing.assert_allclose(model(PICTURES), logit(np.asarray(theirs(PICTURES), "f8")), atol=1e-5)
    np.testing.assert_allclose(said(model), theirs(PICTURES), atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "head"), [("sigmoid", None), (None, "sigmoid")], ids=["found", "told"]
)
def test_one_sigmoid_column_is_two_classes(inputs, activation, head):
    theirs = keras.Model(inputs, L.Dense(1, activation=activation)(averaged(inputs)))
    model = use(theirs, head=head, classes=("dog", "cat"))
    column = np.asarray(theirs(PICTURES))[:, 0]
    cat = column if activation else expit(column)
    np.testing.assert_allclose(said(model), np.stack([1 - cat, cat], axis=1), atol=1e-6)
    assert description.of(model).classes == ("dog", "cat")


def test_one_linear_column_is_a_value_and_no_class(inputs):
    model = use(keras.Model(inputs, L.Dense(1)(averaged(inputs))))
    assert description.of(model).output == "values"
    with pytest.raises(ValueError, match=r'say so with tfviz\.use\(model, head="sigmoid"'):
        said(model)


def test_an_average_of_softmaxes_keeps_its_probabilities(inputs):
    maps = L.Conv2D(4, 3, activation="softmax")(inputs)
    theirs = keras.Model(inputs, L.GlobalAveragePooling2D()(maps))
    np.testing.assert_allclose(said(use(theirs)), theirs(PICTURES), atol=1e-6)


def test_a_head_that_cannot_be_found_is_asked_for(inputs):
    class Mystery(L.Layer):
        def call(self, x):
            return keras.ops.softmax(2 * x)

    theirs = keras.Model(inputs, Mystery()(L.Dense(4)(averaged(inputs))))
    with pytest.raises(ValueError, match=r"say it with tfviz\.use"):
        said(use(theirs))
    np.testing.assert_allclose(said(use(theirs, head="softmax")), theirs(PICTURES), atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_ends_in_float32(policy):
    picture = keras.Input((12, 10, 3))
    x = L.GlobalAveragePooling2D(dtype=policy)(L.Conv2D(4, 3, dtype=policy)(picture))
    theirs = keras.Model(picture, L.Dense(3, activation="softmax", dtype=policy)(x))
    model = use(theirs)
    assert model.output.dtype == "float32"
    # float16 has 11 significant bits, bfloat16 8.
    np.testing.assert_allclose(said(model), np.asarray(theirs(PICTURES), "f4"), atol=2**-7)


RANGES = {
    "[0,1]": lambda x: x,
    "[-1,1]": lambda x: 2 * x - 1,
    "0..255": lambda x: 255 * x,
    "caffe": lambda x: 255 * x[..., ::-1] - np.array([103.939, 116.779, 123.68]),
    "torch": lambda x: (x - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225]),
}


@pytest.mark.parametrize("pictures", RANGES)
def test_pictures_are_brought_to_the_networks_range(inputs, pictures):
    theirs = keras.Model(inputs, L.Dense(4)(averaged(inputs)))
    there = RANGES[pictures](PICTURES).astype("f4")
    np.testing.assert_allclose(use(theirs, pictures=pictures)(PICTURES), theirs(there), rtol=1e-4, atol=1e-4)


FIRST = {
    "rescaled": (lambda x: L.Rescaling(1 / 255)(x), "0..255"),
    "rescaled to [-1, 1]": (lambda x: L.Rescaling(1 / 127.5, -1)(x), "0..255"),
    "divided": (lambda x: x / 127.5 - 1, "0..255"),
    "divided in [0, 1]": (lambda x: x / 0.5 - 1, "[0,1]"),
    "multiplied": (lambda x: x * (1 / 255), "0..255"),
    "multiplied in [0, 1]": (lambda x: 2.0 * x - 1, "[0,1]"),
    "standardised": (lambda x: L.Normalization(mean=[124, 116, 103], variance=[3e3] * 3)(x), "0..255"),
    "standardised in [0, 1]": (lambda x: L.Normalization(mean=[0.5] * 3, variance=[0.1] * 3)(x), "[0,1]"),
    "turned before": (lambda x: L.Rescaling(1 / 255)(L.RandomFlip()(x)), "0..255"),
    "as Caffe's networks here": (lambda x: CaffePicture((104.0, 117.0, 123.0))(x), "[0,1]"),
    "scaled back to 0..255": (lambda x: L.Rescaling(127.5, 127.5)(x), "[-1,1]"),
    "scaled back to [0, 1]": (lambda x: x / 2 + 0.5, "[-1,1]"),
    "less the middle": (lambda x: L.Rescaling(1.0, -127.5)(x), "0..255"),
    "less the middle, then divided": (lambda x: (x - 127.5) / 127.5, "0..255"),
    "less a mean colour": (lambda x: x - np.array([123.0, 116.0, 103.0], "f4"), "0..255"),
    "standardised in [-1, 1]": (lambda x: L.Normalization(mean=[-0.1] * 3, variance=[0.3] * 3)(x), "[-1,1]"),
    "in two steps": (
        lambda x: L.Normalization(mean=[0.48, 0.46, 0.41], variance=[0.05] * 3)(L.Rescaling(1 / 255)(x)),
        "0..255",
    ),
    "nothing, then divided": (lambda x: L.Rescaling(1 / 128, -1)(L.Rescaling(1.0)(x)), "0..255"),
    "nested": (lambda x: keras.Sequential([L.Rescaling(1 / 255), L.ReLU()])(x), "0..255"),
}
UNSHOWN = {
    "nothing": lambda x: L.Rescaling(1.0)(x),
    "normalised by nothing": lambda x: L.Normalization(mean=[0.0] * 3, variance=[1.0] * 3)(x),
    "doubled": lambda x: 2 * x,
    "negated": lambda x: 255 - x,
    "negated about the middle": lambda x: 127.5 - x,
    "denormalised": lambda x: L.Normalization(mean=[0.5] * 3, variance=[0.1] * 3, invert=True)(x),
    "beyond any": lambda x: x + 3000.0,
    "squared": lambda x: x * x,
    "in two ways": lambda x: L.Add()([L.Rescaling(1 / 255)(x), L.Rescaling(1 / 127.5, -1)(x)]),
    "by a batch": lambda x: L.BatchNormalization()(x),
}


@pytest.mark.parametrize(("first", "takes"), FIRST.values(), ids=FIRST)
def test_the_range_that_the_first_layers_show(inputs, first, takes):
    theirs = keras.Model(inputs, L.Dense(2)(averaged(first(inputs))))
    model = use_as_it_shows(theirs)
    assert description.of(model).takes == takes
    np.testing.assert_allclose(
        model(PICTURES), theirs(RANGES[takes](PICTURES).astype("f4")), rtol=1e-5, atol=1e-4
    )


@pytest.mark.parametrize("first", UNSHOWN.values(), ids=UNSHOWN)
def test_first_layers_that_show_no_range(inputs, first):
    with pytest.raises(ValueError, match="does not show in which range"):
        use_as_it_shows(keras.Model(inputs, L.Dense(2)(averaged(first(inputs)))))


def test_the_range_of_one_of_two_inputs(inputs):
    """The other one's numbers are scaled, too, and before it."""
    age = keras.Input((3,), name="age")
    years = L.Dense(2)(L.Normalization(mean=[40.0] * 3, variance=[100.0] * 3)(age))
    seen = L.Dense(2)(averaged(L.Rescaling(2.0, -1.0)(inputs)))
    theirs = keras.Model([age, inputs], L.Add()([years, seen]))
    name = inputs._keras_history.operation.name
    model = use_as_it_shows(theirs, input_name=name, held={"age": [30, 40, 50]})
    assert description.of(model).takes == "[0,1]"
    ages = np.tile(np.float32([30, 40, 50]), (len(PICTURES), 1))
    np.testing.assert_allclose(model(PICTURES), theirs([ages, PICTURES]), atol=1e-4)


def test_a_range_that_no_layer_shows_is_asked_for(inputs):
    theirs = keras.Model(inputs, L.Dense(2)(averaged(inputs)))
    with pytest.raises(ValueError, match=r"does not show in which range .* pictures=…, one of \[0,1\], "):
        use_as_it_shows(theirs)
    later = keras.Model(inputs, L.Dense(2)(L.Rescaling(1 / 255)(averaged(inputs))))
    with pytest.raises(ValueError, match="does not show in which range"):
        use_as_it_shows(later)
    with pytest.raises(ValueError, match="does not show in which range"):
        use_as_it_shows(Programmed(), shape=(12, 10, 3), head="softmax")


@pytest.mark.parametrize("pictures", ["[-1,1]", "0..255", "caffe"])
@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
def test_what_a_convolution_computes_before_its_activation(inputs, pictures, nested):
    def layers(x):
        return L.Conv2D(5, 3, activation="relu", strides=2, name="conv")(L.ZeroPadding2D(name="pad")(x))

    base = keras.Input((12, 10, 3))
    x = (
        keras.Model(base, layers(base), name="base")(L.Identity(name="pad")(inputs))
        if nested
        else layers(inputs)
    )
    theirs = keras.Model(inputs, L.Dense(4)(L.GlobalAveragePooling2D()(x)))
    model = use(theirs, pictures=pictures)
    path = "base/conv" if nested else "conv"
    before = np.asarray(before_activation(model, path)(PICTURES))
    after, _ = Reader(model, [path])(PICTURES)
    assert (before < 0).any()
    np.testing.assert_allclose(np.maximum(before, 0), after[path], rtol=1e-5, atol=1e-5)


def test_what_a_layer_computes_before_its_activation_wherever_it_and_others_are_called(inputs):
    """A layer called at three places, layers and operations of one name in three nested models, and our own name."""

    def nested(name, factor):
        keras.backend.clear_session()  # or Keras would number the operations
        picture = keras.Input((12, 10, 3))
        x = L.Conv2D(3, 3, padding="same", name="conv", bias_initializer="normal")(picture)
        return keras.Model(picture, x * factor, name=name)

    shared = L.Conv2D(3, 3, padding="same", activation="relu", name="conv_1")
    x = nested("a", 3.0)(nested("b", 2.0)(nested("c", 0.5)(inputs)))
    first = shared(x)
    x = L.Add(name="tfviz_last")([first, shared(first), shared(shared(first))])
    theirs = keras.Model(inputs, L.Dense(4, name="conv_2", activation="softmax")(L.Flatten()(x)))
    model = use(theirs)
    np.testing.assert_allclose(before_activation(model, "conv_2")(PICTURES), model(PICTURES), rtol=1e-5)
    last, _ = Reader(model, ["conv_1#3"])(PICTURES)
    before = np.asarray(before_activation(model, "conv_1#3")(PICTURES))
    assert (before < 0).any()
    np.testing.assert_allclose(np.maximum(before, 0), last["conv_1#3"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(9, 8, 1), (9, 8, 5), (9, 8)], ids=str)
def test_any_number_of_channels(shape):
    picture = keras.Input(shape)
    theirs = keras.Model(picture, L.Dense(4)(L.Flatten()(picture)))
    model = use(theirs)
    given = RANDOM.random((2, *shape), dtype=np.float32)
    ours = given if len(shape) == 3 else given[..., None]
    assert model.input_shape == (None, *ours.shape[1:])
    np.testing.assert_allclose(model(ours), theirs(given), atol=1e-6)


def test_any_size_can_be_fixed():
    picture = keras.Input((None, None, 3))
    theirs = keras.Model(picture, L.Dense(4)(averaged(picture)))
    assert use(theirs).input_shape == (None, None, None, 3)
    assert use(theirs, shape=(20, 16, 3)).input_shape == (None, 20, 16, 3)


def test_the_users_model_is_left_as_it_is(inputs):
    theirs = keras.Model(inputs, L.Dense(4, activation="softmax")(averaged(inputs)))
    before = np.asarray(theirs(PICTURES))
    layers = [layer.name for layer in theirs.layers]
    model = use(theirs)
    tfviz.ascend(model, tfviz.objectives.logit(0), PICTURES, steps=1, rate=0.1)
    np.testing.assert_array_equal(theirs(PICTURES), before)
    assert [layer.name for layer in theirs.layers] == layers
    assert theirs.output is theirs.layers[-1].output
    assert model.get_layer("conv").kernel is theirs.get_layer("conv").kernel, "weights are shared"


def test_a_model_in_use_takes_new_names_only(inputs):
    model = use(keras.Model(inputs, L.Dense(2)(averaged(inputs))))
    assert description.of(use_as_it_shows(model, classes=("a", "b"))).classes == ("a", "b")
    with pytest.raises(ValueError, match="comes from tfviz already"):
        use(model, pictures="0..255")


def test_siamese_is_looked_at_through_one_input():
    theirs = networks.siamese()
    with pytest.raises(ValueError, match="2 inputs, left, right: say with input_name="):
        use(theirs)
    with pytest.raises(ValueError, match="also takes right: say with held="):
        use(theirs, input_name="left")
    with pytest.raises(ValueError, match=r"input right takes \(24, 24, 3\)"):
        use(theirs, input_name="left", held={"right": PICTURES[0]})
    pictures = RANDOM.random((2, 24, 24, 3), dtype=np.float32)
    other = RANDOM.random((24, 24, 3), dtype=np.float32)
    model = use(theirs, input_name="left", held={"right": other})
    expected = np.asarray(theirs([pictures, np.stack([other] * 2)]))[:, 0]
    np.testing.assert_allclose(said(model, pictures)[:, 1], expected, atol=1e-6)

    conv = theirs.get_layer("tower").get_layer("conv")
    read, _ = Reader(model, ["tower#0/conv", "tower#1/conv"])(pictures)
    np.testing.assert_allclose(read["tower#0/conv"], conv(pictures), atol=1e-6)
    np.testing.assert_allclose(read["tower#1/conv"], conv(np.stack([other] * 2)), atol=1e-6)


@pytest.mark.parametrize("struct", [list, dict], ids=["list", "dict"])
def test_one_of_several_outputs(inputs, struct):
    x = averaged(inputs)
    heads = [L.Dense(2, name="age")(x), L.Dense(3, activation="softmax", name="kind")(x)]
    outputs = heads if struct is list else dict(zip(("age", "kind"), heads, strict=True))
    theirs = keras.Model(inputs, outputs)
    with pytest.raises(ValueError, match="2 outputs, age, kind: say with output_name="):
        use(theirs)
    model = use(theirs, output_name="kind")
    expected = theirs(PICTURES)[1 if struct is list else "kind"]
    np.testing.assert_allclose(said(model), expected, atol=1e-6)


class Programmed(keras.Model):
    """Layers that only its own program puts together; one of them is called twice."""

    def __init__(self):
        super().__init__(name="programmed")
        self.conv = L.Conv2D(4, 3, padding="same", name="conv")
        self.again = L.Conv2D(4, 3, padding="same", name="again")
        self.unused = L.Dense(2, name="unused")
        self.dense = L.Dense(5, activation="softmax", name="dense")

    def call(self, x):
        return self.dense(keras.ops.mean(self.again(self.again(self.conv(x))), axis=(1, 2)))


def test_what_can_be_done_with_a_programmed_model():
    theirs = Programmed()
    with pytest.raises(ValueError, match="does not say which pictures it takes: say shape="):
        use(theirs)
    model = use(theirs, shape=(12, 10, 3), head="softmax")
    np.testing.assert_allclose(said(model), theirs(PICTURES), atol=1e-6)
    read, output = Reader(model, ["conv"], output=True)(PICTURES)
    np.testing.assert_allclose(read["conv"], theirs.conv(PICTURES), atol=1e-6)
    np.testing.assert_allclose(softmax(output, axis=1), theirs(PICTURES), atol=1e-6)
    for path, why in (("again", "called 2 times"), ("unused", "was not reached")):
        with pytest.raises(ValueError, match=why):
            Reader(model, [path])(PICTURES)
    with pytest.raises(ValueError, match=r"lies inside a layer that is programmed"):
        graph.way(model, "conv")
    assert "call" not in vars(theirs.conv), "what was listened in on is left as it was"


class Drawn(keras.Model):
    """Draws at random whenever it is called."""

    def call(self, x):
        return keras.ops.softmax(ops.mean(x, axis=(1, 2)) + keras.random.normal((3,)))


def test_a_network_saved_from_here_is_used_again(inputs, tmp_path):
    """Its layers have the names of those that are added."""
    first = use(keras.Model(inputs, L.Dense(1, activation="sigmoid")(averaged(inputs))), pictures="0..255")
    first.save(tmp_path / "again.keras")
    again = use(keras.saving.load_model(tmp_path / "again.keras"), pictures="[0,1]")
    np.testing.assert_allclose(again(PICTURES), first(PICTURES), atol=1e-6)
    assert description.of(again).output == "logits"


def test_one_number_a_picture_is_one_column(inputs):
    theirs = keras.Model(inputs, ops.squeeze(L.Dense(1, activation="sigmoid")(averaged(inputs)), -1))
    model = use(theirs, pictures="[0,1]")
    np.testing.assert_allclose(said(model)[:, 1], theirs(PICTURES), atol=1e-6)


REFUSED = {
    "no pictures": (lambda: keras.Model(a := keras.Input((7,)), L.Dense(2)(a)), {}, "no pictures"),
    "channels first": (
        lambda: keras.Model(
            a := keras.Input((3, 9, 8)), L.Flatten()(L.Conv2D(2, 3, data_format="channels_first")(a))
        ),
        {},
        "channels first",
    ),
    "channels first, turned by a layer": (
        lambda: keras.Model(a := keras.Input((3, 24, 32)), L.Conv2D(2, 3)(L.Permute((2, 3, 1))(a))),
        {"pictures": "[0,1]"},
        "channels first",
    ),
    "too large": (
        lambda: keras.Model(a := keras.Input((10**5, 10**5, 3)), L.ReLU()(a)),
        {"pictures": "[0,1]"},
        "too large",
    ),
    "no numbers": (
        lambda: keras.Model(a := keras.Input((8, 8, 3)), L.Dense(2)(averaged(ops.log(a - 2)))),
        {"pictures": "[0,1]"},
        "not finite, for a picture of noise",
    ),
    "no probabilities": (
        lambda: keras.Model(a := keras.Input((8, 8, 3)), L.Dense(4, activation="tanh")(averaged(a))),
        {"pictures": "[0,1]", "head": "sigmoid"},
        "which are no probabilities",
    ),
    "a sum of two": (
        lambda: keras.Model(a := keras.Input((8, 8, 3)), 2 * L.Dense(4, activation="softmax")(averaged(a))),
        {"pictures": "[0,1]", "head": "softmax"},
        "no probabilities|sum is 2, not 1",
    ),
    "a sum of one": (
        lambda: keras.Model(a := keras.Input((8, 8, 3)), 1 * L.Dense(4, activation="softmax")(averaged(a))),
        {"pictures": "[0,1]", "head": "logits"},
        "returns probabilities, whose sum is 1",
    ),
    "another answer each time": (
        lambda: Drawn(),
        {"shape": (8, 8, 3), "pictures": "[0,1]", "head": "softmax"},
        "draws at random",
    ),
    "open channels": (lambda: keras.Model(a := keras.Input((8, 8, None)), L.ReLU()(a)), {}, "say shape="),
    "another shape": (
        networks.grey,
        {"shape": (9, 9, 1)},
        r"takes pictures of \(28, 28, 1\), not of \(9, 9, 1\)",
    ),
    "colours of a grey network": (networks.grey, {"pictures": "torch"}, "is for three colours"),
    "an unknown range": (networks.grey, {"pictures": "255"}, "pictures must be one of"),
    "an unknown head": (networks.grey, {"head": "soft"}, "head must be one of"),
    "another head": (networks.grey, {"head": "sigmoid"}, "last activation is softmax"),
    "too few names": (networks.grey, {"classes": ["one"]}, "has 10 classes; 1 names were given"),
    "no model": (lambda: "model.keras", {}, "takes a model of Keras"),
}


@pytest.mark.parametrize(("build", "options", "why"), REFUSED.values(), ids=REFUSED)
def test_refused_in_one_line(build, options, why):
    with pytest.raises(ValueError, match=why) as caught:
        use(build(), **options)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_refused():
    theirs = networks.grey()
    kernel = theirs.layers[0].kernel
    kernel.assign(np.where(np.arange(kernel.shape[-1]) == 3, np.nan, kernel))
    with pytest.raises(ValueError, match="kernel have values that are not finite"):
        use(theirs)


def test_what_keras_says_becomes_one_line_without_colours():
    said = "\x1b[1mwrong\x1b[0m\nconfig={…}\n\nException encountered: \x1b[31mthe\x1b[0m reason\n here"
    assert one_line(ValueError(said)) == "the reason here"
    assert one_line(ValueError("")) == "ValueError"
    assert len(one_line(ValueError("x" * 999))) == 300


@pytest.mark.parametrize("name", ["transfer", "grey", "siamese", "transformer", "MobileNetV2"])
def test_a_network_of_every_kind_can_be_looked_into(name):
    row = networks.looked_into(name)
    assert row.climbed > 0, "the class's logit rises"
    assert row.hidden.size
    assert ((row.hidden >= 0) & (row.hidden <= 1)).all()
    assert row.off < 1e-5, "its own probabilities"


@pytest.mark.parametrize("nested", [False, True])
def test_training_the_network_further_is_seen(nested):
    """Also through the last layer, whose activation is taken off."""
    head = keras.Sequential([keras.Input((2,)), L.Dense(3, activation="softmax")]) if nested else None
    last = head or L.Dense(3, activation="softmax")
    model = keras.Sequential([keras.Input((4, 4, 3)), L.Conv2D(2, 3), L.GlobalAveragePooling2D(), last])
    used = tfviz.use(model, pictures="[0,1]")
    pictures = np.random.default_rng(0).random((2, 4, 4, 3)).astype(np.float32)
    model.set_weights(
        [weight + 0.5 * np.arange(weight.size).reshape(weight.shape) for weight in model.get_weights()]
    )
    logits = ops.convert_to_numpy(used(pictures))
    np.testing.assert_allclose(softmax(logits, axis=-1), ops.convert_to_numpy(model(pictures)), rtol=1e-4)
    assert {id(variable) for variable in used.weights} == {id(variable) for variable in model.weights}


@pytest.mark.parametrize("shape", [8, (8.0, 8, 3), (0, 8, 3), (-1, 8, 3), ("8", "8", 3)])
def test_a_shape_that_makes_no_sense_is_said_in_one_line(shape):
    network = keras.Sequential([keras.Input((None, None, 3)), L.Conv2D(2, 5)])
    with pytest.raises(ValueError, match=r"^shape must be \(rows, columns, channels\)[^\n]*$"):
        tfviz.use(network, pictures="[0,1]", shape=shape)


def test_a_shape_that_is_too_small_is_said_in_one_line():
    network = keras.Sequential([keras.Input((None, None, 3), name="pictures"), L.Conv2D(2, 5)])
    with pytest.raises(ValueError, match=r"^.* cannot be called on pictures of \(2, 8, 3\): [^\n]*$"):
        tfviz.use(network, pictures="[0,1]", shape=(2, 8, 3))
