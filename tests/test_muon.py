import keras
import numpy as np
import pytest

from tfviz.muon import ConvolutionMuon


@pytest.mark.parametrize("shape", [(3, 3, 8, 16), (1, 1, 32, 8), (5, 1, 8, 24)])
def test_a_step_is_nearly_orthogonal_and_of_the_stated_size(shape):
    optimizer = ConvolutionMuon(1.0, rms_rate=0.2, momentum=0.0, nesterov=False, weight_decay=None)
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
    optimizer = ConvolutionMuon(0.1)
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
    ours = ConvolutionMuon(1.0).zeropower_via_newtonschulz5(keras.ops.convert_to_tensor(gradient), 5)
    theirs = keras.optimizers.Muon(1.0).zeropower_via_newtonschulz5(keras.ops.convert_to_tensor(gradient), 5)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
