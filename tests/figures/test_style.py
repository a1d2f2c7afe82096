import base64
import io
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from tfviz import figures as draw
from tfviz.figures import fonts
from tfviz.figures.style import (
    COLUMN,
    DARK,
    PALETTE,
    SERIES,
    STYLE,
    Powers,
    Ticks,
    number,
    save,
    styled,
    width_of,
    wrapped,
)

STEPS = np.array([1.0, 2.0, 4.0])
PICTURE = np.linspace(0, 1, 6 * 8 * 3).reshape(6, 8, 3)
FIGURES = {
    "captioned_pictures": lambda: draw.captioned_pictures(np.array([PICTURE] * 3), ["a\nb", "c", "d"]),
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
    "two_bundles": lambda: draw.two_bundles(
        ("a", PICTURE[..., 0]), ("b", PICTURE[..., 1]), xlabel="x", ylabel="y"
    ),
    "two_panels": lambda: draw.two_panels([("a", STEPS, STEPS)], "left", "right"),
}


def test_every_figure_is_tried_here():
    assert set(FIGURES) == set(draw.__all__) - {"as_png", "centred", "save", "scaled", "stretched"}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_as_wide_as_the_text_and_has_the_same_bytes_under_any_style(name, tmp_path):
    path = draw.save(FIGURES[name](), tmp_path / "one")
    width = float(ET.fromstring(path.read_bytes()).get("width").removesuffix("pt")) / 72
    assert width == pytest.approx(COLUMN, abs=1e-5)
    with matplotlib.rc_context({"font.size": 21, "axes.spines.top": True, "text.color": "red"}):
        again = draw.save(FIGURES[name](), tmp_path / "other")
    assert again.read_bytes() == path.read_bytes()


def texts(figure):
    """What is written in a figure that was laid out, where it stands, in pixels."""
    with matplotlib.rc_context(STYLE):
        figure.draw_without_rendering()
    found = {text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()}
    hidden = {
        text
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for text in axis.findobj(Text)
        if not axes.axison
    }
    outside = {
        tick.label1
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.majorTicks, *axis.minorTicks)
        if not axis.get_view_interval().min() - 1e-9
        <= tick.get_loc()
        <= axis.get_view_interval().max() + 1e-9
    }
    return [(text, text.get_window_extent()) for text in found - hidden - outside]


@pytest.mark.parametrize("name", FIGURES)
def test_all_that_is_written_is_large_enough_within_the_figure_and_not_on_something_else_written(name):
    figure = FIGURES[name]()
    written = texts(figure)
    assert written
    for text, box in written:
        assert text.get_fontsize() >= 7.5
        what = text.get_text()
        assert box.x0 >= -1.5, what
        assert box.y0 >= -1.5, what
        assert box.x1 <= figure.bbox.x1 + 1.5, what
        assert box.y1 <= figure.bbox.y1 + 1.5, what
    for (one, box), (other, around) in combinations(written, 2):
        # Lines are higher than the letters that stand on them.
        assert not box.padded(-1.5, -0.2 * box.height).overlaps(around), (one.get_text(), other.get_text())


@pytest.mark.parametrize("name", FIGURES)
def test_every_character_of_a_figure_has_a_glyph(name, tmp_path):
    svg = ET.fromstring(draw.save(FIGURES[name](), tmp_path / "one").read_bytes())
    assert not fonts.missing_glyphs("".join(svg.itertext()))


def test_another_process_writes_the_same_bytes(tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.figures.test_style import FIGURES; from tfviz import figures\n"
        "for name in ('maps_over_picture', 'gabor_sizes', 'curves'):\n"
        "    figures.save(FIGURES[name](), Path(sys.argv[1]) / name)\n"
    )
    for number_, seed in enumerate(("1", "2")):
        (tmp_path / str(number_)).mkdir()
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / str(number_))],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
    written = sorted((tmp_path / "0").iterdir())
    assert len(written) == 3
    for path in written:
        assert path.read_bytes() == (tmp_path / "1" / path.name).read_bytes()


def test_save_writes_an_svg_beside_nothing_else_and_says_where(tmp_path):
    path = draw.save(FIGURES["curves"](), tmp_path / "loss")
    assert path == tmp_path / "loss.svg"
    assert list(tmp_path.iterdir()) == [path]
    assert ET.fromstring(path.read_bytes()).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_figure_as_pixels_is_twice_as_fine_and_on_white():
    figure = Figure(figsize=(2, 1), facecolor="none")
    figure.add_axes((0.25, 0, 0.75, 1), facecolor="red").set(xticks=[], yticks=[])
    with Image.open(io.BytesIO(draw.as_png(figure))) as picture:
        assert picture.size == (2 * 144, 144)
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels[72, 20].tolist() == [255, 255, 255]
    assert pixels[72, 200].tolist() == [255, 0, 0]


def test_a_saved_figure_has_neither_date_nor_program_and_its_text_as_text(tmp_path):
    text = draw.save(FIGURES["curves"](), tmp_path / "loss").read_text()
    assert "metadata" not in text
    assert re.search(">y</text>", text)
    assert text.count("font-family") == 1  # inherited from there
    assert (
        "<g direction=\"ltr\" font-family=\"'Open Sans','Open Sans Hebrew','Noto Sans Math',sans-serif\""
        in text
    )


def test_nothing_lies_below_a_figure(tmp_path):
    assert "#ffffff" not in draw.save(FIGURES["curves"](), tmp_path / "loss").read_text()


def pictures(path):
    """(pixels, whether they are kept sharp) of each picture in a drawing."""
    for element in ET.fromstring(path.read_bytes()).iter("{http://www.w3.org/2000/svg}image"):
        data = element.get("{http://www.w3.org/1999/xlink}href").removeprefix("data:image/png;base64,")
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        yield image, element.get("style") == "image-rendering:pixelated"


@pytest.mark.parametrize(("side", "times"), [(5, 39), (40, 5), (127, 4)])
def test_a_picture_of_few_pixels_has_each_of_them_several_times_and_is_kept_sharp(side, times, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (side, side + 2, 3), dtype=np.uint8)
    path = save(draw.picture_table([("", [pixels / 255])]), tmp_path / "few")
    ((image, sharp),) = pictures(path)
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), pixels.repeat(times, 0).repeat(times, 1))
    assert sharp


def test_matplotlib_writes_its_own_pictures_again_afterwards(tmp_path):
    from matplotlib.backends import backend_svg

    draw.save(draw.numbered_tiles(np.ones((2, 3, 3, 3)), (1, 2)), tmp_path / "tiles")
    assert backend_svg.Image.__name__ == "PIL.Image"


def test_a_picture_of_many_pixels_is_stored_as_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (128, 130, 3), dtype=np.uint8)
    ((image, sharp),) = pictures(save(draw.picture_table([("", [pixels / 255])]), tmp_path / "many"))
    np.testing.assert_array_equal(np.asarray(image), pixels)
    assert not sharp


def test_a_png_has_no_more_channels_than_it_needs(tmp_path):
    ramp = np.linspace(0, 1, 200)
    grey = np.broadcast_to(ramp[:, None, None], (200, 200, 3))
    few = np.where(ramp[:, None, None] > 0.5, (1.0, 0, 0), (0, 0.5, 1.0)) * np.ones((200, 200, 3))
    many = np.random.default_rng(0).random((200, 200, 3))
    path = save(draw.picture_table([("", [grey, few, many])]), tmp_path / "three")
    assert [image.mode for image, _ in pictures(path)] == ["L", "P", "RGB"]
    clear = Figure()
    clear.subplots().imshow(np.zeros((2, 3, 4)), interpolation="none")
    ((see_through, _),) = pictures(save(clear, tmp_path / "clear"))
    assert see_through.mode == "RGBA"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (0.0, "0"),
        (1.0, "1"),
        (-2.5, "−2.5"),
        (1234.0, "1234"),
        (1234.56, "1235"),
        (12345, "12\u202f345"),
        (-123456.0, "−123\u202f456"),
        (0.00012345, "0.0001234"),
        (0.340000, "0.34"),
        (1e-13, "10⁻¹³"),
        (1.05e-13, "1.05 × 10⁻¹³"),
        (-3.2e-7, "−3.2 × 10⁻⁷"),
        (-1e-7, "−10⁻⁷"),
        (1e6, "10⁶"),
        (10**6, "1\u202f000\u202f000"),
        (999_999.9, "10⁶"),
        (0.99999, "1"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_are_written_as_people_do(value, written):
    assert number(value) == written


def test_numbers_have_so_many_digits():
    assert number(np.pi, 2) == "3.1"
    assert number(6.72e-6, 2) == "6.7 × 10⁻⁶"


@styled
def plain(low, high, scale):
    figure = Figure()
    axes = figure.subplots()
    axes.set(xlim=(low, high), xscale=scale)
    return figure


@pytest.mark.parametrize(
    ("low", "high", "scale", "written"),
    [
        (0, 1, "linear", ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-20000, 20000, "linear", ["−20\u202f000", "−10\u202f000", "0", "10\u202f000", "20\u202f000"]),
        (0.01, 1000, "log", ["0.01", "0.1", "1", "10", "100", "1000"]),
        (1e-8, 1, "log", ["10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "1"]),
    ],
)
def test_ticks_are_written_like_numbers(low, high, scale, written):
    (axes,) = plain(low, high, scale).axes
    assert isinstance(axes.xaxis.get_major_formatter(), Ticks if scale == "linear" else Powers)
    locations = [tick for tick in axes.xaxis.get_major_locator()() if low <= tick <= high]
    found = axes.xaxis.get_major_formatter().format_ticks(locations)
    assert [text for text in found if text in written] == written
    assert axes.xaxis.get_offset_text().get_text() == ""


def test_text_is_broken_where_it_is_too_wide():
    width = width_of("nnn nnn")
    assert wrapped("nnn nnn nnn", width + 1e-6) == "nnn nnn\nnnn"
    assert wrapped("nnn nnn nnn", width - 0.01) == "nnn\nnnn\nnnn"
    assert wrapped("a\nbbbbbbbbbbbbbbb c", 0.1) == "a\nbbbbbbbbbbbbbbb\nc"
    assert width_of("i\nWWW") == width_of("WWW") > width_of("WW")
    assert width_of("W", 600) > width_of("W")


def luminance(colour):
    return linear(colour) @ (0.2126, 0.7152, 0.0722)


def linear(colour):
    values = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [PALETTE, DARK])
def test_colours_are_read_on_their_paper(palette):
    assert list(palette) == list(PALETTE)
    for name in ("--ink", "--soft", "--accent", "--warm"):
        assert contrast(palette[name], palette["--paper"]) >= 4.5  # WCAG 2.2, 1.4.3
    for name in set(palette) - {"--paper", "--rule"}:
        assert contrast(palette[name], palette["--paper"]) >= 3  # WCAG 2.2, 1.4.11


# Machado, Oliveira and Fernandes (2009): protanopia, deuteranopia, tritanopia.
BLIND = (
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
)


@pytest.mark.parametrize("palette", [PALETTE, DARK])
@pytest.mark.parametrize("seen", [np.eye(3), *map(np.array, BLIND)])
def test_lines_are_told_apart_by_everyone(palette, seen):
    names = [name for colour in SERIES for name, value in PALETTE.items() if value == colour]
    light = [np.clip(seen @ linear(palette[name]), 0, 1) for name in names]
    colours = [np.where(each <= 0.0031308, each * 12.92, 1.055 * each ** (1 / 2.4) - 0.055) for each in light]
    for one, other in combinations([rgb2lab(colour[None, None])[0, 0] for colour in colours], 2):
        assert deltaE_ciede2000(one, other) > 10


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
