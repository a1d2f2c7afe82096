import math

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
