from dataclasses import replace

import numpy as np
import pytest

from tests.parts.drawn import drawn, html_of
from tfviz.experiment.grading import grade
from tfviz.experiment.store import PartResult
from tfviz.parts import conv2_neuron

SETTINGS = replace(conv2_neuron.SETTINGS, steps=100, keep=(0, 8, 100))


@pytest.fixture(scope="module")
def findings(context_on):
    return conv2_neuron.run(SETTINGS, context_on("alexnet_features"))


@pytest.mark.weights
def test_the_update_is_what_its_closed_forms_say(findings):
    numbers = {name: number.value for name, number in findings.numbers.items()}
    assert 0 < numbers["shrink_error"] <= 1e-5
    assert 0 < numbers["unrolled_error"] <= 1e-5
    assert numbers["conv1_fixed_point_error"] <= 1e-5
    assert numbers["outside_field_max"] <= 1e-30


@pytest.mark.weights
def test_the_field_is_what_is_left_of_51_pixels(findings):
    np.testing.assert_array_equal(findings.arrays["field"], [[0, 33], [0, 33]])
    assert (findings.facts["field_size"], findings.facts["field_offset"]) == (51, -18)


@pytest.mark.weights
def test_the_published_rate_overshoots(findings):
    numbers = {name: number.value for name, number in findings.numbers.items()}
    assert numbers["stationarity_residual"] > 0.5
    assert numbers["objective_decaying"] > 1.3 * numbers["objective"]
    assert numbers["stationarity_residual_decaying"] < numbers["stationarity_residual"]
    objective = 1000 * numbers["activation"] - (findings.arrays["picture_published"].astype(float) ** 2).sum()
    assert numbers["objective"] == pytest.approx(objective, rel=1e-5)


@pytest.mark.weights
def test_verdicts_and_figures(findings):
    result = PartResult("conv2_neuron", "done", findings.numbers)
    assert {grade("p", expected, result).status for expected in conv2_neuron.EXPECTED} == {"pass"}
    assert list(drawn(conv2_neuron, findings, SETTINGS)) == ["pictures", "corner", "objective", "terms"]
    html = html_of(conv2_neuron, findings, SETTINGS, network="alexnet_features")
    assert "a fixed point, 500 times the filter" in html
