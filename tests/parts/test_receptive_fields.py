import math
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from tests.parts.drawn import drawn, html_of
from tfviz.experiment.context import Context
from tfviz.experiment.grading import grade
from tfviz.experiment.part import Findings
from tfviz.experiment.progress import Reporter
from tfviz.experiment.store import PartResult
from tfviz.parts import receptive_fields

SHORT = receptive_fields.Settings(random_networks=3, effective_pictures=2)


def context(**also):
    return Context(0, Reporter(Console(quiet=True)), also=also)


@pytest.fixture(scope="module")
def theory():
    """What there is without any weights."""
    return receptive_fields.run(SHORT, context())


def test_every_verdict_passes(theory):
    result = PartResult("receptive_fields", "done", theory.numbers)
    verdicts = [grade("receptive_fields", expected, result) for expected in receptive_fields.EXPECTED]
    assert [verdict for verdict in verdicts if verdict.status != "pass"] == []
    assert receptive_fields.SETTINGS.side == receptive_fields.QUICK.side == 224  # the contract's n
    assert receptive_fields.SETTINGS.random_networks >= 200


def test_formula_and_measurement_are_both_there(theory):
    for number in (1, 2, 3, 4):
        for quantity in ("size", "pixels", "weights", "multiplications"):
            name = f"{quantity}_network_{number}"
            assert theory.numbers[name] == theory.numbers[f"{name}_measured"]
    assert theory.numbers["convolution_difference"].value < 1e-5


def test_the_published_product_is_said_not_to_hold(theory):
    wrong = [row for row in theory.facts["rows"] if row["holds"] is False]
    assert [(row["network"], row["quantity"]) for row in wrong] == [(3, "multiplications")]
    assert wrong[0]["published"] == 25 * 220**2 * 9 * 218**2


def test_the_formulas_shown_are_those_computed(theory):
    for row in theory.facts["rows"]:
        # A formula of sums and powers in LaTeX, read as Python.
        formula = row["latex"].replace(" (n", " * (n").replace("^", "**")
        value = eval(formula, {"n": 224})
        assert value == theory.numbers[f"{row['quantity']}_network_{row['network']}"].value


@pytest.mark.parametrize(
    ("arrangement", "sizes"),
    [("none", [7, 7, 7, 9]), ("last", [7, 7, 7, 9]), ("first", [7, 11, 9, 15]), ("all", [7, 15, 9, 31])],
)
def test_strides(theory, arrangement, sizes):
    """By hand: 1 + sum of (k - 1) times the product of the earlier strides."""
    found = [row[arrangement] for row in theory.facts["strides"]]
    assert [entry["size"] for entry in found] == sizes
    assert [entry["measured"] for entry in found] == sizes


def test_alexnets_strides_both_ways(theory):
    for layer, stride in zip(receptive_fields.ALEXNET_LAYERS, (4, 8, 16, 16, 16, 32), strict=True):
        assert theory.numbers[f"alexnet_stride_{layer}"].value == stride
        assert theory.numbers[f"alexnet_stride_{layer}_measured"].value == stride


def test_at_224_no_window_of_the_last_pool_is_whole(theory):
    seen = [unit["seen"] for unit in theory.facts["pool5_units"]]
    assert seen == [[0, 128], [0, 160], [0, 192], [30, 223], [62, 223], [94, 223]]
    assert theory.numbers["alexnet_smallest_side"].value == 225


def test_effective_size_of_a_gaussian():
    """A disc of radius sigma sqrt(2 ln(1 / 0.0455)); its area is that of a square."""
    sigma, (y, x) = 20.0, np.mgrid[-100:101, -100:101]
    bell = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    radius = sigma * math.sqrt(-2 * math.log(0.0455))
    assert receptive_fields.effective_size(bell) == pytest.approx(math.sqrt(math.pi) * radius, rel=0.01)
    assert receptive_fields.effective_size(np.ones((11, 11))) == 11


def test_without_weights_only_the_theory_is_shown(theory):
    assert theory.facts["effective_network"] is None
    assert {number.network for number in theory.numbers.values()} == {None}
    names = list(drawn(receptive_fields, theory, SHORT))
    assert names == ["cones", "cones_stride", "alexnet_fields", "effective"]
    html_of(receptive_fields, theory, SHORT)


def page(theory, numbers=None, facts=None):
    """The section with other numbers or facts, as one line of text."""
    changed = {name: replace(theory.numbers[name], value=value) for name, value in (numbers or {}).items()}
    findings = Findings({**theory.numbers, **changed}, theory.arrays, {**theory.facts, **(facts or {})})
    html = html_of(receptive_fields, findings, SHORT)
    return " ".join(re.sub(r"<[^>]*>", "", html).replace("&nbsp;", " ").split())


def test_the_words_say_that_formula_and_measurement_agree(theory):
    text = page(theory)
    assert "Formula and measurement agree in every quantity of every network." in text
    assert "see as much as one of 7 × 7 with 27 weights in place of 49." in text
    assert "1 637 716 when the 5 × 5 comes first, and that is what is counted while running" in text
    assert "takes overlap away and enlarges nothing, in none of the networks" in text
    assert "the field after a second 3 × 3 still grows from 9 ✓ to 11 ✓" in text
    assert "No unit of the last pool fits into a picture of 224 × 224" in text
    assert "disagree in" not in text


def test_where_they_do_not_agree_it_is_said(theory):
    wrong = {
        "quantities_disagree": 2,
        "multiplications_network_3_measured": 5,
        "weights_network_2": 50,
        "alexnet_smallest_side": 200,
    }
    strides = [{**row, "last": {"size": 7, "measured": 20}} for row in theory.facts["strides"][:2]]
    gaps = [{**gap, "measured": 9} for gap in theory.facts["gaps"]]
    text = page(theory, wrong, {"strides": [*strides, *theory.facts["strides"][2:]], "gaps": gaps})
    assert "Formula and measurement disagree in 2 of the quantities: one of the two is wrong there." in text
    assert "agree in every quantity" not in text
    assert "see as much as one of 7 × 7" not in text
    assert "comes first, and 5 are counted while running" in text
    assert "yet enlarges the field of 2 of the 4 networks in the table" in text
    assert "enlarges nothing" not in text
    assert "the field after a second 3 × 3 goes from" in text
    assert "Units of the last pool fit into" in text


def test_the_effective_field_s_words_hang_on_its_shares(theory):
    def fields(shares):
        return {
            "effective": [
                {**entry, "equal": share}
                for entry, share in zip(theory.facts["effective"], shares, strict=True)
            ]
        }

    shrinking = page(theory, facts=fields([1.0, 0.95, 0.8, 0.7, 0.6]))
    assert "60 % in conv5: the deeper the layer, the smaller the share, as they found." in shrinking
    assert "does not shrink" not in shrinking
    level = page(theory, facts=fields([1.0, 0.8, 0.9, 0.8, 0.8]))
    assert "80 % in conv5: it does not shrink from layer to layer, as they found it does." in level
    assert "the smaller the share" not in level


@pytest.mark.weights
def test_with_weights_the_effective_field_is_alexnets(real_weights, theory):
    weights = real_weights("alexnet_features")
    assert receptive_fields.ALSO == ("alexnet_features",)
    numbers, arrays = {}, {}
    settings = receptive_fields.Settings(effective_pictures=24)
    facts = receptive_fields._effective(
        settings, context(alexnet_features=weights), np.random.default_rng(0), numbers, arrays
    )
    assert facts["effective_network"] == "alexnet_features"
    assert numbers["effective_size_conv5"].network == "alexnet_features"
    assert numbers["effective_size_conv5_equal"].network is None
    # Bell-shaped: the middle third of the field, a ninth of it, holds far more than a ninth.
    bell = arrays["effective_real_conv5"]
    assert bell.shape == (163, 163)
    assert bell[54:109, 54:109].sum() / bell.sum() > 0.3
    shares = [entry["real"] for entry in facts["effective"]]
    assert shares[-1] < shares[1] - 0.1
    findings = Findings(theory.numbers | numbers, theory.arrays | arrays, theory.facts | facts)
    assert len(drawn(receptive_fields, findings, settings)["effective"][1].axes) == 2 * 5
    html = html_of(receptive_fields, findings, settings)
    assert f"sha256 {weights.sha256[:16]}…" in html
