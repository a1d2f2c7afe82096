"""Figures that show pictures and maps: (H, W, 3) RGB in [0, 1], or (h, w)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from tfviz.figures.style import BLUE, GREEN, INK, MUTED, ORANGE, PAGE, PINK, styled

Array = npt.NDArray[Any]


def scaled(values: Array) -> Array:
    """Values mapped linearly so that the smallest is 0 and the largest 1; a constant becomes 0.5."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.full(values.shape, 0.5)


def centred(values: Array) -> Array:
    """Values mapped linearly so that 0 is 0.5 and the largest magnitude 0 or 1."""
    largest = np.abs(values).max()
    return 0.5 + values / (2 * largest) if largest > 0 else np.full(values.shape, 0.5)


@styled
def tile_grid(tiles: Array, columns: int, *, number_rows: bool = True) -> Figure:
    """Small pictures (n, h, w, 3) in [0, 1] side by side, row after row, one pixel apart."""
    count, height, width = tiles.shape[:3]
    rows = -(-count // columns)
    canvas = np.ones((rows * (height + 1) - 1, columns * (width + 1) - 1, 3))
    for index, tile in enumerate(tiles):
        top, left = index // columns * (height + 1), index % columns * (width + 1)
        canvas[top : top + height, left : left + width] = tile
    side = 0.72 * PAGE
    figure = Figure(figsize=(side, side * canvas.shape[0] / canvas.shape[1]), layout="constrained")
    axes = figure.subplots()
    _show(axes, canvas)
    if number_rows:
        axes.set_yticks([row * (height + 1) + (height - 1) / 2 for row in range(rows)])
        axes.set_yticklabels([str(row * columns) for row in range(rows)])
        axes.set_xticks([column * (width + 1) + (width - 1) / 2 for column in range(columns)])
        axes.set_xticklabels([f"+{column}" for column in range(columns)])
        axes.tick_params(length=0)
    return figure


@styled
def picture_table(
    rows: Sequence[tuple[str, Sequence[Array]]], headings: Sequence[str] = (), *, cell: float = 1.4
) -> Figure:
    """Rows of pictures with a label before each row and a heading over each column.

    Pictures may have three colours, or be maps (h, w), drawn in grey from -max to max.
    """
    columns = max(len(pictures) for _, pictures in rows)
    figure = Figure(figsize=(min(PAGE, cell * columns + 0.5), cell * len(rows) + 0.2), layout="constrained")
    table = figure.subplots(len(rows), columns, squeeze=False)
    for (label, pictures), line in zip(rows, table, strict=True):
        for axes in line[len(pictures) :]:
            axes.set_axis_off()
        for axes, picture in zip(line, pictures, strict=False):
            _show(axes, picture)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    for axes, heading in zip(table[0], headings, strict=False):
        axes.set_title(heading)
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
        maps: heading, values, label of the colour bar.
        first: row and column of the picture, in pixels, at which the middle of a map's entry (0, 0) lies.
        stride: pixels from one entry to the next.
        low_is_strong: whether the smallest value is red and the largest pale, not the other way round.
        block: top row, left column and side of a block; the picture in its colours then comes first, the block
            framed in every panel.
    """
    panels = len(maps) + (block is not None)
    side = PAGE / max(panels, 2.2)
    figure = Figure(figsize=(side * panels, side + 0.85), layout="constrained")
    line = list(figure.subplots(1, panels, squeeze=False)[0])
    if block is not None:
        _show(line[0], picture)
        line[0].set_title("the picture")
        # An empty bar takes the same room, so that all panels have one size.
        spare = figure.colorbar(
            ScalarMappable(), ax=line[0], location="bottom", label=" ", shrink=0.9, aspect=25
        )
        spare.ax.set_visible(False)
    for axes, (heading, values, label) in zip(line[panels - len(maps) :], maps, strict=True):
        _show(axes, _in_grey(picture))
        shade = axes.imshow(
            values,
            extent=_map_extent(values, first, stride),
            cmap="YlOrRd_r" if low_is_strong else "YlOrRd",
            alpha=0.62,
            interpolation="nearest",
        )
        axes.set(xlim=(-0.5, picture.shape[1] - 0.5), ylim=(picture.shape[0] - 0.5, -0.5), title=heading)
        figure.colorbar(shade, ax=axes, location="bottom", label=label, shrink=0.9, aspect=25)
    if block is not None:
        top, left, size = block
        for axes in line:
            for colour, width in ((INK, 2.6), ("white", 1.2)):  # seen on dark and on light
                frame = Rectangle((left - 0.5, top - 0.5), size, size, edgecolor=colour, linewidth=width)
                frame.set_fill(False)
                axes.add_patch(frame)
    return figure


@styled
def winners_over_picture(
    picture: Array, winners: Array, names: Sequence[tuple[int, str]], first: float, stride: float
) -> Figure:
    """Where which class wins, in colours over the picture in grey, with a legend.

    Args:
        picture: (H, W, 3).
        winners: (rows, columns) class indices; first and stride as for `maps_over_picture`.
        names: class index and label, the first without a colour, at most five more; classes not named are grey.
        first: middle of entry (0, 0), in pixels.
        stride: pixels from one entry to the next.
    """
    palette = (ORANGE, BLUE, GREEN, PINK, "#f0e442")
    layer = np.zeros((*winners.shape, 4))
    layer[:] = to_rgba(MUTED, 0.75)
    layer[winners == names[0][0]] = 0
    handles = [Patch(facecolor="none", edgecolor=MUTED, label=names[0][1])]
    for colour, (index, label) in zip(palette, names[1:], strict=False):
        layer[winners == index] = to_rgba(colour, 0.6)
        handles.append(Patch(facecolor=to_rgba(colour, 0.6), label=label))
    if not np.isin(winners, [index for index, _ in names[: len(palette) + 1]]).all():
        handles.append(Patch(facecolor=to_rgba(MUTED, 0.75), label="another class"))
    figure = Figure(figsize=(0.68 * PAGE, 0.42 * PAGE), layout="constrained")
    axes = figure.subplots()
    _show(axes, _in_grey(picture))
    axes.imshow(layer, extent=_map_extent(winners, first, stride), interpolation="nearest")
    axes.set(xlim=(-0.5, picture.shape[1] - 0.5), ylim=(picture.shape[0] - 0.5, -0.5))
    figure.legend(handles=handles, loc="outside right center")
    return figure


@styled
def amplified_differences(differences: Sequence[tuple[str, Array]], limit: float) -> Figure:
    """Differences (H, W, 3) around grey, -limit black and +limit full colour, with a bar that says so in 1/255."""
    side = PAGE / max(len(differences), 3)
    figure = Figure(figsize=(side * len(differences), side + 0.85), layout="constrained")
    line = figure.subplots(1, len(differences), squeeze=False)[0]
    for axes, (heading, difference) in zip(line, differences, strict=True):
        _show(axes, 0.5 + difference / (2 * limit))
        axes.set_title(heading)
    scale = ScalarMappable(Normalize(-255 * limit, 255 * limit), "gray")
    label = "change of each colour, in levels of 1/255"
    figure.colorbar(scale, ax=list(line), location="bottom", label=label, shrink=0.5, aspect=30)
    return figure


def stretched(values: Array, deviations: float = 3.0) -> Array:
    """A picture of any range as one in [0, 1]: its mean becomes 0.5, so many standard deviations from it 0 and 1."""
    spread = values.std()
    if spread == 0:
        return np.full(values.shape, 0.5)
    shown: Array = np.clip(0.5 + (values - values.mean()) / (2 * deviations * spread), 0, 1)
    return shown


def _in_grey(picture: Array) -> Array:
    """The picture's luma (Rec. 601), made paler so that colours laid over it keep their hue, as three equal colours."""
    luma = np.asarray(picture) @ (0.299, 0.587, 0.114)
    return np.repeat(0.35 + 0.65 * luma[..., None], 3, axis=2)


def _map_extent(values: Array, first: float, stride: float) -> tuple[float, float, float, float]:
    """Left, right, bottom and top edge of a map whose entries are squares around the middles of their blocks."""
    edge = first - stride / 2
    return edge, edge + stride * values.shape[1], edge + stride * values.shape[0], edge


def _show(axes: Axes, picture: Array) -> None:
    # Few pixels are enlarged here, so that no viewer blurs them; many are stored as they are, which is smaller.
    interpolation = "nearest" if min(picture.shape[:2]) < 64 else "none"
    if picture.ndim == 2:
        axes.imshow(centred(picture), cmap="gray", vmin=0, vmax=1, interpolation=interpolation)
    else:
        axes.imshow(np.clip(picture, 0, 1), interpolation=interpolation)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


@styled
def fields_on_picture(picture: Array, squares: Sequence[tuple[str, int, int]]) -> Figure:
    """Squares (label, first row and column, side in pixels) over a picture (H, W, 3) in grey, smallest first."""
    height, width = picture.shape[:2]
    figure = Figure(figsize=(0.62 * PAGE, 0.62 * PAGE), layout="constrained")
    axes = figure.subplots()
    _show(axes, _in_grey(picture))
    palette = (ORANGE, BLUE, GREEN, PINK, INK, "#f0e442")
    for index, (label, first, side) in reversed(list(enumerate(squares))):
        colour = palette[index % len(palette)]
        for edge, line in (("white", 3.0), (colour, 1.6)):  # seen on dark and on light
            axes.add_patch(Rectangle((first - 0.5, first - 0.5), side, side, fill=False, ec=edge, lw=line))
        corner = first + side - 0.5
        # Within the square, but for one that is smaller than its label.
        place, align = ((corner - 3, corner - 3), "right") if side > 40 else ((corner + 3, corner), "left")
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
        axes.text(*place, label, ha=align, va="bottom", fontsize=7, color=INK, bbox=box)
    furthest = max(first + side for _, first, side in squares)
    axes.set(xlim=(-0.5, max(width, furthest) + 1.5), ylim=(max(height, furthest) + 1.5, -0.5))
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
    cell = (PAGE - 0.8) / len(headings)
    figure = Figure(figsize=(PAGE, (cell + 0.08) * len(rows) + 0.22), layout="constrained")
    table = figure.subplots(len(rows), len(headings), squeeze=False)
    for (label, maps, sides), line in zip(rows, table, strict=True):
        for axes, values, side in zip(line, maps, sides, strict=True):
            height, width = values.shape
            axes.imshow(values, cmap="inferno", vmin=0, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set(visible=True, color=INK, linewidth=1.0)
            for colour, style in ((INK, "-"), ("white", "--")):  # seen on dark and on light
                axes.add_patch(
                    Rectangle(
                        ((width - 1 - side) / 2, (height - 1 - side) / 2),
                        side,
                        side,
                        fill=False,
                        ec=colour,
                        ls=style,
                        lw=0.9,
                    )
                )
            axes.set_xlabel(f"effective {side:.0f} px", labelpad=2)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    for axes, heading in zip(table[0], headings, strict=True):
        axes.set_title(heading)
    return figure


@styled
def captioned_pictures(pictures: Array, captions: Sequence[str], columns: int = 8) -> Figure:
    """Small pictures (n, h, w, 3) in [0, 1] in rows, each with two short lines over it."""
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(PAGE, 1.12 * rows), layout="constrained")
    table = figure.subplots(rows, columns, squeeze=False)
    for axes in table.flat:
        axes.set_axis_off()
    for axes, picture, caption in zip(table.flat, pictures, captions, strict=False):
        axes.set_axis_on()
        _show(axes, picture)
        axes.set_title(caption, fontsize=6.5, pad=2)
    return figure


@styled
def numbered_tiles(tiles: Array, numbers: Sequence[int], columns: int = 16) -> Figure:
    """Small pictures (n, h, w, 3) in [0, 1] in rows as wide as the page, each with its number over it."""
    rows = -(-len(tiles) // columns)
    figure = Figure(figsize=(PAGE, (PAGE / columns + 0.17) * rows), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.015)  # type: ignore[union-attr, call-arg]
    table = figure.subplots(rows, columns, squeeze=False)
    for axes in table.flat:
        axes.set_axis_off()
    for axes, tile, number in zip(table.flat, tiles, numbers, strict=False):
        axes.set_axis_on()
        _show(axes, tile)
        axes.set_title(str(number), fontsize=7, pad=1.5)
    return figure
