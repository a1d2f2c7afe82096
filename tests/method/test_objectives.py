import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.tiny import linear_model
from tfviz.method.ascent import ascend
from tfviz.method.objectives import Goal, Term, channel, log_probability, logit, neuron, probability
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


def test_of_an_even_number_of_rows_and_columns_the_later_one_is_the_center():
    picture = keras.Input((4, 6, 1))
    model = keras.Model(picture, layers.Identity(name="same")(picture))
    numbered = np.arange(24, dtype=np.float32).reshape(1, 4, 6, 1)
    assert scores(model, neuron("same", 0), numbered) == numbered[:, 2, 3, 0]
    assert scores(model, neuron("same", 0, at=(3, 0)), numbered) == numbered[:, 3, 0, 0]


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


def test_a_probability_too_small_for_a_number_has_a_logarithm_and_a_gradient():
    """Logits 0 and 300 x: at x = -1 the second class has exp(-300), which float32 takes for 0."""
    picture = keras.Input((1, 1, 1))
    two = keras.Model(picture, layers.Dense(2)(layers.Flatten()(picture)))
    two.set_weights([np.array([[0.0, 300.0]]), np.zeros(2)])
    there = -np.ones((1, 1, 1, 1), np.float32)
    assert scores(two, probability(1), there) == 0
    score, _, gradient = value_and_gradient(two, log_probability(1), there)
    assert (score.item(), gradient.item()) == pytest.approx((-300, 300))


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
        (neuron("conv1", 0, at=(1, 1, 1)), "3 x 5 positions: there is no unit at"),
        (neuron("conv1", 0, at=2), "3 x 5 positions"),
        (neuron("logits", 0, at=(0, 0)), "has no positions"),
        (neuron("logits", 4), "4 channels"),
        (neuron("conv1", [0, 1]), r"neuron\(conv1\) is for 2 pictures, one each: the batch has 3"),
        (neuron("conv1", 0, at=[(0, 0)]), "is for 1 pictures"),
        (channel("conv1", [0, 1]), r"channel\(conv1\) is for 2 pictures"),
        (logit([0, 1, 2, 3]), "logit is for 4 pictures, one each: the batch has 3"),
        (logit([0, 1, 4]), "no class 4"),
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


@pytest.mark.parametrize(
    "make",
    [
        lambda: logit(1.5),
        lambda: logit("mink"),
        lambda: logit(True),
        lambda: logit([]),
        lambda: logit(None),
        lambda: probability([0, 0.5]),
        lambda: channel("conv1", 0.0),
        lambda: neuron("conv1", 0, at=(0.5, 0)),
        lambda: neuron("conv1", 0, at="centre"),
        lambda: neuron("conv1", 0, at=()),
        lambda: neuron("conv1", 0, at=[(0, 0), (1, 1.5)]),
    ],
)
def test_what_is_no_number_of_a_class_or_a_place_is_refused_at_once(make):
    with pytest.raises(ValueError, match="whole number"):
        make()


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), np.float32(np.nan)])
def test_weights_are_finite(weight):
    with pytest.raises(ValueError, match=r"weight of logit\(0\) must be a finite number"):
        weight * logit(0)
    with pytest.raises(ValueError, match="divided by 0"):
        logit(0) / 0


def test_numbers_of_numpy_weigh_as_others_do(model, pictures):
    once = scores(model, logit(0), pictures)
    for goal in (
        np.float32(2) * logit(0),
        logit(0) * np.float64(2),
        logit(0) / np.float32(0.5),
        np.int64(2) * logit(0),
    ):
        np.testing.assert_allclose(scores(model, goal, pictures), 2 * once, rtol=1e-6)


def test_one_goal_for_each_picture_of_a_batch(model, pictures, conv1):
    logits = np.asarray(model(pictures))
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    three = np.arange(3)
    np.testing.assert_allclose(scores(model, logit([3, 0, 2]), pictures), logits[three, [3, 0, 2]], rtol=1e-5)
    np.testing.assert_allclose(
        scores(model, 2 * probability((1, 2, 2)), pictures), 2 * softmax[three, [1, 2, 2]], rtol=1e-4
    )
    places = [(0, 4), (2, 0), (1, 3)]
    rows, columns = np.transpose(places)
    np.testing.assert_allclose(
        scores(model, neuron("conv1", np.array([1, 0, 1]), at=places), pictures),
        conv1[three, rows, columns, [1, 0, 1]],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        scores(model, neuron("conv1", 1, at=places), pictures), conv1[three, rows, columns, 1], rtol=1e-5
    )
    np.testing.assert_allclose(
        scores(model, neuron("conv1", [0, 1, 0]), pictures), conv1[three, 1, 2, [0, 1, 0]], rtol=1e-5
    )
    np.testing.assert_allclose(
        scores(model, channel("conv1", [1, 1, 0]), pictures),
        conv1.mean(axis=(1, 2))[three, [1, 1, 0]],
        rtol=1e-5,
    )


def test_pictures_of_a_batch_go_each_its_own_way(model, pictures):
    several = ascend(model, logit([3, 0, 2]), pictures, steps=3, rate=0.01)
    for number, k in enumerate([3, 0, 2]):
        alone = ascend(model, logit(k), pictures[number], steps=3, rate=0.01)
        np.testing.assert_allclose(several.picture[number], alone.picture[0], rtol=1e-5, atol=1e-6)
    assert list(several.terms) == ["logit([3, 0, 2])"]


def test_a_unit_of_a_dense_layer_and_of_a_row_of_tokens(model, pictures):
    np.testing.assert_allclose(
        scores(model, neuron("logits", 2), pictures), np.asarray(model(pictures))[:, 2], rtol=1e-5
    )
    np.testing.assert_allclose(
        scores(model, channel("logits", 2), pictures), np.asarray(model(pictures))[:, 2], rtol=1e-5
    )
    picture = keras.Input((5, 7, 3))
    tokens = keras.Model(picture, layers.Dense(4, name="tokens")(layers.Reshape((35, 3))(picture)))
    said = np.asarray(tokens(pictures))
    np.testing.assert_allclose(scores(tokens, neuron("tokens", 1, at=8), pictures), said[:, 8, 1], rtol=1e-5)
    np.testing.assert_allclose(scores(tokens, neuron("tokens", 1), pictures), said[:, 17, 1], rtol=1e-5)
    np.testing.assert_allclose(
        scores(tokens, channel("tokens", 3), pictures), said[..., 3].mean(axis=1), rtol=1e-5
    )


def test_a_map_with_its_channels_first_is_read_as_one(pictures):
    """In the shape (N, channels, rows, columns): unit (2, 4) of channel 1."""
    picture = keras.Input((5, 7, 3))
    x = layers.Conv2D(2, 3, data_format="channels_first", name="conv")(layers.Permute((3, 1, 2))(picture))
    model = keras.Model(picture, layers.Permute((2, 3, 1), name="last")(layers.ReLU(name="relu")(x)))
    maps = np.asarray(model(pictures))
    np.testing.assert_allclose(
        scores(model, neuron("relu", 1, at=(2, 4)), pictures), maps[:, 2, 4, 1], rtol=1e-5
    )
    with pytest.raises(ValueError, match="which axis of layer 'last' holds the channels is not known"):
        scores(model, neuron("last", 0), pictures)


HEADS = {
    "logits": (lambda x: x, "softmax"),
    "ReLU": (layers.ReLU(), "softmax"),
    "log_softmax": (layers.Activation("log_softmax"), "softmax"),
    "Softmax": (layers.Softmax(), None),
    "activation": (layers.Activation("softmax"), None),
    "operation": (ops.softmax, None),
    "in a dense layer": (layers.Dense(3, activation="softmax"), None),
    "sigmoids": (layers.Dense(3, activation="sigmoid"), None),
    "one sigmoid": (layers.Dense(1, activation="sigmoid"), None),
    "then reshaped": (lambda x: layers.Reshape((4,))(layers.Softmax()(x)), None),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_probability_is_never_taken_of_a_probability(model, pictures, name):
    head, taken = HEADS[name]
    headed = keras.Model(model.input, head(0.01 * model.output) if name != "logits" else model.output)
    said = np.asarray(headed(pictures)).astype(np.float64)
    powers = np.exp(said - said.max(axis=1, keepdims=True))
    expected = (powers / powers.sum(axis=1, keepdims=True) if taken else said)[:, 0]
    np.testing.assert_allclose(scores(headed, probability(0), pictures), expected, rtol=1e-4)
    np.testing.assert_allclose(
        scores(headed, log_probability(0), pictures), np.log(expected), rtol=1e-4, atol=1e-6
    )
    if taken:
        np.testing.assert_allclose(scores(headed, logit(0), pictures), said[:, 0], rtol=1e-5)
    else:
        with pytest.raises(ValueError, match="returns probabilities, not logits"):
            scores(headed, logit(0), pictures)


@pytest.mark.parametrize("goal", [logit(0), probability(0), log_probability(0)])
def test_an_output_of_unknown_meaning_is_refused(model, pictures, goal):
    unknown = keras.Model(model.input, layers.Lambda(lambda x: ops.softmax(x))(model.output))
    with pytest.raises(ValueError, match="cannot be found: say it with"):
        scores(unknown, goal, pictures)


def test_names_of_terms_are_different_and_in_order():
    def named(name):
        return Goal(((1.0, Term(name, lambda reading: ops.sum(reading.pictures, axis=(1, 2, 3)))),))

    goal = named("a") + named("a (2)") + named("a") + named("a") + 2 * logit(1) + logit(1)
    assert [(name, weight) for name, (weight, _) in goal.summands.items()] == [
        ("a", 1.0),
        ("a (2)", 1.0),
        ("a (3)", 1.0),
        ("a (4)", 1.0),
        ("logit(1)", 3.0),
    ]


def test_a_layer_in_a_nested_model_and_one_of_two_calls(pictures):
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    inside = keras.Sequential(
        [keras.Input((5, 7, 3)), layers.Conv2D(2, 3, name="conv"), layers.ReLU()], name="base"
    )
    picture = keras.Input((5, 7, 3))
    first = shared(picture)
    second = shared(first)
    model = keras.Model(picture, layers.Dense(2)(layers.Flatten()(inside(second))))
    once = np.asarray(shared(pictures))
    twice = np.asarray(shared(once))
    np.testing.assert_allclose(
        scores(model, neuron("shared#0", 1), pictures), once[:, 2, 3, 1], rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        scores(model, neuron("shared#1", 1), pictures), twice[:, 2, 3, 1], rtol=1e-4, atol=1e-5
    )
    with pytest.raises(ValueError, match="shared#0, shared#1"):
        scores(model, neuron("shared", 1), pictures)
    conv = np.asarray(inside.get_layer("conv")(twice))
    np.testing.assert_allclose(
        scores(model, neuron("base/conv", 1), pictures), conv[:, 1, 2, 1], rtol=1e-4, atol=1e-5
    )
    with pytest.raises(ValueError, match="no layer 'base/cnv'; names like it are base/conv"):
        scores(model, neuron("base/cnv", 1), pictures)


def test_positions_as_an_array():
    pictures = np.random.default_rng(0).random((2, 5, 7, 3)).astype(np.float32)
    model = linear_model()
    for at in ((1, 2), [[1, 2], [0, 4]]):
        listed = ascend(model, neuron("conv1", 1, at=at), pictures, steps=1, rate=0.1)
        array = ascend(model, neuron("conv1", 1, at=np.array(at)), pictures, steps=1, rate=0.1)
        np.testing.assert_array_equal(array.scores, listed.scores)
        assert list(array.terms) == list(listed.terms)


@pytest.mark.parametrize("layer", [None, 3, ["conv1"], b"conv1"])
def test_a_layer_is_named_by_a_string(layer):
    for goal in (neuron, channel):
        with pytest.raises(ValueError, match=r"^a layer is named by its path, such as 'conv1', not by "):
            goal(layer, 0)


def test_a_weight_too_large_for_a_float_is_refused():
    with pytest.raises(ValueError, match="must be a finite number"):
        logit(0) * 10**400
