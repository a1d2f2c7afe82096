import numpy as np
import pytest
from matplotlib.colors import to_hex

from tfviz import figures as draw
from tfviz.figures.style import BLACK, COLUMN, MARKS, PALETTE, WHITE

ORANGE, BLUE, *_ = MARKS

# Red, green, blue; white, black, half grey: with the greys they get below a map.
COLOURS = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 1, 1], [0, 0, 0], [0.5, 0.5, 0.5]]])
GREYS = np.array([[0.54435, 0.73155, 0.4241], [1, 0.35, 0.675]])


def shown(axes, index=0):
    return np.asarray(axes.images[index].get_array())


def panels(figure):
    return [axes for axes in figure.axes if axes.images and axes.get_aspect() == 1]


def bars(figure):
    """The axes of the colour bars."""
    return [axes for axes in figure.axes if axes.get_aspect() == "auto"]


def place(axes):
    """Row and column among the panels of the figure, the upper left is (0, 0)."""
    boxes = [each.get_position() for each in panels(axes.figure)]
    tops = sorted({round(-box.y1, 6) for box in boxes})
    lefts = sorted({round(box.x0, 6) for box in boxes})
    box = axes.get_position()
    return tops.index(round(-box.y1, 6)), lefts.index(round(box.x0, 6))


def heading(axes):
    return axes.get_title(loc="left")


def squares(axes):
    return [(*patch.get_xy(), patch.get_width(), patch.get_height()) for patch in axes.patches]


def test_scaled_takes_the_smallest_to_0_and_the_largest_to_1():
    np.testing.assert_allclose(draw.scaled(np.array([[2, 5], [4, 10]])), [[0, 0.375], [0.25, 1]])
    np.testing.assert_allclose(draw.scaled(np.array([-3.0, 1, 0])), [0, 1, 0.75])


def test_centred_takes_0_to_the_middle_and_the_largest_magnitude_to_an_end():
    values = np.array([[-2, 0, 1], [4, 1, -1]])
    np.testing.assert_allclose(draw.centred(values), [[0.25, 0.5, 0.625], [1, 0.625, 0.375]])
    np.testing.assert_allclose(draw.centred(-values), [[0.75, 0.5, 0.375], [0, 0.375, 0.625]])
    np.testing.assert_allclose(draw.centred(np.array([1.0, 2])), [0.75, 1])


@pytest.mark.parametrize(
    ("deviations", "expected"),
    [(3, [1 / 3, 2 / 3]), (2, [0.25, 0.75]), (1, [0, 1]), (0.5, [0, 1])],
)
def test_stretched_reaches_the_ends_at_so_many_standard_deviations(deviations, expected):
    np.testing.assert_allclose(draw.stretched(np.array([-1.0, 3]), deviations), expected)


def test_stretched_puts_the_mean_in_the_middle():
    # Mean 1, standard deviation √3.
    np.testing.assert_allclose(
        draw.stretched(np.array([[0.0, 0], [0, 4]]), np.sqrt(3)), [[1 / 3] * 2, [1 / 3, 1]]
    )
    np.testing.assert_allclose(draw.stretched(np.array([-1.0, 3])), [1 / 3, 2 / 3])


@pytest.mark.parametrize("shades", [draw.scaled, draw.centred, draw.stretched])
def test_what_has_no_range_is_grey(shades):
    np.testing.assert_array_equal(shades(np.zeros((2, 3))), np.full((2, 3), 0.5))


@pytest.mark.parametrize("shades", [draw.scaled, draw.stretched])
def test_a_constant_is_grey(shades):
    np.testing.assert_array_equal(shades(np.full((2, 3), -7.0)), np.full((2, 3), 0.5))


def test_picture_table_has_a_row_of_pictures_for_each_label_and_a_column_for_each_heading():
    pictures = [np.full((2, 3, 3), shade) for shade in (0.1, 0.2, 0.3, 0.4, 0.5)]
    figure = draw.picture_table([("upper", pictures[:3]), ("lower", pictures[3:])], ["a", "b", "c"])
    assert [place(axes) for axes in figure.axes] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert [shown(axes)[0, 0, 0] for axes in panels(figure)] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert [heading(axes) for axes in figure.axes] == ["a", "b", "c", "", ""]
    assert [axes.get_ylabel() for axes in figure.axes] == ["upper", "", "", "lower", ""]
    for axes in panels(figure):
        assert len(axes.get_xticks()) == len(axes.get_yticks()) == 0


def test_picture_table_shows_colours_as_they_are_within_0_and_1(caplog):
    picture = np.array([[[0.2, 0.4, 0.9], [1.5, -0.5, 0.3], [0, 0, 0.1]]])
    (axes,) = draw.picture_table([("", [picture])]).axes
    np.testing.assert_array_equal(shown(axes), [[[0.2, 0.4, 0.9], [1, 0, 0.3], [0, 0, 0.1]]])
    assert not caplog.records


def test_picture_table_shows_a_map_in_grey_around_0():
    (axes,) = draw.picture_table([("", [np.array([[0, 1, -2], [4, 0, 2]])])]).axes
    (image,) = axes.images
    np.testing.assert_allclose(shown(axes), [[0.5, 0.625, 0.25], [1, 0.5, 0.75]])
    assert image.get_cmap().name == "gray"
    assert image.get_clim() == (0, 1)


def test_a_table_s_pictures_fill_the_text_s_width():
    figure = draw.picture_table([("", [np.zeros((2, 3, 3))] * 4)] * 2)
    assert figure.get_figwidth() == pytest.approx(COLUMN)
    boxes = [axes.get_position() for axes in figure.axes]
    assert (min(box.x0 for box in boxes), max(box.x1 for box in boxes)) == pytest.approx((0, 1))
    assert (min(box.y0 for box in boxes), max(box.y1 for box in boxes)) == pytest.approx((0, 1))
    for box in boxes:  # nothing is left between a picture and its axes
        assert box.width * COLUMN / (box.height * figure.get_figheight()) == pytest.approx(3 / 2)


@pytest.mark.parametrize(("label", "left"), [("", 0), ("a", COLUMN - 2 * 0.5 - 0.07)])
def test_a_table_s_pictures_are_no_larger_than_asked_and_end_where_the_text_does_if_they_are_labelled(
    label, left
):
    figure = draw.picture_table([(label, [np.zeros((3, 3, 3))] * 2)], largest=0.5)
    assert figure.get_size_inches() == pytest.approx((COLUMN, 0.5))
    first, second = (axes.get_position() for axes in figure.axes)
    assert first.width * COLUMN == pytest.approx(0.5)
    assert first.x0 * COLUMN == pytest.approx(left)
    assert second.x0 * COLUMN == pytest.approx(left + 0.57)


def test_a_long_label_takes_lines_that_are_about_equally_long():
    figure = draw.picture_table([("it sees: raw, mean left in", [np.zeros((3, 3, 3))])])
    assert figure.axes[0].get_ylabel() == "it sees: raw,\nmean left in"


def test_a_heading_too_long_for_its_picture_takes_several_lines():
    pictures = [np.zeros((4, 4, 3))] * 5
    figure = draw.picture_table(
        [("", pictures)], ["short", "much too long to stand over one picture", "", "", ""]
    )
    first, second = (heading(axes) for axes in figure.axes[:2])
    assert first == "short"
    assert second.replace("\n", " ") == "much too long to stand over one picture"
    assert second.count("\n") >= 1


def test_a_square_is_framed_and_shown_again_in_the_opposite_corner():
    picture = np.random.default_rng(0).random((40, 60, 3))
    for (top, left), corner in (((2, 3), (24, 16)), ((30, 50), (0, 0)), ((2, 50), (0, 16))):
        (axes,) = draw.picture_table([("", [picture])], enlarge=(top, left, 5)).axes
        np.testing.assert_array_equal(shown(axes, 1), picture[top : top + 5, left : left + 5])
        x, y = (60 - 24, 40 - 24)
        expected = {(24, 16): (x, y), (0, 0): (0, 0), (0, 16): (0, y)}[corner]
        assert tuple(axes.images[1].get_extent()) == (
            expected[0] - 0.5,
            expected[0] + 23.5,
            expected[1] + 23.5,
            expected[1] - 0.5,
        )
        assert squares(axes)[::2] == [
            (left - 0.5, top - 0.5, 5, 5),
            (expected[0] - 0.5, expected[1] - 0.5, 24, 24),
        ]
        assert axes.get_xlim() == (-0.5, 59.5)
        assert axes.get_ylim() == (39.5, -0.5)


def test_an_enlarged_square_of_a_map_keeps_its_greys():
    values = np.arange(-8.0, 8).reshape(4, 4)
    (axes,) = draw.picture_table([("", [values])], enlarge=(0, 0, 2)).axes
    np.testing.assert_allclose(shown(axes, 1)[..., 0], draw.centred(values)[:2, :2])


@pytest.mark.parametrize(
    ("first", "stride", "extent"), [(3, 4, (1, 13, 9, 1)), (2.5, 2, (1.5, 7.5, 5.5, 1.5))]
)
def test_maps_lie_over_the_picture_with_their_first_entry_around_its_pixel(first, stride, extent):
    values = np.array([[0.0, 1, 2], [3, 4, 8]])
    figure = draw.maps_over_picture(np.zeros((12, 16, 3)), [("head", values, "bar")], first, stride)
    (axes,) = panels(figure)
    below, shade = axes.images
    np.testing.assert_array_equal(shown(axes, 1), values)
    assert tuple(shade.get_extent()) == extent
    assert shade.origin == "upper"
    assert 0 < shade.get_alpha() < 1
    assert tuple(below.get_extent()) == (-0.5, 15.5, 11.5, -0.5)
    assert axes.get_xlim() == (-0.5, 15.5)
    assert axes.get_ylim() == (11.5, -0.5)
    assert not axes.patches


def test_the_picture_below_a_map_is_in_pale_grey():
    figure = draw.maps_over_picture(COLOURS, [("", np.array([[1.0, 2]]), "")], 0, 1)
    (axes,) = panels(figure)
    np.testing.assert_allclose(shown(axes), np.stack([GREYS] * 3, axis=2))


def test_each_map_has_its_heading_and_its_own_colour_bar():
    maps = [("one", np.array([[1.0, 3]]), "drop"), ("two", np.array([[-2.0, 7]]), "share")]
    figure = draw.maps_over_picture(np.zeros((4, 6, 3)), maps, 1, 2)
    assert [place(axes) for axes in panels(figure)] == [(0, 0), (0, 1)]
    assert [heading(axes) for axes in panels(figure)] == ["one", "two"]
    shades = [axes.images[1] for axes in panels(figure)]
    assert [shade.get_clim() for shade in shades] == [(1, 3), (-2, 7)]
    assert [bar.get_xlabel() for bar in bars(figure)] == ["drop", "share"]
    assert [bar.get_xlim() for bar in bars(figure)] == [(1, 3), (-2, 7)]
    for axes, bar in zip(panels(figure), bars(figure), strict=True):
        above, below = axes.get_position(), bar.get_position()
        assert (above.x0, above.x1) == pytest.approx((below.x0, below.x1))
        assert below.y1 < above.y0


def test_a_bar_has_the_colours_that_a_map_has_on_middle_grey():
    figure = draw.maps_over_picture(np.full((4, 6, 3), 0.5), [("", np.array([[1.0, 3]]), "")], 1, 2)
    ((axes,), (bar,)) = panels(figure), bars(figure)
    shade = axes.images[1]
    for value, column in ((1, 0), (3, -1)):
        over = shade.get_alpha() * np.array(shade.cmap(shade.norm(value))[:3])
        np.testing.assert_allclose(shown(bar)[0, column], over + (1 - shade.get_alpha()) * shown(axes)[0, 0])


def test_no_number_at_a_bar_sticks_out_of_the_figure():
    figure = draw.maps_over_picture(np.zeros((4, 6, 3)), [("", np.array([[0.0, 1]]), "")] * 3, 1, 2)
    figure.draw_without_rendering()
    for bar in bars(figure):
        ends = [text.get_window_extent() for text in bar.get_xticklabels()]
        assert min(end.x0 for end in ends) >= bar.bbox.x0 - 1
        assert max(end.x1 for end in ends) <= bar.bbox.x1 + 1


@pytest.mark.parametrize(("low_is_strong", "strong"), [(False, 9.0), (True, 2.0)])
def test_the_strong_end_of_a_map_is_dark_red(low_is_strong, strong):
    maps = [("", np.array([[2.0, 9]]), "")]
    figure = draw.maps_over_picture(np.zeros((4, 6, 3)), maps, 1, 2, low_is_strong=low_is_strong)
    shade = panels(figure)[0].images[1]
    red, green, blue, _ = shade.cmap(shade.norm(strong))
    assert red > 0.4
    assert green == 0
    assert blue < 0.2
    assert min(shade.cmap(shade.norm(11 - strong))[:2]) > 0.95


def test_a_block_is_framed_in_every_panel_and_first_in_the_picture_itself():
    picture = np.linspace(0, 1, 8 * 10 * 3).reshape(8, 10, 3)
    figure = draw.maps_over_picture(picture, [("map", np.eye(2, 3), "bar")], 1, 3, block=(2, 5, 3))
    source, mapped = panels(figure)
    assert (place(source), place(mapped)) == ((0, 0), (0, 1))
    assert (heading(source), heading(mapped)) == ("the picture", "map")
    np.testing.assert_array_equal(shown(source), picture)
    np.testing.assert_array_equal(shown(mapped, 1), np.eye(2, 3))
    for axes in (source, mapped):
        assert squares(axes) == [(4.5, 1.5, 3, 3)] * 2
        assert not any(patch.get_fill() for patch in axes.patches)
        assert axes.patches[0].get_linewidth() > axes.patches[1].get_linewidth()
    assert len(bars(figure)) == 1


def test_fields_are_squares_from_their_first_pixel_on_the_smallest_on_top():
    figure = draw.fields_on_picture(np.zeros((50, 60, 3)), [("conv1", 20, 11), ("conv5", 2, 48)])
    (axes,) = figure.axes
    large, small = (1.5, 1.5, 48, 48), (19.5, 19.5, 11, 11)
    assert squares(axes) == [large, large, small, small]
    assert [to_hex(patch.get_edgecolor()) for patch in axes.patches] == [WHITE, BLUE, WHITE, ORANGE]
    assert not any(patch.get_fill() for patch in axes.patches)
    assert axes.get_xlim() == (-0.5, 60.5)
    assert axes.get_ylim() == (50.5, -0.5)


def test_the_label_of_a_field_is_in_its_lower_right_corner_or_beside_it():
    figure = draw.fields_on_picture(np.zeros((50, 60, 3)), [("conv1", 20, 11), ("conv5", 2, 48)])
    places = {text.get_text(): (*text.get_position(), text.get_ha()) for text in figure.axes[0].texts}
    assert places == {"conv1": (33.5, 30.5, "left"), "conv5": (46.5, 46.5, "right")}


def test_a_field_larger_than_the_picture_is_seen_whole():
    (axes,) = draw.fields_on_picture(COLOURS, [("pool5", 10, 60)]).axes
    np.testing.assert_allclose(shown(axes), np.stack([GREYS] * 3, axis=2))
    assert tuple(axes.images[0].get_extent()) == (-0.5, 2.5, 1.5, -0.5)
    assert squares(axes)[0] == (9.5, 9.5, 60, 60)
    assert axes.get_xlim() == (-0.5, 70.5)
    assert axes.get_ylim() == (70.5, -0.5)


def test_effective_fields_are_from_0_to_their_own_largest_value():
    maps = [np.array([[0.5, 1, 2], [4, 1, 3]]) * factor for factor in (1, 10, 100, 1000)]
    figure = draw.effective_fields([("a", maps[:2], [1, 1]), ("b", maps[2:], [1, 1])], ["conv1", "conv2"])
    assert [place(axes) for axes in figure.axes] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for axes, values in zip(figure.axes, maps, strict=True):
        np.testing.assert_array_equal(shown(axes), values)
    assert [axes.images[0].get_clim() for axes in figure.axes] == [(0, 4), (0, 40), (0, 400), (0, 4000)]
    assert {axes.images[0].get_cmap().name for axes in figure.axes} == {"inferno"}
    assert [heading(axes) for axes in figure.axes] == ["conv1", "conv2", "", ""]
    assert [axes.get_ylabel() for axes in figure.axes] == ["a", "", "b", ""]


def test_the_dashed_square_is_in_the_middle_of_its_map():
    rows = [("a", [np.ones((5, 7)), np.ones((4, 6))], [3.0, 2.5])]
    odd, even = draw.effective_fields(rows, ["conv1", "conv2"]).axes
    assert squares(odd) == [(1.5, 0.5, 3, 3)] * 2
    assert squares(even) == [(1.25, 0.25, 2.5, 2.5)] * 2
    assert [patch.get_linestyle() for patch in odd.patches] == ["-", "--"]
    assert not any(patch.get_fill() for patch in odd.patches)
    assert odd.get_xlabel() == "effective 3 px"


def test_captioned_pictures_go_row_after_row_each_below_its_caption():
    pictures = np.arange(5 * 2 * 3 * 3).reshape(5, 2, 3, 3) / 100
    figure = draw.captioned_pictures(pictures, ["a\n1", "b\n2", "c\n3", "d\n4", "e\n5"], columns=3)
    used = panels(figure)
    assert [place(axes) for axes in used] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert [heading(axes) for axes in used] == ["a\n1", "b\n2", "c\n3", "d\n4", "e\n5"]
    for axes, picture in zip(used, pictures, strict=True):
        np.testing.assert_array_equal(shown(axes), picture)


def test_marks_on_pictures_keep_their_colours_on_a_dark_page():
    assert {BLACK, WHITE, *MARKS}.isdisjoint(PALETTE.values())
