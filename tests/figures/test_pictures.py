import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex, to_rgba

from tfviz import figures as draw

BLUE, ORANGE, GREEN, PINK, YELLOW = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#f0e442"
MUTED = "#66727f"

# Red, green, blue; white, black, half grey: with the greys they get below a map.
COLOURS = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 1, 1], [0, 0, 0], [0.5, 0.5, 0.5]]])
GREYS = np.array([[0.54435, 0.73155, 0.4241], [1, 0.35, 0.675]])


def shown(axes, index=0):
    return np.asarray(axes.images[index].get_array())


def panels(figure):
    return [axes for axes in figure.axes if axes.images]


def place(axes):
    cell = axes.get_subplotspec()
    return cell.rowspan.start, cell.colspan.start


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


def test_tile_grid_goes_row_after_row_one_white_pixel_apart():
    tiles = np.arange(5 * 2 * 3 * 3).reshape(5, 2, 3, 3) / 100
    figure = draw.tile_grid(tiles, columns=3)
    (axes,) = figure.axes
    canvas = shown(axes)
    assert canvas.shape == (5, 11, 3)
    np.testing.assert_array_equal(canvas[0:2, 0:3], tiles[0])
    np.testing.assert_array_equal(canvas[0:2, 4:7], tiles[1])
    np.testing.assert_array_equal(canvas[0:2, 8:11], tiles[2])
    np.testing.assert_array_equal(canvas[3:5, 0:3], tiles[3])
    np.testing.assert_array_equal(canvas[3:5, 4:7], tiles[4])
    for white in (canvas[2], canvas[:, 3], canvas[:, 7], canvas[3:5, 8:11]):
        assert (white == 1).all()
    width, height = figure.get_size_inches()
    assert height / width == pytest.approx(5 / 11)


def test_tile_grid_numbers_each_row_by_its_first_tile_and_each_column_by_what_it_adds():
    (axes,) = draw.tile_grid(np.zeros((5, 2, 3, 3)), columns=3).axes
    assert list(axes.get_yticks()) == [0.5, 3.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "3"]
    assert list(axes.get_xticks()) == [1, 5, 9]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["+0", "+1", "+2"]
    (plain,) = draw.tile_grid(np.zeros((5, 2, 3, 3)), columns=3, number_rows=False).axes
    assert len(plain.get_xticks()) == len(plain.get_yticks()) == 0


def test_picture_table_has_a_row_of_pictures_for_each_label_and_a_column_for_each_heading():
    pictures = [np.full((2, 3, 3), shade) for shade in (0.1, 0.2, 0.3, 0.4, 0.5)]
    figure = draw.picture_table([("upper", pictures[:3]), ("lower", pictures[3:])], ["a", "b", "c"])
    assert [place(axes) for axes in figure.axes] == [(row, column) for row in (0, 1) for column in (0, 1, 2)]
    assert [shown(axes)[0, 0, 0] for axes in panels(figure)] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c", "", "", ""]
    assert [axes.get_ylabel() for axes in figure.axes] == ["upper", "", "", "lower", "", ""]
    assert [axes.axison for axes in figure.axes] == [True] * 5 + [False]
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


@pytest.mark.parametrize(("shape", "interpolation"), [((63, 90, 3), "nearest"), ((64, 90, 3), "none")])
def test_only_small_pictures_are_enlarged_pixel_by_pixel(shape, interpolation):
    (axes,) = draw.picture_table([("", [np.zeros(shape)])]).axes
    assert axes.images[0].get_interpolation() == interpolation


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
    assert shade.get_interpolation() == "nearest"
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
    assert [axes.get_title() for axes in panels(figure)] == ["one", "two"]
    shades = [axes.images[1] for axes in panels(figure)]
    assert [shade.get_clim() for shade in shades] == [(1, 3), (-2, 7)]
    assert [shade.colorbar.ax.get_xlabel() for shade in shades] == ["drop", "share"]
    assert [shade.colorbar.ax.get_xlim() for shade in shades] == [(1, 3), (-2, 7)]


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
    assert (source.get_title(), mapped.get_title()) == ("the picture", "map")
    np.testing.assert_array_equal(shown(source), picture)
    np.testing.assert_array_equal(shown(mapped, 1), np.eye(2, 3))
    for axes in (source, mapped):
        assert squares(axes) == [(4.5, 1.5, 3, 3)] * 2
        assert not any(patch.get_fill() for patch in axes.patches)
        assert axes.patches[0].get_linewidth() > axes.patches[1].get_linewidth()
    bars = [axes for axes in figure.axes if not axes.images]
    assert [axes.get_visible() for axes in bars] == [False, True]


def test_winners_have_the_colours_that_the_legend_says():
    winners = np.array([[7, 3, 3], [9, 7, 5]])
    names = [(7, "still"), (3, "ray"), (9, "snail")]
    figure = draw.winners_over_picture(np.zeros((8, 10, 3)), winners, names, 2, 3)
    (axes,) = figure.axes
    ray, snail, other = to_rgba(ORANGE, 0.6), to_rgba(BLUE, 0.6), to_rgba(MUTED, 0.75)
    layer = shown(axes, 1)
    np.testing.assert_allclose(layer[0, 1:], [ray, ray])
    np.testing.assert_allclose(layer[1, 0], snail)
    np.testing.assert_allclose(layer[1, 2], other)
    assert layer[0, 0, 3] == layer[1, 1, 3] == 0
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["still", "ray", "snail", "another class"]
    first, *rest = (patch.get_facecolor() for patch in legend.get_patches())
    assert first[3] == 0
    np.testing.assert_allclose(rest, [ray, snail, other])


def test_five_winners_have_five_colours():
    names = [(index, str(index)) for index in range(6)]
    figure = draw.winners_over_picture(np.zeros((2, 12, 3)), np.arange(6)[None], names, 0.5, 2)
    layer = shown(figure.axes[0], 1)
    assert [to_hex(colour) for colour in layer[0, 1:]] == [ORANGE, BLUE, GREEN, PINK, YELLOW]
    np.testing.assert_allclose(layer[0, :, 3], [0, 0.6, 0.6, 0.6, 0.6, 0.6])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list("012345")


def test_winners_lie_where_the_maps_do():
    figure = draw.winners_over_picture(COLOURS, np.array([[1, 2, 2]]), [(1, "a"), (2, "b")], 3, 4)
    (axes,) = figure.axes
    np.testing.assert_allclose(shown(axes), np.stack([GREYS] * 3, axis=2))
    assert tuple(axes.images[1].get_extent()) == (1, 13, 5, 1)
    assert axes.images[1].origin == "upper"
    assert axes.get_xlim() == (-0.5, 2.5)
    assert axes.get_ylim() == (1.5, -0.5)


def test_differences_are_around_grey_and_full_at_the_limit():
    change = np.array([[[0, 0.02, -0.02], [0.01, -0.01, 0.005]], [[0.04, -0.04, 0], [0, 0, 0.015]]])
    figure = draw.amplified_differences([("one", change), ("two", -change)], 0.02)
    assert [axes.get_title() for axes in panels(figure)] == ["one", "two"]
    expected = np.array([[[0.5, 1, 0], [0.75, 0.25, 0.625]], [[1, 0, 0.5], [0.5, 0.5, 0.875]]])
    np.testing.assert_allclose(shown(panels(figure)[0]), expected)
    np.testing.assert_allclose(shown(panels(figure)[1]), 1 - expected)


def test_the_bar_of_the_differences_is_in_levels_of_a_byte():
    figure = draw.amplified_differences([("one", np.zeros((2, 3, 3)))], 0.02)
    (bar,) = (axes for axes in figure.axes if not axes.images)
    assert bar.get_xlim() == pytest.approx((-5.1, 5.1))
    assert "1/255" in bar.get_xlabel()
    (colours,) = (mesh for mesh in bar.collections if isinstance(mesh, QuadMesh))
    assert colours.get_cmap().name == "gray"
    assert colours.get_clim() == pytest.approx((-5.1, 5.1))


def test_fields_are_squares_from_their_first_pixel_on_the_smallest_on_top():
    figure = draw.fields_on_picture(np.zeros((50, 60, 3)), [("conv1", 20, 11), ("conv5", 2, 48)])
    (axes,) = figure.axes
    large, small = (1.5, 1.5, 48, 48), (19.5, 19.5, 11, 11)
    assert squares(axes) == [large, large, small, small]
    assert [to_hex(patch.get_edgecolor()) for patch in axes.patches] == ["#ffffff", BLUE, "#ffffff", ORANGE]
    assert not any(patch.get_fill() for patch in axes.patches)
    assert axes.get_xlim() == (-0.5, 61.5)
    assert axes.get_ylim() == (51.5, -0.5)


def test_the_label_of_a_field_is_in_its_lower_right_corner_or_beside_it():
    figure = draw.fields_on_picture(np.zeros((50, 60, 3)), [("conv1", 20, 11), ("conv5", 2, 48)])
    places = {text.get_text(): (*text.get_position(), text.get_ha()) for text in figure.axes[0].texts}
    assert places == {"conv1": (33.5, 30.5, "left"), "conv5": (46.5, 46.5, "right")}


def test_a_field_larger_than_the_picture_is_seen_whole():
    (axes,) = draw.fields_on_picture(COLOURS, [("pool5", 10, 60)]).axes
    np.testing.assert_allclose(shown(axes), np.stack([GREYS] * 3, axis=2))
    assert tuple(axes.images[0].get_extent()) == (-0.5, 2.5, 1.5, -0.5)
    assert squares(axes)[0] == (9.5, 9.5, 60, 60)
    assert axes.get_xlim() == (-0.5, 71.5)
    assert axes.get_ylim() == (71.5, -0.5)


def test_effective_fields_are_from_0_to_their_own_largest_value():
    maps = [np.array([[0.5, 1, 2], [4, 1, 3]]) * factor for factor in (1, 10, 100, 1000)]
    figure = draw.effective_fields([("a", maps[:2], [1, 1]), ("b", maps[2:], [1, 1])], ["conv1", "conv2"])
    assert [place(axes) for axes in figure.axes] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for axes, values in zip(figure.axes, maps, strict=True):
        np.testing.assert_array_equal(shown(axes), values)
    assert [axes.images[0].get_clim() for axes in figure.axes] == [(0, 4), (0, 40), (0, 400), (0, 4000)]
    assert {axes.images[0].get_cmap().name for axes in figure.axes} == {"inferno"}
    assert [axes.get_title() for axes in figure.axes] == ["conv1", "conv2", "", ""]
    assert [axes.get_ylabel() for axes in figure.axes] == ["a", "", "b", ""]


def test_the_dashed_square_is_in_the_middle_of_its_map():
    rows = [("a", [np.ones((5, 7)), np.ones((4, 6))], [3.0, 2.5])]
    odd, even = draw.effective_fields(rows, ["conv1", "conv2"]).axes
    assert squares(odd) == [(1.5, 0.5, 3, 3)] * 2
    assert squares(even) == [(1.25, 0.25, 2.5, 2.5)] * 2
    assert [patch.get_linestyle() for patch in odd.patches] == ["-", "--"]
    assert not any(patch.get_fill() for patch in odd.patches)
    assert odd.get_xlabel() == "effective 3 px"
    assert all(spine.get_visible() for spine in odd.spines.values())


def test_captioned_pictures_go_row_after_row_each_below_its_caption():
    pictures = np.arange(5 * 2 * 3 * 3).reshape(5, 2, 3, 3) / 100
    figure = draw.captioned_pictures(pictures, ["a\n1", "b\n2", "c\n3", "d\n4", "e\n5"], columns=3)
    used = panels(figure)
    assert [place(axes) for axes in used] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert [axes.get_title() for axes in used] == ["a\n1", "b\n2", "c\n3", "d\n4", "e\n5"]
    for axes, picture in zip(used, pictures, strict=True):
        np.testing.assert_array_equal(shown(axes), picture)
    assert [axes.axison for axes in figure.axes] == [True] * 5 + [False]
