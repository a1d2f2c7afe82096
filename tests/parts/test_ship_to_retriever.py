from dataclasses import replace

import numpy as np
import pytest

from tests.parts.drawn import drawn, html_of
from tfviz.parts import ship_to_retriever

SETTINGS = replace(ship_to_retriever.SETTINGS, ships=2)


@pytest.fixture(scope="module")
def findings(context_on):
    return ship_to_retriever.run(SETTINGS, context_on("squeezenet"))


@pytest.mark.weights
def test_the_logarithm_reaches_0_998_for_every_ship(findings):
    numbers = findings.numbers
    ends = [numbers[f"target_probability_ship_{ship}"].value for ship in range(2)]
    assert numbers["target_probability"].value == min(ends) >= 0.998
    assert findings.facts["source"].startswith("drawn")


@pytest.mark.weights
def test_distances_are_those_of_the_stored_pictures(findings):
    moved = findings.arrays["logarithm"][1].astype(float) - findings.arrays["start"][1]
    assert findings.numbers["l2_ship_1"].value == pytest.approx(np.sqrt((moved**2).sum()), rel=1e-5)
    assert findings.numbers["linf_ship_1"].value == pytest.approx(np.abs(moved).max(), rel=1e-5)
    assert 0 < findings.numbers["ssim_ship_1"].value < 1


@pytest.mark.weights
def test_figures(findings):
    assert list(drawn(ship_to_retriever, findings, SETTINGS)) == ["ships", "strip", "probability"]
    html = html_of(ship_to_retriever, findings, SETTINGS, network="squeezenet")
    assert "with a rate of 0.5" in html
    assert findings.facts["source"] in html
