"""Drawings as pixels, against what Matplotlib draws of the same figure without an SVG between."""

import base64
import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tfviz import figures
from tfviz.figures import style
from tfviz.report import raster


def pixels(data):
    with Image.open(io.BytesIO(data)) as file:
        return np.asarray(file.convert("RGB"), float)


@style.styled
def figure():
    """Lines, dashes, marks, a band, clipped pictures on one another, words in two scripts, upright and turned."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(4, 2), layout="constrained")
    left, right = drawn.subplots(1, 2)
    left.plot([0, 1, 2, 3], [1, 3, 2, 4], "o--", color=style.ACCENT, label="a line $5")
    left.fill_between([0, 3], [0, 2], [1, 3], color=style.AMBER, alpha=0.3)
    left.set_ylabel("turned")
    left.set_ylim(1.2, 3.8)
    left.set_title("דיוק (%)")
    left.legend()
    levels = np.linspace(0, 1, 160 * 160).reshape(160, 160)
    right.imshow(levels, cmap="viridis")
    right.imshow(np.eye(4), extent=(20, 80, 80, 20), alpha=0.5, cmap="gray")
    right.set_xlim(0, 100)
    right.set_title("a picture", weight=600)
    return drawn


def test_a_stored_drawing_looks_as_it_was_drawn(tmp_path):
    data, _kind = raster.drawing(figures.save(figure(), tmp_path / "drawn").read_text(encoding="utf-8"))
    direct = io.BytesIO()
    with matplotlib.rc_context(style.STYLE):
        figure().savefig(direct, format="png", dpi=raster.DPI, facecolor="white")
    ours, theirs = pixels(data), pixels(direct.getvalue())
    assert ours.shape == theirs.shape == (2 * raster.DPI, 4 * raster.DPI, 3)
    assert np.abs(ours - theirs).mean() < 4
    assert (np.abs(ours - theirs).max(axis=-1) > 100).mean() < 0.02


def svg(inside):
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="72pt" height="72pt" viewBox="0 0 72 72"><g id="figure_1">{inside}</g></svg>'
    )


RED, GREEN, PALE, WHITE = COLOURS = ((255, 0, 0), (0, 128, 0), (127, 191, 127), (255, 255, 255))


def at(data, x, y):
    """The one of the colours that stands at a place in points."""
    scale = raster.DPI / 72
    found = pixels(data)[int(scale * y), int(scale * x)]
    (colour,) = (each for each in COLOURS if np.abs(found - each).max() < 4)
    return colour


def test_shapes_lie_where_they_are_said_to_and_are_cut():
    data, _ = raster.drawing(
        svg(
            '<defs><clipPath id="cut"><rect x="0" y="0" width="20" height="72"/></clipPath>'
            '<path id="mark" d="M 0 0  L 10 0  L 10 10  L 0 10  z "/></defs>'
            '<path d="M 10 10  L 40 10  L 40 20  L 10 20  z " clip-path="url(#cut)" style="fill: #ff0000"/>'
            '<use xlink:href="#mark" x="50" y="50" style="fill: #008000; fill-opacity: 0.5"/>'
            '<path d="M 0 36  L 72 36  " style="fill: none; stroke: #ff0000; stroke-width: 4; '
            'stroke-dasharray: 8,8; stroke-dashoffset: 0"/>'
        )
    )
    assert at(data, 15, 15) == RED
    assert at(data, 25, 15) == WHITE
    assert at(data, 55, 55) == PALE
    assert [at(data, x, 36) for x in (4, 12, 20, 28)] == [RED, WHITE, RED, WHITE]


def test_a_picture_is_placed_and_turned_over_as_its_transform_says():
    file = io.BytesIO()
    Image.fromarray(np.array([[[255, 0, 0]], [[0, 128, 0]]], np.uint8)).save(file, "png")
    picture = (
        '<image xlink:href="data:image/png;base64,{}" width="1" height="2" transform="{}" '
        'style="image-rendering:pixelated"/>'
    )
    encoded = base64.b64encode(file.getvalue()).decode()
    data, _ = raster.drawing(svg(picture.format(encoded, "matrix(10 0 0 10 20 30)")))
    assert [at(data, 25, y) for y in (25, 35, 45, 55)] == [WHITE, RED, GREEN, WHITE]
    data, _ = raster.drawing(svg(picture.format(encoded, "translate(20 50) scale(10 -10)")))
    assert [at(data, 25, y) for y in (25, 35, 45, 55)] == [WHITE, GREEN, RED, WHITE]


@pytest.mark.parametrize(
    ("attributes", "sides"),
    [
        ('x="36" y="40" style="font-size: 10px; text-anchor: start"', (0, 1)),
        ('x="36" y="40" style="font-size: 10px; text-anchor: end"', (1, 0)),
        ('direction="rtl" x="36" y="40" style="font-size: 10px; text-anchor: start"', (1, 0)),
        ('transform="translate(36 40)" style="font-size: 10px"', (0, 1)),
    ],
)
def test_words_begin_or_end_at_their_place(attributes, sides):
    ink = pixels(raster.drawing(svg(f"<text {attributes}>word</text>"))[0]).min(axis=-1) < 200
    left, right = ink[:, : raster.DPI // 2 - 2].any(), ink[:, raster.DPI // 2 + 2 :].any()
    assert (left, right) == tuple(map(bool, sides))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no", "not a drawing"),
        (svg("<ellipse/>"), "<ellipse>"),
        (svg('<path d="M 0 0" transform="skewX(3)"/>'), "skewX"),
    ],
)
def test_what_is_no_drawing_of_ours_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        raster.drawing(text)


def test_photographs_become_jpeg_and_plain_pictures_png_on_white():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    plain = np.zeros((64, 64, 4), np.uint8)
    kinds = []
    for picture in (noise, plain):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "webp", lossless=True)
        data, kind = raster.packed(file.getvalue())
        kinds.append(kind)
    assert kinds == ["image/jpeg", "image/png"]
    assert (pixels(data) == 255).all()
