from dataclasses import replace

import numpy as np
import pytest

from tests.parts.class_network import tiny_context
from tests.parts.drawn import drawn, html_of
from tests.tiny import linear_model
from tfviz.experiment.part import Findings, Number
from tfviz.parts import class_image
from tfviz.parts._toward_class import Ascents, ends, headings, percent, steps_to_show, toward_class

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
    html = html_of(class_image, findings, SETTINGS, network="squeezenet")
    assert "Where it ends is chaotic" in html


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


def run_tiny(settings):
    context, _, _ = tiny_context("squeezenet", height=8, width=9)
    return class_image.run(replace(settings, target=5), context)


def test_the_strip_s_rows_say_where_they_end():
    settings = replace(SETTINGS, steps=3)
    findings = run_tiny(settings)
    _, figure = drawn(class_image, findings, settings)["strip"]
    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    ends = [
        percent(findings.arrays[f"{which}_probability"][-1, 0, 0]) for which in ("published", "logarithm")
    ]
    assert labels == [f"on the probability:\nends at {ends[0]}", f"on its logarithm:\nends at {ends[1]}"]
    _, curves = drawn(class_image, findings, settings)["probability"]
    assert len(curves.axes[0].lines) == 2 * 2 * 2  # objectives, seeds, repeats


def page(published, logarithm, *, published_chaotic=0, target_chaotic=0, best=None):
    """The section with these ends of both objectives, (lowest, highest) over the repeats of every seed."""
    settings = replace(SETTINGS, steps=3)
    tiny = run_tiny(settings)

    def number(ends):
        return Number(ends[0], "", "squeezenet", ends, 2)

    numbers = {name: number(published) for name in tiny.numbers if name.startswith("published_probability")}
    numbers |= {name: number(logarithm) for name in tiny.numbers if name.startswith("target_probability")}
    numbers["published_probability_best_step"] = number((best or published[1],) * 2)
    numbers["start_probability"] = number((2e-5, 2e-5))
    numbers["published_chaotic"] = Number(published_chaotic, "seeds")
    numbers["target_chaotic"] = Number(target_chaotic, "seeds")
    assert numbers.keys() == tiny.numbers.keys()
    html = html_of(class_image, Findings(numbers, tiny.arrays, tiny.facts), settings, network="squeezenet")
    return " ".join(html.split())


def test_where_the_published_objective_fails_the_network_is_not_said_to_be_sure():
    html = page((0.158, 0.239), (0.9985, 0.9991), published_chaotic=2, best=0.64)
    assert (
        'the upper row ends at <span class="value">0.158</span> (0.158 to 0.239 in 2 repeats): the network is '
        "<em>not</em> sure of it." in html
    )
    assert 'The lower row ends at <span class="value">0.9985</span>: the network is sure of it.' in html
    assert "High confidence is not a likeness" in html
    assert (
        "does not always arrive: it ends between 0.16 and 0.24, and its best step on the way had 0.64."
        in html
    )
    assert "Where it ends is chaotic: from 2 of the 2 seeds the repeats end more than 10 % apart" in html
    assert "the same step is far too long" in html
    assert "works from every seed" not in html
    assert "chaotic as well" not in html


def test_where_it_works_it_is_said_to_work():
    html = page((0.9995, 0.9999), (0.9985, 0.9991))
    assert html.count("the network is sure of it") == 2
    assert "not</em> sure" not in html
    assert "the published objective works from every seed tried (at least 0.9995)" in html
    assert "Starts that differ in the last bit end within 10 % of each other, from every seed." in html
    assert "is chaotic" not in html
    assert "does not always arrive" not in html
    assert "far too long" not in html


def test_where_neither_is_sure_no_conclusion_is_drawn():
    html = page((0.1, 0.1), (0.2, 0.5), target_chaotic=1)
    assert html.count("<em>not</em> sure of it") == 2
    assert "High confidence is not a likeness" not in html
    assert "is not shown by these two" in html
    assert "though 1 of its ends are chaotic as well" in html


def test_where_the_last_bit_decides_it_is_said_so():
    html = page((0.001, 0.95), (0.9985, 0.9991), published_chaotic=1)
    assert "whether the network is sure of it hangs on the last bit of the start" in html


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
    assert headings(arrays) == ["15.8 %\n99.85 %", "2.5e-05 %\n> 99.99 %"]
    assert ends(arrays, "published") == ("2.5e-07", "0.5")
    assert percent(1.0) == "100 %"
    assert percent(0.99) == "99 %"


def test_steps_to_show():
    assert steps_to_show(40) == (0, 8, 40)
    assert steps_to_show(1000) == (0, 8, 64, 512, 1000)
    assert steps_to_show(8) == (0, 8)
