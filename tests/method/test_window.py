import keras
import numpy as np
import pytest
from keras import layers, ops

from tfviz import backend
from tfviz.measures.random_networks import random_network
from tfviz.method import ascent, loops
from tfviz.method.ascent import ascend
from tfviz.method.objectives import channel, logit, neuron
from tfviz.method.priors import l2, total_variation
from tfviz.method.probe import Probe
from tfviz.method.transforms import affine
from tfviz.method.window import MIDDLE, Ways
from tfviz.models import caffe_alexnet

NETWORKS = 30


def both_ways(model, goal, places, pictures):
    """Score and gradient from the window and from the whole network; None: there is no window."""
    window = Ways(model).window(places, pictures.shape[1:3])
    if window is None:
        return None
    found = []
    for probe in (Probe(model, goal, window), Probe(model, goal)):
        scores, _, gradient = backend.current().gradient_function(probe, probe.variables)(pictures)
        found.append((scores, gradient))
    return found


def test_units_of_random_networks_are_those_of_the_whole_network():
    """Also at the border, where windows reach into padding."""
    random = np.random.default_rng(17)
    compared = 0
    while compared < NETWORKS:
        try:
            model = random_network(random)
        except ValueError:
            continue
        rows, columns = model.output.shape[1:3]
        # One in three in a corner, one along an edge, one anywhere.
        at = (int(random.integers(rows)), int(random.integers(columns)))
        at = {0: (0, columns - 1), 1: (rows - 1, at[1])}.get(compared % 3, at)
        pictures = random.normal(size=(2, *model.input_shape[1:])).astype(np.float32)
        goal = neuron("last", [0, model.output.shape[-1] - 1], at=at)
        found = both_ways(model, goal, {"last": [at]}, pictures)
        if found is None:
            continue
        compared += 1
        (scores, gradient), (whole_scores, whole_gradient) = found
        np.testing.assert_allclose(scores, whole_scores, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(gradient, whole_gradient, rtol=1e-5, atol=1e-5 * np.abs(gradient).max())


def network(*, activation="relu", before=None):
    picture = keras.Input((40, 30, 3))
    x = picture if before is None else before(picture)
    x = layers.Conv2D(4, 5, strides=2, padding="same", name="conv1")(x)
    x = layers.BatchNormalization(name="norm")(layers.Activation(activation)(x))
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = layers.Conv2D(5, 3, padding="same", name="conv2")(x)
    model = keras.Model(picture, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    random = np.random.default_rng(1)
    model.set_weights([random.normal(size=weight.shape) ** 2 + 0.1 for weight in model.get_weights()])
    return model


@pytest.fixture
def windows(monkeypatch):
    """The windows that ascents used, None for the whole network."""
    found = []
    plain = loops._compile
    monkeypatch.setattr(loops, "_compile", lambda *a: (found.append(a[-1]), plain(*a))[1])
    return found


@pytest.fixture
def start():
    return np.random.default_rng(0).random((2, 40, 30, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "goal",
    [
        neuron("conv2", 1) - 0.1 * l2(),
        neuron("conv2", 3, at=(0, 0)) - 0.01 * total_variation(),
        neuron("conv2", [0, 4], at=[(9, 7), (8, 7)]),
        neuron("conv1", 2, at=(10, 8)) - 0.5 * neuron("conv2", 1, at=(4, 3)),
        neuron("norm", 0) + neuron("norm", 0, at=(9, 9)) - 0.01 * l2(),
    ],
)
def test_an_ascent_on_units_is_that_of_the_whole_network(goal, start, windows, monkeypatch):
    options = {"steps": 7, "rate": 0.02, "keep": (3,)}
    trace = ascend(network(), goal, start, **options)
    assert windows[0] is not None
    monkeypatch.setattr(loops, "_window", lambda *_: None)
    whole = ascend(network(), goal, start, **options)
    assert windows[1] is None
    np.testing.assert_allclose(trace.picture, whole.picture, atol=1e-5)
    np.testing.assert_allclose(trace.snapshots[3], whole.snapshots[3], atol=1e-5)
    np.testing.assert_allclose(trace.scores, whole.scores, rtol=1e-5)
    for name, values in trace.terms.items():
        np.testing.assert_allclose(values, whole.terms[name], rtol=1e-5)


def test_only_what_the_unit_sees_is_read(start):
    """What would be NaN elsewhere never comes in; the window is that of the receptive field."""
    window = Ways(network()).window({"conv1": [(10, 8)]}, (40, 30))
    assert (window.corner, window.size) == ((19, 15), (5, 5))
    corner = Ways(network()).window({"conv1": [(0, 0)]}, (40, 30))
    assert (corner.corner, corner.size) == ((0, 0), (4, 4))
    middle = Ways(network()).window({"conv1": [MIDDLE]}, (40, 30))
    assert middle.corner == (19, 13)
    pictures = np.full_like(start, np.nan)
    pictures[:, 19:24, 15:20] = start[:, 19:24, 15:20]
    assert np.isfinite(
        Probe(network(), neuron("conv1", 0, at=(10, 8)), window)(ops.convert_to_tensor(pictures))[0]
    ).all()


@pytest.mark.parametrize("pool", [layers.AveragePooling2D, layers.MaxPooling2D])
@pytest.mark.parametrize(("at", "inside"), [((0, 0), False), ((18, 13), False), ((9, 6), True)])
def test_a_pool_at_the_border_is_that_of_what_is_there(pool, at, inside, start):
    """Of the padding an average counts nothing, and a maximum of negative values is not 0."""
    picture = keras.Input((40, 30, 3))
    maps = layers.Conv2D(2, 3, bias_initializer=keras.initializers.Constant(-9.0))(picture)
    model = keras.Model(picture, pool(4, 2, padding="same", name="pool")(maps))
    found = both_ways(model, neuron("pool", 1, at=at), {"pool": [at]}, start)
    if pool is layers.AveragePooling2D and not inside:
        assert found is None  # so many are averaged as lie in the map: the whole map is computed
        return
    (scores, gradient), (whole_scores, whole_gradient) = found
    np.testing.assert_allclose(scores, whole_scores, rtol=1e-5)
    np.testing.assert_allclose(gradient, whole_gradient, rtol=1e-5, atol=1e-6)


def test_windows_of_one_kind_differ_in_their_corner():
    picture = keras.Input((40, 30, 3))
    model = keras.Model(picture, layers.Conv2D(2, 3, padding="same", name="conv")(picture))
    top, bottom = (Ways(model).window({"conv": [(row, 9)]}, (40, 30)) for row in (0, 39))
    assert top.size == bottom.size == (2, 3)
    assert top.kind != bottom.kind  # of one the padding is above, of the other below
    ways = Ways(network())
    kinds = [ways.window({"conv2": [at]}, (40, 30)).kind for at in ((3, 3), (6, 4), (0, 3), (0, 4))]
    assert kinds[0] == kinds[1] != kinds[2] == kinds[3]


@pytest.mark.parametrize(
    ("model", "goal", "options"),
    [
        (network(), channel("conv2", 1), {}),
        (network(), neuron("conv2", 1) + logit(0), {}),
        (network(), neuron("conv2", 1), {"transforms": (affine(shift=1),)}),
        (network(), neuron("dense", 1), {}),
        (network(activation=lambda x: x - ops.mean(x, axis=(1, 2), keepdims=True)), neuron("conv2", 1), {}),
        (network(before=layers.PReLU()), neuron("conv2", 1), {}),
        (network(before=lambda x: layers.BatchNormalization()(x, training=True)), neuron("conv2", 1), {}),
        (network(before=layers.BatchNormalization(axis=1)), neuron("conv2", 1), {}),
        (network(before=lambda x: x * np.linspace(0, 1, 40).reshape(1, 40, 1, 1)), neuron("conv2", 1), {}),
        (network(before=layers.LayerNormalization(axis=(1, 2, 3))), neuron("conv2", 1), {}),
        (network(before=layers.Conv2D(3, 65, padding="same")), neuron("conv1", 1), {}),
    ],
)
def test_the_whole_network_is_computed_where_it_must_be(model, goal, options, start, windows):
    if goal.layers == ("dense",):
        goal = neuron(model.layers[-1].name, 1)
    ascend(model, goal, start, steps=1, rate=0.01, **options)
    assert windows == [None]


def test_groups_and_normalisation_across_channels():
    """The network of 2012, whose own layers are no Keras layers."""
    keras.utils.set_random_seed(0)
    model = caffe_alexnet.build(normalize=False)
    pictures = np.random.default_rng(2).normal(0, 50, (1, 227, 227, 3)).astype(np.float32)
    goal = neuron("conv4", 200, at=(0, 6)) + neuron("conv2", 3, at=(1, 1))
    places = {"conv4": [(0, 6)], "conv2": [(1, 1)]}
    (scores, gradient), (whole_scores, whole_gradient) = both_ways(model, goal, places, pictures)
    np.testing.assert_allclose(scores, whole_scores, rtol=1e-5)
    np.testing.assert_allclose(gradient, whole_gradient, rtol=1e-4, atol=1e-5 * np.abs(gradient).max())


def test_the_trace_says_the_rate_was_too_large_as_ever(start):
    with pytest.raises(ascent.AscentDivergedError, match="step 1"):
        ascend(network(), neuron("conv2", 0), start, steps=3, rate=1e38, clip=None)
