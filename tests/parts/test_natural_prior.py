from dataclasses import replace

import numpy as np
import pytest

from tests.parts.class_network import tiny_context
from tests.parts.drawn import drawn, html_of, text_of
from tests.parts.graded import check_borne_out
from tfviz.experiment.grading import grade
from tfviz.experiment.part import Findings, Number
from tfviz.experiment.store import PartResult
from tfviz.measures import spectrum
from tfviz.parts import natural_prior
from tfviz.report import page as report

SETTINGS = replace(
    natural_prior.SETTINGS,
    classes=(107,),
    weights_tried=(),
    steps=40,
    keep=(0, 8, 40),
    short_steps=30,
    repeats=2,
)


@pytest.fixture(autouse=True)
def without_a_cover(monkeypatch):
    """Its picture lies in a file, and the pages of these tests have none."""
    monkeypatch.setattr(report, "_hero", lambda *_: None)


@pytest.fixture(scope="module")
def findings(context_on):
    return natural_prior.run(SETTINGS, context_on("squeezenet"))


@pytest.mark.weights
def test_the_prior_brings_the_spectrum_near_that_of_natural_pictures(findings):
    numbers = {name: number.value for name, number in findings.numbers.items()}
    assert numbers["spectrum_slope"] == pytest.approx(-2, abs=0.4)
    assert numbers["spectrum_slope_without"] > -1
    assert numbers["slope_gain_min"] > 0.7
    for suffix in ("", "_moved", "_fourier", "_long"):
        assert numbers[f"total_variation{suffix}"] < 0.8 * numbers["total_variation_without"]
        assert numbers[f"activation{suffix}"] > 20
    assert numbers["activation"] < numbers["activation_without"]
    assert findings.numbers["activation"].network == "squeezenet"


@pytest.mark.weights
def test_the_first_class_is_repeated(findings):
    numbers = findings.numbers
    for suffix, method in (("", "prior"), ("_without",) * 2, ("_moved",) * 2, ("_fourier",) * 2):
        for name in ("activation", "probability", "spectrum_slope", "total_variation", "largest_value"):
            number = numbers[name + suffix]
            assert number.repeats == SETTINGS.repeats
            if name != "largest_value":
                assert number == numbers[f"{name}_107_{method.strip('_')}"]
    assert numbers["activation_long"].repeats == 1
    assert numbers["probability"].spread[1] <= 1
    assert numbers["slope_gain_min_photographs"].value > 0.7


@pytest.mark.weights
def test_the_numbers_are_those_of_the_stored_pictures(findings):
    for suffix, picture in (
        ("", findings.arrays["picture_107_prior"]),
        ("_without", findings.arrays["picture_107_without"]),
        ("_fourier", findings.arrays["picture_107_fourier"]),
        ("_long", findings.arrays["long_prior"][-1]),
    ):
        assert findings.numbers[f"spectrum_slope{suffix}"].value == pytest.approx(spectrum.slope(picture))
        assert findings.numbers[f"total_variation{suffix}"].value == spectrum.total_variation(picture)
    picture = findings.arrays["long_prior"][-1].astype(float)
    off = spectrum.magnitude(picture @ spectrum.colour_axes().T) - spectrum.natural_magnitude(227, 227)
    off[0, 0] = 0
    distance = np.sum(off[:, :1] ** 2) + 2 * np.sum(off[:, 1:] ** 2)  # 227 is odd: only column 0 stands alone
    assert findings.numbers["spectrum_distance_long"].value == pytest.approx(distance, rel=1e-3)
    terms = {name: findings.arrays[f"{name}_prior"][-1] for name in ("objective", "logit", "l2", "spectrum")}
    assert terms["objective"] == pytest.approx(terms["logit"] - terms["l2"] - terms["spectrum"], rel=1e-4)
    assert terms["spectrum"] == pytest.approx(1000 * distance, rel=1e-3)


@pytest.mark.weights
def test_verdicts_and_figures(findings):
    result = PartResult("natural_prior", "done", findings.numbers)
    assert {grade("p", expected, result).status for expected in natural_prior.EXPECTED} == {"pass"}
    html_of(natural_prior, findings, SETTINGS, network="squeezenet")
    assert list(drawn(natural_prior, findings, SETTINGS)) == [
        "classes",
        "steps",
        "spectra",
        "weights",
        "hero",
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
    # By hand; a linear network's repeats differ by rounding only.
    numbers = {name: number.value for name, number in findings.numbers.items()}
    median = float(np.median(spectrum.natural_measures()[0]))
    for name, wanted in (("slope_gain_min", -2), ("slope_gain_min_photographs", median)):
        by_hand = abs(numbers["spectrum_slope_2_without"] - wanted) - abs(
            numbers["spectrum_slope_2_prior"] - wanted
        )
        assert numbers[name] == pytest.approx(by_hand, abs=1e-9)
        assert np.ptp(findings.numbers[name].spread) < 1e-5
    assert numbers["repeats_apart"] < 1e-5
    for name in ("spectrum_slope", "total_variation"):
        assert numbers[f"moved_lower_{name}"] == (numbers[f"{name}_2_moved"] < numbers[f"{name}_2_prior"])
    assert numbers["largest_value_long"] == np.abs(findings.arrays["long_prior"][-1]).max()
    assert numbers["largest_value"] == np.abs(findings.arrays["picture_2_prior"]).max()
    assert findings.numbers["activation_weight_30"].network == "alexnet"
    assert len(drawn(natural_prior, findings, settings)) == 5
    html_of(natural_prior, findings, settings, network="alexnet")


@pytest.fixture(scope="module")
def made_up():
    """Findings of a linear network, whose numbers the tests below replace."""
    context, _, _ = tiny_context("alexnet")
    settings = replace(
        natural_prior.SETTINGS,
        classes=(2, 3),
        weights_tried=(5.0,),
        prior_weight=2.0,
        steps=4,
        keep=(0, 4),
        short_steps=4,
    )
    return natural_prior.run(settings, context), settings


def page(made_up, facts=None, **numbers):
    """The page as one line; given numbers replace those found: a value, or (lowest, highest) of the repeats."""
    findings, settings = made_up
    new = {}
    for name, value in numbers.items():
        low, high = value if isinstance(value, tuple) else (value, value)
        new[name] = Number(low, "", "alexnet", (low, high), 2)
    changed = Findings({**findings.numbers, **new}, findings.arrays, {**findings.facts, **(facts or {})})
    return text_of(html_of(natural_prior, changed, settings, network="alexnet"))


def only(html, *claims):
    """Which of several claims stands on the page; exactly one must."""
    (stands,) = [claim for claim in claims if claim in html]
    return stands


def test_what_is_said_of_smoothness_hangs_on_the_total_variation(made_up):
    claims = (
        "Measured, the picture with the prior is smoother: its total variation",
        "Measured, the prior did not make the picture smoother in every repeat",
    )
    assert only(page(made_up, total_variation=(0.5, 0.6), total_variation_without=0.9), *claims) == claims[0]
    assert only(page(made_up, total_variation=(0.5, 1.0), total_variation_without=0.9), *claims) == claims[1]
    html = page(made_up, total_variation=(0.5, 0.6), total_variation_without=(0.55, 0.9))
    assert only(html, *claims) == claims[1]


def test_what_is_said_of_naturalness_hangs_on_the_slope(made_up):
    """The photographs' median is -2.53."""
    claims = (
        "Its slope is nearer to that of the photographs.",
        "Its slope is not nearer to that of the photographs in every repeat.",
    )
    for slope, without, stands in (
        ((-2.2, -2.1), -0.3, claims[0]),
        ((-2.2, -0.2), -0.3, claims[1]),
        ((-5.2, -2.1), -0.3, claims[1]),
        ((-2.2, -2.1), (-2.3, -0.3), claims[1]),
        ((-2.2, -2.1), (-2.9, -0.3), claims[1]),
    ):
        html = page(made_up, spectrum_slope=slope, spectrum_slope_without=without)
        assert only(html, *claims) == stands
    nearer = (
        "is nearer to −2 than to the photographs’ median.",
        "is nearer to the photographs’ median than to −2.",
        "lies on both sides of the middle between −2 and the photographs’ median.",
    )
    assert only(page(made_up, spectrum_slope=(-2.2, -2.1)), *nearer) == nearer[0]
    assert only(page(made_up, spectrum_slope=(-2.4, -2.3)), *nearer) == nearer[1]
    assert only(page(made_up, spectrum_slope=(-2.4, -2.2)), *nearer) == nearer[2]
    assert "reproduces nothing" in page(made_up)
    assert "have a median of −2.53." in page(made_up)


def test_what_is_said_of_rounding_hangs_on_the_repeats(made_up):
    claims = chaotic, not_chaotic = "Their ends are chaotic", "Rounding does not decide their ends"
    assert only(page(made_up, repeats_apart=0.4), *claims) == chaotic
    assert only(page(made_up, repeats_apart=1e-6), *claims) == not_chaotic


def test_what_is_said_of_the_price_hangs_on_the_logits(made_up):
    claims = "The logit is what is paid for the prior.", "The prior does not cost logit in every repeat."
    assert only(page(made_up, activation=(5.0, 6.0), activation_without=7.0), *claims) == claims[0]
    assert only(page(made_up, activation=(5.0, 8.0), activation_without=7.0), *claims) == claims[1]
    assert only(page(made_up, activation=(5.0, 6.0), activation_without=(5.5, 7.0)), *claims) == claims[1]
    currency = "the two logits are hardly one currency"
    assert currency in page(made_up, largest_value_without=900.0)
    assert currency not in page(made_up, largest_value_without=0.9)


def test_the_gain_is_claimed_only_where_all_repeats_have_it(made_up):
    claims = (
        "For each of the 2 classes the slope is nearer to −2 with the prior than without, by about",
        "Whether the slope is nearer to −2 with the prior for every class hangs on rounding.",
        "The slope is not nearer to −2 with the prior for every class.",
    )
    assert only(page(made_up, slope_gain_min=(0.1, 0.4)), *claims) == claims[0]
    assert only(page(made_up, slope_gain_min=(-0.1, 0.4)), *claims) == claims[1]
    assert only(page(made_up, slope_gain_min=(-0.2, -0.1)), *claims) == claims[2]
    claims = "it is nearer for each of them, by about", "it is not nearer for every class in every repeat"
    assert only(page(made_up, slope_gain_min_photographs=(0.1, 0.4)), *claims) == claims[0]
    assert only(page(made_up, slope_gain_min_photographs=(-0.1, 0.4)), *claims) == claims[1]
    mixed = PartResult("natural_prior", "done", {"slope_gain_min": Number(0.4, "", None, (-0.1, 0.4), 2)})
    assert grade("p", natural_prior.EXPECTED[0], mixed).status == "fail"


def test_what_is_said_of_the_weights_hangs_on_the_tried_ones(made_up):
    def tried(slopes, logits):
        entries = [
            entry | {"spectrum_slope": slope, "activation": logit}
            for entry, slope, logit in zip(made_up[0].facts["tried"], slopes, logits, strict=True)
        ]
        return page(made_up, {"tried": entries})

    claims = (
        "the slope gets steeper and the logit falls from each picture to the next.",
        "the slope gets steeper from each picture to the next, but the logit does not always fall.",
        "the logit falls from each picture to the next, but the slope does not always get steeper.",
        "neither does the slope always get steeper nor the logit always fall.",
    )
    steeper, falling = (-1, -2, -3), (9, 8, 7)
    for slopes, logits, stands in (
        (steeper, falling, 0),
        (steeper, (9, 7, 8), 1),
        ((-1, -3, -2), falling, 2),
        ((-1, -3, -2), (9, 7, 8), 3),
    ):
        assert only(tried(slopes, logits), *claims) == claims[stands]
    claims = "comes nearest to −2.", "comes near −2; nearest it comes at 5."
    assert only(page(made_up, {"closest_weight": 2.0}), *claims) == claims[0]
    assert only(page(made_up, {"closest_weight": 5.0}), *claims) == claims[1]


def test_the_spectra_are_described_by_their_slopes(made_up):
    findings, settings = made_up
    (alt,) = [each.alt for each in natural_prior.figures(findings, settings) if each.name == "spectra"]
    without, prior = (
        f"{findings.numbers[f'spectrum_slope{suffix}'].value:.2f}".replace("-", "−")
        for suffix in ("_without", "")
    )
    assert f"Slopes: no prior {without}, prior {prior}, Fourier" in alt
    assert alt.endswith("natural pictures −2.53, dotted line −2.")


def test_what_the_figures_find_hangs_on_what_is_measured(made_up):
    nearer = "every class comes nearer to that of natural pictures."
    not_nearer = "not every class comes nearer to the spectrum of natural pictures."
    assert only(page(made_up, slope_gain_min=(0.1, 0.4)), nearer, not_nearer) == nearer
    assert only(page(made_up, slope_gain_min=(-0.1, 0.4)), nearer, not_nearer) == not_nearer
    brought = "The prior brings the spectrum nearer to that of photographs."
    not_brought = "The prior does not bring the spectrum nearer to that of photographs in every repeat."
    for slope, bare, stands in (
        ((-2.2, -2.1), -0.3, brought),
        ((-2.2, -0.2), -0.3, not_brought),
        ((-5.2, -2.1), -0.3, not_brought),
        ((-2.2, -2.1), (-2.9, -0.3), not_brought),
    ):
        html = page(made_up, spectrum_slope=slope, spectrum_slope_without=bare)
        assert only(html, brought, not_brought) == stands


def test_the_slider_shows_the_long_run_and_its_logits(made_up):
    findings, settings = made_up
    (drawing,) = [each for each in natural_prior.figures(findings, settings) if each.name == "steps"]
    shown = drawing.live()
    assert list(shown.steps) == [0, 4]
    (row,) = shown.rows
    assert row.label == "prior"
    assert float(row.values[-1]) == pytest.approx(findings.numbers["activation_long"].value, rel=1e-3)


def test_what_is_said_of_the_long_run_hangs_on_its_logit(made_up):
    claims = (
        "After 4 steps the logit is 2 to 3, here, in a single run, 4.",
        "The logit, in a single run 4, is not higher than after 4 steps: 3 to 5.",
    )
    found = (
        "In 4 steps the logit rises above what 4 steps reach.",
        "In 4 steps the logit does not rise above what 4 steps reach.",
    )
    for short, stands in (((2.0, 3.0), 0), ((3.0, 5.0), 1)):
        html = page(made_up, activation=short, activation_long=4.0)
        assert only(html, *claims) == claims[stands]
        assert only(html, *found) == found[stands]


def test_a_range_of_probabilities_has_the_digits_of_one(made_up):
    row = "prior, transformations −2 0.40 7 "
    changes = {"spectrum_slope_moved": -2.0, "total_variation_moved": 0.4, "activation_moved": 7.0}
    assert row + "1.0000 Fourier" in page(made_up, **changes, probability_moved=(0.99999999, 1.0))
    assert row + "0.9000 to 1.0000 Fourier" in page(made_up, **changes, probability_moved=(0.9, 1.0))


def test_the_weights_are_said_to_be_tried_in_as_many_steps_as_they_were(made_up):
    assert "with other weights of the prior, each in 4 steps." in page(made_up)


def test_the_abstract_claims_a_steeper_spectrum_only_where_all_repeats_have_it(made_up):
    claims = (
        "more steeply: with a slope of −2.2 to −2.1 in place of −0.40 to −0.30, where",
        "does not make the spectrum of a class picture fall more steeply in every repeat.",
    )
    html = page(made_up, spectrum_slope=(-2.2, -2.1), spectrum_slope_without=(-0.4, -0.3))
    assert only(html, *claims) == claims[0]
    html = page(made_up, spectrum_slope=(-2.2, -0.35), spectrum_slope_without=(-0.4, -0.3))
    assert only(html, *claims) == claims[1]


def test_classes_that_were_not_repeated_move_as_far_as_the_first():
    """Gains by hand: 1.6 of the first, 1.5 and 1.7 in its repeats; 1.4 of the second."""
    classes = [(-0.3, -1.9), (-0.5, -1.9)]
    repeats = [(-0.3, -1.9), (-0.3, -1.8), (-0.3, -2.0)]
    assert natural_prior.least_gains(classes, repeats, -2) == pytest.approx([1.4, 1.3, 1.5])


def test_the_cover_s_large_picture_is_the_zebra_s(made_up):
    findings, settings = made_up
    gallery = [dict(entry) for entry in findings.facts["gallery"]]
    arrays = dict(findings.arrays)
    for entry, index, name in zip(gallery, (107, 340), ("jellyfish", "zebra"), strict=True):
        for method in ("without", "prior", "moved", "fourier"):
            arrays[f"picture_{index}_{method}"] = arrays[f"picture_{entry['index']}_{method}"]
        entry |= {"index": index, "name": name}
    changed = Findings(findings.numbers, arrays, {**findings.facts, "gallery": gallery})
    (hero,) = [each for each in natural_prior.figures(changed, settings) if each.name == "hero"]
    (row,) = hero.live().rows
    assert [each.label for each in row.pictures] == ["zebra", "jellyfish"]
    assert row.pictures[0].alt == "Picture made for the class “zebra”"
    picture = arrays["picture_340_moved"]
    standard = (picture - picture.mean()) / picture.std()
    np.testing.assert_allclose(row.pictures[0].picture, np.clip(0.5 + standard / 6, 0, 1), atol=1e-5)
    page = html_of(natural_prior, findings, settings, network="alexnet")
    assert 'id="natural_prior-steps"' in page
    assert "natural_prior-hero" not in page


def test_a_table_of_pictures_has_a_row_for_each_class(made_up):
    findings, settings = made_up
    (classes,) = [each for each in natural_prior.figures(findings, settings) if each.name == "classes"]
    shown = classes.live()
    assert [row.label for row in shown.rows] == [entry["name"] for entry in findings.facts["gallery"]]
    assert shown.headings[2] == "prior, transformations"
    fourier = shown.rows[1].pictures[3]
    np.testing.assert_allclose(fourier.picture, np.clip(findings.arrays["picture_3_fourier"], 0, 1))


@pytest.mark.weights
def test_a_grader_measures_the_same(findings, real_weights):
    check_borne_out(natural_prior, findings, SETTINGS, "squeezenet", real_weights("squeezenet"))
