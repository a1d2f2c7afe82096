from dataclasses import replace

import numpy as np
import pytest

from tests.parts.drawn import drawn, html_of
from tfviz.parts import class_image
from tfviz.parts._toward_class import steps_to_show, toward_class

SETTINGS = replace(class_image.SETTINGS, seeds=2)


@pytest.fixture(scope="module")
def findings(context_on):
    return class_image.run(SETTINGS, context_on("squeezenet"))


@pytest.mark.weights
def test_the_logarithm_reaches_0_998_from_every_seed(findings):
    numbers = findings.numbers
    ends = [numbers[f"target_probability_seed_{seed}"].value for seed in range(2)]
    assert numbers["target_probability"].value == min(ends) >= 0.998
    assert numbers["target_probability"].network == "squeezenet"
    assert numbers["start_probability"].value < 0.01


@pytest.mark.weights
def test_the_probability_is_that_of_the_stored_picture(findings, context_on):
    logits = np.asarray(context_on("squeezenet").model()(findings.arrays["logarithm"])).astype(float)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax[:, 207], findings.arrays["logarithm_probability"][-1], rtol=1e-3)
    assert findings.arrays["logarithm"].min() >= 0
    assert findings.arrays["logarithm"].max() <= 1


@pytest.mark.weights
def test_figures(findings):
    assert list(drawn(class_image, findings, SETTINGS)) == ["strip", "last", "probability"]
    assert "golden retriever" in html_of(class_image, findings, SETTINGS, network="squeezenet")


def test_both_objectives_start_from_the_same_picture():
    from tests.tiny import linear_model

    starts = np.random.default_rng(0).random((3, 5, 7, 3)).astype(np.float32)
    both = toward_class(linear_model(), 2, starts, steps=3, rate=0.1, logarithm_rate=0.2, keep=(0,))
    np.testing.assert_allclose(both.published_probability[0], both.logarithm_probability[0], rtol=1e-5)
    np.testing.assert_array_equal(both.published.snapshots[0], both.by_logarithm.snapshots[0])
    assert (both.logarithm_probability[-1] > both.logarithm_probability[0]).all()


def test_numbers_are_those_of_the_probabilities():
    from tests.tiny import linear_model

    starts = np.random.default_rng(1).random((3, 5, 7, 3)).astype(np.float32)
    both = toward_class(linear_model(), 2, starts, steps=3, rate=0.1, logarithm_rate=0.2)
    ends = both.published_probability[-1]
    numbers = both.numbers()
    assert numbers == {
        "target_probability": both.logarithm_probability[-1].min(),
        "published_probability": ends[0],
        "published_probability_lowest": ends.min(),
        "published_probability_highest": ends.max(),
        "published_probability_best_step": both.published_probability.max(),
        "start_probability": both.logarithm_probability[0].max(),
    }
    assert {type(value) for value in numbers.values()} == {float}


def test_steps_to_show():
    assert steps_to_show(40) == (0, 8, 40)
    assert steps_to_show(1000) == (0, 8, 64, 512, 1000)
    assert steps_to_show(8) == (0, 8)
