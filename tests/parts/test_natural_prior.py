from dataclasses import replace

import numpy as np
import pytest

from tests.parts.class_network import tiny_context
from tests.parts.drawn import drawn, html_of
from tfviz.experiment.grading import grade
from tfviz.experiment.store import PartResult
from tfviz.measures import spectrum
from tfviz.parts import natural_prior

SETTINGS = replace(
    natural_prior.SETTINGS, classes=(107,), weights_tried=(), steps=40, keep=(0, 8, 40), short_steps=30
)


@pytest.fixture(scope="module")
def findings(context_on):
    return natural_prior.run(SETTINGS, context_on("squeezenet"))


@pytest.mark.weights
def test_the_prior_brings_the_spectrum_near_that_of_natural_pictures(findings):
    numbers = {name: number.value for name, number in findings.numbers.items()}
    assert numbers["spectrum_slope"] == pytest.approx(-2, abs=0.4)
    assert numbers["spectrum_slope_without"] > -1
    assert numbers["slope_gain_min"] > 0.7
    for suffix in ("", "_107_prior", "_107_moved", "_107_fourier"):
        assert numbers[f"total_variation{suffix}"] < 0.8 * numbers["total_variation_107_without"]
        assert numbers[f"activation{suffix}"] > 20
    assert numbers["activation"] < numbers["activation_without"]
    assert findings.numbers["activation"].network == "squeezenet"


@pytest.mark.weights
def test_the_numbers_are_those_of_the_stored_pictures(findings):
    for suffix, picture in (
        ("", findings.arrays["long_prior"][-1]),
        ("_without", findings.arrays["long_without"][-1]),
        ("_107_fourier", findings.arrays["picture_107_fourier"]),
    ):
        assert findings.numbers[f"spectrum_slope{suffix}"].value == pytest.approx(spectrum.slope(picture))
        assert findings.numbers[f"total_variation{suffix}"].value == spectrum.total_variation(picture)
    picture = findings.arrays["long_prior"][-1].astype(float)
    off = spectrum.magnitude(picture @ spectrum.colour_axes().T) - spectrum.natural_magnitude(227, 227)
    off[0, 0] = 0
    distance = np.sum(off[:, :1] ** 2) + 2 * np.sum(off[:, 1:] ** 2)  # 227 is odd: only column 0 stands alone
    assert findings.numbers["spectrum_distance"].value == pytest.approx(distance, rel=1e-3)
    terms = {name: findings.arrays[f"{name}_prior"][-1] for name in ("objective", "logit", "l2", "spectrum")}
    assert terms["objective"] == pytest.approx(terms["logit"] - terms["l2"] - terms["spectrum"], rel=1e-4)
    assert terms["spectrum"] == pytest.approx(1000 * distance, rel=1e-3)


@pytest.mark.weights
def test_verdicts_and_figures(findings):
    result = PartResult("natural_prior", "done", findings.numbers)
    assert {grade("p", expected, result).status for expected in natural_prior.EXPECTED} == {"pass"}
    html_of(natural_prior, findings, SETTINGS, network="squeezenet")
    assert list(drawn(natural_prior, findings, SETTINGS)) == [
        "pictures",
        "steps",
        "spectra",
        "curves",
        "classes",
        "weights",
    ]


def test_other_weights_and_a_size_that_is_not_square():
    """On a linear network: the larger the weight, the nearer the magnitudes are to the natural ones."""
    context, _, normalized = tiny_context("alexnet")
    settings = replace(
        natural_prior.SETTINGS,
        classes=(2,),
        weights_tried=(0.5, 30.0),
        prior_weight=5.0,
        steps=20,
        keep=(0, 20),
        short_steps=20,
    )
    findings = natural_prior.run(settings, context)
    assert normalized == [True]
    assert [entry["weight"] for entry in findings.facts["tried"]] == [0.0, 0.5, 5.0, 30.0]
    natural = spectrum.natural_magnitude(64, 72)
    distances = [
        np.sum(
            (spectrum.magnitude(findings.arrays[f"tried_{weight}"] @ spectrum.colour_axes().T) - natural)[1:]
            ** 2
        )
        for weight in ("0", "0.5", "5", "30")
    ]
    assert distances == sorted(distances, reverse=True)
    assert findings.arrays["picture_2_fourier"].shape == (64, 72, 3)
    assert findings.numbers["activation_weight_30"].network == "alexnet"
    assert len(drawn(natural_prior, findings, settings)) == 6
    html_of(natural_prior, findings, settings, network="alexnet")
