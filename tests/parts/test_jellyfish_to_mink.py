from dataclasses import replace

import numpy as np
import pytest

from tests.parts.class_network import tiny_context
from tests.parts.drawn import drawn, html_of, text_of
from tests.parts.graded import check_borne_out
from tfviz.experiment.context import Inputs
from tfviz.experiment.grading import grade
from tfviz.experiment.store import PartResult
from tfviz.figures import live
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
    figures = drawn(part, findings, SHORT)
    assert list(figures) == ["pictures", "search", "strip"]
    renamed = replace(findings, facts={**findings.facts, "source": "red fox", "target": "zebra"})
    text = html_of(part, renamed, SHORT, network="squeezenet")
    assert "zebra" in text
    captions = "".join(
        drawing.finding + drawing.caption + drawing.alt for drawing in part.figures(renamed, SHORT)
    )
    assert "zebra" in captions
    assert "mink" not in captions
    # The run's own class stands where the network is quoted, and nowhere else.
    assert "mink" not in words(renamed).replace("“mink”", "").replace("jellyfish_to_mink", "")
    assert "is itself a strict local minimum of the published loss" in words(renamed)


@pytest.mark.weights
def test_each_picture_says_what_the_network_says_of_it(findings):
    """Over the original and both nearest ones; the published loss's picture is another one where it moved."""
    _, figure = drawn(part, findings, SHORT)["pictures"]
    headings = [axes.get_title(loc="left").replace("\n", " ") for axes in figure.axes[:3]]
    seen = findings.facts["seen_as"]
    for heading, key, kind in zip(
        headings, ("source", "nearest", "nearest_8bit"), ("8 bits", "floats", "8 bits"), strict=True
    ):
        assert kind in heading
        assert f"“{seen[key]['class']}” {live.written_percent(seen[key]['probability'])}" in heading
    assert "“mink” <\u202f0.1" in headings[0]
    differences = [axes.images[0].get_array() for axes in figure.axes[3:]]
    np.testing.assert_array_equal(differences[0], np.full((227, 227, 3), 0.5))
    for shown, name in zip(differences[1:], ("nearest", "nearest_8bit"), strict=True):
        change = findings.arrays[name] - findings.arrays["source"]
        np.testing.assert_allclose(shown, np.clip(0.5 + change * 255 / 8, 0, 1), atol=1e-6)
    moved = number(findings, "published_loss_l2", value=0.5)
    assert len(drawn(part, moved, SHORT)["pictures"][1].axes) == 8


@pytest.mark.weights
def test_a_browser_wipes_between_the_pictures_of_8_bits(findings, tmp_path):
    (drawing,) = (each for each in part.figures(findings, SHORT) if each.name == "pictures")
    wipe = drawing.live()
    assert live.save(wipe, tmp_path / "wipe").exists()
    np.testing.assert_array_equal(wipe.before.picture, findings.arrays["source"])
    np.testing.assert_array_equal(wipe.after.picture, findings.arrays["nearest_8bit"])
    probability = findings.numbers["target_probability_8bit"].value
    assert wipe.after.label == f"“mink” {live.written_percent(probability)}\u202f%"
    labels = [each.label for each in wipe.more]
    assert labels[0].startswith("The difference, 32 times amplified")
    for label, quality in zip(labels[1:], (75, 95), strict=True):
        seen = findings.facts["seen_as"][f"jpeg_{quality}"]
        assert f"quality {quality}: “{seen['class']}” {live.written_percent(seen['probability'])}" in label
    (drawing,) = (
        each
        for each in part.figures(number(findings, "published_loss_l2", value=0.5), SHORT)
        if each.name == "pictures"
    )
    assert "published loss" in drawing.live().more[-1].label


@pytest.mark.weights
def test_a_browser_goes_along_the_search(findings, tmp_path):
    (drawing,) = (each for each in part.figures(findings, SHORT) if each.name == "strip")
    steps = drawing.live()
    assert live.save(steps, tmp_path / "steps").exists()
    assert list(steps.steps) == [0, 8, 60]
    tried, change = steps.rows
    assert tried.values[0] == "<\u202f0.1\u202f%"
    last = live.written_percent(findings.arrays["search_probabilities"][60])
    assert tried.values[-1] == f"{last}\u202f%"
    np.testing.assert_array_equal(change.pictures[0], np.full((227, 227, 3), 0.5))
    at_once = replace(
        findings,
        arrays={**findings.arrays, "search_strip_steps": np.array([0])},
    )
    assert [each.name for each in part.figures(at_once, SHORT)] == ["pictures", "search"]


@pytest.mark.weights
def test_findings_hang_on_the_numbers(findings):
    def finding(name, findings):
        (drawing,) = (each for each in part.figures(findings, SHORT) if each.name == name)
        return drawing.finding

    levels = findings.facts["largest_change_8bit"]
    assert finding("pictures", findings) == (
        f"Changed by at most {levels} of 255 levels, the picture is “mink” to the network."
    )
    missed = fact(findings, reached=False, reached_8bit=False)
    assert "No picture of 8 bits reaches the goal" in finding("pictures", missed)
    arrays = findings.arrays
    first = arrays["search_distances"][np.argmax(arrays["search_probabilities"] >= SHORT.probability)]
    assert first > findings.numbers["l2"].value
    assert finding("search", findings).startswith(f"First there at a distance of {first:.3g}")
    farther = number(findings, "l2", value=float(first) + 1, spread=None)
    for other in (missed, farther):
        assert finding("search", other) == "What the search tried, step after step."
    times = arrays["search_distances"].max() / findings.numbers["l2"].value
    assert f"lies {times:.2g} times as far away" in finding("strip", findings)
    assert finding("strip", missed) == "The change on the way."
    (row,) = findings.facts["rates"]
    moving = fact(findings, rates=[row | {"lower": True}])
    assert finding("published_curves", moving).startswith("At no rate does the probability of “mink” exceed")
    reaching = fact(findings, rates=[row | {"lower": True, "largest_probability": 0.98}])
    assert (
        finding("published_curves", reaching) == "The published probability is reached at one rate or more."
    )
    assert "published_curves" in drawn(part, moving, SHORT)


def number(findings, name, **changes):
    """The findings with one number changed."""
    return replace(findings, numbers={**findings.numbers, name: replace(findings.numbers[name], **changes)})


def fact(findings, **changes):
    return replace(findings, facts={**findings.facts, **changes})


def words(findings):
    return text_of(html_of(part, findings, SHORT, network="squeezenet"))


@pytest.mark.weights
def test_the_range_of_the_attempts_is_beside_the_nearest(findings):
    """What is shown is the nearest attempt's; what an attempt moves has the range of all."""
    for suffix, name in (("", "attempts"), ("_8bit", "attempts_8bit")):
        distances = [each["distance"] for each in findings.facts[name]]
        assert len(distances) == 2
        assert all(each["reached"] for each in findings.facts[name])
        graded = findings.numbers[f"l2{suffix}"]
        assert graded.value == pytest.approx(min(distances))
        assert graded.spread == pytest.approx((min(distances), max(distances)))
        assert graded.repeats == 2
        reached = findings.numbers[f"target_probability{suffix}"]
        assert reached.spread == pytest.approx(
            sorted(each["probability"] for each in findings.facts[name]), rel=1e-5
        )
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
        text = words(number(findings, "l2", value=1.0, spread=(1.0, high), repeats=2))
        assert f"The 2 attempts end at 1 to {high:g}." in text.replace("2.000", "2").replace("1.010", "1.01")
        assert stands in text
        assert absent not in text
    one_attempt = words(number(findings, "l2", spread=None, repeats=1))
    assert "attempts end at" not in one_attempt
    attempts = [*findings.facts["attempts"], {"distance": 1.0, "probability": 0.5, "reached": False}]
    assert "The 2 of 3 attempts that reach it end at" in words(fact(findings, attempts=attempts))
    missed = words(fact(findings, reached=False, reached_8bit=False))
    assert "As floats the goal is not reached here" in missed
    assert "The search among pictures of 8 bits does not reach the goal" in missed
    assert "attempts end at" not in missed
    reached = words(findings)
    assert "measured on floats" in reached
    assert "The search among pictures of 8 bits reaches " in reached


@pytest.mark.weights
def test_what_is_said_of_the_published_loss_hangs_on_its_numbers(findings):
    (row,) = findings.facts["rates"]
    stuck = words(fact(findings, rates=[row | {"largest_distance": 0.0, "lower": False}]))
    assert "the loss rises whichever way a small enough step goes" in stuck
    assert (
        "Of larger steps this says nothing: they were only tried. At the one rate tried the loss does not end "
        "lower than it started. The published probability is not reached." in stuck
    )
    thrown = words(fact(findings, rates=[row, row | {"rate": 1.0, "largest_distance": 0.5, "lower": False}]))
    assert (
        "At none of the 2 rates tried does the loss end lower than it started. At the rate 1 the picture moves "
        "all the same" in thrown
    )
    left = words(
        fact(findings, rates=[row | {"largest_distance": 0.5, "lower": True}], published_reached=True)
    )
    assert "The loss ends lower than it started at the rate 0.001." in left.replace("0.0010", "0.001")
    assert "The published probability is reached." in left
    free = words(fact(findings, source_is_local_minimum=False))
    assert "the original is no strict local minimum" in free
    assert "whichever way" not in free
    assert "Correction: the published loss." in free
    assert "Correction: the published loss at its start." in stuck


@pytest.mark.weights
def test_how_hard_the_first_term_pulls_at_the_end(findings):
    pulls = {"value": 4e5, "repeats": 2}
    both = words(number(findings, "published_slope_nearest", **pulls, spread=(4e5, 6e5)))
    assert "the probability’s gradient has a length of 0.800 to 1.20, so" in both.replace("1.200", "1.20")
    one = words(number(findings, "published_slope_nearest", value=4e5, spread=None))
    assert "has a length of 0.800, so that the first term pulls 500 000 times that" in one
    weak = number(findings, "published_slope_nearest", value=0.5, spread=None)
    assert "weight is too large" not in words(weak)
    assert "weight is too large" not in words(fact(findings, reached=False))


@pytest.mark.weights
def test_whether_the_change_survives_hangs_on_the_probabilities(findings):
    for value, stands in ((0.5, "0.500, less than was asked"), (0.99, "0.990, still what was asked")):
        changed = number(findings, "rounded_afterwards_probability", value=value, spread=None)
        assert stands in words(changed)
    some = number(findings, "rounded_afterwards_probability", value=0.5, spread=(0.5, 0.99))
    assert "a probability of 0.500, the attempts’ pictures one of 0.500 to 0.990, so that not every" in words(
        some
    )
    assert "Saved as a PNG the picture of 8 bits survives unchanged" in words(findings)
    assert "Saved as a PNG it does not survive: 0.1" in words(number(findings, "png_probability", value=0.1))
    seen = findings.facts["seen_as"]
    target = {"class": findings.facts["target"], "probability": 0.9, "target": 0.9}
    jpegs = {f"jpeg_{quality}": target for quality in (75, 90, 95)}
    kept = words(fact(findings, seen_as=seen | jpegs | {"jpeg_75": seen["source"]}))
    assert "the network still says “mink” at quality 90, 95, and no longer at 75." in kept
    assert "the network still says “mink” at quality 75, 90, 95." in words(
        fact(findings, seen_as=seen | jpegs)
    )
    assert "A JPEG loses it at every quality tried" in words(
        fact(findings, seen_as=seen | dict.fromkeys(jpegs, seen["source"]))
    )


@pytest.mark.weights
def test_what_the_network_says_of_the_original(findings):
    assert "gives it to “jellyfish” with a probability of 0.99" in words(findings)
    seen = findings.facts["seen_as"]
    other = words(fact(findings, seen_as=seen | {"source": seen["source"] | {"class": "balloon"}}))
    assert "says “balloon” of it with 0.99" in other
    assert "the jellyfish that the project draws" in other
    assert "the picture that was given" in words(fact(findings, drawn=False))


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
    assert list(drawn(part, found, tiny))[:3] == ["pictures", "search", "strip"]
    assert words(found)
    assert found.facts["rates"][0]["counted"]


@pytest.mark.weights
def test_a_grader_measures_the_same(findings, real_weights):
    check_borne_out(part, findings, SHORT, "squeezenet", real_weights("squeezenet"))


def test_a_descent_whose_first_step_changes_nothing_is_not_gone_on_with(monkeypatch):
    """What is said of its steps is what all of them give; one that moves is done in full."""
    import tfviz

    _context, model, _ = tiny_context("alexnet")
    source = np.full(model.input_shape[1:], 0.5, np.float32)
    goal = tfviz.objectives.probability(2)
    settings = replace(part.SETTINGS, published_weight=1.0, published_steps=7)
    done = []
    ascend = tfviz.ascend
    monkeypatch.setattr(
        tfviz, "ascend", lambda *args, **options: done.append(options["steps"]) or ascend(*args, **options)
    )
    for rate, steps in ((1e-12, [1]), (1.0, [1, 7])):
        done.clear()
        found = part._published(model, goal, source, settings, rate)
        assert done == steps
        whole = ascend(model, goal - tfviz.priors.distance(source), source, steps=7, rate=rate)
        np.testing.assert_array_equal(found.picture, whole.picture)
        np.testing.assert_allclose(found.scores, whole.scores, rtol=1e-6)
        assert found.terms.keys() == whole.terms.keys()
        for name, values in whole.terms.items():
            np.testing.assert_allclose(found.terms[name], values, rtol=1e-6)
