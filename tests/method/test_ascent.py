import threading

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.tiny import in_unit_range, linear_model
from tfviz.method.ascent import AscentDivergedError, ascend, falling, last_bits
from tfviz.method.objectives import Goal, Term, channel, logit, neuron, probability
from tfviz.method.parametrizations import Parametrization, pixels
from tfviz.method.priors import distance, l2
from tfviz.method.shortcuts import Shortcuts
from tfviz.method.transforms import affine
from tfviz.models.layers import LocalResponseNormalization


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
    rates = [1.0, 0.5, 0.75]
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
        ({"steps": -1}, "steps must be 0 or more, not -1"),
        ({"steps": 1.5}, "steps must be 0 or more, not 1.5"),
        ({"clip": (1.0, 0.0)}, "clip"),
        ({"clip": (0.0, float("nan"))}, "clip"),
        ({"clip": (1.0,)}, "clip"),
        ({"keep": (9,)}, "keep"),
        ({"keep": (0.5,)}, "keep"),
        ({"rate": -1.0}, "rate must be a finite number of 0 or more, not -1.0 at step 0"),
        ({"rate": float("inf")}, "not inf"),
        ({"rate": 1e39}, "not 1e[+]39"),
        ({"rate": lambda step: 1.0 - 2 * step}, "not -1.0 at step 1"),
        ({"rate": lambda step: None}, "not None at step 0"),
        ({"rate": "fast"}, "not 'fast'"),
        ({"start": np.zeros((5, 7))}, "start must be"),
        ({"start": np.zeros((7, 5, 3))}, r"takes pictures of shape \(5, 7, 3\), not \(7, 5, 3\)"),
        ({"start": np.zeros((5, 7, 1))}, r"takes pictures of shape \(5, 7, 3\), not \(5, 7, 1\)"),
        ({"start": np.full((5, 7, 3), np.nan)}, "not finite"),
        ({"start": np.full((5, 7, 3), 128, np.uint8)}, r"whole numbers \(uint8\)"),
        ({"start": np.full((5, 7, 3), 128.0)}, "from 128 to 128, which clip"),
        ({"start": [["a"]]}, "no real numbers"),
        ({"start": [[1.0], [1.0, 2.0]]}, "rows differ in length"),
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


def test_two_penalties_of_one_kind_are_two_and_a_term_added_twice_is_one(model, start):
    """The second has a weight of 1 + 0.5, the first one of 2."""
    black, white = np.zeros((5, 7, 3), np.float32), np.ones((5, 7, 3), np.float32)
    goal = -2 * distance(black) - distance(white) - 0.5 * distance(white) - l2() - l2()
    trace = ascend(model, goal, start, steps=3, rate=0.01, clip=None)
    assert sorted(trace.terms) == ["distance", "distance (2)", "l2"]
    x = start.astype(np.float64)
    for step in range(4):
        near, far = (
            np.sqrt(np.sum((x - other) ** 2, axis=(1, 2, 3), keepdims=True)) for other in (black, white)
        )
        np.testing.assert_allclose(trace.terms["distance"][step], near.ravel(), rtol=1e-5)
        np.testing.assert_allclose(trace.terms["distance (2)"][step], far.ravel(), rtol=1e-5)
        squares = np.sum(x**2, axis=(1, 2, 3))
        np.testing.assert_allclose(
            trace.scores[step], -2 * near.ravel() - 1.5 * far.ravel() - 2 * squares, rtol=1e-5
        )
        if step < 3:
            x = x + 0.01 * (-2 * (x - black) / near - 1.5 * (x - white) / far - 4 * x)
    np.testing.assert_allclose(trace.picture, x, rtol=1e-4, atol=1e-6)


def test_the_heavier_of_two_distances_wins(model):
    """Between the two, the weighted distances pull with 1 - 0.5, in a straight line: rate / sqrt(pixels) a step."""
    grey = np.full((5, 7, 3), 0.6, np.float32)
    goal = -0.5 * distance(0 * grey) - distance(0 * grey + 1)
    trace = ascend(model, goal, grey, steps=10, rate=0.05)
    np.testing.assert_allclose(trace.picture, 0.6 + 10 * 0.05 * 0.5 / np.sqrt(5 * 7 * 3), rtol=1e-5)
    assert ascend(model, goal, grey, steps=400, rate=0.05).picture == pytest.approx(1, abs=0.01)


def test_pictures_outside_the_range_of_a_network_whose_range_is_known_are_refused(start):
    known = in_unit_range(linear_model())
    for pictures in (start - 1, 255 * start):
        with pytest.raises(
            ValueError, match=r"start, for tiny, has values from .*: they must be in \[0, 1\]"
        ):
            ascend(known, logit(0), pictures, steps=1, rate=0.1)
    with pytest.raises(ValueError, match=r"they must be in \[-1, 2\]"):
        ascend(known, logit(0), 255 * start, steps=1, rate=0.1, clip=None)
    noise = start - 0.5  # about black, as a published run starts
    np.testing.assert_array_equal(ascend(known, logit(0), noise, steps=0, rate=0.1, clip=None).picture, noise)
    assert ascend(known, logit(0), start, steps=0, rate=0.1).scores.shape == (1, 2)


def test_a_start_beyond_the_default_clip_is_taken_without_one(model, start):
    far = 100 * start
    trace = ascend(model, logit(0), far, steps=0, rate=1.0, clip=None)
    np.testing.assert_array_equal(trace.picture, far)
    np.testing.assert_array_equal(ascend(model, logit(0), far, steps=0, rate=1.0, clip=(0, 100)).picture, far)


def test_parameters_that_are_no_pixels_are_not_clipped(model, start):
    """Twice the parameters are the picture; they leave [0, 1]."""
    doubled = Parametrization(start + 1, lambda p: 0.5 * p, (start + 1) / 2)
    kernel, _ = model.get_layer("conv1").get_weights()
    trace = ascend(model, neuron("conv1", 0, at=(0, 0)), doubled, steps=1, rate=1.0)
    expected = (start + 1) / 2
    expected[:, :3, :3] += 0.25 * kernel[..., 0]
    np.testing.assert_allclose(trace.picture, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="take clip=None"):
        ascend(model, logit(0), doubled, steps=1, rate=1.0, clip=(0.2, 0.8))


@pytest.mark.parametrize(
    ("goal", "says"),
    [
        (0 * logit(0), "all its weights are 0"),
        (logit(0) - logit(0), "all its weights are 0"),
        (Goal(()), "all its weights are 0"),
        (
            Goal(((1.0, Term("three", lambda reading: ops.full((2,), 3.0))),)),
            "does not depend on the picture",
        ),
        (Goal(((1.0, Term("three", lambda reading: 3.0)),)), "does not depend on the picture"),
        (
            Goal(((1.0, Term("still", lambda r: ops.sum(ops.stop_gradient(r.pictures), axis=(1, 2, 3)))),)),
            "does not depend on the picture",
        ),
    ],
)
def test_a_goal_without_a_gradient_is_refused_in_one_line(model, start, goal, says):
    with pytest.raises(ValueError, match=says) as caught:
        ascend(model, goal, start, steps=1, rate=1.0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "cut",
    [
        ops.stop_gradient,
        ops.round,
        lambda picture: ops.cast(picture > 0.5, "float32"),
        lambda picture: ops.one_hot(ops.argmax(picture, -1), 3),
        lambda picture: ops.ones_like(picture),
    ],
    ids=["stopped", "rounded", "compared", "largest", "another picture"],
)
def test_a_network_that_stops_the_gradient_is_refused(start, cut):
    picture = keras.Input((5, 7, 3))
    model = keras.Model(picture, layers.Dense(2)(layers.Flatten()(cut(picture))))
    with pytest.raises(ValueError, match="no gradient to follow"):
        ascend(model, logit(0), start, steps=1, rate=1.0)


def test_a_gradient_that_is_no_number_stops_at_its_step(model, start):
    """The root of 0 has none; from the third step on the term is switched on by a rate of 0 before."""

    def rooted(reading):
        # (x - x) has the value 0 and, through the root, no gradient.
        return ops.sqrt(ops.sum(reading.pictures - reading.pictures, axis=(1, 2, 3)))

    goal = logit(0) + Goal(((1.0, Term("rooted", rooted)),))
    with pytest.raises(AscentDivergedError, match="picture is not finite at step 1"):
        ascend(model, goal, start, steps=20, rate=0.1)


def test_a_network_of_nan_is_said_before_the_first_step(start):
    model = linear_model()
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(AscentDivergedError, match="score is not finite before the first step"):
        ascend(model, logit(0), start, steps=3, rate=0.1)


def test_half_precision_gives_finite_scores_and_keeps_pictures_in_float32():
    half = layers.Conv2D(2, 3, dtype="mixed_float16", name="conv")
    picture = keras.Input((5, 7, 3))
    model = keras.Model(picture, layers.Dense(2, dtype="mixed_float16")(layers.Flatten()(half(picture))))
    start = np.random.default_rng(0).random((5, 7, 3)).astype(np.float32)
    trace = ascend(model, probability(0) - 1e-4 * l2(), start, steps=2, rate=1e-4, clip=None)
    assert trace.picture.dtype == np.float32
    assert np.isfinite(trace.scores).all()
    said = np.asarray(model(start[np.newaxis])).astype(np.float64)[0]
    softmax = np.exp(said[0]) / np.exp(said).sum()
    assert trace.terms["probability(0)"][0, 0] == pytest.approx(softmax, rel=1e-3)
    assert 0 < np.abs(trace.picture - start).max() < 1e-3  # less than float16 could hold


def test_grey_pictures_and_pictures_of_many_channels():
    for channels in (1, 5):
        picture = keras.Input((6, 9, channels))
        model = keras.Model(picture, layers.Dense(3)(layers.Flatten()(picture)))
        start = np.random.default_rng(1).random((6, 9, channels)).astype(np.float32)
        kernel = model.layers[-1].get_weights()[0][:, 2].reshape(start.shape)
        trace = ascend(model, logit(2), start, steps=2, rate=0.1, clip=None)
        np.testing.assert_allclose(trace.picture[0], start + 0.2 * kernel, rtol=1e-4, atol=1e-6)


def test_a_model_of_several_inputs_or_outputs_is_refused(start):
    first, second = keras.Input((5, 7, 3), name="first"), keras.Input((5, 7, 3), name="second")
    both = layers.Flatten()(layers.Add()([first, second]))
    with pytest.raises(ValueError, match=r"takes 2 inputs \(first, second\)"):
        ascend(keras.Model([first, second], layers.Dense(2)(both)), logit(0), start, steps=1, rate=1.0)
    flat = layers.Flatten()(first)
    with pytest.raises(ValueError, match="has 2 outputs"):
        ascend(keras.Model(first, [flat, layers.Dense(2)(flat)]), logit(0), start, steps=1, rate=1.0)


def test_copies_are_counted_from_one():
    with pytest.raises(ValueError, match="repeats must be 1 or more"):
        last_bits(np.zeros((2, 2)), 0, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"goal": "logit"}, "the goal must be made by tfviz.objectives or tfviz.priors"),
        ({"model": "alexnet"}, "the model must be one of Keras"),
        ({"transforms": [None]}, "transforms must be a list"),
        ({"transforms": affine(shift=1)}, "transforms must be a list"),
        ({"clip": ("a", "b")}, "clip must be"),
        ({"clip": (0, None)}, "clip must be"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": "a"}, "seed must be a whole number"),
    ],
)
def test_what_is_no_goal_model_transform_or_clip_is_said_in_one_line(model, start, change, says):
    given = {"model": model, "goal": logit(0), "start": start, "steps": 1, "rate": 0.1} | change
    with pytest.raises(ValueError, match=f"^{says}.*$"):
        ascend(**given)


def test_arrays_and_lists_do_for_clip_steps_and_transforms(model, start):
    usual = ascend(
        model, logit(0), start, steps=2, rate=0.1, clip=(0.2, 0.9), transforms=[affine(size=(5, 7))]
    )
    for clip, size in (([0.2, 0.9], [5, 7]), (np.array([0.2, 0.9]), np.array([5, 7]))):
        other = ascend(
            model,
            logit(0),
            start,
            steps=np.array(2),
            rate=0.1,
            clip=clip,
            transforms=iter([affine(size=size)]),
        )
        np.testing.assert_array_equal(other.picture, usual.picture)


def test_a_sequential_network_needs_not_be_called_before(start):
    network = keras.Sequential([keras.Input((5, 7, 3)), layers.Flatten(), layers.Dense(4)])
    trace = ascend(network, logit(2), start, steps=0, rate=0.0)
    kernel, bias = network.get_weights()
    np.testing.assert_allclose(trace.scores[0], (start.reshape(2, -1) @ kernel + bias)[:, 2], rtol=1e-5)


def test_without_a_step_nothing_is_clipped_and_the_trace_is_the_callers_own(model):
    start = pixels(np.full((1, 5, 7, 3), 0.75, np.float32))
    trace = ascend(model, logit(0), start, steps=0, rate=0.0, clip=(0.0, 0.5), keep=(0,))
    assert (trace.picture == 0.75).all()
    assert (trace.snapshots[0] == 0.75).all()
    trace.picture[...] = trace.snapshots[0][...] = 0.0
    assert (start.pictures == 0.75).all()
    trace = ascend(model, logit(0), start, steps=2, rate=0.1, keep=(1,))
    trace.picture[...] = trace.snapshots[1][...] = 0.0  # on JAX, too


def test_threads_leave_no_shortcut_in_the_layers():
    """One traces a network's loop while another begins: then a layer kept the first one's shortcut for its own call."""
    network = keras.Sequential([keras.Input((8, 8, 3)), LocalResponseNormalization()])
    inside, done = threading.Event(), threading.Event()

    def first():
        with Shortcuts(network).taken():
            inside.set()
            done.wait(0.5)

    def second():
        inside.wait(5)
        with Shortcuts(network).taken():
            done.set()

    threads = [threading.Thread(target=each) for each in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "call" not in vars(network.layers[-1])


def test_pictures_that_are_too_small_are_said_in_one_line():
    network = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 5, name="conv1")])
    for goal in (neuron("conv1", 0), channel("conv1", 0)):
        with pytest.raises(ValueError, match=r"^.* cannot be called on pictures of \(2, 7, 3\): [^\n]*$"):
            ascend(network, goal, np.full((2, 7, 3), 0.5), steps=1, rate=0.1)
