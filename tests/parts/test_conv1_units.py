import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.parts.drawn import drawn, html_of, text_of
from tests.parts.graded import check_borne_out
from tfviz import figures as draw
from tfviz.experiment.context import Context
from tfviz.experiment.grading import grade
from tfviz.experiment.part import Findings
from tfviz.experiment.progress import Reporter
from tfviz.experiment.store import PartResult
from tfviz.measures import gabor
from tfviz.parts import conv1_units

SMALL = replace(conv1_units.SETTINGS, height=63, width=67, repeats=2)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Drawn(Context):
    """A context whose network's first layer is drawn at random, each channel with a size of its own."""

    def model(self, *, normalize=True):
        from tfviz.models import alexnet

        model = alexnet.build_features((63, 67, 3), normalize=normalize)
        random = np.random.default_rng(0)
        sizes = np.geomspace(0.02, 0.2, 64)[random.permutation(64)]
        model.get_layer("conv1").set_weights(
            [random.normal(size=(11, 11, 3, 64)) * sizes, random.normal(size=64) * 0.1]
        )
        return model


@pytest.fixture(scope="module")
def made_up():
    context = Drawn(0, Reporter())
    return conv1_units.run(SMALL, context), context.model().get_layer("conv1").get_weights()


@pytest.fixture(scope="module")
def findings(context_on):
    return conv1_units.run(conv1_units.SETTINGS, context_on("alexnet_features"))


def values(findings):
    return {name: number.value for name, number in findings.numbers.items()}


def test_the_ascent_has_a_closed_form(made_up):
    """The gradient of a linear unit is the same everywhere, so that T steps are one step of T times the rate."""
    findings, (kernel, _) = made_up
    noise = np.random.default_rng(0).normal(0.5, 0.01, (63, 67, 3))
    (top, bottom), (left, right) = findings.arrays["window"]
    for channel in SMALL.channels:
        ends = np.clip(
            noise[top:bottom, left:right] + SMALL.steps * SMALL.rate * kernel[..., channel] / STD, 0, 1
        )
        seen = findings.arrays[f"picture_{channel}"][top:bottom, left:right]
        np.testing.assert_allclose(seen, ends, atol=1e-4)
        unfinished = seen != findings.arrays["best_patches"][channel]
        weights = np.abs(kernel[..., channel] / STD)[unfinished]
        assert (weights * SMALL.steps * SMALL.rate < 0.6).all(), "only small weights leave a value on its way"


def test_numbers_follow_from_the_weights(made_up):
    findings, (kernel, bias) = made_up
    numbers = values(findings)
    grey = bias + np.sum(kernel * (0.5 - np.array(MEAN))[:, None] / np.array(STD)[:, None], axis=(0, 1, 2))
    bounds = grey + np.sum(np.abs(kernel) / np.array(STD)[:, None], axis=(0, 1, 2)) / 2
    norms = np.abs(kernel).sum(axis=(0, 1, 2))
    for channel in SMALL.channels:
        assert numbers[f"bound_channel_{channel}"] == pytest.approx(bounds[channel], rel=1e-5)
        assert numbers[f"rank_channel_{channel}"] == 1 + (bounds < bounds[channel]).sum()
        assert numbers[f"l1_channel_{channel}"] == pytest.approx(norms[channel], rel=1e-5)
        reached = numbers[f"activation_channel_{channel}"]
        assert 0.98 < reached / bounds[channel] <= 1 + 1e-5  # summed in float32
        assert numbers[f"activation_over_l1_channel_{channel}"] == pytest.approx(
            reached / norms[channel], rel=1e-5
        )
    assert numbers["channels"] == 64
    assert numbers["lowest_bound_over_l1"] == pytest.approx((bounds / norms).min(), rel=1e-5)
    assert numbers["highest_bound_over_l1"] == pytest.approx((bounds / norms).max(), rel=1e-5)
    assert numbers["correlation_bound_l1"] == pytest.approx(np.corrcoef(bounds, norms)[0, 1], rel=1e-6)
    assert numbers["l1_ratio"] == pytest.approx(norms.max() / norms.min(), rel=1e-5)


def test_correlations_are_those_of_the_patch_that_the_unit_sees(made_up):
    findings, (kernel, _) = made_up
    numbers = values(findings)
    (top, bottom), (left, right) = findings.arrays["window"]
    for channel in SMALL.channels:
        seen = findings.arrays[f"picture_{channel}"][top:bottom, left:right]
        weights = kernel[..., channel]
        for name, other in (("filter", weights), ("sign", np.sign(weights))):
            expected = np.corrcoef(seen.ravel(), other.ravel())[0, 1]
            assert numbers[f"correlation_with_{name}_channel_{channel}"] == pytest.approx(expected, abs=1e-6)
        # Of normal weights the sign correlates with the weight at the root of 2 / pi.
        assert numbers[f"correlation_with_filter_channel_{channel}"] == pytest.approx(0.80, abs=0.03)
        at_end = np.where(weights > 0, 1, 0) == seen
        assert numbers[f"at_end_channel_{channel}"] == pytest.approx(at_end.mean())
    assert numbers["lowest_at_end"] == min(numbers[f"at_end_channel_{channel}"] for channel in SMALL.channels)


def test_repeats_are_starts_and_not_the_wider_noise(made_up):
    findings, _ = made_up
    for channel in SMALL.channels:
        number = findings.numbers[f"activation_channel_{channel}"]
        assert number.repeats == 2
        assert number.spread[1] - number.spread[0] < 1e-3
    assert 0 < findings.numbers["change_with_wider_noise"].value < 0.1


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1.0, 2, 3], [2.0, 4, 6], 1),
        ([1.0, 2, 3], [3.0, 2, 1], -1),
        ([0.0, 1, 0, 1], [0.0, 0, 1, 1], 0),
        ([1.0, 1], [1.0, 2], 0),
    ],
)
def test_correlation_by_hand(first, second, expected):
    assert conv1_units.correlation(np.array(first), np.array(second)) == pytest.approx(expected)


def test_a_filter_s_size_can_be_moved_to_the_next_layer():
    """What the correction says: ten times the value, and the same answers."""
    model = Drawn(0, Reporter()).model()
    pictures = np.random.default_rng(1).random((2, 63, 67, 3)).astype("float32")
    before = np.asarray(model(pictures))
    kernel, bias = model.get_layer("conv1").get_weights()
    following, own = model.get_layer("conv2").get_weights()
    kernel[..., 20] *= 10
    bias[20] *= 10
    following[:, :, 20] /= 10
    bounds = [
        conv1_units.linear_maximum(weights[..., 20], float(shift[20]), MEAN, STD, 0, 1)[0]
        for weights, shift in (model.get_layer("conv1").get_weights(), (kernel, bias))
    ]
    assert bounds[1] == pytest.approx(10 * bounds[0], rel=1e-5)
    model.get_layer("conv1").set_weights([kernel, bias])
    model.get_layer("conv2").set_weights([following, own])
    np.testing.assert_allclose(np.asarray(model(pictures)), before, rtol=1e-3, atol=1e-5 * before.max())


@pytest.mark.weights
@pytest.mark.parametrize(
    ("channel", "published", "tolerance"),
    [(0, 62.038, 0.005), (5, 34.98, 0.01), (10, 47.12, 0.01), (20, 104.0, 0.01)],
)
def test_published_activations(findings, channel, published, tolerance):
    measured = findings.numbers[f"activation_channel_{channel}"]
    assert measured.value == pytest.approx(published, abs=tolerance)
    assert measured.network == "alexnet_features"
    assert measured.repeats == 3
    bound = findings.numbers[f"bound_channel_{channel}"].value
    assert 0 < bound - measured.value < 0.01
    assert 2.17 < findings.numbers[f"activation_over_l1_channel_{channel}"].value < 2.22
    assert 0.67 < findings.numbers[f"correlation_with_filter_channel_{channel}"].value < 0.81


@pytest.mark.weights
def test_the_published_bound_and_every_verdict(findings):
    assert findings.numbers["bound_channel_0"].value == pytest.approx(62.0403, abs=1e-4)
    result = PartResult("conv1_units", "done", findings.numbers)
    assert {grade("conv1_units", expected, result).status for expected in conv1_units.EXPECTED} == {"pass"}


@pytest.mark.weights
def test_channels_20_and_5_are_not_the_extremes(findings):
    """Three channels have a larger bound than the 104 of channel 20, seven a smaller one than channel 5."""
    numbers = values(findings)
    assert (numbers["rank_channel_20"], numbers["rank_channel_5"]) == (61, 8)
    order = findings.arrays["l1"].argsort()
    assert order[-1] == 16


@pytest.mark.weights
def test_only_the_window_changes(findings):
    """conv1 pads 2 and strides 4: unit 27 of 55 sees rows 106 to 116."""
    np.testing.assert_array_equal(findings.arrays["window"], [[106, 117], [106, 117]])
    picture = findings.arrays["picture_0"].copy()
    noise = findings.arrays["picture_5"].copy()
    picture[106:117, 106:117] = noise[106:117, 106:117] = 0
    np.testing.assert_array_equal(picture, noise)
    assert abs(picture.std()) > 0


@pytest.mark.weights
def test_figures_are_drawn_from_the_findings(findings):
    assert list(drawn(conv1_units, findings, conv1_units.SETTINGS)) == ["pictures", "ascent", "all"]
    text = text_of(html_of(conv1_units, findings, conv1_units.SETTINGS, network="alexnet_features"))
    assert "channel 0: end of the ascent AlexNet (convolutions) 62.0380 62.0381" in text


def test_linear_maximum_against_every_corner():
    """A linear function on a box is largest at a corner: try all of them."""
    random = np.random.default_rng(0)
    kernel, mean, std = random.normal(size=(2, 1, 3)), (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
    corners = [
        0.7 + np.sum(kernel * (np.reshape(corner, kernel.shape) - mean) / std)
        for corner in itertools.product((-1.0, 2.0), repeat=kernel.size)
    ]
    bound, best = conv1_units.linear_maximum(kernel, 0.7, mean, std, -1.0, 2.0)
    assert bound == pytest.approx(max(corners), rel=1e-12)
    assert 0.7 + np.sum(kernel * (best - mean) / std) == pytest.approx(bound, rel=1e-12)


def test_figures_of_made_up_weights(made_up):
    findings, _ = made_up
    figures = drawn(conv1_units, findings, SMALL)
    assert list(figures) == ["pictures", "ascent", "all"]
    table = figures["pictures"][1].axes
    labels = [axes.get_ylabel() for axes in table[:: len(SMALL.channels)]]
    assert [label.replace("\n", " ") for label in labels] == [
        "whole picture",
        "what the unit sees",
        "the weights",
        "best possible: their signs",
    ]
    order = findings.arrays["l1"].argsort()
    wall = figures["all"][1].axes
    assert [axes.get_title() for axes in wall] == [str(channel) for channel in order]
    np.testing.assert_array_equal(wall[5].images[0].get_array(), findings.arrays["best_patches"][order[5]])


AS_MEASURED = {
    "activation_channel_0": 62.038,
    "activation_channel_5": 34.975,
    "activation_channel_10": 47.120,
    "activation_channel_20": 104.002,
    "l1_channel_5": 15.755,
    "l1_channel_20": 47.054,
    "rank_channel_5": 8,
    "rank_channel_20": 61,
    "lowest_over_l1": 2.176,
    "highest_over_l1": 2.220,
    "lowest_correlation_with_filter": 0.671,
    "highest_correlation_with_filter": 0.802,
    "lowest_correlation_with_sign": 0.996,
    "lowest_at_end": 0.972,
    "largest_range": 0.0,
}


@pytest.fixture(scope="module")
def words(made_up):
    """words(name=value, ...): the page's text on one line, where these numbers differ from those of AlexNet."""
    findings, _ = made_up

    def text(**changes):
        numbers = dict(findings.numbers)
        for name, value in (AS_MEASURED | changes).items():
            numbers[name] = replace(numbers[name], value=value, spread=None)
        facts = findings.facts | {"lowest": 5, "highest": 20}
        return text_of(html_of(conv1_units, Findings(numbers, findings.arrays, facts), SMALL))

    return text


@pytest.mark.parametrize(
    ("stands", "changes", "instead"),
    [
        (
            "So the picture becomes the sign of the weights, not the filter",
            {"lowest_correlation_with_sign": 0.7},
            "In this run it has not come near the signs yet",
        ),
        (
            "at least 97.2 % are at their end.",
            {"lowest_at_end": 1.0},
            "All values are at their end.",
        ),
        (
            "What is still missing belongs to pixels whose weight is so small",
            {"lowest_at_end": 1.0},
            "All values are at their end.",
        ),
        (
            "From 2 starts that differ in the last bit the values end the same.",
            {"largest_range": 0.002},
            "From 2 starts that differ in the last bit the values end at most 0.0020 apart.",
        ),
        (
            "The value is the filter’s L1 norm times",
            {"highest_over_l1": 4.5},
            "Here the L1 norm explains a part of it only",
        ),
        (
            "Nor is either an extreme: channel 20 ranks 61 of 64 and channel 5 ranks 8.",
            {"rank_channel_20": 64},
            ". Channel 20 ranks 64 of 64 and channel 5 ranks 8.",
        ),
        (
            "Nor is either an extreme",
            {"rank_channel_5": 1},
            ". Channel 20 ranks 61 of 64 and channel 5 ranks 1.",
        ),
    ],
)
def test_every_claim_stands_and_falls_with_its_numbers(words, stands, changes, instead):
    usual, other = words(), words(**changes)
    assert stands in usual
    assert instead not in usual
    assert instead in other
    assert stands not in other


def test_why_104_against_34_98(words):
    page = words()
    assert "Correction: why 104 against 34.98." in page
    assert "channel 20 gives 2.97 times what channel 5 gives, and its norm is 2.99 times as large." in page
    assert "Neither supposition can be read from such a value." in page
    assert "Activation maximisation (Erhan et al. 2009)" in page
    assert "becomes the filter itself" not in page


def test_the_wall_goes_from_the_smallest_norm_to_the_largest(made_up):
    findings, (kernel, _) = made_up
    drawing = drawn(conv1_units, findings, SMALL)["all"][0]
    tiles = drawing.live().tiles
    norms = np.abs(kernel).sum(axis=(0, 1, 2))
    order = norms.argsort()
    assert [tile.name for tile in tiles] == [str(channel) for channel in order]
    channel, tile = order[7], tiles[7]
    np.testing.assert_array_equal(tile.picture, kernel[..., channel] > 0)
    weights, fit = tile.more
    np.testing.assert_array_equal(weights.picture, draw.centred(kernel[..., channel]))
    expected = gabor.fit(gabor.first_spatial_component(kernel[..., channel])[0])
    np.testing.assert_allclose(fit.picture, expected.picture((11, 11)), atol=1e-9)
    facts = tile.facts
    assert facts["rank by L1 norm"] == "8"
    assert float(facts["L1 norm of the weights"]) == pytest.approx(norms[channel], rel=1e-3)
    bound = findings.arrays["bounds"][channel]
    assert float(facts["largest output"]) == pytest.approx(bound, rel=1e-3)
    assert float(facts["largest output / L1 norm"]) == pytest.approx(bound / norms[channel], rel=1e-2)
    assert float(facts["variance explained by the Gabor function"]) == pytest.approx(
        expected.variance_explained, abs=1e-3
    )
    assert f"{norms.max() / norms.min():.3g} times the smallest" in drawing.finding


def test_in_a_browser_the_pictures_are_those_of_the_paper(made_up):
    findings, _ = made_up
    drawing, figure = drawn(conv1_units, findings, SMALL)["pictures"]
    table = drawing.live()
    assert list(table.headings) == ["channel 0", "channel 5", "channel 10", "channel 20"]
    shown = [each.picture for row in table.rows for each in row.pictures]
    for axes, picture in zip(figure.axes, shown, strict=True):
        np.testing.assert_allclose(axes.images[0].get_array(), picture)


@pytest.mark.parametrize(
    ("figure", "numbers", "facts", "said"),
    [
        (
            "pictures",
            {"lowest_correlation_with_sign": 0.9},
            {},
            "Every unit is given the signs of its own weights.",
        ),
        (
            "pictures",
            {"lowest_correlation_with_sign": 0.7},
            {},
            "The ascent has not come to the signs of the weights yet.",
        ),
        ("ascent", {}, {"reached": 0.9}, "The ascent that ends furthest from its bound is 10 % below it."),
        ("ascent", {}, {"reached": 1.0}, "Every ascent reaches its bound."),
    ],
)
def test_what_a_figure_is_said_to_show_hangs_on_its_numbers(made_up, figure, numbers, facts, said):
    findings, _ = made_up
    changed = dict(findings.numbers)
    for name, value in (AS_MEASURED | numbers).items():
        changed[name] = replace(changed[name], value=value, spread=None)
    rows = [row | facts for row in findings.facts["channels"]]
    again = Findings(changed, findings.arrays, findings.facts | {"channels": rows})
    found = {drawing.name: drawing.finding for drawing in conv1_units.figures(again, SMALL)}[figure]
    assert found.replace("\u202f", " ") == said


@pytest.mark.weights
def test_a_grader_measures_the_same(findings, real_weights):
    check_borne_out(
        conv1_units, findings, conv1_units.SETTINGS, "alexnet_features", real_weights("alexnet_features")
    )
