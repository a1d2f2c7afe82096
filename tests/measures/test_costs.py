"""Formulas against convolutions that count their products while they run, and against Keras."""

import keras
import numpy as np
import pytest
from keras import layers

from tfviz.measures.costs import Cost, counted_convolution, layer_costs
from tfviz.models import caffe_alexnet
from tfviz.models.layers import GroupedConv2D


def model_of(*steps, shape=(13, 11, 4)):
    x = picture = keras.Input(shape)
    for step in steps:
        x = step(x)
    return keras.Model(picture, x)


def filled(model):
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


CONVOLUTIONS = {
    "plain": (layers.Conv2D(3, (3, 2)), {}),
    "stride": (layers.Conv2D(3, 3, strides=(2, 3)), {"strides": (2, 3)}),
    "dilated": (layers.Conv2D(2, (3, 2), dilation_rate=(2, 3)), {"dilation": (2, 3)}),
    "groups": (layers.Conv2D(6, 3, groups=2), {"groups": 2}),
    "depthwise": (layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2), {"strides": (2, 2), "groups": 4}),
    "same": (layers.Conv2D(2, 3, padding="same"), {}),
    "grouped layer": (GroupedConv2D(6, (3, 3), groups=2), {"groups": 2}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_multiplications_are_those_counted_while_running(name):
    layer, geometry = CONVOLUTIONS[name]
    model = filled(model_of(layer))
    picture = np.random.default_rng(1).normal(size=(13, 11, 4))
    kernel, bias = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    kernel = (
        kernel.reshape(*kernel.shape[:2], kernel.shape[2] // geometry.get("groups", 1), -1)
        if (name == "depthwise")
        else kernel
    )
    padded = np.pad(picture, ((1, 1), (1, 1), (0, 0))) if layer.padding == "same" else picture
    output, products = counted_convolution(padded, kernel, **geometry)
    np.testing.assert_allclose(output + bias, model.predict_on_batch(picture[None])[0], rtol=1e-4, atol=1e-4)
    (cost,) = (cost for cost in layer_costs(model) if cost.weights)
    assert cost.multiplications == products
    assert (cost.weights, cost.biases) == (kernel.size, bias.size)


@pytest.mark.parametrize(
    ("kernels", "closed_form"),
    [
        ((7,), lambda n: 49 * (n - 6) ** 2),
        ((3, 3, 3), lambda n: 9 * ((n - 2) ** 2 + (n - 4) ** 2 + (n - 6) ** 2)),
        ((5, 3), lambda n: 25 * (n - 4) ** 2 + 9 * (n - 6) ** 2),
        ((3, 3, 3, 3), lambda n: 9 * ((n - 2) ** 2 + (n - 4) ** 2 + (n - 6) ** 2 + (n - 8) ** 2)),
    ],
)
def test_the_four_networks(kernels, closed_form):
    n = 16
    model = filled(model_of(*(layers.Conv2D(1, k, use_bias=False) for k in kernels), shape=(n, n, 1)))
    maps, counted = np.random.default_rng(2).normal(size=(n, n, 1)), 0
    for layer in model.layers[1:]:
        maps, products = counted_convolution(maps, np.asarray(layer.kernel, np.float64))
        counted += products
    costs = layer_costs(model)
    assert sum(cost.multiplications for cost in costs) == counted == closed_form(n)
    assert sum(cost.weights for cost in costs) == sum(k * k for k in kernels) == model.count_params()
    assert not any(cost.biases for cost in costs)


def test_dense_layers_pools_and_normalisations():
    model = model_of(
        layers.BatchNormalization(name="norm"),
        layers.MaxPooling2D(2),
        layers.ReLU(),
        layers.Flatten(),
        layers.Dense(7, name="fc"),
    )
    costs = {cost.layer: cost for cost in layer_costs(model)}
    assert costs["fc"] == Cost("fc", "Dense", 6 * 5 * 4 * 7, 7, 6 * 5 * 4 * 7)
    assert costs["norm"] == Cost("norm", "BatchNormalization", 4, 4, 0)
    assert sum(cost.multiplications for cost in costs.values()) == costs["fc"].multiplications


def test_transposed_and_separable_convolutions_by_hand():
    model = model_of(
        layers.Conv2DTranspose(2, 3, strides=2, name="up"),
        layers.SeparableConv2D(5, 3, depth_multiplier=2, name="apart"),
    )
    costs = {cost.layer: cost for cost in layer_costs(model)}
    assert costs["up"].multiplications == 13 * 11 * 9 * 4 * 2
    # The map is 27 x 23 after the first, 25 x 21 after the second: 9 taps for each of 4 maps, then 4 -> 5.
    assert costs["apart"].multiplications == 25 * 21 * (9 * 4 + 4 * 5)


def test_a_layer_called_twice_multiplies_twice_and_weighs_once():
    picture, shared = keras.Input((8, 8, 1)), layers.Conv2D(1, 3, padding="same", name="shared")
    model = keras.Model(picture, shared(shared(picture)))
    shared(keras.Input((20, 20, 1)))  # another use, which is not the model's
    (cost,) = (cost for cost in layer_costs(model) if cost.weights)
    assert cost == Cost("shared", "Conv2D", 9, 1, 2 * 64 * 9)


def test_layers_of_a_nested_model():
    inner = model_of(layers.Conv2D(2, 3, name="conv"), shape=(8, 8, 1))
    inner.name = "inner"
    picture = keras.Input((8, 8, 1))
    costs = layer_costs(keras.Model(picture, inner(picture)))
    assert Cost("inner/conv", "Conv2D", 18, 2, 36 * 18) in costs
    twice = layer_costs(keras.Model(picture, layers.Add()([inner(picture), inner(picture)])))
    assert Cost("inner/conv", "Conv2D", 18, 2, 2 * 36 * 18) in twice


def test_channels_first_by_hand():
    """A map of 4 channels, 13 x 11, gives 11 x 9 places."""
    model = model_of(layers.Conv2D(3, 3, data_format="channels_first", name="conv"), shape=(4, 13, 11))
    assert Cost("conv", "Conv2D", 9 * 4 * 3, 3, 11 * 9 * 9 * 4 * 3) in layer_costs(model)


def test_caffe_alexnet_weighs_what_is_published():
    costs = {cost.layer: cost for cost in layer_costs(caffe_alexnet.build())}
    assert sum(cost.weights + cost.biases for cost in costs.values()) == 60_965_224
    # Two groups: each of 256 maps of 27 x 27 is computed from 48 of 96 maps, 5 x 5.
    assert costs["conv2"].multiplications == 27 * 27 * 256 * 48 * 25


def test_unknown_size_and_unknown_layer_are_refused():
    with pytest.raises(ValueError, match="fixed input size"):
        layer_costs(model_of(layers.Conv2D(1, 3), shape=(None, None, 1)))
    with pytest.raises(ValueError, match="not known"):
        layer_costs(model_of(layers.LSTM(3), shape=(5, 2)))


def test_a_programmed_model_is_refused_by_itself_and_inside_another():
    class Programmed(keras.Model):
        def call(self, x):
            return 2 * x

    picture = keras.Input((5, 5, 1))
    for model in (Programmed(name="own"), keras.Model(picture, Programmed(name="own")(picture))):
        with pytest.raises(ValueError, match="own is programmed"):
            layer_costs(model)


def test_six_hundred_layers():
    steps = [layers.Activation("tanh") for _ in range(600)]
    costs = layer_costs(model_of(layers.Conv2D(1, 3), *steps, layers.Conv2D(1, 3)))
    assert sum(cost.multiplications for cost in costs) == 11 * 9 * 9 * 4 + 9 * 7 * 9
