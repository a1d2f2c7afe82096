"""Figures that show curves, counts and diagrams.

What would stand along the upright axis stands over it as a title, and names stand where their lines end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from tfviz.figures.style import (
    ACCENT,
    AMBER,
    BLACK,
    COLUMN,
    INK,
    LINE,
    PAPER,
    RULE,
    SERIES,
    SOFT,
    WARM,
    isolated,
    number,
    styled,
    width_of,
    wrapped,
)
from tfviz.language import gettext as _
from tfviz.language import ngettext

Array = npt.NDArray[Any]

_DASHES = ("-", "--", ":", "-.")
_MARKERS = "oD^s"
_PLOT, _HALF = 4.6, 2.6  # inches: how wide the plot in a figure of one or two is, about
_AROUND = 0.75  # inches above and below it, about
_SYMBOL = 11  # points, of a symbol whose subscript is still to be read
_SWING = 1.5  # points that a line needs to go up or down and be followed


@styled
def gabor_sizes(n_x: Array, n_y: Array, edges: Array, cells: Array) -> Figure:
    """Size of fitted Gabors in cycles, over a histogram of simple cells (rows n_x, columns n_y, shared edges)."""
    figure = Figure(figsize=(COLUMN, 2.6), layout="constrained")
    axes = figure.subplots()
    shade = axes.pcolormesh(edges, edges, np.asarray(cells).T, cmap="GnBu", edgecolors=PAPER, linewidth=0.7)
    low = min(float(edges[0]), float(n_x.min(initial=np.inf)), float(n_y.min(initial=np.inf))) / 1.2
    high = max(float(edges[-1]), float(n_x.max(initial=0)), float(n_y.max(initial=0))) * 1.2
    axes.plot([low, high], [low, high], color=SOFT, linewidth=0.8, linestyle=":")
    axes.scatter(n_x, n_y, s=22, color=WARM, marker="D", edgecolors=PAPER, linewidths=0.6)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
    axes.set_title(_("cycles along the stripes"))
    axes.set_xlabel(_("cycles across the stripes"))
    # What the text calls them, in the letters of its formulas, each at the end of its axis.
    axes.text(-0.02, 1, "$𝑛_𝑦$", transform=axes.transAxes, ha="right", va="top", fontsize=_SYMBOL)
    axes.text(1.01, -0.02, "$𝑛_𝑥$", transform=axes.transAxes, ha="left", va="top", fontsize=_SYMBOL)
    bar = figure.colorbar(shade, ax=axes, shrink=0.8, ticks=MaxNLocator(5, integer=True))
    bar.set_label(_("simple cells in the bin"), loc="center")
    bar.outline.set_visible(False)
    return figure


@styled
def curves(
    lines: Sequence[tuple[str, Array]], *, xlabel: str, ylabel: str, bounds: Sequence[float] = ()
) -> Figure:
    """One line per (label, values) against the step; each bound is a dotted level in its line's colour."""
    figure, axes = _panel(2.0, ylabel, xlabel)
    for index, (label, values) in enumerate(lines):
        colour = SERIES[index % len(SERIES)]
        _line(axes, values, _PLOT, color=colour, linestyle=_DASHES[index // len(SERIES) % 2], label=label)
        if index < len(bounds):
            axes.axhline(bounds[index], color=colour, linewidth=0.9, linestyle=":")
    axes.set_xlim(left=0)
    _name_at_ends(axes)
    return figure


@styled
def two_bundles(first: tuple[str, Array], second: tuple[str, Array], *, xlabel: str, ylabel: str) -> Figure:
    """Two groups of curves (label, (steps, lines)) in two colours, each named once."""
    figure, axes = _panel(2.0, ylabel, xlabel)
    for (label, values), colour in zip((first, second), SERIES, strict=False):
        middle = np.argsort(values[-1])[(values.shape[1] - 1) // 2]  # by its end, at which the name stands
        for index, line in enumerate(values.T):
            name = label if index == middle else "_"
            _line(axes, line, _PLOT, color=colour, linewidth=1.0, alpha=0.85, label=name)
    axes.set_xlim(left=0)
    _name_at_ends(axes)
    return figure


@styled
def log_lines(
    x: Array, lines: Sequence[tuple[str, Array]], *, xlabel: str, ylabel: str, slope: float | None = None
) -> Figure:
    """One line per (label, values) on logarithmic axes; dotted in grey: a straight line of a given slope."""
    figure, axes = _panel(2.3, ylabel, xlabel)
    axes.grid(True)
    for (label, values), colour, dashes in zip(lines, SERIES, _DASHES, strict=False):
        axes.plot(x, values, color=colour, linestyle=dashes, label=label)
    if slope is not None:
        straight = x**slope
        straight = straight / np.exp(np.mean(np.log(straight)))
        label = _("slope {slope}").format(slope=isolated(number(slope)))
        axes.plot(x, straight, color=SOFT, linestyle=":", linewidth=1.1, label=label)
    axes.set(xscale="log", yscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    _name_at_ends(axes)
    return figure


@styled
def two_panels(
    lines: Sequence[tuple[str, Array, Array]], left: str, right: str, *, xlabel: str | None = None
) -> Figure:
    """Curves (label, values on the left, values on the right) against the step; the left axis is logarithmic.

    The first line lies on top.
    """
    figure = Figure(figsize=(COLUMN, 2.45), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, title in zip(panels, (left, right), strict=True):
        axes.grid(True, axis="y")
        axes.set_title(wrapped(title, _HALF))
        axes.set_xlabel(_("step") if xlabel is None else xlabel)
    panels[0].set_yscale("log")
    for index, (label, *both) in enumerate(lines):
        for axes, values in zip(panels, both, strict=True):
            _line(
                axes,
                values,
                _HALF,
                color=SERIES[index % len(SERIES)],
                linewidth=1.1,
                label=label,
                zorder=2.5 - 0.1 * index,
            )
    for axes in panels:
        axes.set_xlim(left=0)
    panels[1].set_ylim(bottom=0)
    _legend_below(figure, panels[0])
    return figure


@styled
def receptive_cones(networks: Sequence[tuple[str, Sequence[int], Sequence[int]]]) -> Figure:
    """What one unit is computed from, in cross-section: pixels at the bottom, a row of units for each layer above.

    Args:
        networks: heading, kernel size and stride of each layer (no padding), one panel each.
    """
    deepest = max(len(kernels) for _heading, kernels, _strides in networks)
    figure = Figure(figsize=(COLUMN, 0.75 + 0.3 * deepest), layout="constrained")
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
        outline = [(low, level) for level, (low, _high) in enumerate(edges)]
        outline += [(high, level) for level, (_low, high) in reversed(list(enumerate(edges)))]
        axes.fill(*zip(*outline, strict=True), color=ACCENT, alpha=0.12, linewidth=0)
        taps = []
        for level, (count, step, first) in enumerate(layers):
            places = first + step * np.arange(
                np.ceil((left - first) / step), np.floor((right - first) / step) + 1
            )
            places = places[(places > left) & (places < right)]
            inside = (places >= edges[level][0] - 1e-6) & (places <= edges[level][1] + 1e-6)
            if level:
                kernel, (_count, below, start) = kernels[level - 1], layers[level - 1]
                taps += [
                    [
                        (first + index * step, level),
                        (start + (index * strides[level - 1] + tap) * below, level - 1),
                    ]
                    for index in range(count)
                    for tap in range(kernel)
                ]
            axes.plot(places[~inside], np.full((~inside).sum(), level), "o", color=RULE, markersize=size)
            axes.plot(places[inside], np.full(inside.sum(), level), "o", color=ACCENT, markersize=size)
        axes.add_collection(LineCollection(taps, colors=ACCENT, linewidths=0.45, alpha=0.7, zorder=1))
        axes.annotate(
            ngettext("{count} pixel", "{count} pixels", counts[0]).format(count=counts[0]),
            ((counts[0] - 1) / 2, -0.35),
            ha="center",
            va="top",
            annotation_clip=False,
        )
        axes.set(xlim=(left, right), ylim=(-0.95, deepest + 0.3))
        axes.set_title(wrapped(heading, COLUMN / len(networks) - 0.1), loc="center", fontweight=400)
        axes.set_axis_off()
    return figure


@styled
def function_and_copy(
    x: Array,
    function: tuple[str, Array],
    copy: tuple[str, Array],
    differences: Sequence[tuple[str, Array]],
    ylabel: str,
) -> Figure:
    """A function (label, values) of x with its copy on top; below, differences in powers of ten, each on its own scale.

    `ylabel` is what the differences are.
    """
    figure = Figure(figsize=(COLUMN, 3.2), layout="constrained")
    panels = figure.subplot_mosaic([["top"] * len(differences), list(range(len(differences)))])
    axes = panels["top"]
    axes.grid(True, axis="y")
    axes.plot(x, function[1], color=AMBER, alpha=0.5, linewidth=4, label=function[0])
    axes.plot(x, copy[1], color=INK, linewidth=1.0, linestyle=(0, (4, 2)), label=copy[0])
    axes.set(xlim=(x[0], x[-1]))
    axes.set_xlabel("x")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    for index, (label, values) in enumerate(differences):
        axes = panels[index]
        largest = float(np.abs(values).max())
        power = 10.0 ** math.floor(math.log10(largest)) if largest else 1.0
        axes.grid(True, axis="y")
        _line(axes, values / power, _HALF, x=x, color=ACCENT, linewidth=0.8)
        limit = 1.15 * largest / power or 1.0
        axes.set(xlim=(x[0], x[-1]), ylim=(-limit, limit))
        axes.set_xlabel("x")
        unit = f" (× {isolated(number(power))})" if power != 1 else ""
        axes.set_title(wrapped(f"{label}: {ylabel}{unit}", COLUMN / len(differences) - 0.4))
    return figure


@styled
def line_panels(x: Array, wanted: tuple[str, Array], panels: Sequence[tuple[str, Array]]) -> Figure:
    """Panels (heading, values) side by side, each over the same wide line (label, values)."""
    figure = Figure(figsize=(COLUMN, 1.85), layout="constrained")
    line = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (heading, values) in zip(line, panels, strict=True):
        axes.grid(True, axis="y")
        axes.plot(x, wanted[1], color=SOFT, alpha=0.35, linewidth=5, solid_capstyle="butt", label=wanted[0])
        axes.plot(x, values, color=ACCENT, linewidth=1.5)
        axes.set(xlim=(x[0], x[-1]))
        axes.set_title(wrapped(heading, COLUMN / len(panels) - 0.25))
        axes.set_xlabel("x")
    _legend_below(figure, line[0])
    return figure


@styled
def fractions(x: Array, lines: Sequence[tuple[str, Array]], *, xlabel: str, ylabel: str) -> Figure:
    """Lines (label, (value, lower end, upper end) by x) with error bars, from 0 to 1."""
    figure, axes = _panel(2.1, ylabel, xlabel)
    apart = 0.06 * np.diff(x).min(initial=2)
    styles = zip(SERIES, _MARKERS, _DASHES, strict=True)
    for index, ((label, (value, low, high)), (colour, marker, dashes)) in enumerate(
        zip(lines, styles, strict=False)
    ):
        bars = axes.errorbar(
            x + apart * (2 * index - len(lines) + 1),
            value,
            # An end can lie on the wrong side of the value by a rounding.
            yerr=np.maximum([value - low, high - value], 0),
            color=colour,
            marker=marker,
            markersize=4,
            linestyle=dashes,
            linewidth=1.2,
            elinewidth=0.9,
            capsize=2.5,
        )
        bars[0].set_label(label)
    axes.margins(x=0.03)
    axes.set(ylim=(0, 1))
    axes.set_xticks(x)
    _name_at_ends(axes)
    return figure


@styled
def reached(groups: Sequence[tuple[str, Array]], last: int, *, mark: int, xlabel: str, ylabel: str) -> Figure:
    """For groups (label, the step at which each member arrived, -1: never): the fraction arrived by each step."""
    figure, axes = _panel(2.1, ylabel, xlabel)
    for (label, steps), colour, dashes in zip(groups, SERIES, _DASHES, strict=False):
        arrived = np.sort(steps[steps >= 0])
        axes.step(
            np.concatenate([[1], np.maximum(arrived, 1), [last]]),
            np.concatenate([[0], np.arange(1, arrived.size + 1), [arrived.size]]) / len(steps),
            where="post",
            color=colour,
            linestyle=dashes,
            label=label,
        )
    axes.axvline(mark, color=SOFT, linewidth=0.9, linestyle=":")
    axes.set(xscale="log", xlim=(1, last), ylim=(0, 1))
    _name_at_ends(axes)
    return figure


@styled
def confusion_matrix(counts: Array, classes: Sequence[str]) -> Figure:
    """Counts (label, answer) as numbers in a table shaded by the share of the row; the diagonal is not shaded."""
    figure = Figure(figsize=(COLUMN, 2.75), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    axes.imshow(shares, cmap="Oranges", vmin=0, vmax=max(float(shares.max()), 1e-9) * 1.4, aspect="auto")
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            weight = 600 if row == column else 400
            axes.text(
                column, row, number(int(count)), ha="center", va="center", color=BLACK, fontweight=weight
            )
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_title(_("label"), x=0, ha="right", fontweight=400, color=SOFT)
    axes.set_xlabel(_("the network says"))
    return figure


@styled
def two_criteria(
    groups: Sequence[tuple[str, Array, Array]], cuts: tuple[float, float], *, xlabel: str, ylabel: str
) -> Figure:
    """Points (label, x, y) of up to four groups, x from 0 to 1, y up to 1, with a dotted line at each cut."""
    figure, axes = _panel(2.5, ylabel, xlabel)
    axes.grid(True)
    for (label, x, y), colour, marker in zip(groups, SERIES, _MARKERS, strict=False):
        axes.scatter(x, y, s=15, color=colour, marker=marker, alpha=0.7, lw=0, label=label)
    axes.axvline(cuts[0], color=INK, linewidth=0.9, linestyle=":")
    axes.axhline(cuts[1], color=INK, linewidth=0.9, linestyle=":")
    # Room on the left for the points at 0; an explained share may be negative.
    lowest = min(0.0, *(float(y.min(initial=0)) for _label, _x, y in groups))
    axes.set(xlim=(-0.02, 1.02), ylim=(lowest - 0.02, 1.03))
    _legend_below(figure, axes)
    return figure


# --- what they are made of -----------------------------------------------------------------------------------------


def _panel(height: float, title: str, xlabel: str) -> tuple[Figure, Axes]:
    """A figure of one plot, as wide as the text."""
    figure = Figure(figsize=(COLUMN, height), layout="constrained")
    axes = figure.subplots()
    axes.grid(True, axis="y")
    axes.margins(x=0)
    axes.set_title(wrapped(title, COLUMN - 0.5))
    axes.set_xlabel(xlabel)
    return figure, axes


def _line(
    axes: Axes, values: Array, width: float, *, x: Array | None = None, label: str = "_", **style: Any
) -> None:
    """A line against the step, or x.

    One that goes up and down faster than a plot so many inches wide can show becomes two lines with a band between, if
    it jumps from one smooth line to another and back at every step, or else a band from the lowest to the highest value
    around its mean.
    """
    values = np.asarray(values, np.float64)
    x = np.arange(len(values)) if x is None else x
    columns = int(72 * width / _SWING)
    seen = (
        np.log(np.maximum(values, values[values > 0].min(initial=1)))
        if axes.get_yscale() == "log"
        else values
    )
    if _turns(seen) <= columns:
        axes.plot(x, values, label=label, **style)
        return
    band = {
        "color": style.get("color"),
        "alpha": 0.18,
        "linewidth": 0,
        "zorder": style.get("zorder", 2) - 0.5,
    }
    even, odd = values[::2], values[1::2]
    if max(_turns(seen[::2]), _turns(seen[1::2])) <= columns / 4:
        axes.fill_between(x[: 2 * len(odd) : 2], even[: len(odd)], odd, **band)
        axes.plot(x[::2], even, label=label, **style)
        axes.plot(x[1::2], odd, **style)
        return
    long = 2 * math.ceil(len(values) / columns / 2)
    pieces = np.split(np.arange(len(values)), range(long, len(values) - long + 1, long))
    middle = np.array([seen[piece].mean() for piece in pieces])
    middle = np.exp(middle) if axes.get_yscale() == "log" else middle
    places = np.array([x[piece].mean() for piece in pieces])
    places[[0, -1]] = x[[0, -1]]
    low, high = ([end(values[piece]) for piece in pieces] for end in (np.min, np.max))
    axes.fill_between(places, low, high, **band)
    axes.plot(places, middle, label=label, **style)


def _turns(values: Array) -> int:
    """How often values turn from rising to falling, or back, steps too small to be seen left out."""
    steps = np.diff(values)
    slopes = np.sign(steps[np.abs(steps) > np.ptp(values) / 500])
    return int(np.count_nonzero(np.diff(slopes)))


def _name_at_ends(axes: Axes) -> None:
    """Each labelled line's label to the right of the plot, as near to where the line ends as the others let it be."""
    lines = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    to_axes = axes.transScale + axes.transLimits
    axes.get_ylim()  # which scales them
    ends = [np.clip(to_axes.transform(line.get_xydata()[-1])[1], 0, 1) for line in lines]  # type: ignore[index]
    apart = LINE / (axes.get_figure().get_figheight() - _AROUND)  # type: ignore[union-attr]
    order = np.argsort(ends, kind="stable")
    places = np.array(ends)[order]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + apart)
    ceiling = 1.0
    for index in reversed(range(len(places))):
        places[index] = ceiling = min(places[index], ceiling)
        ceiling -= apart
    for place, line in zip(places, (lines[index] for index in order), strict=True):
        swatch = LineCollection(
            [[(1.02, place), (1.06, place)]],
            colors=[line.get_color()],
            linewidths=1.6,
            linestyles=[line.get_linestyle()],
            transform=axes.transAxes,
            clip_on=False,
        )
        axes.add_collection(swatch, autolim=False)
        axes.annotate(
            str(line.get_label()),
            (1.075, place),
            xycoords="axes fraction",
            va="center",
            color=SOFT,
            annotation_clip=False,
        )


def _legend_below(figure: Figure, axes: Axes) -> None:
    """A legend of what is labelled in axes, below the whole figure, in as few rows as its width allows."""
    handles, labels = axes.get_legend_handles_labels()
    widest = 0.45 + max(map(width_of, labels))
    columns = max(1, min(len(labels), int(figure.get_figwidth() / widest)))
    figure.legend(handles, labels, loc="outside lower left", ncols=columns)
