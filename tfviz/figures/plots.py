"""Figures that show curves, counts and diagrams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from tfviz.figures.style import BLUE, GREEN, GRID, INK, MUTED, ORANGE, PAGE, PINK, styled

Array = npt.NDArray[Any]


@styled
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


@styled
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


@styled
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


@styled
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


@styled
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


@styled
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


@styled
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
    for axes, (label, values) in zip(
        bottom.subplots(1, len(differences), squeeze=False)[0], differences, strict=True
    ):
        axes.grid(True)
        axes.plot(x, values, color=BLUE, linewidth=0.5)
        limit = 1.15 * np.abs(values).max() or 1.0
        axes.set(xlim=(x[0], x[-1]), ylim=(-limit, limit), xlabel="x", title=label)
        axes.ticklabel_format(axis="y", scilimits=(0, 0), useMathText=True)
    bottom.supylabel(ylabel, fontsize=8)
    return figure


@styled
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


@styled
def line_panels(x: Array, wanted: tuple[str, Array], panels: Sequence[tuple[str, Array]]) -> Figure:
    """Panels (heading, values) side by side, each over the same wide line (label, values)."""
    figure = Figure(figsize=(PAGE, 1.75), layout="constrained")
    line = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (heading, values) in zip(line, panels, strict=True):
        axes.grid(True)
        axes.plot(x, wanted[1], color=MUTED, alpha=0.4, linewidth=5, solid_capstyle="butt")
        axes.plot(x, values, color=ORANGE, linewidth=1.5)
        axes.set(xlabel="x", title=heading, xlim=(x[0], x[-1]))
    line[0].set_ylabel(wanted[0])
    return figure


@styled
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


@styled
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


@styled
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


@styled
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


@styled
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


@styled
def curves_and_points(
    losses: Sequence[tuple[str, Array, Array]],
    accuracies: Sequence[tuple[str, Array, Array]],
    points_label: str,
    *,
    logarithmic: bool,
) -> Figure:
    """Loss and accuracy of both splits against the epoch, side by side, with points of another training.

    Args:
        losses: (label, lines (seeds, epochs) from epoch 1 on, points (count, 2): epoch and value), one a split.
        accuracies: likewise.
        points_label: what the points are; the split's label follows it in the legend.
        logarithmic: whether the axis of epochs is.
    """
    figure = Figure(figsize=(PAGE, 2.5), layout="constrained")
    for axes, splits, label in zip(
        figure.subplots(1, 2), (losses, accuracies), ("cross-entropy (nats)", "accuracy"), strict=True
    ):
        axes.grid(True)
        for (name, lines, _), colour in zip(splits, (ORANGE, BLUE), strict=False):
            epochs = np.arange(1, lines.shape[1] + 1)
            for index, line in enumerate(lines):
                axes.plot(epochs, line, color=colour, linewidth=1.0, label=name if index == 0 else None)
        for (name, _, points), colour in zip(splits, (ORANGE, BLUE), strict=False):
            axes.plot(
                *points.T,
                "D",
                color=colour,
                markeredgecolor=INK,
                markeredgewidth=0.7,
                markersize=5,
                label=f"{points_label}: {name.partition(',')[0]}",
            )
        axes.set(xlabel="epoch", ylabel=label)
        if logarithmic:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@styled
def two_criteria(
    groups: Sequence[tuple[str, Array, Array]], cuts: tuple[float, float], *, xlabel: str, ylabel: str
) -> Figure:
    """Points (label, x, y) of up to four groups, x from 0 to 1, y up to 1, with a dotted line at each cut."""
    figure = Figure(figsize=(0.85 * PAGE, 2.5), layout="constrained")
    axes = figure.subplots()
    axes.grid(True)
    styles = zip(groups, (BLUE, ORANGE, GREEN, PINK), "oD^s", strict=False)
    for (label, x, y), colour, marker in styles:
        axes.scatter(x, y, s=14, color=colour, marker=marker, alpha=0.7, lw=0, label=label)
    axes.axvline(cuts[0], color=INK, linewidth=0.9, linestyle=":")
    axes.axhline(cuts[1], color=INK, linewidth=0.9, linestyle=":")
    # Room on the left for the points at 0; an explained share may be negative.
    lowest = min(0.0, *(float(y.min(initial=0)) for _, _, y in groups))
    axes.set(xlim=(-0.02, 1.02), ylim=(lowest - 0.02, 1.03), xlabel=xlabel, ylabel=ylabel)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
