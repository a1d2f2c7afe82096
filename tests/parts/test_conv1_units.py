import itertools

import numpy as np
import pytest

from tests.parts.drawn import drawn, html_of
from tfviz.experiment.grading import grade
from tfviz.experiment.store import PartResult
from tfviz.parts import conv1_units


@pytest.fixture(scope="module")
def findings(context_on):
    return conv1_units.run(conv1_units.SETTINGS, context_on("alexnet_features"))


@pytest.mark.weights
@pytest.mark.parametrize(
    ("channel", "published", "tolerance"),
    [(0, 62.038, 0.005), (5, 34.98, 0.01), (10, 47.12, 0.01), (20, 104.0, 0.01)],
)
def test_published_activations(findings, channel, published, tolerance):
    measured = findings.numbers[f"activation_channel_{channel}"]
    assert measured.value == pytest.approx(published, abs=tolerance)
    assert measured.network == "alexnet_features"
    bound = findings.numbers[f"bound_channel_{channel}"].value
    assert 0 < bound - measured.value < 0.01


@pytest.mark.weights
def test_the_published_bound_and_every_verdict(findings):
    assert findings.numbers["bound_channel_0"].value == pytest.approx(62.0403, abs=1e-4)
    result = PartResult("conv1_units", "done", findings.numbers)
    assert {grade("conv1_units", expected, result).status for expected in conv1_units.EXPECTED} == {"pass"}


@pytest.mark.weights
def test_only_the_window_changes(findings):
    """conv1 pads 2 and strides 4: unit 27 of 55 sees rows 106 to 116."""
    np.testing.assert_array_equal(findings.arrays["window"], [[106, 117], [106, 117]])
    picture = findings.arrays["picture_0"].copy()
    noise = findings.arrays["picture_5"].copy()
    picture[106:117, 106:117] = noise[106:117, 106:117] = 0
    np.testing.assert_array_equal(picture, noise)
    assert abs(picture.std()) > 0


@pytest.mark.weights
def test_figures_are_drawn_from_the_findings(findings):
    assert list(drawn(conv1_units, findings, conv1_units.SETTINGS)) == ["pictures", "ascent"]
    assert "62.04" in html_of(conv1_units, findings, conv1_units.SETTINGS, network="alexnet_features")


def test_linear_maximum_against_every_corner():
    """A linear function on a box is largest at a corner: try all of them."""
    random = np.random.default_rng(0)
    kernel, mean, std = random.normal(size=(2, 1, 3)), (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
    corners = [
        0.7 + np.sum(kernel * (np.reshape(corner, kernel.shape) - mean) / std)
        for corner in itertools.product((-1.0, 2.0), repeat=kernel.size)
    ]
    bound, best = conv1_units.linear_maximum(kernel, 0.7, mean, std, -1.0, 2.0)
    assert bound == pytest.approx(max(corners), rel=1e-12)
    assert 0.7 + np.sum(kernel * (best - mean) / std) == pytest.approx(bound, rel=1e-12)
