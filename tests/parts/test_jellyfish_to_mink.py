from dataclasses import replace

import numpy as np
import pytest

from tests.parts.drawn import drawn, html_of
from tfviz.experiment.context import Inputs
from tfviz.experiment.grading import grade
from tfviz.experiment.store import PartResult
from tfviz.parts import jellyfish_to_mink as part

SHORT = replace(part.SETTINGS, published_rates=(1e-3,), published_steps=9, steps=60, attempts=2)


@pytest.fixture(scope="module")
def findings(context_on):
    return part.run(SHORT, context_on("squeezenet"))


@pytest.mark.weights
def test_the_nearest_picture_reaches_the_published_probability_also_in_8_bits(findings):
    for name in ("target_probability", "target_probability_8bit", "png_probability"):
        assert findings.numbers[name].value >= 0.977706
        assert findings.numbers[name].network == "squeezenet"
    assert findings.numbers["png_probability"].value == findings.numbers["target_probability_8bit"].value
    assert findings.numbers["source_probability"].value > 0.9
    assert findings.numbers["l2"].value < 2
    assert findings.numbers["l2_8bit"].value < 2


@pytest.mark.weights
def test_distances_are_those_of_the_stored_pictures(findings):
    source = findings.arrays["source"]
    for array, prefix, suffix in (
        ("published", "published_loss_", ""),
        ("nearest", "", ""),
        ("nearest_8bit", "", "_8bit"),
    ):
        difference = findings.arrays[array].astype(float) - source
        numbers = {name: findings.numbers[f"{prefix}{name}{suffix}"].value for name in ("l2", "linf", "ssim")}
        assert numbers["l2"] == pytest.approx(np.sqrt((difference**2).sum()))
        assert numbers["linf"] == pytest.approx(np.abs(difference).max())
        assert 0.9 < numbers["ssim"] <= 1
    for array in ("source", "nearest_8bit"):
        levels = findings.arrays[array] * 255
        np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)


@pytest.mark.weights
def test_the_published_loss_does_not_leave_the_picture(findings):
    """Its gradient at the original is shorter than the distance's: the original is a local minimum."""
    assert findings.numbers["target_probability_start"].value < 1e-9
    assert findings.numbers["published_slope_start"].value < 1
    assert findings.facts["source_is_local_minimum"]
    assert [row["lower"] for row in findings.facts["rates"]] == [False]
    assert findings.numbers["published_loss_probability"].value < 1e-9
    assert findings.numbers["published_slope_nearest"].value > 1


@pytest.mark.weights
def test_verdicts(findings):
    result = PartResult(part.ID, "done", findings.numbers)
    verdicts = [grade(part.ID, expected, result) for expected in part.EXPECTED]
    photograph = next(verdict for verdict in verdicts if verdict.number == "source_probability")
    assert (photograph.status, photograph.reason) == (
        "not comparable",
        "the published photograph is not available",
    )
    reached = [verdict for verdict in verdicts if verdict.number.startswith("target_probability")]
    assert [verdict.status for verdict in reached] == ["not comparable", "pass", "pass"]


@pytest.mark.weights
def test_section_is_drawn_and_names_the_users_classes(findings):
    names = list(drawn(part, findings, SHORT))
    assert names == ["pictures", "differences", "strip", "published_curves", "search_curves"]
    renamed = replace(findings, facts={**findings.facts, "source": "red fox", "target": "zebra"})
    text = html_of(part, renamed, SHORT, network="squeezenet")
    assert "“zebra”" in text
    # The run's own class stands where the network is quoted, and nowhere else.
    assert "mink" not in text.replace("“mink”", "").replace("jellyfish_to_mink", "")
    assert "is itself a strict local minimum of the published loss" in text


def number(findings, name, **changes):
    """The findings with one number changed."""
    return replace(findings, numbers={**findings.numbers, name: replace(findings.numbers[name], **changes)})


def fact(findings, **changes):
    return replace(findings, facts={**findings.facts, **changes})


def text_of(findings):
    return " ".join(html_of(part, findings, SHORT, network="squeezenet").split())


@pytest.mark.weights
def test_the_range_of_the_attempts_is_beside_the_nearest(findings):
    """The graded distances are the nearest attempt's; what an attempt moves has the range of all."""
    for suffix, name in (("", "attempts"), ("_8bit", "attempts_8bit")):
        distances = [each["distance"] for each in findings.facts[name]]
        assert len(distances) == 2
        assert all(each["reached"] for each in findings.facts[name])
        graded, ranged = (findings.numbers[f"l2{suffix}{end}"] for end in ("", "_attempts"))
        assert graded.value == ranged.value == pytest.approx(min(distances))
        assert graded.spread is None
        assert ranged.spread == pytest.approx((min(distances), max(distances)))
        assert ranged.repeats == 2
    for name in ("linf", "linf_8bit", "rounded_afterwards_probability", "changed_values_8bit"):
        low, high = findings.numbers[name].spread
        assert low <= findings.numbers[name].value <= high


def test_only_attempts_that_ended_alike_are_in_the_range():
    from tfviz.experiment.part import Number
    from tfviz.method.attacks import Adversarial

    def attempt(value, reached):
        return Adversarial(np.full((1, 1, 3), value), 0.5, reached, np.zeros(1), np.zeros(1), {})

    attempts = (attempt(0.3, True), attempt(0.1, False), attempt(0.2, True))
    found = replace(attempts[2], attempts=attempts)
    measured = part._over_attempts(found, np.mean, Number, "px")
    assert (measured.value, measured.unit) == (pytest.approx(0.2), "px")
    assert measured.spread == pytest.approx((0.2, 0.3))
    assert measured.repeats == 2
    missed = replace(attempts[1], attempts=attempts)
    assert part._over_attempts(missed, np.mean, Number).value == pytest.approx(0.1)
    assert part._over_attempts(missed, np.mean, Number).spread is None


@pytest.mark.weights
def test_the_text_calls_chaotic_what_is(findings):
    # Far apart, and a hundredth apart.
    for high, stands, absent in ((2.0, "is chaotic", "they agree"), (1.01, "they agree", "is chaotic")):
        text = text_of(number(findings, "l2_attempts", value=1.0, spread=(1.0, high), repeats=2))
        assert f"end at 1 to {high:g}" in text.replace("1.000", "1").replace("2.000", "2").replace(
            "1.010", "1.01"
        )
        assert stands in text
        assert absent not in text
    one_attempt = text_of(number(findings, "l2_attempts", spread=None, repeats=1))
    assert "alike but for" not in one_attempt
    missed = text_of(fact(findings, reached=False, reached_8bit=False))
    assert "The goal is not reached here" in missed
    assert "does not reach the goal" in missed
    assert "alike but for" not in missed


@pytest.mark.weights
def test_what_is_said_of_the_published_loss_hangs_on_its_numbers(findings):
    (row,) = findings.facts["rates"]
    stuck = text_of(fact(findings, rates=[row | {"largest_distance": 0.0, "lower": False}]))
    assert "the loss rises whichever way a small enough step goes" in stuck
    assert (
        "Of larger steps this says nothing: they were only tried. At the one rate tried the loss does not end"
        in stuck
    )
    assert "lower than it started. The published" in stuck
    assert "The published probability is not reached." in stuck
    thrown = text_of(
        fact(findings, rates=[row, row | {"rate": 1.0, "largest_distance": 0.5, "lower": False}])
    )
    assert "At none of the 2 rates tried does the loss end lower than it started; at" in thrown
    assert "at 1 the picture moves all the same" in thrown.replace("1.0", "1")
    left = text_of(
        fact(findings, rates=[row | {"largest_distance": 0.5, "lower": True}], published_reached=True)
    )
    assert "The loss ends lower than it started at the rate 0.001." in left.replace("0.0010", "0.001")
    assert "The published probability is reached." in left
    free = text_of(fact(findings, source_is_local_minimum=False))
    assert "the original is no strict local minimum" in free
    assert "whichever way" not in free
    assert "weight is too large" in free
    assert "weight is too large" not in text_of(
        number(findings, "published_slope_nearest", value=0.5, spread=None)
    )


@pytest.mark.weights
def test_whether_the_change_survives_hangs_on_the_probabilities(findings):
    for value, words in ((0.5, "less than was asked"), (0.99, "still what was asked")):
        changed = number(findings, "rounded_afterwards_probability", value=value, spread=None)
        assert words in text_of(changed)
    some = number(findings, "rounded_afterwards_probability", value=0.5, spread=(0.5, 0.99))
    assert "which not every attempt keeps above what was asked" in text_of(some)
    assert "As a PNG it survives unchanged" in text_of(findings)
    assert "As a PNG it does not survive" in text_of(number(findings, "png_probability", value=0.1))
    seen = findings.facts["seen_as"]
    target = {"class": findings.facts["target"], "probability": 0.9, "target": 0.9}
    kept = text_of(fact(findings, seen_as=seen | {"jpeg_95": target, "jpeg_90": target}))
    assert "at quality 90 and 95, and no longer at 75." in kept
    assert "lost at every quality" in text_of(
        fact(findings, seen_as=seen | {f"jpeg_{quality}": seen["source"] for quality in (75, 90, 95)})
    )


@pytest.mark.weights
def test_the_users_picture_and_classes_are_taken(context_on, tmp_path):
    from PIL import Image

    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(tmp_path / "noise.png")
    context = replace(context_on("squeezenet"), inputs=Inputs(tmp_path / "noise.png", 1, 2))
    tiny = replace(SHORT, published_steps=1, steps=2)
    found = part.run(tiny, context)
    assert found.facts["source"] == "goldfish"
    assert found.facts["target"] == "great white shark"
    assert not found.facts["drawn"]
    assert found.arrays["source"].std() > 0.1
    assert len(drawn(part, found, tiny)) == 5
    assert found.facts["rates"][0]["counted"]
