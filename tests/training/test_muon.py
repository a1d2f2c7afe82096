import keras
import numpy as np
import pytest

from tfviz.training.loop import OneCycle
from tfviz.training.muon import ConvolutionMuon


def muon(learning_rate=1.0, **options):
    """An optimiser, as the recipes have it but for `options`."""
    usual = {
        "momentum": 0.9,
        "weight_decay": 0.0,
        "adam_lr_ratio": 0.2,
        "adam_beta_2": 0.99,
        "ns_steps": 5,
    }
    return ConvolutionMuon(learning_rate, **(usual | options))


@pytest.mark.parametrize("shape", [(3, 3, 8, 16), (1, 1, 32, 8), (5, 1, 8, 24)])
def test_a_step_is_nearly_orthogonal_and_of_the_stated_size(shape):
    optimizer = muon(momentum=0.0)
    variable = keras.Variable(np.zeros(shape, np.float32), name="kernel")
    optimizer.build([variable])
    gradient = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    step = -np.asarray(variable).reshape(-1, shape[-1])
    singular = np.linalg.svd(step, compute_uv=False) / (0.2 * np.sqrt(max(step.shape)))
    assert 0.6 < singular.min() <= singular.max() < 1.3  # as near as the iteration's constants aim at
    assert np.sqrt((step**2).mean()) == pytest.approx(0.2, rel=0.15)
    left, _, right = np.linalg.svd(gradient.reshape(-1, shape[-1]), full_matrices=False)
    assert (step * (left @ right)).sum() > 0.97 * np.linalg.norm(step) * np.linalg.norm(left @ right)


def test_what_is_left_to_adam():
    optimizer = muon(0.1)
    first = keras.Variable(np.zeros((3, 3, 3, 8), np.float32), name="kernel")
    hidden = keras.Variable(np.zeros((3, 3, 8, 8), np.float32), name="kernel")
    scale = keras.Variable(np.zeros(8, np.float32), name="gamma")
    dense = keras.layers.Dense(10)
    dense.build((None, 8))
    assert [
        optimizer._should_use_adamw(variable) for variable in (first, hidden, scale, dense.kernel, dense.bias)
    ] == [True, False, True, True, True]


@pytest.mark.parametrize("shape", [(40, 24), (24, 40), (144, 32)])
def test_the_iteration_is_keras(shape):
    gradient = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    ours = muon().zeropower_via_newtonschulz5(keras.ops.convert_to_tensor(gradient), 5)
    theirs = keras.optimizers.Muon(1.0).zeropower_via_newtonschulz5(keras.ops.convert_to_tensor(gradient), 5)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_one_more_iteration_is_another_step():
    gradient = keras.ops.convert_to_tensor(np.random.default_rng(1).normal(size=(24, 40)).astype(np.float32))
    steps = {}
    for count in (1, 5):
        optimizer = muon(ns_steps=count, momentum=0.0)
        variable = keras.Variable(np.zeros((1, 1, 24, 40), np.float32), name="kernel")
        optimizer.build([variable])
        optimizer.apply([keras.ops.reshape(gradient, (1, 1, 24, 40))], [variable])
        steps[count] = np.linalg.svd(np.asarray(variable)[0, 0], compute_uv=False)
    spread = {count: singular.max() / singular.min() for count, singular in steps.items()}
    assert spread[1] > 2 * spread[5]


@pytest.mark.parametrize("shape", [(3, 3, 8, 16), (8, 16)], ids=["by Muon", "by Adam"])
def test_weights_decay_by_the_rate_times_the_decay(shape):
    start = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    variable = keras.Variable(start, name="kernel")
    optimizer = muon(0.5, weight_decay=0.04)
    optimizer.build([variable])
    optimizer.apply([keras.ops.zeros(shape)], [variable])
    np.testing.assert_allclose(variable, start * (1 - 0.5 * 0.04), rtol=1e-6)


def test_momentum_by_hand():
    """Nesterov's: the second step goes along g2 + m (m g1 + g2), made orthogonal."""
    first, second = np.random.default_rng(2).normal(size=(2, 3, 3, 8, 16)).astype(np.float32)
    variable = keras.Variable(np.zeros((3, 3, 8, 16), np.float32), name="kernel")
    optimizer = muon(0.1, momentum=0.7)
    optimizer.build([variable])
    optimizer.apply([keras.ops.convert_to_tensor(first)], [variable])
    before = np.asarray(variable).copy()
    optimizer.apply([keras.ops.convert_to_tensor(second)], [variable])
    along = keras.ops.convert_to_tensor(second + 0.7 * (0.7 * first + second))
    expected = 0.1 * optimizer.lr_adjust(np.asarray(optimizer.zeropower_via_newtonschulz5(along, 5)))
    np.testing.assert_allclose(before - np.asarray(variable), expected, rtol=1e-3, atol=1e-5)


def test_a_saved_optimiser_is_made_again():
    options = {
        "momentum": 0.83,
        "weight_decay": 0.07,
        "adam_lr_ratio": 0.35,
        "adam_beta_2": 0.97,
        "ns_steps": 3,
        "name": "another",
    }
    optimizer = muon(OneCycle(0.5, 4, 20), **options)
    for again in (
        ConvolutionMuon.from_config(optimizer.get_config()),
        keras.optimizers.deserialize(keras.optimizers.serialize(optimizer)),
    ):
        assert type(again) is ConvolutionMuon
        assert again.get_config().keys() == optimizer.get_config().keys()
        assert {name: getattr(again, name) for name in options} == options
        assert again.adam_weight_decay == 0.07
        assert again._learning_rate.get_config() == {"peak": 0.5, "rise": 4, "total": 20}
