"""The curves of a training with the points of another one beside them."""

import numpy as np
import pytest

from tests.figures.test_plots import colour, labels, legend
from tfviz import figures as draw
from tfviz.figures.style import BLUE, ORANGE

LINES = np.array([[0.9, 0.5, 0.4], [0.8, 0.6, 0.3]])
POINTS = np.array([[1, 0.7], [30, 0.2]])


@pytest.mark.parametrize("logarithmic", [True, False])
def test_every_seed_is_a_line_and_every_point_a_mark(logarithmic):
    splits = [("training, two seeds", LINES, POINTS), ("validation, two seeds", LINES / 2, POINTS / 2)]
    accuracies = [(name, 1 - lines, points) for name, lines, points in splits]
    figure = draw.curves_and_points(splits, accuracies, "published", logarithmic=logarithmic)
    left, right = figure.axes
    assert (labels(left), labels(right)) == (("epoch", "cross-entropy (nats)"), ("epoch", "accuracy"))
    for axes, wanted in ((left, [*LINES, *(LINES / 2)]), (right, [*(1 - LINES), *(1 - LINES / 2)])):
        lines, points = axes.lines[:4], axes.lines[4:]
        for line, values in zip(lines, wanted, strict=True):
            assert list(line.get_xdata()) == [1, 2, 3]
            np.testing.assert_array_equal(line.get_ydata(), values)
        assert [colour(line) for line in lines] == [ORANGE, ORANGE, BLUE, BLUE]
        assert [colour(line) for line in points] == [ORANGE, BLUE]
        for line, values in zip(points, (POINTS, POINTS / 2), strict=True):
            np.testing.assert_array_equal(line.get_xydata(), values)
            assert line.get_marker() == "D"
            assert line.get_linestyle() == "None"
        assert axes.get_xscale() == ("log" if logarithmic else "linear")
    (shared,) = figure.legends
    assert legend(shared) == [
        "training, two seeds",
        "validation, two seeds",
        "published: training",
        "published: validation",
    ]
