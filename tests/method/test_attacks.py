import keras
import numpy as np
import pytest

import tfviz
from tests.tiny import linear_model
from tfviz.data import drawings
from tfviz.data.cifar10 import CLASSES
from tfviz.method import attacks, objectives, probe
from tfviz.method.ascent import AscentDivergedError


def two_classes(weights, bias):
    """Logits 0 and weights . picture + bias: log(p / (1 - p)) of class 1 is linear in the picture."""
    picture = keras.Input(weights.shape)
    logits = keras.layers.Dense(2)(keras.layers.Flatten()(picture))
    model = keras.Model(picture, logits)
    model.set_weights([np.stack([0 * weights.ravel(), weights.ravel()], axis=1), np.array([0.0, bias])])
    return model


def log_odds(probability):
    return np.log(probability / (1 - probability))


@pytest.fixture
def weights():
    return np.random.default_rng(1).normal(size=(6, 9, 3))


def test_inside_the_box_the_distance_is_the_missing_log_odds_over_the_weights_norm(weights):
    source = np.full(weights.shape, 0.5, np.float32)
    model = two_classes(weights, -0.5 * weights.sum() - 3.0)  # log-odds of the source: -3
    found = attacks.minimum_distance(model, source, 1, probability=0.9, steps=200)
    least = (log_odds(0.9) + 3) / np.linalg.norm(weights)
    assert found.reached
    assert least * (1 - 1e-5) <= np.linalg.norm(found.picture - source) <= least * 1.01
    assert found.probability == pytest.approx(0.9, abs=0.01)
    assert found.probability >= 0.9


def test_at_the_box_the_other_pixels_make_up_for_those_that_stop(weights):
    """Nearest point of a half space within a box: x0 + s w, clipped, for the s that reaches the goal."""
    source = np.random.default_rng(2).uniform(size=weights.shape).astype(np.float32)
    bias = -float((weights * source).sum()) - 25.0
    scales = np.linspace(0, 2, 20001)
    values = np.array([(weights * np.clip(source + scale * weights, 0, 1)).sum() + bias for scale in scales])
    scale = scales[np.argmax(values >= log_odds(0.9))]
    nearest = np.clip(source + scale * weights, 0, 1)
    assert np.isin(nearest, (0, 1)).mean() > 0.1

    found = attacks.minimum_distance(two_classes(weights, bias), source, 1, probability=0.9, steps=400)
    assert found.reached
    assert found.picture.min() >= 0
    assert found.picture.max() <= 1
    assert np.linalg.norm(found.picture - source) == pytest.approx(np.linalg.norm(nearest - source), rel=0.01)


def test_the_8_bit_search_stays_on_the_grid_and_beats_rounding_afterwards(weights):
    weights = 300 * weights  # so large that less than a level a pixel is enough
    source = attacks.round_to_bytes(np.random.default_rng(3).uniform(0.2, 0.8, weights.shape))
    model = two_classes(weights, -float((weights * source).sum()) - 5.0)
    floats = attacks.minimum_distance(model, source, 1, probability=0.95, steps=200)
    np.testing.assert_array_equal(attacks.round_to_bytes(floats.picture), source)  # rounding loses everything

    found = attacks.minimum_distance(model, source, 1, probability=0.95, steps=200, eight_bit=True)
    assert found.reached
    np.testing.assert_array_equal(attacks.round_to_bytes(found.picture), found.picture)
    np.testing.assert_array_equal(attacks.saved(found.picture, "PNG"), found.picture)
    # Of all changes by one level, the fewest: those of the largest weights.
    levels = np.sort(np.abs(weights).ravel())[::-1].cumsum() / 255
    fewest = 1 + np.argmax(levels >= 5 + log_odds(0.95))
    changed = np.abs(np.rint(255 * (found.picture - source)))
    assert changed.max() == 1
    assert fewest <= changed.sum() <= fewest + 2


def test_a_picture_that_is_the_target_already_stays():
    model = linear_model()
    picture = np.random.default_rng(4).uniform(size=(5, 7, 3)).astype(np.float32)
    winner = int(np.argmax(model(picture[None])))
    found = attacks.minimum_distance(model, picture, winner, probability=1e-3)
    np.testing.assert_array_equal(found.picture, picture)
    assert found.reached
    assert found.distances.tolist() == [0]
    assert len(attacks.minimum_distance(model, picture, winner, probability=1e-3, attempts=3).attempts) == 1


def test_what_cannot_be_reached_is_said_and_the_nearest_try_returned(weights):
    """The whole box reaches log-odds -1 at most."""
    model = two_classes(weights, -np.maximum(weights, 0).sum() - 1.0)
    source = np.full(weights.shape, 0.5, np.float32)
    found = attacks.minimum_distance(model, source, 1, probability=0.5, steps=300)
    assert not found.reached
    assert found.probability == found.probabilities.max()
    assert found.probability == pytest.approx(1 / (1 + np.e), abs=0.02)
    short = attacks.minimum_distance(model, source, 1, probability=0.5, steps=3, attempts=3)
    reached = [each.probability for each in short.attempts]
    assert short.probability == max(reached) > min(reached)


def test_the_network_with_a_relu_is_fooled_and_what_is_reported_is_what_it_says():
    model = linear_model()
    picture = np.random.default_rng(5).uniform(size=(5, 7, 3)).astype(np.float32)
    target = int(np.argmin(model(picture[None])))
    found = attacks.minimum_distance(model, picture, target, probability=0.8, steps=100, keep=(0, 7))
    np.testing.assert_array_equal(found.snapshots[0], picture)
    assert np.linalg.norm(found.snapshots[7] - picture) == pytest.approx(found.distances[7], rel=1e-6)
    assert found.reached
    said = keras.ops.convert_to_numpy(keras.ops.softmax(model(found.picture[None])))[0, target]
    assert found.probability == pytest.approx(said, abs=1e-5)
    tries = found.distances[found.probabilities >= 0.8]
    assert np.linalg.norm(found.picture - picture) == pytest.approx(tries.min(), rel=1e-6)


def test_the_nearest_of_several_attempts_counts(monkeypatch):
    model = linear_model()
    picture = np.random.default_rng(5).uniform(size=(5, 7, 3)).astype(np.float32)
    target = int(np.argmin(model(picture[None])))
    search, distances = attacks._search, []

    def recorded(*arguments):
        found = yield from search(*arguments)
        distances.append(np.linalg.norm(found.picture - picture))
        return found

    monkeypatch.setattr(attacks, "_search", recorded)
    found = attacks.minimum_distance(model, picture, target, probability=0.8, steps=30, attempts=4)
    assert found.reached
    assert len(set(distances)) > 1
    assert np.linalg.norm(found.picture - picture) == min(distances)
    assert [np.linalg.norm(each.picture - picture) for each in found.attempts] == distances
    assert any(each.picture is found.picture for each in found.attempts)
    assert [each.attempts for each in found.attempts] == [()] * 4
    assert all(each.reached == (each.probability >= 0.8) for each in found.attempts)
    alone = attacks.minimum_distance(model, picture, target, probability=0.8, steps=30)
    np.testing.assert_allclose(found.attempts[0].distances, alone.distances, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": 4}, "no class 4"),
        ({"target": -1}, "no class -1"),
        ({"probability": 1.0}, "between 0 and 1"),
        ({"steps": 0}, "1 or more"),
        ({"attempts": 0}, "1 or more"),
        ({"picture": np.full((5, 7, 3), 1.5)}, r"in \[0, 1\]"),
        ({"picture": np.zeros((1, 5, 7, 3))}, r"\(H, W, channels\)"),
        ({"picture": np.full((5, 7, 3), np.nan)}, "not finite"),
        ({"picture": np.full((5, 7, 3), 1, np.uint8)}, "whole numbers"),
        ({"picture": np.zeros((7, 5, 3))}, r"takes pictures of shape \(5, 7, 3\), not \(7, 5, 3\)"),
        ({"target": 1.5}, "a class is a whole number"),
        ({"probability": float("nan")}, "between 0 and 1"),
        ({"steps": 2.5}, "steps must be 1 or more"),
        ({"keep": (900,)}, "the search has 0 to 800"),
        ({"picture": np.full((5, 7, 3), 0.501), "eight_bit": True}, "round it first"),
    ],
)
def test_nonsense_is_refused(change, message):
    arguments = {"picture": np.zeros((5, 7, 3)), "target": 1, "probability": 0.9} | change
    with pytest.raises(ValueError, match=message):
        attacks.minimum_distance(linear_model(), **arguments)


def test_saving_as_jpeg_loses_more_at_a_lower_quality():
    picture = attacks.round_to_bytes(np.random.default_rng(6).uniform(size=(32, 40, 3)))
    loss = [np.linalg.norm(attacks.saved(picture, "JPEG", quality) - picture) for quality in (95, 75)]
    assert 0 < loss[0] < loss[1]
    assert attacks.saved(picture, "JPEG").shape == picture.shape


def test_the_compiled_gradient_is_the_same_at_every_call():
    model, goal = linear_model(), objectives.log_probability(2)
    function = probe.gradient_function(model, goal)
    for seed in (0, 1):
        pictures = np.random.default_rng(seed).uniform(size=(2, 5, 7, 3)).astype(np.float32)
        for once, again in zip(
            probe.value_and_gradient(model, goal, pictures), function(pictures), strict=True
        ):
            if isinstance(once, dict):
                np.testing.assert_allclose(again["log_probability(2)"], once["log_probability(2)"])
            else:
                np.testing.assert_allclose(again, once)


def over_attempts(names, steps):
    """Mean L2 of four attempts at each of these classes, from the drawn ship, which the bundled network knows."""
    model, source = tfviz.load("cifar_cnn"), drawings.ship(32, 32)
    means = []
    for name in names:
        target = CLASSES.index(name)
        found = attacks.minimum_distance(model, source, target, probability=0.95, steps=steps, attempts=4)
        assert found.reached
        means.append(
            np.mean([np.linalg.norm(each.picture - source) for each in found.attempts if each.reached])
        )
    return np.array(means)


def test_one_search_on_a_trained_network_comes_near_the_best_of_many():
    """Measured: 5.5 % above the best of six attempts with four times the steps, as a mean, since one is chaotic.

    Without memory of the direction it is 10 %, with three times as much 11 %.
    """
    best_of_many = {"cat": 2.247, "dog": 2.088, "horse": 1.933}
    above = over_attempts(best_of_many, 440) / list(best_of_many.values())
    assert np.mean(above) <= 1.078


def test_few_steps_are_not_spent_in_rounds(monkeypatch):
    """Measured with 60 steps: 3.48 in rounds, as more steps are spent, and 2.41 in one."""
    some = ("cat", "dog", "horse")
    one_round = over_attempts(some, 60).mean()
    monkeypatch.setattr(attacks, "_FEW", 0)
    assert over_attempts(some, 60).mean() > 1.1 * one_round


@pytest.mark.parametrize(
    ("schedule", "first"), [(attacks._ONE_ROUND, (1.0, 0.5, 0)), (attacks._IN_ROUNDS, None)]
)
def test_strengths_fall_along_a_cosine_within_each_round(schedule, first):
    strengths = attacks._strengths(1000, schedule)
    assert len(strengths) == 1000
    if first is not None:
        np.testing.assert_allclose([strengths[0], strengths[500], strengths[999]], first, atol=1e-5)
        assert (np.diff(strengths) < 0).all()
    else:
        rises = np.flatnonzero(np.diff(strengths) > 0) + 1
        assert rises.tolist() == [400, 600, 800]
        assert [strengths[step] for step in (0, *rises)] == [1.0, 0.5, 0.5, 0.5]


def test_a_network_of_nan_is_said():
    model = linear_model()
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(AscentDivergedError, match="no finite number at step 0"):
        attacks.minimum_distance(model, np.zeros((5, 7, 3)), 1, probability=0.9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quality": 96}, "quality 96"),
        ({"quality": 0}, "quality must be 1 or more"),
        ({"kind": "GIF"}, "'GIF'"),
        ({"picture": np.zeros((8, 8, 1))}, r"\(8, 8, 1\)"),
        ({"picture": np.full((8, 8, 3), np.nan)}, "not finite"),
        ({"picture": np.full((8, 8, 3), 2.0)}, r"in \[0, 1\]"),
    ],
)
def test_what_cannot_be_saved_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        attacks.saved(**({"picture": np.zeros((8, 8, 3)), "kind": "JPEG"} | change))
