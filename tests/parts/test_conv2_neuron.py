from dataclasses import replace

import numpy as np
import pytest

from tests.parts.drawn import drawn, html_of, text_of
from tests.parts.graded import check_borne_out
from tfviz.experiment.grading import grade
from tfviz.experiment.part import Number
from tfviz.experiment.store import PartResult
from tfviz.parts import conv2_neuron

SETTINGS = replace(conv2_neuron.SETTINGS, steps=100, keep=(0, 8, 100), repeats=2)


@pytest.fixture(scope="module")
def findings(context_on):
    return conv2_neuron.run(SETTINGS, context_on("alexnet_features"))


def page(findings, **numbers):
    """The part's page, as one line; given numbers replace those found: a value, or (value, lowest, highest)."""
    new = {
        name: Number(value[0], "", "alexnet_features", value[1:], 2)
        if isinstance(value, tuple)
        else Number(value, "", "alexnet_features")
        for name, value in numbers.items()
    }
    changed = replace(findings, numbers={**findings.numbers, **new})
    return text_of(html_of(conv2_neuron, changed, SETTINGS, network="alexnet_features"))


@pytest.mark.weights
def test_the_update_is_what_its_closed_forms_say(findings):
    numbers = {name: number.value for name, number in findings.numbers.items()}
    assert 0 < numbers["shrink_error"] <= 1e-5
    assert 0 < numbers["unrolled_error"] <= 1e-5
    assert numbers["outside_field_max"] <= 1e-30


@pytest.mark.weights
def test_a_linear_unit_has_a_fixed_point_inside_its_window_and_a_remainder_outside(findings):
    numbers = {name: number.value for name, number in findings.numbers.items()}
    assert numbers["conv1_fixed_point_error"] <= 1e-6
    # The start's largest value outside is at most that of all: 0.01 times some 4 or 5 deviations.
    assert 0.04 * 0.34**60 < numbers["conv1_outside_expected"] < 0.06 * 0.34**60
    assert numbers["conv1_outside_max"] == pytest.approx(numbers["conv1_outside_expected"], rel=1e-4)


@pytest.mark.weights
def test_the_fixed_point_is_measured_apart_from_the_remainder(context_on):
    """After one step the noise outside is 0.34 of itself, which says nothing of the filter inside."""
    model = context_on("alexnet_features").model(normalize=False)
    start = np.random.default_rng(0).normal(0, 0.01, (224, 224, 3)).astype(np.float32)
    settings = replace(SETTINGS, checked_steps=1)
    picture, window = (
        conv2_neuron._conv1_picture(model, start, settings),
        conv2_neuron._conv1_window(model, settings),
    )
    inside = conv2_neuron.conv1_fixed_point_error(model, picture[window], settings)
    assert inside == pytest.approx(0.34, abs=1e-3)  # x_1 = 0.34 x_0 + 0.66 * 500 w
    outside = np.ones((224, 224), bool)
    outside[window] = False
    np.testing.assert_allclose(picture[outside], 0.34 * start[outside], rtol=1e-5)


@pytest.mark.weights
def test_the_field_is_what_is_left_of_51_pixels(findings):
    np.testing.assert_array_equal(findings.arrays["field"], [[0, 33], [0, 33]])
    assert (findings.facts["field_size"], findings.facts["field_offset"]) == (51, -18)
    assert findings.facts["conv1_size"] == 11
    assert findings.facts["strides"] == {"conv1": 4, "pool": 8}


@pytest.mark.weights
def test_the_published_rate_overshoots(findings):
    numbers = {name: number.value for name, number in findings.numbers.items()}
    assert numbers["stationarity_residual"] > 0.5
    assert numbers["objective_decaying"] > 1.3 * numbers["objective"]
    assert numbers["stationarity_residual_decaying"] < numbers["stationarity_residual"]
    objective = 1000 * numbers["activation"] - (findings.arrays["picture_published"].astype(float) ** 2).sum()
    assert numbers["objective"] == pytest.approx(objective, rel=1e-5)
    assert numbers["objective_last_min"] <= numbers["objective"] <= numbers["objective_last_max"]
    assert numbers["objective_last_max"] > 1.01 * numbers["objective_last_min"]


@pytest.mark.weights
def test_every_run_is_repeated(findings):
    for name in ("activation", "objective", "stationarity_residual", "grid_conv1"):
        for suffix in ("", "_tenth", "_decaying"):
            assert findings.numbers[name + suffix].repeats == 2
    gain = findings.numbers["decaying_gain"]
    objective, decaying = (findings.numbers[name].spread for name in ("objective", "objective_decaying"))
    assert decaying[0] / objective[1] <= gain.spread[0] <= gain.spread[1] <= decaying[1] / objective[0]
    effect = findings.numbers["rounding_effect"].value
    assert effect == pytest.approx((objective[1] - objective[0]) / findings.numbers["objective"].value)


@pytest.mark.parametrize("period", [4, 8])
def test_grid_excess_of_patterns_made_by_hand(period):
    index = np.arange(48)
    lines = (index % period == 0).astype(float)
    one_pixel = np.repeat(np.outer(lines, lines)[..., np.newaxis], 3, axis=2)
    assert conv2_neuron.grid_excess(one_pixel, period) == pytest.approx(1)
    squares = np.where(index % period < period // 2, 1.0, -1.0)
    board = np.repeat(np.outer(squares, squares)[..., np.newaxis], 3, axis=2)
    assert conv2_neuron.grid_excess(board, period) == pytest.approx(2)
    # Smooth and not repeated: neighbours resemble each other, with no regard to the period.
    smooth = np.repeat(np.outer(np.exp(-index / 20), np.exp(-index / 20))[..., np.newaxis], 3, axis=2)
    assert conv2_neuron.grid_excess(smooth, period) == pytest.approx(0, abs=0.01)
    noise = np.random.default_rng(0).normal(size=(33, 33, 3))
    assert conv2_neuron.grid_excess(noise, period) == pytest.approx(0, abs=0.06)
    # Of one direction only: half of it.
    stripes = np.broadcast_to(squares[:, np.newaxis, np.newaxis], (48, 48, 3))
    assert conv2_neuron.grid_excess(stripes, period) == pytest.approx(1)


@pytest.mark.weights
def test_verdicts_and_figures(findings):
    result = PartResult("conv2_neuron", "done", findings.numbers)
    assert {grade("p", expected, result).status for expected in conv2_neuron.EXPECTED} == {"pass"}
    figures = drawn(conv2_neuron, findings, SETTINGS)
    assert list(figures) == ["pictures", "corner", "objective"]
    assert figures["objective"][0].alt.endswith("published rate.")  # the lowest end


@pytest.mark.weights
def test_what_is_said_of_the_grid_hangs_on_what_is_measured(findings):
    grids = [f"grid_{grid}{suffix}" for grid in ("conv1", "pool") for suffix in ("", "_tenth", "_decaying")]
    none = dict.fromkeys(grids, 0.0)
    assert "that grid is not seen here" in page(findings, **none)
    for name in grids:
        html = page(findings, **{**none, name: 1.2})
        assert "That grid is seen here" in html
        assert "is not seen here" not in html


@pytest.mark.weights
def test_what_is_said_of_the_fixed_points_hangs_on_what_is_measured(findings):
    html = page(findings, conv1_fixed_point_error=0.0)
    assert "500 times the filter inside the unit’s window, 0 outside" in html
    assert "the inside is there, to the last bit;" in html
    html = page(findings, conv1_fixed_point_error=2.5e-7)
    assert "to the last bit;" not in html
    assert "the inside is off by" in html
    assert "so it is not at a fixed point" in page(findings, stationarity_residual=(0.9, 0.5, 0.9))
    assert "so it is at a fixed point" in page(findings, stationarity_residual=(1e-5, 1e-6, 1e-5))
    assert "only some of its repeats" in page(findings, stationarity_residual=(1e-5, 1e-6, 0.5))


@pytest.mark.weights
def test_what_is_said_of_rounding_hangs_on_the_repeats(findings):
    html = page(findings, rounding_effect=2e-7)
    assert "rounding does not decide where it ends" in html
    assert "chaotic" not in html
    html = page(findings, rounding_effect=0.25)
    assert "The published run is chaotic: rounding alone moves its objective by 25 %." in html
    assert "does not decide" not in html


@pytest.mark.weights
def test_the_gain_is_claimed_only_where_all_repeats_have_it(findings):
    gains = "The published rate overshoots"
    loses_nothing = "Here the published rate loses nothing"
    undecided = "Whether a rate that falls to 0 gains anything hangs on rounding"
    for spread, stands in (
        ((1.9, 1.8, 2.0), gains),
        ((0.9, 0.8, 1), loses_nothing),
        ((1.1, 0.9, 1.2), undecided),
    ):
        html = page(findings, decaying_gain=spread)
        assert [claim for claim in (gains, loses_nothing, undecided) if claim in html] == [stands]
    result = PartResult("conv2_neuron", "done", {"decaying_gain": Number(1.1, "", None, (0.9, 1.2), 3)})
    assert grade("p", conv2_neuron.EXPECTED[-1], result).status == "fail"


@pytest.mark.weights
def test_what_a_browser_shows_is_what_is_stored(findings):
    drawings = {each.name: each for each in conv2_neuron.figures(findings, SETTINGS)}
    whole, corner = drawings["pictures"].live().rows
    picture = findings.arrays["picture_tenth"]
    shown = 0.5 + picture / (2 * np.abs(picture).max())
    np.testing.assert_allclose(whole.pictures[1].picture, shown, rtol=1e-6)
    np.testing.assert_allclose(corner.pictures[1].picture, shown[:33, :33], rtol=1e-6)
    assert corner.pictures[1].pixelated
    steps = drawings["corner"].live()
    assert list(steps.steps) == [0, 8, 100]
    assert steps.unit == "objective (millions)"
    last = findings.numbers["objective_decaying"].value
    assert float(steps.rows[2].values[-1]) == pytest.approx(last / 1e6, rel=5e-3)


@pytest.mark.weights
def test_what_the_figures_find_hangs_on_what_is_measured(findings):
    alone, more = "Only the corner that the unit sees is drawn on.", "More than the corner that the unit sees"
    assert alone in page(findings, outside_field_max=1e-9)
    assert more in page(findings, outside_field_max=1.0)
    grids = {
        f"grid_{grid}{suffix}": 0.0 for grid in ("conv1", "pool") for suffix in ("", "_tenth", "_decaying")
    }
    assert "What fills the corner is no grid of squares." in page(findings, **grids)
    assert "A grid of squares can be seen in the corner." in page(
        findings, **grids | {"grid_pool_tenth": 0.5}
    )
    assert "A rate that falls to 0 ends 1.9 times as high" in page(findings, decaying_gain=(1.9, 1.8, 2.0))
    assert "The published rate loses nothing against" in page(findings, decaying_gain=(0.9, 0.8, 1))
    assert "Whether a rate that falls to 0 ends higher hangs" in page(findings, decaying_gain=(1.1, 0.9, 1.2))


@pytest.mark.weights
def test_a_grader_measures_the_same(findings, real_weights):
    check_borne_out(conv2_neuron, findings, SETTINGS, "alexnet_features", real_weights("alexnet_features"))
