import numpy as np

from tfviz import figures as draw


def assert_no_number_on_a_tile(tiles):
    for number in (axes.title.get_window_extent().padded(-0.5) for axes in tiles):
        assert not any(number.overlaps(axes.bbox) for axes in tiles)


def test_tiles_in_order_each_with_its_number_and_no_number_on_a_tile():
    tiles = np.linspace(0, 1, 5 * 4 * 4 * 3).reshape(5, 4, 4, 3)
    figure = draw.numbered_tiles(tiles, [36, 1, 51, 7, 16], columns=3)
    figure.draw_without_rendering()
    assert len(figure.axes) == 5
    for axes, tile, number in zip(figure.axes, tiles, ["36", "1", "51", "7", "16"], strict=False):
        np.testing.assert_array_equal(axes.images[0].get_array(), tile)
        assert axes.get_title() == number
    assert_no_number_on_a_tile(figure.axes[:5])


def test_a_wall_of_64_fits_its_page_without_overlap():
    figure = draw.numbered_tiles(np.zeros((64, 11, 11, 3)), range(64))
    figure.draw_without_rendering()
    assert len(figure.axes) == 64
    titles = [axes.title.get_window_extent() for axes in figure.axes]
    assert_no_number_on_a_tile(figure.axes)
    assert all(title.y0 >= 0 and title.y1 <= figure.bbox.y1 for title in titles)
    assert min(axes.bbox.height for axes in figure.axes) > 0.3 * figure.dpi
