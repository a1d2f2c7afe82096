from dataclasses import replace

import numpy as np
import pytest

from tests.parts.class_network import tiny_context
from tests.parts.drawn import drawn, html_of
from tfviz.experiment.grading import grade
from tfviz.experiment.store import PartResult
from tfviz.parts import class_neuron

SETTINGS = replace(class_neuron.SETTINGS, steps=60, keep=(0, 8, 60))


@pytest.fixture(scope="module")
def findings(context_on):
    return class_neuron.run(SETTINGS, context_on("squeezenet"))


@pytest.mark.weights
def test_the_published_rate_overshoots(findings):
    numbers = {name: number.value for name, number in findings.numbers.items()}
    assert numbers["objective"] < 0 < numbers["objective_falling"]
    assert numbers["activation_falling"] > 3 * numbers["activation"]
    assert numbers["probability_falling"] > 0.99
    assert findings.facts["winners"]["falling"] == "jellyfish"
    assert not findings.facts["own_coordinates"]
    assert findings.numbers["activation"].network == "squeezenet"


@pytest.mark.weights
def test_the_numbers_are_those_of_the_last_picture(findings):
    """The objective of the stored picture by the network and by hand."""
    picture = findings.arrays["pictures_published"][-1].astype(np.float64)
    norm = np.sum(picture**2)
    assert findings.numbers["l2"].value == pytest.approx(norm, rel=1e-4)
    objective = 1000 * findings.numbers["activation"].value - norm
    assert findings.numbers["objective"].value == pytest.approx(objective, rel=1e-4)
    assert findings.arrays["objective_published"][-1] == findings.numbers["objective"].value
    assert findings.arrays["pictures_published"].shape == (3, 227, 227, 3)


@pytest.mark.weights
def test_verdicts_and_figures(findings):
    result = PartResult("class_neuron", "done", findings.numbers)
    assert {grade("p", expected, result).status for expected in class_neuron.EXPECTED} == {"pass"}
    assert list(drawn(class_neuron, findings, SETTINGS)) == [
        "pictures",
        "steps",
        "objective",
        "logit",
        "norm",
    ]
    html = html_of(class_neuron, findings, SETTINGS, network="squeezenet")
    assert "takes\n66 % of the picture away at each step" in html


@pytest.mark.parametrize(
    ("network", "own"), [("alexnet", True), ("caffe_alexnet", True), ("squeezenet", False)]
)
def test_coordinates(network, own):
    """On AlexNet x is the network's own input; there the first step is known in full for a linear network."""
    context, model, normalized = tiny_context(network)
    settings = replace(class_neuron.SETTINGS, class_index=3, steps=5, keep=(0, 1, 5), rate=1e-3, tenth=1e-4)
    findings = class_neuron.run(settings, context)
    assert normalized == [not own]
    assert findings.facts["own_coordinates"] is own
    assert findings.numbers["activation"].network == network
    start, first = findings.arrays["pictures_published"][:2]
    assert start.std() == pytest.approx(0.01, rel=0.05)
    assert abs(start.mean()) < 1e-3
    kernel = model.get_layer("logits").get_weights()[0][:, 3].reshape(start.shape)
    np.testing.assert_allclose(first, start + 1e-3 * (1000 * kernel - 2 * start), rtol=1e-4, atol=1e-6)
    assert len(drawn(class_neuron, findings, settings)) == 5
    own_input = "is the network's own input" in html_of(class_neuron, findings, settings, network=network)
    assert own_input == own


def test_covered_fraction():
    picture = np.zeros((40, 53, 3))  # 2 x 3 whole blocks of 16
    picture[:16, :16] = 1.0
    picture[16:32, 16:32] = 0.1
    picture[32:, :] = 9.0  # in no whole block
    assert class_neuron.covered_fraction(picture, 16) == pytest.approx(1 / 6)
    picture[16:32, 16:32] = 0.5
    assert class_neuron.covered_fraction(picture, 16) == pytest.approx(2 / 6)
