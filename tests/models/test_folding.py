import keras
import numpy as np
import pytest
from keras import layers

from tfviz.models import cifar
from tfviz.models.architectures import PlainCnn, ResNet
from tfviz.models.folding import folded


def norms(model):
    return [layer.name for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def shaken(model, *, negative=False):
    """The same network with norms of any mean, variance, scale and shift."""
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            size = layer.gamma.shape
            scale = random.uniform(0.3, 2, size)
            scale[0] *= -1 if negative else 1
            layer.set_weights(
                [scale, random.normal(size=size), random.normal(size=size), random.uniform(0.1, 3, size)]
            )
    return model


def assert_same(model, *, left=()):
    fewer = folded(model)
    x = np.random.default_rng(1).random((3, *model.input_shape[1:])).astype(np.float32)
    wanted = np.asarray(model(x))
    np.testing.assert_allclose(np.asarray(fewer(x)), wanted, rtol=0, atol=2e-5 * np.abs(wanted).max())
    assert norms(fewer) == list(left)
    assert norms(model)


ARCHITECTURES = (
    PlainCnn(kernels=(3, 3), filters=(4, 6), units=(8,), dropout=0.2, dense_dropout=0.5),
    ResNet(widths=(4, 6), blocks=(1, 2), kernel=3),
)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=("cifar_cnn", "cifar_resnet"))
def test_the_same_function_without_norms(architecture, request):
    name = request.node.callspec.id
    assert_same(shaken(cifar.build(name, architecture, mean=(0.5,) * 3, std=(0.25,) * 3)))


def network(*through):
    """Pictures to the mean of the maps that some layers make of them, one after the other."""
    x = inputs = keras.Input((8, 8, 3))
    for layer in through:
        x = layer(x)
    return shaken(keras.Model(inputs, layers.GlobalAveragePooling2D()(x)), negative=True)


def test_a_convolution_with_a_bias_and_a_norm_without_scale():
    model = network(
        layers.Conv2D(5, 3, groups=1, bias_initializer="ones"), layers.BatchNormalization(epsilon=0.1)
    )
    assert_same(model)
    inputs = keras.Input((8, 8, 3))
    norm = layers.BatchNormalization(scale=False, center=False)
    model = keras.Model(inputs, norm(layers.Conv2D(5, 3, strides=2, bias_initializer="ones")(inputs)))
    norm.set_weights([np.arange(5.0), np.arange(1.0, 6)])
    assert_same(model)


def test_a_negative_scale_after_a_pool_stays():
    """The largest of -x is not that of x, times -1."""
    norm = layers.BatchNormalization(name="stays")
    assert_same(network(layers.Conv2D(5, 3), layers.MaxPooling2D(2), norm), left=["stays"])


def test_what_is_no_line_stays():
    norm = layers.BatchNormalization(name="stays")
    assert_same(network(layers.Conv2D(5, 3, activation="relu"), norm), left=["stays"])


def test_a_convolution_that_others_read_stays():
    inputs = keras.Input((8, 8, 3))
    maps = layers.Conv2D(5, 3)(inputs)
    norm = layers.BatchNormalization(name="stays")
    model = keras.Model(inputs, layers.Flatten()(layers.Add()([maps, norm(maps)])))
    assert_same(shaken(model), left=["stays"])


def test_a_convolution_that_is_called_twice_stays():
    inputs = keras.Input((8, 8, 3))
    twice, norm = layers.Conv2D(3, 3, padding="same"), layers.BatchNormalization(name="stays")
    model = keras.Model(inputs, layers.Flatten()(norm(twice(twice(inputs)))))
    assert_same(shaken(model), left=["stays"])


def test_a_model_whose_one_input_is_in_a_list():
    inputs = keras.Input((8, 8, 3))
    maps = layers.BatchNormalization()(layers.Conv2D(2, 3)(inputs))
    model = shaken(keras.Model([inputs], maps))
    x = np.random.default_rng(1).random((2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(folded(model)(x), model([x]), rtol=0, atol=1e-5)
    assert not norms(folded(model))
