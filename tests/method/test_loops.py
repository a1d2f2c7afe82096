import gc
import weakref

import keras
import numpy as np
import pytest
from keras import layers

from tests.tiny import linear_model
from tfviz.method import parametrizations, transforms
from tfviz.method.ascent import ascend
from tfviz.method.loops import bound
from tfviz.method.objectives import channel, logit, neuron, probability
from tfviz.method.parametrizations import pixels
from tfviz.method.priors import distance, l2, spectrum, total_variation

CLASSES = 10


class Counting(layers.Layer):
    """Says how often it was called: when a program is traced, not when it runs."""

    calls = 0

    def call(self, x):
        Counting.calls += 1
        return 1.0 * x


def network(seed=0):
    random = np.random.default_rng(seed)
    picture = keras.Input((9, 11, 3))
    maps = layers.Conv2D(6, 3, activation="relu", name="conv")(Counting()(picture))
    dense = layers.Dense(CLASSES, name="logits")(layers.Flatten()(maps))
    model = keras.Model(picture, dense, name="counted")
    model.set_weights([0.3 * random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


@pytest.fixture
def model():
    return network()


@pytest.fixture
def start():
    return np.random.default_rng(3).random((2, 9, 11, 3)).astype(np.float32)


def traced(model, *arguments, **options):
    """What an ascent gives, and how often the network was traced for it."""
    before = Counting.calls
    trace = ascend(model, *arguments, **options)
    return trace, Counting.calls - before


def afresh(*arguments, **options):
    """The same ascent by a model that has compiled nothing yet."""
    return ascend(network(), *arguments, **options)


BLACK, GREY = np.zeros((9, 11, 3), np.float32), np.full((9, 11, 3), 0.5, np.float32)
SLOPE = np.linspace(1, 2, 9 * 6 * 3, dtype=np.float32).reshape(9, 6, 3)


@pytest.mark.parametrize(
    ("first", "others"),
    [
        (logit(3), [logit(7), 0.5 * logit(0), logit([3, 5])]),
        (probability([1, 2]) - 0.1 * l2(), [3 * probability(9) - 2 * l2()]),
        (
            channel("conv", 0) + logit(1),
            [channel("conv", 5) - logit(2), channel("conv", [4, 1]) + 0 * logit(4)],
        ),
        (neuron("logits", 2), [neuron("logits", 8), neuron("logits", [0, 9])]),
        (logit(1) - distance(BLACK), [logit(2) - 0.5 * distance(GREY)]),
        (logit(1) - 0.01 * spectrum(SLOPE), [logit(2) - 0.02 * spectrum(2 * SLOPE, np.eye(3)[::-1])]),
        (logit(1) - total_variation(), [logit(1) - 1e-3 * total_variation()]),
    ],
)
def test_goals_of_one_kind_share_one_trace(model, start, first, others):
    _, count = traced(model, first, start, steps=3, rate=0.1)
    assert count > 0
    for goal in others:
        trace, count = traced(model, goal, start, steps=3, rate=0.1)
        assert count == 0
        expected = afresh(goal, start, steps=3, rate=0.1)
        np.testing.assert_allclose(trace.picture, expected.picture, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(trace.scores, expected.scores, rtol=1e-4, atol=1e-5)
        assert trace.terms.keys() == expected.terms.keys() == goal.summands.keys()
        for name, values in trace.terms.items():
            np.testing.assert_allclose(values, expected.terms[name], rtol=1e-4, atol=1e-5)


def test_every_class_and_every_unit_costs_no_further_trace(model, start):
    ascend(model, logit(0), start, steps=2, rate=0.1)
    ascend(model, neuron("conv", 0), start, steps=2, rate=0.1)
    before = Counting.calls
    for k in range(CLASSES):
        ascend(model, logit(k), start, steps=2, rate=0.1)
    for unit in range(6):
        for place in ((3, 4), (1, 1), (6, 8)):
            trace = ascend(model, neuron("conv", unit, at=place), start, steps=2, rate=0.1)
    assert Counting.calls == before
    expected = afresh(neuron("conv", 5, at=(6, 8)), start, steps=2, rate=0.1)
    np.testing.assert_allclose(trace.picture, expected.picture, rtol=1e-6)


def test_random_changes_and_fourier_pictures_share_theirs(model, start):
    for options in (
        {"transforms": (transforms.affine(shift=1),)},
        {"start": parametrizations.fourier(start)},
    ):
        others = {"transforms": (transforms.affine(shift=2),), "start": parametrizations.fourier(start[::-1])}
        given = {"start": start, "steps": 2, "rate": 0.1}
        _, count = traced(model, logit(1), **(given | options))
        assert count > 0
        changed = given | {name: others[name] for name in options}
        trace, count = traced(model, logit(2), **changed)
        assert count == 0
        expected = afresh(logit(2), **changed)
        np.testing.assert_allclose(trace.picture, expected.picture, rtol=1e-5, atol=1e-6)


def test_what_was_compiled_refuses_what_does_not_fit(model, start):
    ascend(model, logit(1), start, steps=1, rate=0.1)
    ascend(model, neuron("conv", 1, at=(2, 2)), start, steps=1, rate=0.1)
    for goal, says in (
        (logit(CLASSES), "10 classes: there is no class 10"),
        (logit([1, 2, 3]), "logit is for 3 pictures, one each: the batch has 2"),
        (neuron("conv", 6, at=(2, 2)), "6 channels: there is no channel 6"),
        (neuron("conv", 1, at=(7, 0)), "7 x 9 positions: there is no unit at"),
        (0 * logit(1), "all its weights are 0"),
    ):
        with pytest.raises(ValueError, match=says):
            ascend(model, goal, start, steps=1, rate=0.1)


def test_other_values_of_variables_are_seen(model, start):
    ascend(model, logit(1), start, steps=2, rate=0.1)
    model.set_weights(network(seed=5).get_weights())
    trace, count = traced(model, logit(1), start, steps=2, rate=0.1)
    assert count == 0
    expected = ascend(network(seed=5), logit(1), start, steps=2, rate=0.1)
    np.testing.assert_allclose(trace.picture, expected.picture, rtol=1e-6)


def test_a_layer_that_was_changed_is_seen(model, start):
    goal = logit(1) + 0.1 * logit(2)
    ascend(model, goal, start, steps=2, rate=0.1)
    model.get_layer("conv").activation = keras.activations.tanh
    trace, count = traced(model, goal, start, steps=2, rate=0.1)
    assert count > 0
    other = network()
    other.get_layer("conv").activation = keras.activations.tanh
    np.testing.assert_array_equal(trace.picture, ascend(other, goal, start, steps=2, rate=0.1).picture)
    model.get_layer("logits").kernel.trainable = False  # decides nothing here
    assert traced(model, goal, start, steps=2, rate=0.1)[1] <= count


def test_few_are_kept(model):
    random = np.random.default_rng(0)
    for count in range(1, 13):
        ascend(model, logit(1), random.random((count, 9, 11, 3)), steps=0, rate=0.1)
    newest, oldest = (random.random((count, 9, 11, 3)) for count in (12, 1))
    assert traced(model, logit(1), newest, steps=0, rate=0.1)[1] == 0
    assert traced(model, logit(1), oldest, steps=0, rate=0.1)[1] > 0


def test_they_go_with_their_model(start):
    model = network()
    ascend(model, logit(1), start, steps=1, rate=0.1)
    loop = weakref.ref(bound(model, logit(1), pixels(start), (0.0, 1.0), (), ())[0])
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert loop() is None


def test_a_model_with_compiled_loops_is_saved_as_before(start, tmp_path):
    model = linear_model(9, 11)
    ascend(model, logit(1), start, steps=1, rate=0.1)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(again(start)), np.asarray(model(start)))


def test_a_model_that_predicted_in_between_is_the_same(model, start):
    traced(model, logit(1), start, steps=2, rate=0.1)
    model.predict_on_batch(start)
    assert traced(model, logit(2), start, steps=2, rate=0.1)[1] == 0
