from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from tfviz import figures as draw
from tfviz.figures.style import ACCENT, AMBER, BLACK, RULE, SERIES, SOFT, STYLE, VIOLET


def points(line):
    return np.column_stack([line.get_xdata(), line.get_ydata()]).tolist()


def colour(artist):
    return to_hex(artist.get_color())


def named(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def dotted(axes):
    return [line for line in axes.lines if line.get_linestyle() == ":"]


def legend(owner):
    return [text.get_text() for text in owner.get_texts()]


def labels(axes):
    """What is on x, and what is on y: that stands over the axes."""
    assert axes.get_ylabel() == ""
    return axes.get_xlabel(), axes.get_title(loc="left")


def names_at_ends(axes):
    """{label: height within the axes} of what stands to the right of them."""
    return {text.get_text(): text.xy[1] for text in axes.texts if text.xy[0] > 1}


def scales(axes):
    return axes.get_xscale(), axes.get_yscale()


@pytest.fixture
def gabors():
    edges = np.array([0.1, 0.2, 0.4, 0.8])
    cells = np.array([[5, 1, 0], [7, 2, 3], [0, 4, 6]])
    return draw.gabor_sizes(np.array([0.15, 0.3, 1.0]), np.array([0.7, 0.05, 0.35]), edges, cells)


def test_gabor_sizes_has_the_cells_across_on_x_and_along_on_y(gabors):
    axes, bar = gabors.axes
    mesh, scattered = axes.collections
    shade = np.asarray(mesh.get_array()).reshape(3, 3)
    # Cells with the least n_x: 5, 1 and 0 from the least n_y up; and those with the least n_y.
    assert shade[:, 0].tolist() == [5, 1, 0]
    assert shade[0].tolist() == [5, 7, 0]
    corners = mesh.get_coordinates()
    assert corners[0, :, 0].tolist() == corners[:, 0, 1].tolist() == [0.1, 0.2, 0.4, 0.8]
    assert (corners[:, 2, 0] == 0.4).all()
    assert scattered.get_offsets().tolist() == [[0.15, 0.7], [0.3, 0.05], [1.0, 0.35]]
    assert labels(axes) == ("cycles across the stripes", "cycles along the stripes")
    symbols = {text.get_text(): text.get_position() for text in axes.texts}
    assert symbols["$𝑛_𝑥$"][0] > 1  # at the end of the axis across
    assert symbols["$𝑛_𝑦$"][0] < 0
    assert bar.get_ylabel() == "simple cells in the bin"
    assert bar.get_ylim() == (0, 7)


def test_gabor_sizes_has_the_same_logarithmic_axes_which_hold_all(gabors):
    axes = gabors.axes[0]
    assert scales(axes) == ("log", "log")
    assert axes.get_xlim() == axes.get_ylim() == pytest.approx((0.05 / 1.2, 1.2))
    (diagonal,) = axes.lines
    low, high = axes.get_xlim()
    assert points(diagonal) == [[low, low], [high, high]]
    assert axes.xaxis.get_major_formatter()(0.05) == "0.05"


def test_gabor_sizes_draws_its_symbols_with_the_font_of_the_formulas(gabors, tmp_path):
    text = draw.save(gabors, tmp_path / "sizes").read_text()
    assert [text.count(f">{symbol}<") for symbol in "𝑛𝑥𝑦¤"] == [2, 1, 1, 0]


def test_curves_run_from_step_0_each_with_its_bound_in_its_colour():
    lines = [("a", np.array([3.0, 1, 2])), ("b", np.array([5.0, 9])), ("c", np.array([7.0, 8, 6, 4]))]
    (axes,) = draw.curves(lines, xlabel="step", ylabel="loss", bounds=[0.5, 10.0]).axes
    drawn = named(axes)
    assert {label: points(line) for label, line in drawn.items()} == {
        "a": [[0, 3], [1, 1], [2, 2]],
        "b": [[0, 5], [1, 9]],
        "c": [[0, 7], [1, 8], [2, 6], [3, 4]],
    }
    assert [colour(line) for line in drawn.values()] == [ACCENT, AMBER, VIOLET]
    bounds = [(list(line.get_ydata()), colour(line)) for line in dotted(axes)]
    assert bounds == [([0.5, 0.5], colour(drawn["a"])), ([10, 10], colour(drawn["b"]))]
    assert labels(axes) == ("step", "loss")
    assert scales(axes) == ("linear", "linear")
    assert axes.get_xlim() == (0, 3)
    heights = names_at_ends(axes)
    assert sorted(heights, key=heights.get) == ["a", "c", "b"]  # as they end: 2, 4, 9


def test_names_at_ends_stand_where_the_lines_end_but_never_on_each_other():
    lines = [(str(end), np.array([0.0, end])) for end in (0.0, 50.0, 99.9, 100.0)]
    figure = draw.curves(lines, xlabel="", ylabel="")
    with matplotlib.rc_context(STYLE):
        figure.draw_without_rendering()
    (axes,) = figure.axes
    heights = names_at_ends(axes)
    bottom, top = axes.get_ylim()
    assert heights["0.0"] == pytest.approx(-bottom / (top - bottom))
    assert heights["50.0"] == pytest.approx((50 - bottom) / (top - bottom))
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    swatches = {to_hex(each.get_color()[0]): each.get_segments()[0][0][1] for each in axes.collections}
    assert swatches == {colour: heights[label] for colour, (label, _) in zip(SERIES, lines, strict=True)}


def test_curves_without_bounds_have_no_levels():
    (axes,) = draw.curves([("a", np.array([3.0, 1]))], xlabel="", ylabel="").axes
    assert len(axes.lines) == 1


def test_two_bundles_have_a_colour_and_a_legend_entry_each():
    many, few = np.array([[1, 10, 100], [2, 20, 200]]), np.array([[3, 30], [4, 40], [5, 50]])
    (axes,) = draw.two_bundles(("many", many), ("few", few), xlabel="step", ylabel="p").axes
    assert [points(line) for line in axes.lines] == [
        [[0, 1], [1, 2]],
        [[0, 10], [1, 20]],
        [[0, 100], [1, 200]],
        [[0, 3], [1, 4], [2, 5]],
        [[0, 30], [1, 40], [2, 50]],
    ]
    assert [colour(line) for line in axes.lines] == [ACCENT] * 3 + [AMBER] * 2
    # Each at the end of its middle line, and of the lower one of two.
    assert {label: points(line)[-1][1] for label, line in named(axes).items()} == {"many": 20, "few": 5}
    assert set(names_at_ends(axes)) == {"many", "few"}
    assert labels(axes) == ("step", "p")
    assert axes.get_xlim()[0] == 0


@pytest.mark.parametrize("slope", [-2, 0.5])
def test_the_sloped_line_has_that_slope_on_logarithmic_axes(slope):
    x = np.array([1.0, 2, 5, 20])
    lines = [("a", np.array([9.0, 5, 4, 1])), ("b", np.array([1.0, 2, 3, 4]))]
    (axes,) = draw.log_lines(x, lines, xlabel="frequency", ylabel="power", slope=slope).axes
    assert scales(axes) == ("log", "log")
    assert labels(axes) == ("frequency", "power")
    assert set(names_at_ends(axes)) == {"a", "b", f"slope {slope}".replace("-", "−")}
    first, second, straight = axes.lines
    assert points(first) == [[1, 9], [2, 5], [5, 4], [20, 1]]
    assert points(second) == [[1, 1], [2, 2], [5, 3], [20, 4]]
    assert (colour(first), colour(second), colour(straight)) == (ACCENT, AMBER, SOFT)
    assert straight.get_linestyle() == ":"
    assert list(straight.get_xdata()) == list(x)
    np.testing.assert_allclose(np.diff(np.log(straight.get_ydata())) / np.diff(np.log(x)), [slope] * 3)
    assert np.prod(straight.get_ydata()) == pytest.approx(1)


def test_log_lines_without_a_slope_have_no_further_line_and_plain_numbers_on_x():
    x = np.array([1.0, 2, 20])
    (axes,) = draw.log_lines(x, [("a", x)], xlabel="", ylabel="").axes
    assert list(named(axes)) == ["a"]
    assert {1, 2, 5, 10, 20} <= set(np.round(axes.xaxis.get_major_locator().tick_values(1, 20), 9))
    assert axes.xaxis.get_major_formatter()(20) == "20"


def test_two_panels_have_their_values_left_and_right_and_only_left_a_logarithm():
    lines = [("a", np.array([1.0, 0.1, 0.01]), np.array([5.0, 6, 7])), ("b", np.ones(2), np.array([8.0, 9]))]
    figure = draw.two_panels(lines, "loss", "distance")
    left, right = figure.axes
    assert [points(line) for line in left.lines] == [[[0, 1], [1, 0.1], [2, 0.01]], [[0, 1], [1, 1]]]
    assert [points(line) for line in right.lines] == [[[0, 5], [1, 6], [2, 7]], [[0, 8], [1, 9]]]
    assert scales(left) == ("linear", "log")
    assert scales(right) == ("linear", "linear")
    assert right.get_ylim()[0] == 0
    assert (labels(left), labels(right)) == (("step", "loss"), ("step", "distance"))
    for axes in (left, right):
        assert [colour(line) for line in axes.lines] == [ACCENT, AMBER]
        assert axes.lines[0].get_zorder() > axes.lines[1].get_zorder()
        assert axes.get_xlim()[0] == 0
    assert [legend(one) for one in figure.legends] == [["a", "b"]]


def test_two_panels_say_what_is_on_x():
    figure = draw.two_panels([("a", np.ones(2), np.ones(2))], "", "", xlabel="trial")
    assert [axes.get_xlabel() for axes in figure.axes] == ["trial", "trial"]


def dots(axes, wanted):
    rows = [line for line in axes.lines if colour(line) == wanted]
    return {int(level): line.get_xdata().tolist() for line in rows for level in line.get_ydata()[:1]}


@pytest.mark.parametrize(
    ("kernels", "strides", "inside"),
    [
        ([3, 3], [1, 1], {0: [0, 1, 2, 3, 4], 1: [1, 2, 3], 2: [2]}),
        ([3, 2], [2, 3], {0: [0, 1, 2, 3, 4], 1: [1, 3], 2: [2]}),
        ([2, 3], [3, 2], {0: [0, 1, 2, 3, 4, 5, 6, 7], 1: [0.5, 3.5, 6.5], 2: [3.5]}),
        ([5], [4], {0: [0, 1, 2, 3, 4], 1: [2]}),
    ],
)
def test_a_cone_has_the_units_from_which_the_last_one_is_computed(kernels, strides, inside):
    (axes,) = draw.receptive_cones([("net", kernels, strides)]).axes
    assert dots(axes, ACCENT) == inside
    (note,) = axes.texts
    assert note.get_text() == f"{len(inside[0])} pixels"
    assert note.xy[0] == (len(inside[0]) - 1) / 2
    left = [[places[0], level] for level, places in inside.items()]
    right = [[places[-1], level] for level, places in reversed(inside.items())]
    (outline,) = axes.patches
    assert outline.get_xy().tolist() == [*left, *right, left[0]]


def test_a_cone_joins_each_unit_to_its_taps_and_shows_its_neighbours_in_grey():
    (axes,) = draw.receptive_cones([("net", [3, 2], [2, 3])]).axes
    (taps,) = axes.collections
    assert sorted(segment.tolist() for segment in taps.get_segments()) == [
        [[1, 1], [0, 0]],
        [[1, 1], [1, 0]],
        [[1, 1], [2, 0]],
        [[2, 2], [1, 1]],
        [[2, 2], [3, 1]],
        [[3, 1], [2, 0]],
        [[3, 1], [3, 0]],
        [[3, 1], [4, 0]],
    ]
    assert dots(axes, RULE) == {0: [-1, 5], 1: [-1, 5]}
    assert axes.get_xlim() == (-1.5, 5.5)


def test_cones_of_different_depth_have_one_height():
    figure = draw.receptive_cones([("flat", [5], [1]), ("deep", [3, 3, 3], [1, 1, 1])])
    flat, deep = figure.axes
    assert (flat.get_title(), deep.get_title()) == ("flat", "deep")
    assert flat.get_ylim() == deep.get_ylim()
    assert deep.get_ylim()[0] < 0
    assert deep.get_ylim()[1] > 3
    assert [text.get_text() for axes in (flat, deep) for text in axes.texts] == ["5 pixels", "7 pixels"]


def test_a_copy_lies_on_its_function_and_each_difference_has_its_own_power_of_ten():
    x = np.array([-1.0, 0, 3])
    differences = [("single", np.array([0, 2e-3, -1e-3])), ("double", np.array([1e-9, 0, -4e-9]))]
    figure = draw.function_and_copy(
        x, ("f", np.array([1.0, 5, 2])), ("copy", np.array([1.0, 5, 3])), differences, "difference"
    )
    top, left, right = figure.axes
    function, copy = top.lines
    assert points(function) == [[-1, 1], [0, 5], [3, 2]]
    assert points(copy) == [[-1, 1], [0, 5], [3, 3]]
    assert function.get_linewidth() > copy.get_linewidth()
    assert legend(top.get_legend()) == ["f", "copy"]
    np.testing.assert_allclose(points(left.lines[0]), [[-1, 0], [0, 2], [3, -1]])
    np.testing.assert_allclose(points(right.lines[0]), [[-1, 1], [0, 0], [3, -4]])
    assert left.get_ylim() == pytest.approx((-2.3, 2.3))
    assert right.get_ylim() == pytest.approx((-4.6, 4.6))
    assert labels(left) == ("x", "single: difference (× 0.001)")
    assert labels(right) == ("x", "double: difference (× 10⁻⁹)")
    assert {axes.get_xlim() for axes in figure.axes} == {(-1, 3)}


def test_a_copy_without_any_difference_is_drawn_around_0():
    x = np.array([0.0, 1])
    figure = draw.function_and_copy(x, ("f", x), ("copy", x), [("a", 0 * x), ("b", x)], "off")
    assert [axes.get_ylim() for axes in figure.axes[1:]] == [(-1, 1), pytest.approx((-1.15, 1.15))]
    assert labels(figure.axes[1])[1] == "a: off"


def test_line_panels_are_over_the_same_wide_line():
    x = np.array([-2.0, 0, 1])
    panels = [
        ("one", np.array([2.0, 0, 0])),
        ("two", np.array([0.0, 0, 1])),
        ("three", np.array([0.0, 0, 6])),
    ]
    figure = draw.line_panels(x, ("|x|", np.array([2.0, 0, 1])), panels)
    assert [labels(axes) for axes in figure.axes] == [("x", "one"), ("x", "two"), ("x", "three")]
    for axes, (_, values) in zip(figure.axes, panels, strict=True):
        wanted, drawn = axes.lines
        assert points(wanted) == [[-2, 2], [0, 0], [1, 1]]
        assert points(drawn) == np.column_stack([x, values]).tolist()
        assert wanted.get_linewidth() > drawn.get_linewidth()
        assert (colour(wanted), colour(drawn)) == (SOFT, ACCENT)
        assert axes.get_xlim() == (-2, 1)
        assert axes.get_ylim() == figure.axes[0].get_ylim()
    assert legend(figure.legends[0]) == ["|x|"]


def test_fractions_have_error_bars_from_their_lower_to_their_upper_end():
    few = np.array([[0.5, 0.2, 0.9], [0.4, 0.1, 0.6], [0.8, 0.5, 0.95]])
    many = np.array([[0.7, 0.3, 1.0], [0.5, 0.25, 0.8], [0.75, 0.6, 1.0]])
    lines = [("few", few), ("many", many)]
    (axes,) = draw.fractions(np.array([3, 4, 9]), lines, xlabel="n", ylabel="solved").axes
    assert len(axes.containers) == 2
    for container, (value, low, high), side in zip(axes.containers, (few, many), (-1, 1), strict=True):
        line, _, (bars,) = container
        places = np.array([3, 4, 9]) + 0.06 * side
        np.testing.assert_allclose(line.get_xdata(), places)
        np.testing.assert_allclose(line.get_ydata(), value)
        ends = np.array(bars.get_segments())
        np.testing.assert_allclose(ends[:, :, 0], np.column_stack([places, places]))
        np.testing.assert_allclose(ends[:, 0, 1], low)
        np.testing.assert_allclose(ends[:, 1, 1], high)
        assert to_hex(bars.get_color()[0]) == colour(line)
    assert [colour(container[0]) for container in axes.containers] == [ACCENT, AMBER]
    assert axes.get_ylim() == (0, 1)
    assert list(axes.get_xticks()) == [3, 4, 9]
    assert labels(axes) == ("n", "solved")
    assert names_at_ends(axes) == pytest.approx({"few": 0.9, "many": 1}, abs=0.02)


@pytest.mark.parametrize(
    ("count", "x", "shifts"), [(1, [3, 5], [0]), (2, [3], [-0.12, 0.12]), (3, [10, 60], [-0.24, 0, 0.24])]
)
def test_fractions_are_just_as_far_apart_as_needed(count, x, shifts):
    lines = [(str(index), np.full((3, len(x)), 0.5)) for index in range(count)]
    (axes,) = draw.fractions(np.array(x), lines, xlabel="", ylabel="").axes
    np.testing.assert_allclose([container[0].get_xdata()[0] - x[0] for container in axes.containers], shifts)


def test_an_end_beyond_its_fraction_by_a_rounding_is_drawn_at_it():
    ends = np.array([[1.0], [1.0 + 1e-15], [1.0 - 1e-15]])
    (axes,) = draw.fractions(np.array([3]), [("a", ends)], xlabel="", ylabel="").axes
    assert axes.containers[0][2][0].get_segments()[0][:, 1].tolist() == [1, 1]


def test_reached_is_the_fraction_arrived_by_each_step_of_all_members():
    groups = [("a", np.array([40, 5, -1, 5, 0])), ("b", np.array([-1, -1])), ("c", np.array([100, 30]))]
    (axes,) = draw.reached(groups, 100, mark=20, xlabel="steps", ylabel="solved").axes
    expected = {
        "a": {1: 0.2, 4: 0.2, 5: 0.6, 39: 0.6, 40: 0.8, 100: 0.8},
        "b": {1: 0, 50: 0, 100: 0},
        "c": {1: 0, 29: 0, 30: 0.5, 99: 0.5, 100: 1},
    }
    drawn = named(axes)
    assert list(drawn) == list(expected)
    for label, by_step in expected.items():
        line = drawn[label]
        assert line.get_drawstyle() == "steps-post"
        assert line.get_xdata()[[0, -1]].tolist() == [1, 100]
        for step, fraction in by_step.items():
            assert line.get_ydata()[np.searchsorted(line.get_xdata(), step, "right") - 1] == fraction
    assert [colour(line) for line in drawn.values()] == [ACCENT, AMBER, VIOLET]
    assert len({str(line.get_linestyle()) for line in drawn.values()}) == 3
    (mark,) = (line for line in dotted(axes) if colour(line) == SOFT)
    assert list(mark.get_xdata()) == [20, 20]
    assert scales(axes) == ("log", "linear")
    assert (axes.get_xlim(), axes.get_ylim()) == ((1, 100), (0, 1))
    assert labels(axes) == ("steps", "solved")
    assert list(names_at_ends(axes)) == ["b", "a", "c"]
    assert axes.xaxis.get_major_formatter()(10000) == "10\u202f000"


@pytest.fixture
def confusion():
    (axes,) = draw.confusion_matrix(
        np.array([[6, 3, 1], [0, 2, 8], [5, 0, 15]]), ["ship", "frog", "cat"]
    ).axes
    return axes


def test_confusions_have_the_label_down_and_the_answer_across(confusion):
    assert (confusion.get_xlabel(), confusion.get_title("left")) == ("the network says", "label")
    for ticks, names in (
        (confusion.get_xticks(), confusion.get_xticklabels()),
        (confusion.get_yticks(), confusion.get_yticklabels()),
    ):
        assert list(ticks) == [0, 1, 2]
        assert [name.get_text() for name in names] == ["ship", "frog", "cat"]
    assert confusion.get_xlim() == (-0.5, 2.5)
    assert confusion.get_ylim() == (2.5, -0.5)
    assert {text.get_position(): text.get_text() for text in confusion.texts} == {
        (0, 0): "6",
        (1, 0): "3",
        (2, 0): "1",
        (0, 1): "0",
        (1, 1): "2",
        (2, 1): "8",
        (0, 2): "5",
        (1, 2): "0",
        (2, 2): "15",
    }
    assert {to_hex(text.get_color()) for text in confusion.texts} == {BLACK}  # on cells that stay pale
    bold = [text.get_position() for text in confusion.texts if text.get_fontweight() == 600]
    assert bold == [(0, 0), (1, 1), (2, 2)]


def test_confusions_are_shaded_by_their_share_of_the_label_but_for_right_answers(confusion):
    (image,) = confusion.images
    np.testing.assert_allclose(image.get_array(), [[0, 0.3, 0.1], [0, 0, 0.8], [0.25, 0, 0]])
    assert image.origin == "upper"
    assert tuple(image.get_extent()) == (-0.5, 2.5, 2.5, -0.5)
    assert image.get_cmap().name == "Oranges"
    assert image.get_clim() == pytest.approx((0, 1.12))


def test_a_label_that_never_occurs_and_a_network_that_is_always_right_are_not_shaded():
    (axes,) = draw.confusion_matrix(np.array([[4, 0], [0, 0]]), ["ship", "frog"]).axes
    np.testing.assert_array_equal(axes.images[0].get_array(), np.zeros((2, 2)))
    low, high = axes.images[0].get_clim()
    assert low == 0 < high


def test_confusions_stay_as_they_were_given():
    counts = np.array([[6, 3], [1, 2]])
    draw.confusion_matrix(counts, ["ship", "frog"])
    np.testing.assert_array_equal(counts, [[6, 3], [1, 2]])


def zigzag(count, low=1.0, high=3.0):
    return np.where(np.arange(count) % 2, high, low)


def band_curves(values):
    (axes,) = draw.curves([("a", values)], xlabel="", ylabel="").axes
    return axes, [band for band in axes.collections if isinstance(band, PolyCollection)]


def test_a_curve_that_swings_as_slowly_as_can_be_seen_stays_itself():
    values = zigzag(100)
    axes, found = band_curves(values)
    assert not found
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), values)


def test_a_curve_that_jumps_to_and_fro_is_two_lines_with_a_band_between():
    values = zigzag(401) + np.linspace(0, 1, 401)
    axes, (band,) = band_curves(values)
    even, odd = axes.lines
    assert points(even) == np.column_stack([np.arange(0, 401, 2), values[::2]]).tolist()
    assert points(odd) == np.column_stack([np.arange(1, 401, 2), values[1::2]]).tolist()
    assert {colour(even), colour(odd), to_hex(band.get_facecolor()[0])} == {ACCENT}
    assert (even.get_label(), odd.get_label()[0]) == ("a", "_")
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.min() == 1
    assert heights.max() == values[1::2].max()
    assert band.get_alpha() < 0.3


def test_a_noisy_curve_is_its_mean_in_a_band_from_its_lowest_to_its_highest_value():
    values = np.random.default_rng(0).uniform(2, 6, 3000)
    axes, (band,) = band_curves(values)
    (line,) = axes.lines
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (values.min(), values.max())
    x, y = line.get_data()
    assert 20 < len(x) < 300
    assert (x[0], x[-1]) == (0, 2999)
    assert abs(y - 4).max() < 1.1
    assert y[0] == pytest.approx(values[: round(3000 / len(x))].mean())


def test_the_mean_of_a_noisy_curve_on_a_logarithmic_axis_is_the_geometric_one():
    values = 10.0 ** np.random.default_rng(0).uniform(-8, 0, 3000)
    left, right = draw.two_panels([("a", values, values)], "", "").axes
    assert np.log10(left.lines[0].get_ydata()).mean() == pytest.approx(-4, abs=0.1)
    assert right.lines[0].get_ydata().mean() == pytest.approx(values.mean(), rel=0.02)


def test_what_is_too_small_to_be_seen_is_no_swing():
    values = np.linspace(0, 1, 1000) + zigzag(1000, -1e-3, 1e-3) / 3
    axes, found = band_curves(values)
    assert not found
    assert len(axes.lines[0].get_xdata()) == 1000
