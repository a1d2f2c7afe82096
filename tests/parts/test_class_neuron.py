from dataclasses import replace

import numpy as np
import pytest

from tests.parts.class_network import tiny_context
from tests.parts.drawn import drawn, html_of, text_of
from tests.parts.graded import check_borne_out
from tfviz.experiment.grading import grade
from tfviz.experiment.part import Findings, Number
from tfviz.experiment.store import PartResult
from tfviz.parts import class_neuron

SETTINGS = replace(class_neuron.SETTINGS, steps=60, keep=(0, 8, 60))
RUNS = ("", "_tenth", "_falling")


@pytest.fixture(scope="module")
def findings(context_on):
    return class_neuron.run(SETTINGS, context_on("squeezenet"))


@pytest.mark.weights
def test_the_published_rate_overshoots(findings):
    numbers = {name: number.value for name, number in findings.numbers.items()}
    assert numbers["objective"] < 0 < numbers["objective_falling"]
    assert numbers["activation_falling"] > 3 * numbers["activation"]
    assert numbers["probability_falling"] > 0.99
    assert findings.facts["winners"]["falling"] == ["jellyfish"] * 2
    assert not findings.facts["own_coordinates"]
    assert findings.numbers["activation"].network == "squeezenet"


@pytest.mark.weights
def test_the_published_run_is_chaotic(findings):
    """Repeats a last bit apart end far from each other, and so do their objectives."""
    numbers = findings.numbers
    assert numbers["repeats_apart"].value > 0.5
    for name in ("activation", "probability", "objective", "l2", "covered_fraction", "total_variation"):
        assert [numbers[name + suffix].repeats for suffix in RUNS] == [2, 2, 2]
    lowest, highest = numbers["objective"].spread
    assert highest - lowest > 0.001 * abs(numbers["objective"].value)
    gain = numbers["objective_gain"]
    assert gain.value == numbers["objective_falling"].value - numbers["objective"].value
    assert gain.spread[0] < gain.value < gain.spread[1]
    assert numbers["covered_fraction"].spread[1] <= 1


@pytest.mark.weights
def test_the_numbers_are_those_of_the_last_picture(findings):
    """The objective of the stored picture by the network and by hand."""
    picture = findings.arrays["pictures_published"][-1].astype(np.float64)
    norm = np.sum(picture**2)
    assert findings.numbers["l2"].value == pytest.approx(norm, rel=1e-4)
    objective = 1000 * findings.numbers["activation"].value - norm
    assert findings.numbers["objective"].value == pytest.approx(objective, rel=1e-4)
    assert findings.arrays["objective_published"][-1] == findings.numbers["objective"].value
    assert findings.arrays["objective_published"][0] == findings.numbers["start_objective"].value
    assert findings.arrays["pictures_published"].shape == (3, 227, 227, 3)
    covered = class_neuron.covered_fraction(picture, SETTINGS.block)
    assert findings.numbers["covered_fraction"].value == covered


@pytest.mark.weights
def test_verdicts_and_figures(findings):
    result = PartResult("class_neuron", "done", findings.numbers)
    assert {grade("p", expected, result).status for expected in class_neuron.EXPECTED} == {"pass"}
    figures = drawn(class_neuron, findings, SETTINGS)
    assert list(figures) == ["steps", "objective", "terms"]
    assert figures["objective"][0].alt.endswith("published rate.")  # the lowest end
    text = text_of(html_of(class_neuron, findings, SETTINGS, network="squeezenet"))
    assert "takes 66 % of the picture away at each step" in text


def test_noise_at_the_start():
    """White normal noise: total variation 4 / sqrt(pi), slope 0, in every block."""
    context, _, _ = tiny_context("alexnet", 128, 128)
    settings = replace(class_neuron.SETTINGS, class_index=3, steps=1, keep=(0, 1))
    numbers = class_neuron.run(settings, context).numbers
    assert numbers["total_variation_start"].value == pytest.approx(4 / np.sqrt(np.pi), rel=0.02)
    assert numbers["spectrum_slope_start"].value == pytest.approx(0, abs=0.15)
    assert numbers["covered_fraction_start"].value == 1


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
    # A linear network is not chaotic: the repeats stay some last bits apart.
    assert findings.numbers["repeats_apart"].value < 1e-5
    assert len(drawn(class_neuron, findings, settings)) == 3
    html = text_of(html_of(class_neuron, findings, settings, network=network))
    assert ("is the network’s own input, as published" in html) == own
    assert "Rounding does not decide where the published run ends" in html


def test_covered_fraction():
    picture = np.zeros((40, 53, 3))  # 2 x 3 whole blocks of 16
    picture[:16, :16] = 1.0
    picture[16:32, 16:32] = 0.1
    picture[32:, :] = 9.0  # in no whole block
    assert class_neuron.covered_fraction(picture, 16) == pytest.approx(1 / 6)
    picture[16:32, 16:32] = 0.5
    assert class_neuron.covered_fraction(picture, 16) == pytest.approx(2 / 6)


NUMBERS = {
    "activation": 2.0,
    "probability": 0.5,
    "objective": -5e8,
    "l2": 1e8,
    "largest_value": 900.0,
    "covered_fraction": 0.95,
    "spectrum_slope": -0.3,
    "total_variation": 0.9,
}
WINNERS = {
    "start": ["nail"],
    "published": ["parachute"] * 2,
    "tenth": ["jellyfish"] * 2,
    "falling": ["jellyfish"] * 2,
}


def page(winners=WINNERS, network="squeezenet", own=False, ends=None, **numbers):
    """The page, as one line, of made-up findings; given numbers are a value or (lowest, highest) of the repeats."""
    values = {name + suffix: value for name, value in NUMBERS.items() for suffix in (*RUNS, "_start")}
    values |= {"total_variation_start": 2.26, "spectrum_slope_start": 0.0, "start_activation": 7.9}
    values |= {
        "start_objective": 7.9e3,
        "objective_gain": 9e8,
        "repeats_apart": 1.4,
        "repeats_apart_tenth": 1.3,
        "repeats_apart_falling": 1.3,
    }
    once = ("_start",)
    made = {}
    for name, value in (values | numbers).items():
        if name.endswith(once) or name.startswith(("start_", "repeats_")):
            made[name] = Number(value, "", network)
        else:
            low, high = value if isinstance(value, tuple) else (value, value)
            made[name] = Number(low, "", network, (low, high), 2)
    pictures = np.random.default_rng(0).normal(size=(3, 32, 32, 3))
    arrays = {"steps": np.array([0, 8, 60])}
    for run in ("published", "tenth", "falling"):
        arrays |= {f"pictures_{run}": pictures}
        arrays |= {f"{values}_{run}": np.linspace(0, 1, 61) for values in ("objective", "logit", "l2")}
    for run, end in (ends or {}).items():
        arrays[f"objective_{run}"] = np.linspace(0, end, 61)
    facts = {"own_coordinates": own, "class_name": "jellyfish", "winners": winners}
    return text_of(html_of(class_neuron, Findings(made, arrays, facts), SETTINGS, network=network))


def test_values_within_a_photograph_s_range_are_not_set_against_it():
    assert "values reach 900, where a photograph has 0 to 1." in page()
    assert "values reach 0.840. The spectrum" in page(largest_value_falling=0.84)


def test_what_is_said_of_the_terms_hangs_on_where_they_end():
    """The objective is what the logit brings less what the norm costs."""
    both = "With both rates the logit brings more than the picture costs."
    published_only = (
        "With the published rate the picture costs more than its logit brings, with the falling one"
    )
    neither = "The picture costs more than its logit brings, with the falling rate, too."
    assert only(page(), both, published_only, neither) == both
    assert only(page(ends={"published": -1.0}), both, published_only, neither) == published_only
    assert only(page(ends={"published": -1.0, "falling": -2.0}), both, published_only, neither) == neither


@pytest.mark.weights
def test_the_slider_shows_the_pictures_and_their_logits(findings):
    (drawing,) = [each for each in class_neuron.figures(findings, SETTINGS) if each.name == "steps"]
    shown = drawing.live()
    assert list(shown.steps) == [0, 8, 60]
    assert shown.unit == "logit"
    published, tenth, falling = shown.rows
    for row, run, suffix in (
        (published, "published", ""),
        (tenth, "tenth", "_tenth"),
        (falling, "falling", "_falling"),
    ):
        last = float(row.values[-1].replace("\u202f", ""))
        assert last == pytest.approx(findings.numbers[f"activation{suffix}"].value, rel=1e-3)
        picture = findings.arrays[f"pictures_{run}"][-1]
        standard = (picture - picture.mean()) / picture.std()
        np.testing.assert_allclose(row.pictures[-1], np.clip(0.5 + standard / 6, 0, 1), atol=1e-5)


def only(html, *claims):
    """Which of several claims stands on the page; exactly one must."""
    (stands,) = [claim for claim in claims if claim in html]
    return stands


def test_what_is_said_of_where_is_drawn_hangs_on_the_blocks():
    claims = everywhere, some, empty = (
        "As published, most of the picture is drawn on",
        "With some of the rates most of the picture is drawn on",
        "Unlike what was published, much of the picture is left empty",
    )
    assert only(page(), *claims) == everywhere
    assert only(page(covered_fraction=(0.3, 0.9)), *claims) == some
    assert only(page(covered_fraction_tenth=(0.3, 0.9)), *claims) == some
    assert only(page(**{f"covered_fraction{suffix}": 0.2 for suffix in RUNS}), *claims) == empty


def test_what_is_said_of_smoothness_hangs_on_the_total_variation():
    claims = smoother, not_all = (
        "but all three are smoother than the noise",
        "and not all three are smoother than the noise",
    )
    assert only(page(), *claims) == smoother
    assert only(page(total_variation_falling=(0.9, 2.5)), *claims) == not_all
    assert only(page(total_variation_tenth=(0.9, 2.5)), *claims) == not_all


def test_what_the_network_takes_the_ends_for():
    claims = (
        "The network takes the pictures of both the published and the falling rate for a “jellyfish”.",
        "of the falling rate for a “jellyfish”, that of the published one not in every repeat.",
        "of the falling rate for a “jellyfish”, that of the published one in no repeat.",
        "The network does not take every picture of the falling rate for a “jellyfish”.",
    )
    assert only(page(WINNERS | {"published": ["jellyfish"] * 2}), *claims) == claims[0]
    html = page(WINNERS | {"published": ["jellyfish", "parachute"]})
    assert only(html, *claims) == claims[1]
    assert "taken for jellyfish, parachute jellyfish jellyfish nail" in html
    assert only(page(), *claims) == claims[2]
    assert only(page(WINNERS | {"falling": ["jellyfish", "nail"]}), *claims) == claims[3]


def test_what_is_said_of_the_spectrum_hangs_on_its_slope():
    claims = (
        "nearer to that of white noise (slope 0) than to that of natural pictures",
        "nearer to that of natural pictures (about",
        "lie on both sides of the middle",
    )
    assert only(page(), *claims) == claims[0]
    assert only(page(spectrum_slope_falling=(-1.9, -1.5)), *claims) == claims[1]
    assert only(page(spectrum_slope_falling=(-1.9, -0.5)), *claims) == claims[2]


def test_what_is_said_of_chaos_hangs_on_the_repeats():
    claims = chaotic, not_chaotic = (
        "Where the published run ends is chaotic",
        "Rounding does not decide where the published run ends",
    )
    assert only(page(), *claims) == chaotic
    assert only(page(repeats_apart=1e-6), *claims) == not_chaotic


def test_the_gain_is_claimed_only_where_all_repeats_have_it():
    claims = (
        "A rate that falls to 0 ends higher, by 2 to 3.",
        "Here the published rate loses nothing against one that falls to 0.",
        "Whether a rate that falls to 0 ends higher hangs on rounding. ",
    )
    assert only(page(objective_gain=(2.0, 3.0)), *claims) == claims[0]
    assert only(page(objective_gain=(-3.0, -1.0)), *claims) == claims[1]
    assert only(page(objective_gain=(-3.0, 1.0)), *claims) == claims[2]
    below = "its objective ends below that of the noise"
    assert below in page(objective=(-2e8, 7e3))
    assert below not in page(objective=(-2e8, 8e3))
    mixed = PartResult("class_neuron", "done", {"objective_gain": Number(5.0, "", None, (-1.0, 5.0), 2)})
    assert grade("p", class_neuron.EXPECTED[0], mixed).status == "fail"


def test_a_photograph_s_range_is_named_only_in_its_coordinates():
    assert "where a photograph has 0 to 1" in page()
    assert "where a photograph has 0 to 1" not in page(own=True, network="alexnet")


@pytest.mark.weights
def test_a_grader_measures_the_same(findings, real_weights):
    check_borne_out(class_neuron, findings, SETTINGS, "squeezenet", real_weights("squeezenet"))
