from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from tests.atlas.tiny import SIDE, network
from tfviz.atlas.drawing import Drawer, Layer
from tfviz.atlas.network import drawable
from tfviz.atlas.recipes import QUICK, RECIPES
from tfviz.method.window import Ways
from tfviz.models.own import before_activation, use

STILL = replace(RECIPES["fourier"], shift=0.0, scale=0.0, degrees=0.0, steps=200)


@pytest.fixture(scope="module")
def model():
    return use(network(), name="tiny")


@pytest.mark.parametrize("path", ["c1", "a", "c2", "head"])
def test_units_in_the_middle_make_of_what_they_see_what_the_whole_network_makes(model, path):
    layer = Layer(model, path)
    picture = np.random.default_rng(0).random((2, *SIDE, 3), np.float32)
    every = ops.convert_to_numpy(before_activation(model, path)(picture))
    expected = every[:, every.shape[1] // 2, every.shape[2] // 2] if every.ndim == 4 else every
    (top, left), (rows, columns) = layer.corner, layer.seen
    seen = picture[:, top : top + rows, left : left + columns]
    np.testing.assert_allclose(layer.activations(seen), expected, rtol=1e-4, atol=1e-5)
    assert layer.channels == expected.shape[-1]


def test_what_is_seen_is_the_receptive_field(model):
    assert [Layer(model, path).seen for path in ("c1", "a", "c2", "head")] == [(5, 5), (9, 9), (19, 19), SIDE]


def test_where_only_the_whole_network_can_be_computed_the_field_alone_is_drawn(model, monkeypatch):
    """A layer of the user's own kind: no part of the network can be computed for itself, the fields are known."""
    parts = {path: Layer(model, path) for path in ("c1", "a", "c2", "head")}
    monkeypatch.setattr(Ways, "window", lambda *_: None)
    random = np.random.default_rng(0)
    for path, part in parts.items():
        whole = Layer(model, path)
        assert (whole.corner, whole.seen, whole.field) == (part.corner, part.seen, part.field)
        seen = random.random((2, *part.seen, 3), np.float32)
        np.testing.assert_allclose(whole.activations(seen), part.activations(seen), rtol=1e-4, atol=1e-5)
    drawn = Drawer(Layer(model, "c1"), STILL, 4)([0, 1, 2, 3], 0, 0)
    np.testing.assert_allclose(drawn, Drawer(parts["c1"], STILL, 4)([0, 1, 2, 3], 0, 0), atol=0.02)


def test_units_of_a_transposed_convolution_are_those_of_the_whole_network():
    keras.utils.set_random_seed(2)
    x = keras.Input((*SIDE, 3))
    down = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="down")(x)
    up = keras.layers.Conv2DTranspose(5, 3, strides=2, padding="same", activation="relu", name="up")(down)
    made = use(keras.Model(x, up), pictures="[0,1]")
    assert list(drawable(made)) == ["down", "up"]
    layer = Layer(made, "up")
    assert layer.seen == SIDE
    picture = np.random.default_rng(0).random((2, *SIDE, 3), np.float32)
    middle = np.asarray(made(picture))[:, SIDE[0] // 2, SIDE[1] // 2]
    assert middle.any()
    np.testing.assert_allclose(np.maximum(layer.activations(picture), 0), middle, rtol=1e-4, atol=1e-5)


def test_what_units_of_the_resnet_see():
    """3 x 3 convolutions, one of them pooled by 2: 3, 3 + 2, 5 + 1 + 2 * 2 and so on, of 32 x 32."""
    from tfviz.models import cifar

    resnet = cifar.load("cifar_resnet", cifar.BUNDLED["cifar_resnet"])
    fields = {"stem": 3, "stem2": 5, "stage1_block1_conv1": 10, "stage1_block1_conv2": 14}
    for path, size in fields.items():
        assert Layer(resnet, path).seen == Layer(resnet, path).field == (size, size)


def test_bound_of_an_affine_unit_is_reached_by_its_closed_form(model):
    """The unit is b + sum k (2 x - 1): the bound is b + sum |k|, reached where x is 1 under a positive k."""
    layer = Layer(model, "c1")
    kernel, bias = (np.asarray(each, np.float64) for each in model.get_layer("c1").get_weights())
    expected = bias + np.abs(kernel).sum(axis=(0, 1, 2))
    assert layer.bounds(range(4)) == pytest.approx(expected, rel=1e-5)
    best = np.moveaxis(kernel > 0, -1, 0).astype(np.float32)
    assert layer.activations(best).diagonal() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("path", ["a", "c2", "head"])
def test_other_units_have_no_closed_form(model, path):
    assert Layer(model, path).bounds([0]) is None


def test_a_unit_behind_a_convolution_with_a_relu_of_its_own_has_no_closed_form():
    x = keras.Input((16, 14, 3))
    first = keras.layers.Conv2D(2, 3, activation="relu", name="first")
    made = keras.Model(x, keras.layers.Conv2D(2, 3, name="second")(first(x)))
    used = use(made, pictures="[0,1]")
    assert Layer(used, "second").bounds([0]) is None
    assert Layer(used, "first").bounds([0]) is not None


def test_drawings_come_near_the_bound(model):
    layer = Layer(model, "c1")
    drawn = Drawer(layer, STILL, 4)([0, 1, 2, 3], 0, 0)
    assert drawn.shape == (4, 5, 5, 3)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    reached = layer.activations(drawn).diagonal()
    bounds = layer.bounds(range(4))
    assert (reached < bounds).all()
    assert (reached > 0.75 * bounds).all()


@pytest.mark.parametrize("kind", list(RECIPES))
def test_each_unit_is_drawn_for_itself(model, kind):
    layer = Layer(model, "c2")
    drawn = Drawer(layer, QUICK[kind], 4)([0, 1, 2, 4], 0, 0)
    values = layer.activations(drawn)[:, [0, 1, 2, 4]]
    assert (values.argmax(axis=0) == np.arange(4)).all()
    grey = layer.activations(np.full((1, *layer.seen, 3), 0.5, np.float32))[0, [0, 1, 2, 4]]
    assert (values.diagonal() > grey).all()


def test_drawing_does_not_depend_on_the_others_of_its_batch(model):
    layer = Layer(model, "c2")
    short = replace(QUICK["fourier"], steps=8)
    one = Drawer(layer, short, 4)([3, 1, 0, 2], 0, 5)
    other = Drawer(layer, short, 2)([4, 3], 0, 5)
    np.testing.assert_allclose(one[0], other[1], atol=1e-4)
    again = Drawer(layer, short, 2)([4, 3], 0, 6)
    assert np.abs(other - again).max() > 1e-3


@pytest.mark.parametrize("kind", list(RECIPES))
def test_grey_networks_are_drawn_in_grey(kind):
    x = keras.Input((16, 14, 1))
    grey = use(
        keras.Model(x, keras.layers.Conv2D(3, 5, name="c")(keras.layers.Rescaling(1.0)(x))), pictures="[0,1]"
    )
    layer = Layer(grey, "c")
    drawn = Drawer(layer, QUICK[kind], 2)([0, 2], 0, 0)
    assert drawn.shape == (2, 5, 5, 1)
    reached = layer.activations(drawn)[[0, 1], [0, 2]]
    assert (reached > layer.activations(np.full((1, 5, 5, 1), 0.5))[0, [0, 2]]).all()
    assert (reached < layer.bounds([0, 2])).all()


def test_a_unit_that_grey_does_not_excite_is_drawn_all_the_same():
    """Behind a ReLU that lets through only what is brighter than 0.6: from grey no gradient leads anywhere."""
    x = keras.Input((12, 12, 3))
    y = keras.layers.Conv2D(1, 3, activation="relu", name="gate")(keras.layers.Rescaling(1.0)(x))
    built = keras.Model(x, keras.layers.Conv2D(1, 3, name="c")(y))
    built.get_layer("gate").set_weights([np.full((3, 3, 3, 1), 1 / 27), np.array([-0.6])])
    built.get_layer("c").set_weights([np.full((3, 3, 1, 1), 1 / 9), np.zeros(1)])
    layer = Layer(use(built, pictures="[0,1]"), "c")
    assert layer.activations(np.full((1, 5, 5, 3), 0.5))[0, 0] == 0
    drawn = Drawer(layer, QUICK["fourier"], 1)([0], 0, 0)
    assert 0.3 < layer.activations(drawn)[0, 0] <= 0.4 + 1e-6  # white gives 1 - 0.6


@pytest.mark.parametrize("orders", [-80, 70])
def test_a_drawing_is_the_same_in_whatever_scale_its_unit_is(orders):
    """Also where no float32 holds the squares of its gradients."""
    x = keras.Input((12, 12, 3))
    y = keras.layers.Conv2D(3, 3, activation="relu")(keras.layers.Rescaling(2.0, -1.0)(x))
    built = use(keras.Model(x, keras.layers.Conv2D(2, 3, name="c", use_bias=False)(y)))
    short = replace(QUICK["fourier"], steps=6)
    drawn = Drawer(Layer(built, "c"), short, 2)([0, 1], 0, 0)
    kernel = built.get_layer("c").kernel
    kernel.assign(kernel * 2.0**orders)
    np.testing.assert_array_equal(Drawer(Layer(built, "c"), short, 2)([0, 1], 0, 0), drawn)


def test_starts_of_their_own_lead_to_pictures_that_differ(model):
    layer = Layer(model, "c2")
    drawer = Drawer(layer, replace(RECIPES["fourier"], steps=20), 2)
    grey, again, coloured = (drawer([0, 1], number, seed) for number, seed in ((0, 0), (0, 1), (1, 0)))
    apart = [np.abs(each - grey).mean() for each in (again, coloured)]
    assert apart[1] > 1.2 * apart[0] > 0
