from contextlib import nullcontext

import keras
import numpy as np
import pytest
from keras import layers

from tfviz import backend
from tfviz.measures.random_networks import random_network
from tfviz.method import loops, shortcuts
from tfviz.method.ascent import ascend
from tfviz.method.objectives import channel, log_probability, logit, neuron
from tfviz.method.probe import Probe, value_and_gradient
from tfviz.method.shortcuts import Shortcuts
from tfviz.models.layers import GroupedConv2D, LocalResponseNormalization

pytestmark = pytest.mark.skipif(
    backend.current().operations() is None, reason="there are shortcuts for TensorFlow on processors alone"
)

NETWORKS = 30


def network(*, head=(), relu=None, size=1400, strides=3, padding="valid"):
    """conv (with a stride) -> ReLU -> pool -> flatten -> fc6 -> ReLU -> fc7: both dense layers large."""
    picture = keras.Input((47, 45, 3))
    x = layers.Conv2D(16, (7, 5), strides=strides, padding=padding, name="conv")(picture)
    x = (relu or layers.ReLU())(x)
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Flatten()(x)
    for layer in head:
        x = layer(x)
    x = layers.Dense(size, activation="relu", name="fc6")(x)
    model = keras.Model(picture, layers.Dense(1000, name="fc7")(x))
    random = np.random.default_rng(0)
    model.set_weights([0.1 * random.normal(size=weight.shape) - 0.02 for weight in model.get_weights()])
    return model


def names(model):
    return {layer.name for layer, _, _ in Shortcuts(model)._layers}


@pytest.fixture
def pictures():
    return np.random.default_rng(1).random((2, 47, 45, 3)).astype(np.float32)


def gradients(model, goal, pictures):
    """With shortcuts and without."""
    probe, faster = Probe(model, goal), Shortcuts(model)

    def shorter(x):
        with faster.taken():
            return probe(x)

    return [
        backend.current().gradient_function(score, probe.variables)(pictures) for score in (shorter, probe)
    ]


@pytest.mark.parametrize("count", [1, 2, 7, 9])
@pytest.mark.parametrize(
    "options",
    [
        *(
            {},
            {"padding": "same"},
            {"strides": 2},
            {"strides": 4, "padding": "same"},
            {"relu": layers.ReLU(6)},
        ),
        {"strides": 1},
    ],
)
def test_scores_and_gradients_are_those_of_the_plain_layers(count, options):
    model = network(**options)
    pictures = np.random.default_rng(count).random((count, 47, 45, 3)).astype(np.float32)
    goal = log_probability(3) + 0.1 * neuron("fc6", 5)
    (scores, _, gradient), (plain_scores, _, plain) = gradients(model, goal, pictures)
    np.testing.assert_allclose(scores, plain_scores, rtol=1e-5)
    np.testing.assert_allclose(gradient, plain, rtol=1e-4, atol=1e-6 * np.abs(plain).max())
    assert np.abs(plain).max() > 0


@pytest.mark.parametrize(
    ("layer", "has_one"),
    [
        (layers.Normalization(mean=[0.4, 0.5, 0.6], variance=[0.04, 0.05, 0.06]), True),
        (layers.Normalization(axis=3, mean=0.5, variance=0.0), True),
        (layers.Normalization(axis=None, mean=0.5, variance=0.04), False),
        (layers.Normalization(mean=[0.4, 0.5, 0.6], variance=[4.0, 5.0, 6.0], invert=True), False),
        (layers.Normalization(axis=(2, 3), mean=np.full((45, 3), 0.4), variance=np.ones((45, 3))), False),
    ],
)
def test_a_mean_colour_is_taken_off_as_by_keras(layer, has_one, pictures):
    picture = keras.Input((47, 45, 3))
    model = keras.Model(picture, layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(layer(picture))))
    assert names(model) == ({layer.name} if has_one else set())
    (scores, _, gradient), (plain_scores, _, plain) = gradients(model, logit(1), pictures)
    np.testing.assert_array_equal(scores, plain_scores)
    np.testing.assert_array_equal(gradient, plain)


@pytest.mark.parametrize("count", [1, 3, 9])
@pytest.mark.parametrize("active", [0.0, 0.1, 0.44, 0.46, 1.0])
def test_few_rows_and_many(active, count):
    """Whether rows are gathered is decided while it runs, by how many pictures have something there."""
    from tfviz.backend import tensorflow_operations

    random = np.random.default_rng(2)
    values = random.random((count, 200)).astype(np.float32)
    values[:, int(active * 200) :] = 0
    values[0] *= random.random(200) < (0.5 if count > 1 else 1.0)
    kernel, weights = (
        random.normal(size=(200, 70)).astype(np.float32),
        random.random(count).astype(np.float32),
    )

    def score(x):
        made = tensorflow_operations.product(x, kernel)
        return weights * keras.ops.sum(made**2, axis=1), {}

    scores, _, gradient = backend.current().gradient_function(score, [])(values)
    made = values.astype(np.float64) @ kernel
    np.testing.assert_allclose(scores, weights * (made**2).sum(axis=1), rtol=1e-5)
    seen = (values != 0).any(axis=0) if active < 0.45 else np.ones(200, bool)
    expected = 2 * weights[:, None] * (made @ kernel.T) * seen
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"size": 3, "k": 2.0, "alpha": 0.3, "beta": 0.6}, {"size": 9}])
def test_a_normalisation_across_channels(options):
    """The largest values make the denominator twice the bias and more."""
    layer = LocalResponseNormalization(**options)
    picture = keras.Input((6, 5, 7))
    model = keras.Model(picture, layers.Dense(3, name="last")(layer(picture)))
    assert names(model) == {layer.name}
    pictures = np.random.default_rng(5).normal(0, 60, (2, 6, 5, 7)).astype(np.float32)
    (scores, _, gradient), (plain_scores, _, plain) = gradients(model, neuron("last", 1), pictures)
    np.testing.assert_allclose(scores, plain_scores, rtol=1e-5)
    np.testing.assert_allclose(gradient, plain, rtol=0, atol=1e-6 * np.abs(plain).max())
    squares = np.pad(pictures[:, 3, 2].astype(np.float64) ** 2, ((0, 0), (layer.size // 2, layer.size)))
    total = np.stack([squares[:, at : at + layer.size].sum(axis=1) for at in range(7)], axis=1)
    by_hand = pictures[:, 3, 2] / (layer.k + layer.alpha / layer.size * total) ** layer.beta
    kernel, bias = model.get_layer("last").get_weights()
    np.testing.assert_allclose(scores, by_hand @ kernel[:, 1] + bias[1], rtol=1e-5)


def test_random_networks_have_the_gradients_of_the_plain_ones(monkeypatch):
    monkeypatch.setattr(shortcuts, "_LARGE_KERNEL", 1)
    random = np.random.default_rng(23)
    compared = 0
    while compared < NETWORKS:
        try:
            model = random_network(random)
        except ValueError:
            continue
        if not names(model):
            continue
        compared += 1
        count = int(random.integers(1, 4))
        pictures = random.normal(size=(count, *model.input_shape[1:])).astype(np.float32)
        goal = neuron("last", model.output.shape[-1] - 1) + 0.1 * channel("last", 0)
        (scores, _, gradient), (plain_scores, _, plain) = gradients(model, goal, pictures)
        np.testing.assert_allclose(scores, plain_scores, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(gradient, plain, rtol=0, atol=1e-6 * np.abs(plain).max())


@pytest.mark.parametrize("grouped", [GroupedConv2D(6, (3, 5), 2), layers.Conv2D(6, (3, 5), groups=3)])
def test_a_convolution_in_groups(grouped, monkeypatch):
    picture = keras.Input((12, 13, 6))
    maps = grouped(picture)
    model = keras.Model(picture, layers.Dense(7)(layers.GlobalMaxPooling2D()(maps)))
    assert names(model) == set()
    monkeypatch.setattr(shortcuts, "_LARGE_KERNEL", 1)
    assert names(model) == {grouped.name}
    pictures = np.random.default_rng(4).normal(size=(2, 12, 13, 6)).astype(np.float32)
    (scores, _, gradient), (plain_scores, _, plain) = gradients(model, logit([1, 5]), pictures)
    np.testing.assert_allclose(scores, plain_scores, rtol=1e-5)
    np.testing.assert_allclose(gradient, plain, rtol=0, atol=1e-6 * np.abs(plain).max())
    assert np.abs(plain).max() > 0


def test_a_gradient_by_itself_takes_them_too(pictures, monkeypatch):
    model, goal = network(), log_probability(3)
    _, (plain_scores, _, plain) = gradients(model, goal, pictures)
    products = []
    operations = backend.current().operations()
    own = operations.product
    monkeypatch.setattr(operations, "product", lambda *given: products.append(own(*given)) or products[-1])
    scores, _, gradient = value_and_gradient(model, goal, pictures)
    assert len(products) == 2
    np.testing.assert_allclose(scores, plain_scores, rtol=1e-5)
    np.testing.assert_allclose(gradient, plain, rtol=1e-4, atol=1e-6 * np.abs(plain).max())


def test_an_ascent_with_shortcuts_is_the_plain_one(pictures, monkeypatch):
    options = {"steps": 5, "rate": 0.05}
    trace = ascend(network(), logit([3, 8]), pictures, **options)
    monkeypatch.setattr(Shortcuts, "taken", lambda self: nullcontext())
    plain = ascend(network(), logit([3, 8]), pictures, **options)
    np.testing.assert_allclose(trace.picture, plain.picture, atol=1e-4)
    np.testing.assert_allclose(trace.scores, plain.scores, rtol=1e-4)


def test_a_layer_has_a_shortcut_where_a_relu_stops_the_gradient_and_nowhere_else():
    assert names(network()) == {"conv", "fc6", "fc7"}
    assert names(network(head=[layers.Dropout(0.5)])) == {"conv", "fc6", "fc7"}
    assert names(network(head=[layers.BatchNormalization()])) == {"conv", "fc7"}
    assert names(network(relu=layers.LeakyReLU())) == {"conv", "fc7"}
    assert names(network(relu=layers.ReLU(negative_slope=0.1))) == {"conv", "fc7"}
    assert names(network(relu=layers.ReLU(threshold=0.5))) == {"conv", "fc7"}
    assert names(network(size=20)) == {"conv"}
    assert names(network(strides=(2, 1))) == {"fc6", "fc7"}
    assert names(network(strides=1)) == {"fc6", "fc7"}  # a small kernel
    assert names(network(strides=6)) == {"fc7"}  # the kernel has five columns; fc6 is small now


def test_layers_are_as_they_were_afterwards(pictures):
    model = network()
    before = [dict(vars(layer)) for layer in model.layers]
    with pytest.raises(RuntimeError), Shortcuts(model).taken():
        raise RuntimeError
    assert [vars(layer).keys() for layer in model.layers] == [each.keys() for each in before]
    known = loops.kept(model)
    ascend(model, logit(1), pictures, steps=1, rate=0.1)
    assert loops.kept(model) is known


def test_programmed_models_have_none(pictures):
    class Programmed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1000)

        def call(self, x):
            return self.dense(keras.ops.reshape(x, (x.shape[0], -1)))

    model = Programmed()
    model(pictures)
    assert names(model) == set()
