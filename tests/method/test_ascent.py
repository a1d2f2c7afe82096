import numpy as np
import pytest

from tests.tiny import linear_model
from tfviz.method.ascent import AscentDivergedError, ascend, falling, last_bits
from tfviz.method.objectives import logit, neuron, probability


@pytest.fixture(scope="module")
def model():
    return linear_model()


@pytest.fixture(scope="module")
def start():
    return np.random.default_rng(3).random((2, 5, 7, 3)).astype(np.float32)


def test_linear_unit_by_hand(model, start):
    """Without clipping, T steps on a linear unit add T * rate * its weights inside the field, nothing outside."""
    kernel, bias = model.get_layer("conv1").get_weights()
    trace = ascend(model, neuron("conv1", 1, at=(0, 3)), start, steps=6, rate=0.25, clip=None)
    expected = start.copy()
    expected[:, 0:3, 3:6] += 6 * 0.25 * kernel[..., 1]
    np.testing.assert_allclose(trace.picture, expected, rtol=1e-5, atol=1e-6)
    values = [
        np.sum((start[:, 0:3, 3:6] + t * 0.25 * kernel[..., 1]) * kernel[..., 1], axis=(1, 2, 3)) + bias[1]
        for t in range(7)
    ]
    assert trace.scores.shape == (7, 2)
    np.testing.assert_allclose(trace.scores, values, rtol=1e-5)
    np.testing.assert_allclose(trace.terms["neuron(conv1, 1, 0,3)"], values, rtol=1e-5)


def test_clipping_happens_at_every_step(model, start):
    kernel, _ = model.get_layer("conv1").get_weights()
    rates = [1.0, -0.5, 0.75]
    trace = ascend(
        model, neuron("conv1", 0, at=(1, 1)), start, steps=3, rate=lambda step: rates[step], clip=(0.2, 0.8)
    )
    expected = start.copy()
    for rate in rates:
        expected[:, 1:4, 1:4] += rate * kernel[..., 0]
        expected = np.clip(expected, 0.2, 0.8)
    np.testing.assert_allclose(trace.picture, expected, rtol=1e-5)


def test_snapshots_are_the_pictures_after_those_steps(model, start):
    goal = logit(0) - 2 * probability(1)
    trace = ascend(model, goal, start, steps=5, rate=0.01, keep=(0, 2, 5))
    assert sorted(trace.snapshots) == [0, 2, 5]
    np.testing.assert_array_equal(trace.snapshots[0], start)
    np.testing.assert_array_equal(trace.snapshots[5], trace.picture)
    shorter = ascend(model, goal, start, steps=2, rate=0.01)
    np.testing.assert_allclose(trace.snapshots[2], shorter.picture, rtol=1e-6)
    np.testing.assert_allclose(trace.scores[:3], shorter.scores, rtol=1e-5)


def test_pictures_of_a_batch_do_not_influence_each_other(model, start):
    both = ascend(model, probability(2), start, steps=4, rate=0.5)
    alone = ascend(model, probability(2), start[1], steps=4, rate=0.5)
    np.testing.assert_allclose(both.picture[1:], alone.picture, rtol=1e-5, atol=1e-6)


def test_no_steps(model, start):
    trace = ascend(model, logit(0), start, steps=0, rate=1.0)
    np.testing.assert_array_equal(trace.picture, start)
    np.testing.assert_allclose(trace.scores[0], np.asarray(model(start))[:, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"steps": -1}, "steps"),
        ({"clip": (1.0, 0.0)}, "clip"),
        ({"keep": (9,)}, "keep"),
        ({"start": np.zeros((5, 7))}, "start must be"),
        ({"start": np.full((5, 7, 3), np.nan)}, "not finite"),
    ],
)
def test_nonsense_is_refused(model, start, change, says):
    arguments = {"start": start, "steps": 2, "rate": 1.0} | change
    with pytest.raises(ValueError, match=says):
        ascend(model, logit(0), **arguments)


def test_divergence_names_the_step(model, start):
    with pytest.raises(AscentDivergedError, match="score is not finite at step 1"):
        ascend(model, neuron("conv1", 0), start, steps=3, rate=1e38, clip=None)


def test_a_picture_that_is_not_finite_is_noticed_behind_a_relu(model, start):
    """ReLU turns NaN into 0, so that the score stays finite."""
    with pytest.raises(AscentDivergedError, match=r"not finite (at|after) step"):
        ascend(model, 1e30 * logit(0), start, steps=1, rate=1e30, clip=None)


def test_a_falling_rate_is_the_whole_at_first_and_nothing_at_the_end():
    rate = falling(0.5, 10)
    assert [rate(step) for step in (0, 5, 10)] == [0.5, 0.25, 0.0]


def test_starts_differ_in_the_last_bit_of_half_of_their_values():
    start = np.random.default_rng(0).uniform(-1, 1, (40, 30)).astype(np.float32)
    copies = last_bits(start, 3, np.random.default_rng(1))
    assert copies.dtype == np.float32
    np.testing.assert_array_equal(copies[0], start)
    for copy in copies[1:]:
        moved = copy != start
        assert 0.4 < moved.mean() < 0.6
        np.testing.assert_array_equal(np.abs(copy.view(np.int32) - start.view(np.int32))[moved], 1)
    assert (copies[1] != copies[2]).any()
