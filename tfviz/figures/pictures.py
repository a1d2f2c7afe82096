"""Figures that show pictures and maps: (H, W, 3) RGB in [0, 1], or (h, w)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tfviz.figures.style import BLACK, COLUMN, LINE, MARKS, SOFT, WHITE, styled, width_of, wrapped
from tfviz.language import gettext as _

Array = npt.NDArray[Any]

_GAP, _APART = 0.07, 0.2  # inches between pictures, and between those that have a bar each
_LARGEST, _LABEL = 2.3, 1.25  # inches: how wide a picture in a table is at most, and the label before a row
_OVER = 0.62  # how opaque a map over a picture is
_MIDDLE_GREY = 0.35 + 0.65 / 2  # of a picture in grey, on which the colour of a legend is shown


def scaled(values: Array) -> Array:
    """Values mapped linearly so that the smallest is 0 and the largest 1; a constant becomes 0.5."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.full(values.shape, 0.5)


def centred(values: Array) -> Array:
    """Values mapped linearly so that 0 is 0.5 and the largest magnitude 0 or 1."""
    largest = np.abs(values).max()
    return 0.5 + values / (2 * largest) if largest > 0 else np.full(values.shape, 0.5)


def stretched(values: Array, deviations: float = 3.0) -> Array:
    """A picture of any range as one in [0, 1]: its mean becomes 0.5, so many standard deviations from it 0 and 1."""
    spread = values.std()
    if spread == 0:
        return np.full(values.shape, 0.5)
    shown: Array = np.clip(0.5 + (values - values.mean()) / (2 * deviations * spread), 0, 1)
    return shown


@styled
def picture_table(
    rows: Sequence[tuple[str, Sequence[Array]]],
    headings: Sequence[str] = (),
    *,
    largest: float = _LARGEST,
    enlarge: tuple[int, int, int] | None = None,
) -> Figure:
    """Rows of pictures with a label before each row and a heading over each column.

    Pictures may have three colours, or be maps (h, w), drawn in grey from -max to max.

    Args:
        rows: label and pictures.
        headings: of the columns.
        largest: how wide a picture is at most, in inches; up to that, they fill the width that the labels leave.
        enlarge: top row, left column and side of a square, in pixels: it is framed in every picture, and shown again,
            larger, in the opposite corner.
    """
    columns = max(len(pictures) for _label, pictures in rows)
    rows = [(_balanced(label, _LABEL), pictures) for label, pictures in rows]
    before = max(width_of(label) for label, _pictures in rows)
    before += 0.1 if before else 0
    side = min((COLUMN - before + _GAP) / columns - _GAP, largest)
    before = before and COLUMN - columns * (side + _GAP) + _GAP
    headings = [wrapped(heading, side) for heading in headings]
    heights = [
        side * max(picture.shape[0] / picture.shape[1] for picture in pictures) for _label, pictures in rows
    ]
    top = _above(headings)
    figure = Figure(figsize=(COLUMN, top + sum(heights) + _GAP * (len(rows) - 1)))
    for row, ((label, pictures), height) in enumerate(zip(rows, heights, strict=True)):
        for column, picture in enumerate(pictures):
            axes = _place(figure, before + column * (side + _GAP), top, side, height)
            _show(axes, picture)
            if enlarge is not None:
                _enlarge(axes, picture, *enlarge)
            if column == 0:
                axes.set_ylabel(label, rotation=0, ha="left", va="center")
                axes.yaxis.set_label_coords(-before / side, 0.5)
            if row == 0 and column < len(headings):
                _head(axes, headings[column])
        top += height + _GAP
    return figure


@styled
def maps_over_picture(
    picture: Array,
    maps: Sequence[tuple[str, Array, str]],
    first: float,
    stride: float,
    *,
    low_is_strong: bool = False,
    block: tuple[int, int, int] | None = None,
) -> Figure:
    """Maps (rows, columns), each laid half transparent over the picture in grey, with its colour bar below.

    Args:
        picture: (H, W, 3).
        maps: heading, values, label of the colour bar with the unit.
        first: row and column of the picture, in pixels, at which the middle of a map's entry (0, 0) lies.
        stride: pixels from one entry to the next.
        low_is_strong: whether the smallest value is red and the largest pale, not the other way round.
        block: top row, left column and side of a block; the picture in its colours then comes first, the block
            framed in every panel.
    """
    panels = len(maps) + (block is not None)
    side = (COLUMN + _APART) / max(panels, 2) - _APART
    tall = side * picture.shape[0] / picture.shape[1]
    headings = [wrapped(heading, side) for heading, _values, _label in maps]
    labels = [wrapped(label, side) for _heading, _values, label in maps]
    top = _above(headings)
    figure = Figure(figsize=(COLUMN, top + tall + _bar_height(labels)))
    line = [_place(figure, panel * (side + _APART), top, side, tall) for panel in range(panels)]
    if block is not None:
        _show(line[0], picture)
        _head(line[0], _("the picture"))
    colours = matplotlib.colormaps["YlOrRd_r" if low_is_strong else "YlOrRd"]
    for axes, heading, (_heading, values, _label), label in zip(
        line[panels - len(maps) :], headings, maps, labels, strict=True
    ):
        _show(axes, _in_grey(picture))
        shade = axes.imshow(values, extent=_map_extent(values, first, stride), cmap=colours, alpha=_OVER)
        axes.set(xlim=(-0.5, picture.shape[1] - 0.5), ylim=(picture.shape[0] - 0.5, -0.5))
        _head(axes, heading)
        seen = _OVER * colours(np.linspace(0, 1, 256))[:, :3] + (1 - _OVER) * _MIDDLE_GREY
        _bar(axes, seen, shade.get_clim(), label)
    if block is not None:
        top, left, size = block
        for axes in line:
            _frame(axes, left, top, size)
    return figure


@styled
def fields_on_picture(picture: Array, squares: Sequence[tuple[str, int, int]]) -> Figure:
    """Squares (label, first row and column, side in pixels) over a picture (H, W, 3) in grey, smallest first."""
    furthest = max(first + side for _label, first, side in squares)
    height, width = (max(length, furthest) + 1 for length in picture.shape[:2])
    side = 0.8 * COLUMN
    figure = Figure(figsize=(COLUMN, side * height / width))
    axes = _place(figure, 0, 0, side, figure.get_figheight())
    _show(axes, _in_grey(picture))
    colours = (*MARKS, BLACK)
    for index, (label, first, size) in reversed(list(enumerate(squares))):
        _frame(axes, first, first, size, colours[index % len(colours)])
        corner = first + size - 0.5
        # Within the square, but for one that is smaller than its label.
        place, align = ((corner - 3, corner - 3), "right") if size > 40 else ((corner + 3, corner), "left")
        box = {"boxstyle": "round,pad=0.15", "facecolor": WHITE, "edgecolor": "none", "alpha": 0.85}
        axes.text(*place, label, ha=align, va="bottom", color=BLACK, bbox=box)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    return figure


@styled
def effective_fields(
    rows: Sequence[tuple[str, Sequence[Array], Sequence[float]]], headings: Sequence[str]
) -> Figure:
    """Heat maps, each from 0 to its own largest value, framed, with a dashed square in the middle.

    Args:
        rows: label, maps (h, w) and the side of each dashed square in pixels.
        headings: over each column.
    """
    before = max(width_of(label) for label, _maps, _sides in rows) + 0.1
    cell = (COLUMN - before + _GAP) / len(headings) - _GAP
    headings = [wrapped(heading, cell) for heading in headings]
    top, below = _above(headings), 1.6 * LINE
    figure = Figure(figsize=(COLUMN, top + len(rows) * (cell + below)))
    for row, (label, maps, sides) in enumerate(rows):
        for column, (values, side) in enumerate(zip(maps, sides, strict=True)):
            axes = _place(figure, before + column * (cell + _GAP), top + row * (cell + below), cell, cell)
            height, width = values.shape
            axes.imshow(values, cmap="inferno", vmin=0)
            axes.set_xticks([])
            axes.set_yticks([])
            _frame(axes, (width - side) / 2, (height - side) / 2, side, dashed=True)
            axes.set_xlabel(_("effective {side} px").format(side=f"{side:.0f}"), loc="left", labelpad=3)
            if column == 0:
                axes.set_ylabel(label, rotation=0, ha="left", va="center")
                axes.yaxis.set_label_coords(-before / cell, 0.5)
            if row == 0:
                _head(axes, headings[column])
    return figure


@styled
def captioned_pictures(pictures: Array, captions: Sequence[str], columns: int = 6) -> Figure:
    """Small pictures (n, h, w, 3) in [0, 1] in rows, each with short lines over it."""
    side = (COLUMN + _GAP) / columns - _GAP
    return _tiled(pictures, [wrapped(caption, side) for caption in captions], columns, "left")


@styled
def numbered_tiles(tiles: Array, numbers: Sequence[int], columns: int = 16) -> Figure:
    """Small pictures (n, h, w, 3) in [0, 1] in rows as wide as the page, each with its number over it."""
    return _tiled(tiles, [str(number) for number in numbers], columns, "center")


def _tiled(pictures: Array, texts: Sequence[str], columns: int, place: str) -> Figure:
    side = (COLUMN + _GAP) / columns - _GAP
    tall = side * pictures.shape[1] / pictures.shape[2]
    above = _above(texts)
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(COLUMN, rows * (above + tall) + (rows - 1) * _GAP))
    for index, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        row, column = divmod(index, columns)
        top = above + row * (above + tall + _GAP)
        axes = _place(figure, column * (side + _GAP), top, side, tall)
        _show(axes, picture)
        axes.set_title(text, fontweight=400, color=SOFT, pad=2.5, loc=place)  # type: ignore[arg-type]
    return figure


# --- what they are made of -----------------------------------------------------------------------------------------


def _place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes of a size at a place, in inches from the figure's upper left corner."""
    across, down = figure.get_size_inches()
    axes = figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))
    axes.set_anchor("NW")
    return axes


def _balanced(text: str, width: float) -> str:
    """A text in as many lines as a width asks for, none of them much shorter than it need be."""
    lines = wrapped(text, width)
    for narrower in np.arange(width, 0.4, -0.05):
        tried = wrapped(text, float(narrower))
        if tried.count("\n") > lines.count("\n"):
            break
        lines = tried
    return lines


def _above(texts: Sequence[str]) -> float:
    """The room that texts over pictures take, in inches."""
    return LINE * max((text.count("\n") + 1 for text in texts), default=0) + (0.04 if texts else 0)


def _head(axes: Axes, text: str) -> None:
    axes.set_title(text, fontweight=400, color=SOFT, pad=2.5)


def _bar_height(labels: Sequence[str]) -> float:
    """The room that a colour bar below a picture takes, in inches, with its label."""
    return 0.12 + 0.09 + 1.35 * LINE + _above(labels)


def _bar(above: Axes, colours: Array, ends: tuple[float, float], label: str) -> None:
    """A colour bar (count, 3), from one value to the other, below a picture and as wide."""
    figure, box = above.get_figure(root=True), above.get_position()
    assert figure is not None
    across, down = figure.get_size_inches()
    axes = _place(figure, box.x0 * across, (1 - box.y0) * down + 0.12, box.width * across, 0.09)
    low, high = ends if ends[0] < ends[1] else (ends[0], ends[0] + 1)
    axes.imshow(colours[None].repeat(128, axis=0), extent=(low, high, 0, 1), aspect="auto")
    axes.set_yticks([])
    ticks = [tick for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]
    axes.set_xticks(ticks)
    for tick, text in zip(ticks, axes.get_xticklabels(), strict=True):  # none beyond the bar's ends
        place = (tick - low) / (high - low)
        text.set_horizontalalignment("left" if place < 0.06 else "right" if place > 0.94 else "center")
    axes.set_xlabel(label, loc="left", labelpad=1)


def _frame(
    axes: Axes, left: float, top: float, size: float, colour: str = WHITE, *, dashed: bool = False
) -> None:
    """A square of pixels framed so that it is seen on dark and on light."""
    for edge, width, style in (
        (BLACK if colour == WHITE else WHITE, 2.6, "-"),
        (colour, 1.3, "--" if dashed else "-"),
    ):
        axes.add_patch(
            Rectangle(
                (left - 0.5, top - 0.5),
                size,
                size,
                fill=False,
                ec=edge,
                lw=width,
                ls=style,
                joinstyle="miter",
            )
        )


def _enlarge(axes: Axes, picture: Array, top: int, left: int, size: int) -> None:
    """Frame a square of a picture and show it again, larger, in the opposite corner."""
    height, width = picture.shape[:2]
    side = 0.6 * min(height, width)
    right, down = left + size / 2 < width / 2, top + size / 2 < height / 2
    x, y = (width - side if right else 0), (height - side if down else 0)
    shown = picture[top : top + size, left : left + size]
    if picture.ndim == 2:
        shown = np.interp(shown, (-np.abs(picture).max(), np.abs(picture).max()), (0, 1))[..., None].repeat(
            3, axis=2
        )
    axes.imshow(np.clip(shown, 0, 1), extent=(x - 0.5, x + side - 0.5, y + side - 0.5, y - 0.5))
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    _frame(axes, left, top, size)
    _frame(axes, x, y, side)


def _in_grey(picture: Array) -> Array:
    """The picture's luma (Rec. 601), made paler so that colours laid over it keep their hue, as three equal colours."""
    luma = np.asarray(picture) @ (0.299, 0.587, 0.114)
    return np.repeat(0.35 + 0.65 * luma[..., None], 3, axis=2)


def _map_extent(values: Array, first: float, stride: float) -> tuple[float, float, float, float]:
    """Left, right, bottom and top edge of a map whose entries are squares around the middles of their blocks."""
    edge = first - stride / 2
    return edge, edge + stride * values.shape[1], edge + stride * values.shape[0], edge


def _show(axes: Axes, picture: Array) -> None:
    if picture.ndim == 2:
        axes.imshow(centred(picture), cmap="gray", vmin=0, vmax=1)
    else:
        axes.imshow(np.clip(picture, 0, 1))
    axes.set_xticks([])
    axes.set_yticks([])
