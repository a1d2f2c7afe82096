from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from tests.parts.drawn import drawn, html_of, text_of
from tfviz.experiment.context import Context
from tfviz.experiment.grading import grade
from tfviz.experiment.progress import Reporter
from tfviz.experiment.store import PartResult
from tfviz.parts import narrow_network

SETTINGS = replace(narrow_network.QUICK, units=(1, 3, 24), functions_each=2, points=501, shown_units=3)


@pytest.fixture(scope="module")
def findings():
    return narrow_network.run(SETTINGS, Context(0, Reporter(Console(quiet=True))))


def test_every_verdict(findings):
    result = PartResult("narrow_network", "done", findings.numbers)
    assert {grade("p", expected, result).status for expected in narrow_network.EXPECTED} == {"pass"}
    assert findings.numbers["functions"].value == 6
    assert findings.numbers["units_most"].value == 24
    assert (
        findings.numbers["largest_difference_float32"].value
        > 1e-9
        > findings.numbers["largest_difference"].value
    )


def test_the_differences_are_those_of_the_functions(findings):
    arrays = findings.arrays
    off = np.abs(arrays["narrow"] - arrays["f"]).max() / np.abs(arrays["f"]).max()
    assert off == pytest.approx(arrays["differences_float64"][2])  # the first of 3 units
    np.testing.assert_array_equal(arrays["units"], [1, 1, 3, 3, 24, 24])
    assert arrays["differences_float64"].max() == findings.numbers["largest_difference"].value


def test_the_counterexample_by_hand(findings):
    """Each fault loses one side of |x|, both lose all of it."""
    x, arrays = findings.arrays["counterexample_x"], findings.arrays
    np.testing.assert_allclose(arrays["counterexample_f"], np.abs(x))
    np.testing.assert_allclose(arrays["counterexample_no_inner_relu"], np.maximum(-x, 0), atol=1e-15)
    np.testing.assert_allclose(arrays["counterexample_no_negative"], np.maximum(x, 0), atol=1e-15)
    np.testing.assert_array_equal(arrays["counterexample_one_layer"], 0)
    np.testing.assert_allclose(arrays["counterexample_right"], np.abs(x), atol=1e-15)


def test_real_layers_do_what_the_reading_with_both_faults_says():
    random = np.random.default_rng(0)
    a, w, b = random.normal(size=(3, 7))
    x = np.linspace(-2, 2, 41)
    by_hand = narrow_network.published(a, w, b, x, relu_inside=False, passes_negative=False)
    layers = narrow_network.evaluate(narrow_network.one_layer_reading(a, w, b), x)
    # The first layer sees x itself, so it alone is right about a negative x in both.
    np.testing.assert_allclose(layers, by_hand, rtol=1e-12, atol=1e-14)


def test_without_its_faults_the_published_construction_is_right():
    random = np.random.default_rng(1)
    a, w, b = random.normal(size=(3, 9))
    x = np.linspace(-2, 2, 41)
    granted = narrow_network.published(a, w, b, x, relu_inside=True, passes_negative=True)
    np.testing.assert_allclose(granted, np.maximum(np.outer(x, w) + b, 0) @ a, atol=1e-13)


def test_figures_are_drawn_from_the_findings(findings):
    figures = drawn(narrow_network, findings, SETTINGS)
    assert list(figures) == ["functions", "counterexample"]
    assert "of 3 units, and its narrow network, of 3 hidden layers" in figures["functions"][0].caption
    counterexample, figure = figures["counterexample"]
    assert [axes.get_title(loc="left").replace("\n", " ").replace("\xa0", " ") for axes in figure.axes] == [
        "no inner ReLU (1, 0)",
        "negative x lost (0, 1)",
        "both: one real layer (0, 0)",
        "the right network (1, 1)",
    ]
    assert "ends at 1 / 0; 0 / 1; 0 / 0; 1 / 1, on the left" in counterexample.alt


def test_findings_hang_on_the_numbers(findings):
    def finding(name, **arrays):
        changed = replace(findings, arrays={**findings.arrays, **arrays})
        return next(each.finding for each in narrow_network.figures(changed, SETTINGS) if each.name == name)

    off = findings.arrays["off_float64"] * 0
    off[7] = -2e-15
    assert (
        finding("functions", off_float64=off)
        == "In float64 the two functions differ by 2 × 10⁻¹⁵ of the largest value at most."
    )
    truth = findings.arrays["counterexample_f"]
    assert (
        finding("counterexample") == "Each fault costs a part of |x|, and both together miss it by up to 1."
    )
    neutral = "|x|, and what networks make of it."
    for faultless in ("no_inner_relu", "no_negative", "one_layer"):
        assert finding("counterexample", **{f"counterexample_{faultless}": truth}) == neutral
    assert finding("counterexample", counterexample_right=truth + 0.1) == neutral


def page(findings, **changes):
    numbers = {name: replace(findings.numbers[name], value=value) for name, value in changes.items()}
    return text_of(
        html_of(narrow_network, replace(findings, numbers={**findings.numbers, **numbers}), SETTINGS)
    )


def test_the_words_hang_on_the_differences(findings):
    text = page(findings, largest_difference=3e-15, counterexample_right_difference=0.0)
    assert "always against f in float64: what is left is rounding." in text
    assert "as real layers the published network misses |x| by up to 1 on |x| ≤ 1." in text
    assert "The network of the proof differs from it by 0." in text
    assert "more than rounding" not in text

    for wrong in ({"largest_difference": 0.2}, {"largest_difference_float32": 0.2}):
        text = page(findings, **wrong)
        assert "more than rounding explains (1 × 10⁻¹² and 1 × 10⁻⁵ would be)" in text
        assert "what is left is rounding" not in text

    text = page(findings, counterexample_difference=0.0, counterexample_right_difference=0.5)
    assert "the published network as real layers does not miss |x| in this run." in text
    assert "The network of the proof differs from it by 0.50, and so misses it as well." in text.replace(
        "by 0.5,", "by 0.50,"
    )
    assert "misses |x| by up to" not in text


def test_the_limits_in_the_text_are_those_that_are_graded(findings):
    expected = {each.number: each.value for each in narrow_network.EXPECTED}
    assert findings.facts["limits"] == {
        "float64": expected["largest_difference"],
        "float32": expected["largest_difference_float32"],
    }
