"""Curves of a training beside what another reached, and variants seed by seed."""

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex

from tfviz.figures.style import ACCENT, COLUMN, SERIES, SOFT, WARM, save
from tfviz.figures.trainings import by_seed, learning

LINES = np.array([[0.3, 0.5, 0.6], [0.2, 0.4, 0.7]])
POINTS = np.array([[1, 0.3], [30, 0.8]])
NONE = np.empty((0, 2))


def splits(lines=LINES, points=POINTS):
    return [("training", lines, points), ("validation", lines / 2, points / 2)]


def drawn(**options):
    return learning(splits(), splits(2 * LINES, 3 * POINTS), **{"points": "published", **options})


def legend(figure):
    (shared,) = figure.legends
    return [text.get_text() for text in shared.get_texts()]


@pytest.mark.parametrize("logarithmic", [True, False])
def test_every_seed_is_a_line_and_every_point_an_open_mark(logarithmic):
    figure = drawn(logarithmic=logarithmic)
    for axes, title, lines, points, scale in zip(
        figure.axes,
        ("accuracy (%)", "cross-entropy (nats)"),
        (LINES, 2 * LINES),
        (POINTS, 3 * POINTS),
        (100, 1),
        strict=True,
    ):
        assert axes.get_title(loc="left") == title
        assert axes.get_xlabel() == "epoch"
        assert axes.get_xscale() == ("log" if logarithmic else "linear")
        for line, values in zip(axes.lines[:4], [*lines, *(lines / 2)], strict=True):
            assert list(line.get_xdata()) == [1, 2, 3]
            np.testing.assert_allclose(line.get_ydata(), scale * values)
        assert [line.get_color() for line in axes.lines[:4]] == [SOFT, SOFT, ACCENT, ACCENT]
        for line, values, marker in zip(axes.lines[4:], (points, points / 2), "so", strict=True):
            np.testing.assert_allclose(line.get_xydata(), values * (1, scale))
            assert (line.get_marker(), line.get_markerfacecolor(), line.get_color()) == (marker, "none", WARM)
            assert line.get_linestyle() == "None"
    assert figure.axes[1].get_ylim()[0] == 0
    assert legend(figure) == ["training", "validation", "published: training", "published: validation"]


def test_the_test_accuracy_is_a_mark_with_its_range_and_the_level_a_line():
    figure = learning(
        splits(points=NONE),
        splits(points=NONE),
        points="published",
        test=("test", 0.65, (0.6, 0.68)),
        level=("published: test", 0.7),
    )
    accuracy, loss = figure.axes
    assert len(loss.lines) == 4
    level = next(line for line in accuracy.lines if line.get_label() == "published: test")
    assert list(level.get_ydata()) == [70, 70]
    (mark,) = accuracy.containers
    assert mark[0].get_xydata().tolist() == [[3, 65]]
    (bar,) = mark[2]
    np.testing.assert_allclose(bar.get_segments()[0], [[3, 60], [3, 68]])
    assert legend(figure) == ["training", "validation", "published: test", "test"]


def test_without_validation_there_is_one_split():
    figure = learning(splits(points=NONE)[:1], splits(points=NONE)[:1], points="published")
    assert legend(figure) == ["training"]


VARIANTS = [
    ("7, 5", np.array([0.8, 0.82, 0.87]), np.array([0.4, 0.6, 0.8])),
    ("3, 3", np.array([0.9]), np.array([0.5, 0.7, 0.9])),
]


def test_every_seed_is_a_mark_in_its_variant_s_row_and_a_line_its_mean():
    seeds, way = by_seed(VARIANTS).axes
    assert [text.get_text() for text in seeds.get_yticklabels()] == ["7, 5", "3, 3"]
    assert seeds.yaxis_inverted()
    for place, (_, reached, _way) in enumerate(VARIANTS):
        mean, marks = seeds.lines[2 * place : 2 * place + 2]
        np.testing.assert_allclose(mean.get_xdata(), 2 * [100 * reached.mean()])
        np.testing.assert_allclose(marks.get_xydata(), [[100 * each, place] for each in reached])
        assert marks.get_color() == SERIES[place]
    for line, (_, _reached, validation), colour in zip(way.lines, VARIANTS, SERIES, strict=False):
        np.testing.assert_allclose(line.get_xydata(), [[n + 1, 100 * v] for n, v in enumerate(validation)])
        assert to_hex(line.get_color()) == colour
    assert [axes.get_title(loc="left") for axes in (seeds, way)] == [
        "test accuracy (%), a mark a seed",
        "validation accuracy (%)",
    ]


@pytest.mark.parametrize("draw", [drawn, lambda: by_seed(VARIANTS)])
def test_a_figure_is_as_wide_as_the_text_and_has_the_same_bytes_again_under_any_style(draw, tmp_path):
    assert draw().get_figwidth() == COLUMN
    path = save(draw(), tmp_path / "one")
    with matplotlib.rc_context({"font.size": 21, "axes.spines.top": True, "text.color": "red"}):
        again = save(draw(), tmp_path / "other")
    assert again.read_bytes() == path.read_bytes()
