import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from tfviz import figures as draw
from tfviz.figures.style import PAGE, STYLE, styled

STEPS = np.array([1.0, 2.0, 4.0])
PICTURE = np.linspace(0, 1, 6 * 8 * 3).reshape(6, 8, 3)
FIGURES = {
    "accuracy_by_minutes": lambda: draw.accuracy_by_minutes(STEPS, STEPS / 5, 0.7, 0.9),
    "amplified_differences": lambda: draw.amplified_differences([("a", PICTURE), ("b", -PICTURE)], 0.1),
    "captioned_pictures": lambda: draw.captioned_pictures(np.array([PICTURE] * 3), ["a\nb", "c", "d"]),
    "curves_and_points": lambda: draw.curves_and_points(
        [("a", np.array([STEPS / 5]), np.array([[1, 0.5], [2, 0.7]]))],
        [("a", np.array([STEPS / 9]), np.array([[1, 0.5], [2, 0.7]]))],
        "published",
        logarithmic=False,
    ),
    "confusion_matrix": lambda: draw.confusion_matrix(np.array([[3, 1], [2, 4]]), ["ship", "frog"]),
    "curves": lambda: draw.curves([("a", STEPS)], xlabel="x", ylabel="y", bounds=[2.0]),
    "effective_fields": lambda: draw.effective_fields([("a", [PICTURE[..., 0]], [3.0])], ["conv1"]),
    "fields_on_picture": lambda: draw.fields_on_picture(PICTURE, [("conv1", 2, 3)]),
    "fractions": lambda: draw.fractions(
        STEPS, [("a", np.array([STEPS / 5, STEPS / 6, STEPS / 4]))], xlabel="x", ylabel="y"
    ),
    "function_and_copy": lambda: draw.function_and_copy(
        STEPS, ("f", STEPS), ("copy", STEPS), [("a", STEPS), ("b", -STEPS)], "difference"
    ),
    "gabor_sizes": lambda: draw.gabor_sizes(
        STEPS, STEPS / 2, np.array([0.5, 1, 2]), np.array([[1, 2], [3, 4]])
    ),
    "numbered_tiles": lambda: draw.numbered_tiles(np.array([PICTURE] * 3), [3, 1, 2]),
    "two_criteria": lambda: draw.two_criteria(
        [("a", STEPS / 5, STEPS / 5)], (0.3, 0.75), xlabel="x", ylabel="y"
    ),
    "line_panels": lambda: draw.line_panels(STEPS, ("wanted", STEPS), [("a", STEPS), ("b", -STEPS)]),
    "log_lines": lambda: draw.log_lines(STEPS, [("a", STEPS)], xlabel="x", ylabel="y", slope=-1),
    "maps_over_picture": lambda: draw.maps_over_picture(
        PICTURE, [("a", PICTURE[:2, :3, 0], "drop")], 1, 2, block=(1, 2, 3)
    ),
    "picture_table": lambda: draw.picture_table([("a", [PICTURE] * 9)], ["b"] * 9),
    "reached": lambda: draw.reached([("a", np.array([3, -1]))], 9, mark=4, xlabel="x", ylabel="y"),
    "receptive_cones": lambda: draw.receptive_cones([("a", [3, 2], [2, 1])]),
    "scattered": lambda: draw.scattered(STEPS, [("a", STEPS, 1e-3)], xlabel="x", ylabel="y"),
    "tile_grid": lambda: draw.tile_grid(np.array([PICTURE] * 3), 2),
    "training_curves": lambda: draw.training_curves(STEPS, [("a", STEPS)], [("a", STEPS / 5)]),
    "two_bundles": lambda: draw.two_bundles(
        ("a", PICTURE[..., 0]), ("b", PICTURE[..., 1]), xlabel="x", ylabel="y"
    ),
    "two_panels": lambda: draw.two_panels([("a", STEPS, STEPS)], "left", "right"),
    "winners_over_picture": lambda: draw.winners_over_picture(
        PICTURE, np.array([[1, 2, 3]]), [(1, "a"), (2, "b")], 1, 2
    ),
}


def test_every_figure_is_tried_here():
    assert set(FIGURES) == set(draw.__all__) - {"centred", "save", "scaled", "stretched"}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_fits_the_page_and_has_the_same_bytes_again_under_any_style(name, tmp_path):
    path = draw.save(FIGURES[name](), tmp_path / "one")
    width = ET.fromstring(path.read_bytes()).get("width")
    assert float(width.removesuffix("pt")) <= 72 * PAGE + 1e-6
    with matplotlib.rc_context({"font.size": 21, "axes.spines.top": True, "text.color": "red"}):
        again = draw.save(FIGURES[name](), tmp_path / "other")
    assert again.read_bytes() == path.read_bytes()


def test_save_writes_an_svg_beside_nothing_else_and_says_where(tmp_path):
    path = draw.save(FIGURES["curves"](), tmp_path / "loss")
    assert path == tmp_path / "loss.svg"
    assert list(tmp_path.iterdir()) == [path]
    assert ET.fromstring(path.read_bytes()).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_saved_figure_has_neither_date_nor_program_nor_text_that_needs_a_font(tmp_path):
    text = draw.save(FIGURES["curves"](), tmp_path / "loss").read_text()
    assert "date>" not in text
    assert "creator>" not in text
    assert "<text" not in text


def test_a_styled_function_draws_in_the_style_and_leaves_none_behind():
    @styled
    def drawing(size, *, text):
        """Says what it draws."""
        figure = Figure(figsize=size)
        figure.text(0.5, 0.5, text)
        return figure

    with matplotlib.rc_context({"font.size": 21, "text.color": "red"}):
        figure = drawing((2, 1), text="words")
        assert matplotlib.rcParams["font.size"] == 21
        assert matplotlib.rcParams["text.color"] == "red"
    assert figure.texts[0].get_text() == "words"
    assert figure.texts[0].get_fontsize() == STYLE["font.size"]
    assert figure.texts[0].get_color() == STYLE["text.color"]
    assert tuple(figure.get_size_inches()) == (2, 1)
    assert (drawing.__name__, drawing.__doc__) == ("drawing", "Says what it draws.")
