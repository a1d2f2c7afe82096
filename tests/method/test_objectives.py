import numpy as np
import pytest

from tests.tiny import linear_model
from tfviz.method.objectives import channel, log_probability, logit, neuron, probability
from tfviz.method.probe import value_and_gradient


@pytest.fixture(scope="module")
def model():
    return linear_model()


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(1).random((3, 5, 7, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def conv1(model, pictures):
    """conv1's map by an explicit loop."""
    kernel, bias = model.get_layer("conv1").get_weights()
    output = np.zeros((3, 3, 5, 2))
    for row in range(3):
        for column in range(5):
            patch = pictures[:, row : row + 3, column : column + 3]
            output[:, row, column] = np.tensordot(patch, kernel, axes=3) + bias
    return output


def scores(model, goal, pictures):
    return value_and_gradient(model, goal, pictures)[0]


def test_neuron_is_one_unit_before_the_relu(model, pictures, conv1):
    np.testing.assert_allclose(
        scores(model, neuron("conv1", 1, at=(2, 4)), pictures), conv1[:, 2, 4, 1], rtol=1e-5
    )
    assert (conv1 < 0).any()


def test_center_is_half_the_rows_and_half_the_columns(model, pictures, conv1):
    np.testing.assert_allclose(scores(model, neuron("conv1", 0), pictures), conv1[:, 1, 2, 0], rtol=1e-5)


def test_channel_is_the_mean_over_positions(model, pictures, conv1):
    np.testing.assert_allclose(
        scores(model, channel("conv1", 1), pictures), conv1[..., 1].mean(axis=(1, 2)), rtol=1e-5
    )


def test_class_objectives(model, pictures):
    logits = np.asarray(model(pictures))
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(scores(model, logit(2), pictures), logits[:, 2], rtol=1e-5)
    np.testing.assert_allclose(scores(model, probability(2), pictures), softmax[:, 2], rtol=1e-4)
    np.testing.assert_allclose(
        scores(model, log_probability(2), pictures), np.log(softmax[:, 2]), rtol=1e-4, atol=1e-6
    )


def test_goals_add_subtract_and_scale(model, pictures):
    """2A + 3B is 2A + 3B, and (A - B) / 2 * -1 what it says; gradients too."""
    a, b = neuron("conv1", 0), logit(1)
    score_a, _, gradient_a = value_and_gradient(model, a, pictures)
    score_b, _, gradient_b = value_and_gradient(model, b, pictures)
    score, terms, gradient = value_and_gradient(model, 2 * a + b * 3, pictures)
    np.testing.assert_allclose(score, 2 * score_a + 3 * score_b, rtol=1e-5)
    np.testing.assert_allclose(gradient, 2 * gradient_a + 3 * gradient_b, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(terms["neuron(conv1, 0, center)"], score_a, rtol=1e-6)
    np.testing.assert_allclose(terms["logit(1)"], score_b, rtol=1e-6)
    np.testing.assert_allclose(
        scores(model, -(a - b) / 2, pictures), (score_b - score_a) / 2, rtol=1e-5, atol=1e-6
    )


def test_operators_leave_their_operands_alone(model, pictures):
    a = neuron("conv1", 0)
    before = scores(model, a, pictures)
    _ = (a + logit(1), 2 * a, -a, a - a, a / 3)
    assert len(a.terms) == 1
    np.testing.assert_array_equal(scores(model, a, pictures), before)


def test_the_same_term_twice_counts_twice(model, pictures):
    a = neuron("conv1", 0)
    np.testing.assert_allclose(scores(model, a + a, pictures), 2 * scores(model, a, pictures), rtol=1e-6)


@pytest.mark.parametrize("wrong", [lambda a: a * a, lambda a: a + 1, lambda a: a - "x"])
def test_nonsense_algebra_is_a_type_error(wrong):
    with pytest.raises(TypeError):
        wrong(neuron("conv1", 0))


@pytest.mark.parametrize(
    ("goal", "says"),
    [
        (neuron("conv9", 0), "no layer 'conv9'"),
        (neuron("conv1", 2), "2 channels"),
        (neuron("conv1", -1), "no channel -1"),
        (neuron("conv1", 0, at=(3, 0)), "3 x 5 positions"),
        (neuron("conv1", 0, at=(0, -1)), "no unit"),
        (neuron("logits", 0), "not a map"),
        (channel("conv1", 7), "no channel 7"),
        (logit(4), "4 classes"),
        (probability(-1), "no class -1"),
    ],
)
def test_a_goal_that_does_not_fit_says_why(model, pictures, goal, says):
    with pytest.raises(ValueError, match=says):
        scores(model, goal, pictures)


def test_gradient_against_finite_differences(model, pictures):
    goal = 0.5 * log_probability(0) + channel("relu1", 1)
    _, _, gradient = value_and_gradient(model, goal, pictures)
    direction = np.random.default_rng(2).normal(size=pictures.shape).astype(np.float32)
    step = 1e-3
    numeric = (
        scores(model, goal, pictures + step * direction) - scores(model, goal, pictures - step * direction)
    ) / (2 * step)
    np.testing.assert_allclose((gradient * direction).sum(axis=(1, 2, 3)), numeric, rtol=2e-2, atol=2e-2)
