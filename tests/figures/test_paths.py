import numpy as np
import pytest

from tfviz.figures.paths import paths_to_goal
from tfviz.figures.style import COLUMN, save

FIRST = ("first", np.array([0.0, 1.0, 3.0, 2.0]), np.array([1e-9, 1e-4, 0.97, 0.99]))
SECOND = ("second", np.array([0.0, 4.0]), np.array([0.0, 1.0]))


@pytest.fixture
def drawn():
    figure = paths_to_goal([FIRST, SECOND], 0.9, xlabel="distance")
    figure.draw_without_rendering()
    return figure


def test_each_panel_has_its_way_its_title_and_the_goal(drawn):
    assert drawn.get_figwidth() == COLUMN
    for axes, (title, distances, probabilities) in zip(drawn.axes, (FIRST, SECOND), strict=True):
        way, goal = axes.lines
        assert axes.get_title(loc="left") == title
        assert axes.get_xlabel() == "distance"
        assert axes.get_yscale() == "logit"
        np.testing.assert_array_equal(way.get_xdata(), distances)
        np.testing.assert_allclose(way.get_ydata(), np.clip(probabilities, 1e-30, 1 - 1e-5))
        assert list(goal.get_ydata()) == [0.9, 0.9]
        assert goal.get_linestyle() == ":"
        low, high = axes.get_xlim()
        assert low < 0 < distances.max() < high


def test_points_are_those_tried_and_the_later_ones_are_darker(drawn):
    patches = drawn.axes[0].patches
    starts = np.concatenate([patch.get_path().vertices[::2] for patch in patches])
    np.testing.assert_allclose(starts, np.column_stack(FIRST[1:]))
    shades = [patch.get_alpha() for patch in patches]
    assert shades == sorted(set(shades))
    assert {patch.get_capstyle() for patch in patches} == {"round"}


def test_ticks_are_written_as_people_write_them():
    figure = paths_to_goal([FIRST], 0.9, xlabel="")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["10⁻⁹", "10⁻⁶", "0.001", "0.5", "0.999"]
    low, high = axes.get_ylim()
    assert low < 1e-9
    assert high > 0.999


def test_a_search_that_never_left_is_drawn(tmp_path):
    stays = paths_to_goal([("", np.zeros(1), np.array([0.95]))], 0.9, xlabel="")
    assert save(stays, tmp_path / "stays").stat().st_size > 0
    assert stays.axes[0].get_xlim()[1] > 0


def test_many_points_take_little_room(tmp_path):
    random = np.random.default_rng(0)
    panel = ("", random.random(800), random.random(800))
    assert save(paths_to_goal([panel], 0.9, xlabel=""), tmp_path / "many").stat().st_size < 80_000
