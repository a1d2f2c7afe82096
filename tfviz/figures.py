"""Every plot, from arrays in a result; the only place that knows colours and sizes.

Pictures are (H, W, 3) RGB in [0, 1]; sizes are inches, since figures fill the width of a page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

P = ParamSpec("P")
Array = npt.NDArray[Any]

PAGE = 6.9  # inches: the text width of the report's page
INK, MUTED, GRID = "#1c2733", "#66727f", "#d7dde3"
# Told apart also by those who do not see red and green apart (Okabe and Ito 2008), and in grey.
BLUE, ORANGE, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlecolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.dpi": 100,
    "savefig.dpi": 170,
    "svg.fonttype": "path",
    "svg.hashsalt": "tfviz",
}


def save(figure: Figure, stem: Path) -> Path:
    """Write a figure as SVG and return its path; the same figure gives the same bytes."""
    path = stem.with_suffix(".svg")
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure.savefig(path, metadata={"Date": None, "Creator": None})
    return path


def _styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
            return draw(*args, **kwargs)

    return wrapper


def scaled(values: Array) -> Array:
    """Values mapped linearly so that the smallest is 0 and the largest 1; a constant becomes 0.5."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.full(values.shape, 0.5)


def centred(values: Array) -> Array:
    """Values mapped linearly so that 0 is 0.5 and the largest magnitude 0 or 1."""
    largest = np.abs(values).max()
    return 0.5 + values / (2 * largest) if largest > 0 else np.full(values.shape, 0.5)


@_styled
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


@_styled
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


@_styled
def gabor_sizes(n_x: Array, n_y: Array, edges: Array, cells: Array) -> Figure:
    """Size of fitted Gabors in cycles, over a histogram of simple cells (rows n_x, columns n_y, shared edges)."""
    figure = Figure(figsize=(0.66 * PAGE, 0.52 * PAGE), layout="constrained")
    axes = figure.subplots()
    shade = axes.pcolormesh(
        edges, edges, np.asarray(cells).T, cmap="Blues", edgecolors="white", linewidth=0.5
    )
    low = min(float(edges[0]), float(n_x.min()), float(n_y.min())) / 1.2
    high = max(float(edges[-1]), float(n_x.max()), float(n_y.max())) * 1.2
    axes.plot([low, high], [low, high], color=MUTED, linewidth=0.8, linestyle=":")
    axes.scatter(n_x, n_y, s=20, color=ORANGE, marker="D", edgecolors="white", linewidths=0.4)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("$n_x = \\sigma_x f$: cycles across the stripes")
    axes.set_ylabel("$n_y = \\sigma_y f$: cycles along the stripes")
    figure.colorbar(shade, ax=axes, label="simple cells in the bin", shrink=0.8)
    return figure


@_styled
def histogram(values: Array, edges: Array, threshold: float, label: str, threshold_label: str) -> Figure:
    """How often values fall between edges, with a line at a threshold."""
    figure = Figure(figsize=(0.62 * PAGE, 1.9), layout="constrained")
    axes = figure.subplots()
    axes.hist(values, bins=list(edges), color=BLUE, edgecolor="white", linewidth=0.5)
    axes.axvline(threshold, color=ORANGE, linewidth=1.2, label=threshold_label)
    axes.set(xlabel=label, ylabel="filters")
    axes.legend(loc="upper left")
    return figure


@_styled
def curves(
    lines: Sequence[tuple[str, Array]], *, xlabel: str, ylabel: str, bounds: Sequence[float] = ()
) -> Figure:
    """One line per (label, values) against the step; each bound is a dotted level in its line's colour."""
    figure = Figure(figsize=(0.8 * PAGE, 2.2), layout="constrained")
    axes = figure.subplots()
    axes.grid(True)
    palette = (BLUE, ORANGE, GREEN, PINK)
    for index, (label, values) in enumerate(lines):
        colour = palette[index % len(palette)]
        axes.plot(np.arange(len(values)), values, color=colour, label=label, linewidth=1.3)
        if index < len(bounds):
            axes.axhline(bounds[index], color=colour, linewidth=0.8, linestyle=":")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_xlim(left=0)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@_styled
def two_bundles(first: tuple[str, Array], second: tuple[str, Array], *, xlabel: str, ylabel: str) -> Figure:
    """Two groups of curves (label, (steps, lines)) in two colours, one legend entry each."""
    figure = Figure(figsize=(0.8 * PAGE, 2.2), layout="constrained")
    axes = figure.subplots()
    axes.grid(True)
    for (label, values), colour in ((first, ORANGE), (second, BLUE)):
        drawn = axes.plot(np.arange(len(values)), values, color=colour, linewidth=1.1, alpha=0.85)
        drawn[0].set_label(label)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_xlim(left=0)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@_styled
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


@_styled
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
    if not np.isin(winners, [index for index, _ in names]).all():
        handles.append(Patch(facecolor=to_rgba(MUTED, 0.75), label="another class"))
    figure = Figure(figsize=(0.68 * PAGE, 0.42 * PAGE), layout="constrained")
    axes = figure.subplots()
    _show(axes, _in_grey(picture))
    axes.imshow(layer, extent=_map_extent(winners, first, stride), interpolation="nearest")
    axes.set(xlim=(-0.5, picture.shape[1] - 0.5), ylim=(picture.shape[0] - 0.5, -0.5))
    figure.legend(handles=handles, loc="outside right center")
    return figure


@_styled
def log_lines(
    x: Array, lines: Sequence[tuple[str, Array]], *, xlabel: str, ylabel: str, slope: float | None = None
) -> Figure:
    """One line per (label, values) on logarithmic axes; dotted in grey: a straight line of a given slope."""
    figure = Figure(figsize=(0.85 * PAGE, 2.7), layout="constrained")
    axes = figure.subplots()
    axes.grid(True)
    for (label, values), colour in zip(lines, (ORANGE, BLUE, GREEN, PINK), strict=False):
        axes.plot(x, values, color=colour, label=label, linewidth=1.3)
    if slope is not None:
        straight = x**slope
        straight = straight / np.exp(np.mean(np.log(straight)))
        axes.plot(x, straight, color=MUTED, linestyle=":", linewidth=1.1, label=f"slope {slope:g}")
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@_styled
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


@_styled
def two_panels(
    lines: Sequence[tuple[str, Array, Array]], left: str, right: str, *, xlabel: str = "step"
) -> Figure:
    """Curves (label, values on the left, values on the right) against the step; the left axis is logarithmic.

    The first line lies on top.
    """
    figure = Figure(figsize=(PAGE, 2.3), layout="constrained")
    panels = figure.subplots(1, 2)
    for index, (label, *both) in enumerate(lines):
        colour = (ORANGE, BLUE, GREEN, PINK)[index % 4]
        for axes, values in zip(panels, both, strict=True):
            axes.plot(
                np.arange(len(values)),
                values,
                color=colour,
                label=label,
                linewidth=1.0,
                zorder=2 - 0.1 * index,
            )
    for axes, ylabel in zip(panels, (left, right), strict=True):
        axes.grid(True)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.set_xlim(left=0)
    panels[0].set_yscale("log")
    panels[1].set_ylim(bottom=0)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
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


@_styled
def receptive_cones(networks: Sequence[tuple[str, Sequence[int], Sequence[int]]]) -> Figure:
    """What one unit is computed from, in cross-section: pixels at the bottom, a row of units for each layer above.

    Args:
        networks: heading, kernel size and stride of each layer (no padding), one panel each.
    """
    deepest = max(len(kernels) for _, kernels, _ in networks)
    figure = Figure(figsize=(PAGE, 0.75 + 0.3 * deepest), layout="constrained")
    panels = figure.subplots(1, len(networks), squeeze=False)[0]
    for axes, (heading, kernels, strides) in zip(panels, networks, strict=True):
        # Per layer: units in the cone, step between units and middle of the first one, in pixels.
        steps, middles = [1], [0.0]
        for kernel, stride in zip(kernels, strides, strict=True):
            middles.append(middles[-1] + (kernel - 1) / 2 * steps[-1])
            steps.append(steps[-1] * stride)
        counts = [1]
        for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
            counts.insert(0, (counts[0] - 1) * stride + kernel)
        left, right = -0.2 * counts[0] - 0.5, 1.2 * counts[0] - 0.5
        size = min(5.0, 90 / (right - left))
        layers = list(zip(counts, steps, middles, strict=True))
        edges = [(first, first + (count - 1) * step) for count, step, first in layers]
        outline = [(low, level) for level, (low, _) in enumerate(edges)]
        outline += [(high, level) for level, (_, high) in reversed(list(enumerate(edges)))]
        axes.fill(*zip(*outline, strict=True), color=BLUE, alpha=0.12, linewidth=0)
        for level, (count, step, first) in enumerate(layers):
            places = first + step * np.arange(
                np.ceil((left - first) / step), np.floor((right - first) / step) + 1
            )
            places = places[(places > left) & (places < right)]
            inside = (places >= edges[level][0] - 1e-6) & (places <= edges[level][1] + 1e-6)
            if level:
                kernel, (_, below, start) = kernels[level - 1], layers[level - 1]
                for index in range(count):
                    taps = start + (index * strides[level - 1] + np.arange(kernel)) * below
                    for tap in taps:
                        axes.plot(
                            [first + index * step, tap],
                            [level, level - 1],
                            color=BLUE,
                            linewidth=0.45,
                            alpha=0.7,
                            zorder=1,
                        )
            axes.plot(places[~inside], np.full((~inside).sum(), level), "o", color=GRID, markersize=size)
            axes.plot(places[inside], np.full(inside.sum(), level), "o", color=BLUE, markersize=size)
        axes.annotate(
            f"{counts[0]} pixels", ((counts[0] - 1) / 2, -0.35), ha="center", va="top", annotation_clip=False
        )
        axes.set(xlim=(left, right), ylim=(-0.95, deepest + 0.3), title=heading)
        axes.set_axis_off()
    return figure


@_styled
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


@_styled
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


@_styled
def function_and_copy(
    x: Array,
    function: tuple[str, Array],
    copy: tuple[str, Array],
    differences: Sequence[tuple[str, Array]],
    ylabel: str,
) -> Figure:
    """A function (label, values) of x with its copy on top; below, differences, each on its own scale."""
    figure = Figure(figsize=(PAGE, 3.7), layout="constrained")
    top, bottom = np.ravel(figure.subfigures(2, 1, height_ratios=(1.15, 1), squeeze=False))
    axes = top.subplots()
    axes.grid(True)
    axes.plot(x, function[1], color=ORANGE, alpha=0.45, linewidth=4, label=function[0])
    axes.plot(x, copy[1], color=INK, linewidth=1.0, linestyle=(0, (4, 2)), label=copy[0])
    axes.set(xlim=(x[0], x[-1]), xlabel="x")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    for axes, (label, values) in zip(bottom.subplots(1, len(differences)), differences, strict=True):
        axes.grid(True)
        axes.plot(x, values, color=BLUE, linewidth=0.5)
        limit = 1.15 * np.abs(values).max() or 1.0
        axes.set(xlim=(x[0], x[-1]), ylim=(-limit, limit), xlabel="x", title=label)
        axes.ticklabel_format(axis="y", scilimits=(0, 0), useMathText=True)
    bottom.supylabel(ylabel, fontsize=8)
    return figure


@_styled
def scattered(x: Array, groups: Sequence[tuple[str, Array, float]], *, xlabel: str, ylabel: str) -> Figure:
    """Points (label, values, limit) on logarithmic axes, each group's limit dotted; 0 is at the lower edge."""
    figure = Figure(figsize=(0.85 * PAGE, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.grid(True)
    smallest = min(values[values > 0].min(initial=np.inf) for _, values, _ in groups)
    floor = 0.5 * smallest if np.isfinite(smallest) else 1e-17
    for (label, values, limit), colour, marker in zip(groups, (BLUE, ORANGE, GREEN), "oD^", strict=False):
        axes.scatter(
            x, np.maximum(values, floor), s=11, color=colour, marker=marker, alpha=0.6, lw=0, label=label
        )
        axes.axhline(limit, color=colour, linewidth=1.0, linestyle=":", label=f"limit {limit:.0e}")
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    axes.set_ylim(bottom=0.7 * floor)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@_styled
def line_panels(x: Array, wanted: tuple[str, Array], panels: Sequence[tuple[str, Array]]) -> Figure:
    """Panels (heading, values) side by side, each over the same wide line (label, values)."""
    figure = Figure(figsize=(PAGE, 1.75), layout="constrained")
    line = figure.subplots(1, len(panels), sharey=True)
    for axes, (heading, values) in zip(line, panels, strict=True):
        axes.grid(True)
        axes.plot(x, wanted[1], color=MUTED, alpha=0.4, linewidth=5, solid_capstyle="butt")
        axes.plot(x, values, color=ORANGE, linewidth=1.5)
        axes.set(xlabel="x", title=heading, xlim=(x[0], x[-1]))
    line[0].set_ylabel(wanted[0])
    return figure


@_styled
def fractions(x: Array, lines: Sequence[tuple[str, Array]], *, xlabel: str, ylabel: str) -> Figure:
    """Lines (label, (value, lower end, upper end) by x) with error bars, from 0 to 1."""
    figure = Figure(figsize=(0.85 * PAGE, 2.5), layout="constrained")
    axes = figure.subplots()
    axes.grid(True)
    apart = 0.06 * np.diff(x).min(initial=2)
    styles = zip((BLUE, ORANGE, GREEN), "oD^", strict=True)
    for index, ((label, (value, low, high)), (colour, marker)) in enumerate(zip(lines, styles, strict=False)):
        axes.errorbar(
            x + apart * (2 * index - len(lines) + 1),
            value,
            # An end can lie on the wrong side of the value by a rounding.
            yerr=np.maximum([value - low, high - value], 0),
            color=colour,
            marker=marker,
            markersize=4,
            linewidth=1.2,
            elinewidth=0.9,
            capsize=2.5,
            label=label,
        )
    axes.set(ylim=(0, 1), xlabel=xlabel, ylabel=ylabel)
    axes.set_xticks(x)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@_styled
def reached(groups: Sequence[tuple[str, Array]], last: int, *, mark: int, xlabel: str, ylabel: str) -> Figure:
    """For groups (label, the step at which each member arrived, -1: never): the fraction arrived by each step."""
    figure = Figure(figsize=(0.85 * PAGE, 2.5), layout="constrained")
    axes = figure.subplots()
    axes.grid(True)
    for (label, steps), colour, dashes in zip(
        groups, (BLUE, ORANGE, GREEN, PINK), ("-", "--", "-.", (0, (1, 1))), strict=False
    ):
        arrived = np.sort(steps[steps >= 0])
        axes.step(
            np.concatenate([[1], np.maximum(arrived, 1), [last]]),
            np.concatenate([[0], np.arange(1, arrived.size + 1), [arrived.size]]) / len(steps),
            where="post",
            color=colour,
            linestyle=dashes,
            linewidth=1.3,
            label=label,
        )
    axes.axvline(mark, color=MUTED, linewidth=0.9, linestyle=":")
    axes.set(xscale="log", xlim=(1, last), ylim=(0, 1), xlabel=xlabel, ylabel=ylabel)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@_styled
def training_curves(
    epochs: Array, losses: Sequence[tuple[str, Array]], accuracies: Sequence[tuple[str, Array]]
) -> Figure:
    """Loss and accuracy of both splits against the epoch, side by side."""
    figure = Figure(figsize=(PAGE, 2.3), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, lines, label in zip(
        panels, (losses, accuracies), ("cross-entropy (nats)", "accuracy"), strict=True
    ):
        axes.grid(True)
        for (name, values), colour in zip(lines, (ORANGE, BLUE), strict=False):
            axes.plot(epochs, values, color=colour, label=name, linewidth=1.3, marker="o", markersize=2.5)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.legend()
    return figure


@_styled
def accuracy_by_minutes(minutes: Array, accuracy: Array, at_end: float, published: float) -> Figure:
    """Accuracy against time, the test accuracy as a point at the end, and a dotted level."""
    figure = Figure(figsize=(0.8 * PAGE, 2.2), layout="constrained")
    axes = figure.subplots()
    axes.grid(True)
    axes.plot(minutes, accuracy, color=BLUE, linewidth=1.3, marker="o", markersize=2.5, label="validation")
    axes.plot(minutes[-1:], [at_end], "D", color=ORANGE, markersize=5, label=f"test, {at_end:.2%}")
    axes.axhline(
        published, color=MUTED, linewidth=0.9, linestyle=":", label=f"published test, {published:.2%}"
    )
    axes.set(xlabel="minutes of training", ylabel="accuracy")
    axes.set_xlim(left=0)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@_styled
def confusion_matrix(counts: Array, classes: Sequence[str]) -> Figure:
    """Counts (label, answer) as numbers in a table shaded by the share of the row; the diagonal is not shaded."""
    figure = Figure(figsize=(0.74 * PAGE, 0.66 * PAGE), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    axes.imshow(shares, cmap="Oranges", vmin=0, vmax=max(float(shares.max()), 1e-9) * 1.4)
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            bold = "bold" if row == column else "normal"
            axes.text(
                column, row, str(count), ha="center", va="center", fontsize=7, color=INK, fontweight=bold
            )
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.tick_params(length=0)
    axes.set(xlabel="the network says", ylabel="label")
    return figure


@_styled
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
