import itertools
from dataclasses import replace

import numpy as np
import pytest

from tests.parts.class_network import tiny_context
from tests.parts.drawn import drawn, html_of, text_of
from tests.parts.graded import check_borne_out
from tests.tiny import linear_model
from tfviz.experiment.part import Findings, Number
from tfviz.parts import class_image
from tfviz.parts._toward_class import (
    OBJECTIVES,
    Ascents,
    ends,
    headings,
    over_steps,
    percent,
    steps_to_show,
    strip,
    toward_class,
)

SETTINGS = replace(class_image.SETTINGS, seeds=2, repeats=2)


@pytest.fixture(scope="module")
def findings(context_on):
    return class_image.run(SETTINGS, context_on("squeezenet"))


@pytest.mark.weights
def test_the_logarithm_reaches_0_998_from_every_seed(findings):
    numbers = findings.numbers
    seeds = [numbers[f"target_probability_seed_{seed}"].spread[0] for seed in range(2)]
    assert numbers["target_probability"].spread[0] == min(seeds) >= 0.998
    assert numbers["target_probability"].network == "squeezenet"
    assert numbers["start_probability"].value < 0.01


@pytest.mark.weights
def test_the_published_objective_is_chaotic(findings):
    """Starts that differ in the last bit end elsewhere; the logarithm's ends stay together."""
    numbers = findings.numbers
    assert numbers["published_chaotic"].value >= 1
    assert numbers["target_chaotic"].value == 0
    assert numbers["target_probability"].repeats == 2
    low, high = numbers["target_probability"].spread
    assert high - low < 0.002
    text = text_of(html_of(class_image, findings, SETTINGS, network="squeezenet"))
    assert "Where it ends is chaotic" in text


@pytest.mark.weights
def test_the_probability_is_that_of_the_stored_picture(findings, context_on):
    logits = np.asarray(context_on("squeezenet").model()(findings.arrays["logarithm"])).astype(float)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax[:, 207], findings.arrays["logarithm_probability"][-1, 0], rtol=1e-3)
    assert findings.arrays["logarithm"].min() >= 0
    assert findings.arrays["logarithm"].max() <= 1


@pytest.mark.weights
def test_figures(findings):
    assert list(drawn(class_image, findings, SETTINGS)) == ["strip", "last", "probability"]
    assert "golden retriever" in html_of(class_image, findings, SETTINGS, network="squeezenet")
    np.testing.assert_array_equal(findings.arrays["steps"], [0, 5, 10, 15, 20, 25, 30, 35, 40])


def run_tiny(settings):
    context, _, _ = tiny_context("squeezenet", height=8, width=9)
    return class_image.run(replace(settings, target=5), context)


def test_the_strip_s_rows_say_where_they_end():
    settings = replace(SETTINGS, steps=3)
    findings = run_tiny(settings)
    np.testing.assert_array_equal(findings.arrays["steps"], [0, 1, 2, 3])
    _, figure = drawn(class_image, findings, settings)["strip"]
    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    ends = [
        percent(findings.arrays[f"{which}_probability"][-1, 0, 0]) for which in ("published", "logarithm")
    ]
    assert labels == [f"on the probability:\nends at {ends[0]}", f"on its logarithm:\nends at {ends[1]}"]
    _, curves = drawn(class_image, findings, settings)["probability"]
    assert len(curves.axes[0].lines) == 2 * 2 * 2  # objectives, seeds, repeats


def made_arrays(count, steps):
    """Arrays of a start at so many steps, each of its pictures of one value, and the probabilities of two starts."""
    shades = np.linspace(0, 1, count)
    return {
        "steps": np.linspace(0, steps, count).astype(int),
        **{f"{which}_strip": np.ones((count, 4, 5, 3)) * shades[:, None, None, None] for which in OBJECTIVES},
        "published_probability": np.linspace(0, 0.5, steps + 1)[:, None, None] * np.ones((1, 2, 2)),
        "logarithm_probability": np.linspace(0, 0.9, steps + 1)[:, None, None] * np.ones((1, 2, 2)),
    }


def test_a_browser_shows_every_step_with_its_probability_and_paper_five():
    arrays = made_arrays(9, 40)
    steps = over_steps(arrays)
    assert list(steps.steps) == [0, 5, 10, 15, 20, 25, 30, 35, 40]
    published, logarithm = steps.rows
    assert (published.label, logarithm.label) == ("on the probability", "on its logarithm")
    assert [value.replace("\u202f", " ") for value in published.values[:2]] == ["0 %", "6.25 %"]
    assert logarithm.values[-1].replace("\u202f", " ") == "90.0 %"
    np.testing.assert_array_equal(published.pictures[3], arrays["published_strip"][3])
    figure = strip(arrays)
    shown = [axes.images[0].get_array()[0, 0, 0] for axes in figure.axes]
    assert shown == [0, 0.25, 0.5, 0.75, 1] * 2
    assert [axes.get_title("left") for axes in figure.axes[:5]] == [
        f"step {step}" for step in (0, 10, 20, 30, 40)
    ]


def test_the_last_pictures_stand_over_the_probability_that_each_has():
    settings = replace(SETTINGS, steps=3)
    findings = run_tiny(settings)
    table = drawn(class_image, findings, settings)["last"][0].live()
    for row, which in zip(table.rows, OBJECTIVES, strict=True):
        for seed, each in enumerate(row.pictures):
            np.testing.assert_array_equal(each.picture, findings.arrays[which][seed])
            assert each.label == percent(findings.arrays[f"{which}_probability"][-1, 0, seed])


@pytest.mark.parametrize(
    ("published", "logarithm", "said"),
    [
        (
            [0.1, 0.8],
            [0.95, 0.99],
            "On the logarithm the network becomes sure, on the probability itself it does not.",
        ),
        ([0.95, 0.9], [0.95, 0.99], "The network becomes sure of both pictures."),
        ([0.1, 0.95], [0.95, 0.99], "From one noise the two climbs end at {published} and {logarithm}."),
        ([0.1, 0.2], [0.2, 0.99], "From one noise the two climbs end at {published} and {logarithm}."),
    ],
)
def test_what_the_strip_is_said_to_show(published, logarithm, said):
    assert class_image._strip_shows(np.array(published), np.array(logarithm), 0.9) == said


def test_what_the_other_figures_are_said_to_show():
    assert class_image._last_shows(0, 5, 5).startswith(
        "From every seed the climb on the logarithm arrives, from none"
    )
    assert class_image._last_shows(5, 5, 5) == "From every seed both climbs arrive."
    assert (
        class_image._last_shows(1, 4, 5) == "Of 5 seeds the logarithm arrives from 4, the probability from 1."
    )
    said = {class_image._ends_show(*chaotic) for chaotic in itertools.product((False, True), repeat=2)}
    assert len(said) == 4
    assert "on its logarithm it does not" in class_image._ends_show(True, False)
    assert "end together" in class_image._ends_show(False, False)


def test_sure_are_the_seeds_whose_shown_picture_is():
    """Of the first repeat, that is; the caption of the last pictures counts what it shows."""
    settings = replace(SETTINGS, steps=3)
    tiny = run_tiny(settings)
    arrays = dict(tiny.arrays)
    arrays["published_probability"] = np.zeros((4, 2, 2))
    arrays["logarithm_probability"] = np.zeros((4, 2, 2))
    arrays["logarithm_probability"][-1] = [[0.95, 0.2], [0.1, 0.99]]
    drawings = class_image.figures(Findings(tiny.numbers, arrays, tiny.facts), settings)
    assert "Of 2 seeds the logarithm arrives from 1, the probability from 0." in [
        each.finding for each in drawings
    ]


def page(published, logarithm, *, published_chaotic=0, target_chaotic=0, best=None, start=2e-5):
    """The section with these ends of both objectives, (lowest, highest) over the repeats of every seed."""
    settings = replace(SETTINGS, steps=3)
    tiny = run_tiny(settings)

    def number(ends):
        return Number(ends[0], "", "squeezenet", ends, 2)

    numbers = {name: number(published) for name in tiny.numbers if name.startswith("published_probability")}
    numbers |= {name: number(logarithm) for name in tiny.numbers if name.startswith("target_probability")}
    numbers["published_probability_best_step"] = number((best or published[1],) * 2)
    numbers["start_probability"] = number((start, start))
    numbers["published_chaotic"] = Number(published_chaotic, "seeds")
    numbers["target_chaotic"] = Number(target_chaotic, "seeds")
    assert numbers.keys() == tiny.numbers.keys()
    return text_of(
        html_of(class_image, Findings(numbers, tiny.arrays, tiny.facts), settings, network="squeezenet")
    )


def test_where_the_published_objective_fails_the_network_is_not_said_to_be_sure():
    text = page((0.158, 0.239), (0.9985, 0.9991), published_chaotic=2, best=0.64)
    assert (
        "the first seed’s picture ends at 0.158 (0.158 to 0.239 in 2 repeats). The network is not sure of it."
        in text
    )
    assert (
        "On the logarithm it ends at 0.9985. The network is sure of it. High confidence is not a likeness"
        in text
    )
    assert (
        "objective arrives from no seed: it ends between 0.16 and 0.24, and its best step on the way had 0.64."
        in text
    )
    assert "does not always arrive" not in text
    assert "Where it ends is chaotic: from 2 of the 2 seeds the repeats end more than 10 % apart" in text
    assert "the same step is far too long" in text
    assert "works from every seed" not in text
    assert "chaotic as well" not in text


def test_where_it_arrives_from_some_starts_only_that_is_said():
    text = page((0.158, 0.9995), (0.9985, 0.9991), published_chaotic=2)
    assert "the published objective does not always arrive: it ends between 0.16 and 1.00, and" in text
    assert "arrives from no seed" not in text


def test_where_it_works_it_is_said_to_work():
    text = page((0.9995, 0.9999), (0.9985, 0.9991))
    assert text.count("The network is sure of it.") == 2
    assert "is not sure" not in text
    assert "the published objective works from every seed tried (at least 0.9995)" in text
    assert "Starts that differ in the last bit end within 10 % of each other, from every seed." in text
    assert "is chaotic" not in text
    assert "does not always arrive" not in text
    assert "arrives from no seed" not in text
    assert "far too long" not in text


def test_where_neither_is_sure_no_conclusion_is_drawn():
    text = page((0.1, 0.1), (0.2, 0.5), target_chaotic=1)
    assert text.count("The network is not sure of it.") == 2
    assert "High confidence is not a likeness" not in text
    assert "is not shown by these two" in text
    assert "One of its ends is chaotic as well." in text
    assert "2 of its ends are chaotic as well." in page((0.1, 0.1), (0.2, 0.5), target_chaotic=2)


def test_a_start_that_is_not_faint_has_no_small_steps():
    text = page((0.21, 0.21), (0.25, 0.27), published_chaotic=1)
    assert "so that the first steps are as small" in text
    assert "does not vanish there" in text
    sizeable = page((0.21, 0.21), (0.25, 0.27), published_chaotic=1, start=0.2)
    assert "so that the first steps" not in sizeable
    assert "does not vanish" not in sizeable
    assert "the lowest end over the seeds is 0.2500" in sizeable


def test_where_the_last_bit_decides_it_is_said_so():
    text = page((0.001, 0.95), (0.9985, 0.9991), published_chaotic=1)
    assert "Whether the network is sure of it hangs on the last bit of the start." in text


def test_both_objectives_start_from_the_same_picture():
    starts = np.random.default_rng(0).random((3, 5, 7, 3)).astype(np.float32)
    random = np.random.default_rng(1)
    both = toward_class(
        linear_model(), 2, starts, random, repeats=2, steps=3, rate=0.1, logarithm_rate=0.2, keep=(0, 3)
    )
    by_logarithm = both.by_logarithm.probability
    assert by_logarithm.shape == both.published.probability.shape == (4, 2, 3)
    np.testing.assert_allclose(both.published.probability[0], by_logarithm[0], rtol=1e-5)
    np.testing.assert_array_equal(both.published.strip[0], starts[0])
    np.testing.assert_array_equal(both.by_logarithm.strip[0], starts[0])
    np.testing.assert_array_equal(both.published.strip[1], both.published.pictures[0, 0])
    assert (by_logarithm[-1] > by_logarithm[0]).all()


def test_each_repeat_is_the_ascent_from_its_own_start():
    """What stands in the batch's second row is what one ascent from a start with another last bit gives."""
    import tfviz
    from tfviz.method.ascent import last_bits

    starts = np.random.default_rng(0).random((2, 5, 7, 3)).astype(np.float32)
    starts[0, 0, 0] = 0, 1, 0.5
    both = toward_class(
        linear_model(), 2, starts, np.random.default_rng(1), repeats=3, steps=4, rate=0.1, logarithm_rate=0.1
    )
    copies = np.clip(last_bits(starts, 3, np.random.default_rng(1)), 0, 1)
    np.testing.assert_array_equal(copies[0], starts)
    assert (copies[1] != copies[0]).any()
    for repeat in range(3):
        trace = tfviz.ascend(
            linear_model(), tfviz.objectives.probability(2), copies[repeat], steps=4, rate=0.1
        )
        np.testing.assert_allclose(both.published.pictures[repeat], trace.picture, atol=1e-5)
        np.testing.assert_allclose(both.published.probability[:, repeat], trace.scores, rtol=1e-4)


def test_numbers_are_those_of_the_probabilities():
    starts = np.random.default_rng(1).random((3, 5, 7, 3)).astype(np.float32)
    both = toward_class(
        linear_model(), 2, starts, np.random.default_rng(1), repeats=2, steps=3, rate=0.1, logarithm_rate=0.2
    )
    published, by_logarithm = both.published.probability, both.by_logarithm.probability
    wanted = {
        "target_probability": [min(by_logarithm[-1, repeat]) for repeat in range(2)],
        "published_probability": [published[-1, repeat, 0] for repeat in range(2)],
        "published_probability_lowest": [min(published[-1, repeat]) for repeat in range(2)],
        "published_probability_highest": [max(published[-1, repeat]) for repeat in range(2)],
        "published_probability_best_step": [published[:, repeat].max() for repeat in range(2)],
        "start_probability": [by_logarithm[0, repeat].max() for repeat in range(2)],
    }
    numbers = both.numbers()
    assert numbers.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(numbers[name], values)


def test_an_end_is_chaotic_where_its_repeats_lie_further_apart_than_the_share():
    # Ends of three starts (columns) in two repeats: 10 % apart but for rounding, 60 %, equal.
    last = np.array([[0.95, 0.4, 0.7], [1.0, 1.0, 0.7]])
    ascents = Ascents(np.zeros(0), np.zeros(0), np.stack([np.zeros((2, 3)), last]))
    assert ascents.chaotic(0.1) == 1
    assert ascents.chaotic(0.04) == 2
    assert ascents.chaotic(0.7) == 0


def test_headings_and_ends_of_both_objectives():
    arrays = {
        "published_probability": np.array([[[0, 0], [0, 0]], [[0.158, 2.5e-7], [0.2, 0.5]]]),
        "logarithm_probability": np.array([[[0, 0], [0, 0]], [[0.99854, 0.99997], [0.9, 1]]]),
    }
    spaced = [heading.replace("\u202f", " ") for heading in headings(arrays)]
    assert spaced == ["15.8 %\n99.85 %", "< 0.01 %\n> 99.99 %"]
    assert [end.replace("\u202f", " ") for end in ends(arrays, "published")] == ["< 0.01 %", "50.0 %"]
    shares = {1.0: "100 %", 0.99: "99.0 %", 0.0: "0 %", 0.0001: "0.0100 %"}
    assert {share: percent(share).replace("\u202f", " ") for share in shares} == shares


def test_steps_to_show():
    assert steps_to_show(40) == (0, 8, 40)
    assert steps_to_show(1000) == (0, 8, 64, 512, 1000)
    assert steps_to_show(8) == (0, 8)


@pytest.mark.weights
def test_a_grader_measures_the_same(findings, real_weights):
    check_borne_out(class_image, findings, SETTINGS, "squeezenet", real_weights("squeezenet"))
