from threading import Thread

import keras
import numpy as np
import pytest
from keras import layers

from tfviz.measures.measured_field import averaging_copy
from tfviz.measures.random_networks import compare_random_networks
from tfviz.method.occlusion import _in_bfloat16
from tfviz.models import cifar, narrow
from tfviz.models.blank import blank, unset
from tfviz.models.folding import folded


def chain(*steps):
    return keras.Sequential([keras.Input((6, 6, 2)), *steps])


def largest(layer):
    return [float(np.abs(np.asarray(variable)).max()) for variable in layer.weights]


def test_kernels_are_zeros_and_what_is_not_drawn_is_as_ever():
    with blank():
        model = chain(
            layers.SeparableConv2D(3, 3),
            layers.BatchNormalization(),
            layers.Dense(2, kernel_initializer="he_normal", bias_initializer="ones"),
        )
        constant = layers.Dense(1, kernel_initializer=keras.initializers.Constant(0.5))
        constant.build((None, 2))
    convolution, normalization, dense = model.layers
    assert largest(convolution) == [0, 0, 0]
    assert {
        variable.name: size
        for variable, size in zip(normalization.weights, largest(normalization), strict=True)
    } == {
        "gamma": 1,
        "beta": 0,
        "moving_mean": 0,
        "moving_variance": 1,
    }
    assert largest(dense) == [0, 1]
    assert largest(constant) == [0.5, 0]


def test_after_the_block_layers_draw_again_and_say_what_they_would_have_said():
    with blank():
        layer = layers.Dense(8)
        layer.build((None, 4))
    usual = layers.Dense(8)
    for name in ("kernel_initializer", "bias_initializer"):
        assert layer.get_config()[name] == usual.get_config()[name]
    again = layers.Dense.from_config(layer.get_config())
    again.build((None, 4))
    assert largest(layer) == [0, 0]
    assert largest(again)[0] > 0
    assert np.abs(np.asarray(layer.kernel_initializer((4, 8)))).max() > 0


def test_an_error_inside_ends_the_block_as_well():
    made = []

    def break_off():
        with blank():
            made.append(layers.Dense(8))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    made[0].build((None, 4))
    assert largest(made[0])[0] > 0


def test_another_thread_is_not_concerned():
    made = []

    def make():
        made.append(layers.Dense(8))
        made[0].build((None, 4))

    with blank():
        thread = Thread(target=make)
        thread.start()
        thread.join()
    assert largest(made[0])[0] > 0


def test_a_copy_of_settings_loses_its_initialisers_alone():
    settings = {**layers.Conv2D(2, 3, padding="same").get_config(), "own": {"module": "user's", "seed": 1}}
    copy = unset(settings)
    assert {name for name in settings if copy[name] != settings[name]} == {
        "kernel_initializer",
        "bias_initializer",
    }
    with blank():
        layer = layers.Conv2D.from_config({name: value for name, value in copy.items() if name != "own"})
        layer.build((None, 6, 6, 2))
    assert largest(layer) == [0, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: cifar.load("cifar_resnet", cifar.BUNDLED["cifar_resnet"]),
        lambda: narrow.empty(3),
        lambda: compare_random_networks(3, np.random.default_rng(0)),
        lambda: averaging_copy(MODEL),
        lambda: folded(MODEL),
        lambda: _in_bfloat16(MODEL),
    ],
    ids=["load", "narrow", "random networks", "averaging copy", "folded", "bfloat16"],
)
def test_nothing_is_drawn_for_what_gets_its_weights_afterwards(monkeypatch, make):
    def draws(*arguments, **named):
        raise AssertionError("weights were drawn")

    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", draws)
    make()


_LAYERS = chain(layers.Conv2D(3, 3), layers.BatchNormalization(), layers.SeparableConv2D(2, 3))
MODEL = keras.Model(_LAYERS.inputs[0], _LAYERS.outputs[0])
