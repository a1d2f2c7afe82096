import numpy as np
import pytest
from matplotlib.colors import to_hex

from tfviz import figures as draw
from tfviz.figures.style import SERIES


def test_each_group_has_its_points_colour_and_label_and_each_cut_its_line():
    groups = [
        (name, np.array([0.1 * index, 0.9]), np.array([0.5, 0.2 * index]))
        for index, name in enumerate(["filters", "scrambled", "blobs", "noise"])
    ]
    figure = draw.two_criteria(groups, (0.3, 0.75), xlabel="selectivity", ylabel="explained")
    (axes,) = figure.axes
    for points, (label, x, y), colour in zip(axes.collections, groups, SERIES, strict=True):
        np.testing.assert_allclose(points.get_offsets(), np.stack([x, y], axis=1))
        assert points.get_label() == label
        assert to_hex(points.get_facecolor()[0]) == colour
    vertical, horizontal = axes.lines
    assert set(vertical.get_xdata()) == {0.3}
    assert set(horizontal.get_ydata()) == {0.75}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [name for name, _, _ in groups]
    assert (axes.get_xlabel(), axes.get_title(loc="left")) == ("selectivity", "explained")


@pytest.mark.parametrize(("lowest", "end"), [(0.4, -0.02), (-0.3, -0.32)])
def test_no_point_is_cut_off_below_and_a_group_may_be_empty(lowest, end):
    groups = [("a", np.array([0.0, 1.0]), np.array([lowest, 1.0])), ("b", np.array([]), np.array([]))]
    (axes,) = draw.two_criteria(groups, (0.3, 0.75), xlabel="x", ylabel="y").axes
    assert axes.get_ylim() == pytest.approx((end, 1.03))
    assert axes.get_xlim()[0] < 0
    assert axes.get_xlim()[1] > 1
