"""Figures of trainings: the curves of one with what another reached, and variants seed by seed.

Accuracies are given as shares and drawn in per cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from tfviz.figures.style import ACCENT, AMBER, COLUMN, INK, SERIES, SOFT, WARM, styled
from tfviz.language import gettext as _

Array = npt.NDArray[Any]
Split = tuple[str, Array, Array]
"""Of one split: its name, lines (seeds, epochs) from epoch 1 on, and points (count, 2) of another training: epoch and
value."""
_PERCENT = 100
_LINES = (
    (SOFT, (0, (1, 1.2)), "s"),
    (ACCENT, "-", "o"),
)  # of training and validation: colour, dashes, points


@styled
def learning(
    accuracies: Sequence[Split],
    losses: Sequence[Split],
    *,
    points: str,
    test: tuple[str, float, tuple[float, float]] | None = None,
    level: tuple[str, float] | None = None,
    logarithmic: bool = False,
) -> Figure:
    """Accuracy and loss of both splits against the epoch, side by side.

    Args:
        accuracies: of training, and of validation if there is one.
        losses: likewise, nats.
        points: what the splits' points are; the split's name follows it in the legend.
        test: what is marked at the last epoch: its name, the accuracy, and the range of it over seeds.
        level: an accuracy that a line is drawn at, and its name before it.
        logarithmic: whether the axis of epochs is.
    """
    figure = Figure(figsize=(COLUMN, 2.1), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, splits, scale in zip(panels, (accuracies, losses), (_PERCENT, 1), strict=True):
        axes.grid(True, axis="y")
        for (name, lines, _points), (colour, dashes, _marker) in zip(splits, _LINES, strict=False):
            epochs = np.arange(1, lines.shape[1] + 1)
            for index, line in enumerate(lines):
                axes.plot(
                    epochs,
                    scale * line,
                    color=colour,
                    linestyle=dashes,
                    linewidth=1.4 if len(lines) == 1 else 0.9,
                    label="_" if index else name,
                )
        for (name, _lines, marks), (_colour, _dashes, marker) in zip(splits, _LINES, strict=False):
            if len(marks):
                axes.plot(
                    marks[:, 0],
                    scale * marks[:, 1],
                    marker,
                    color=WARM,
                    markersize=4.5,
                    markerfacecolor="none",
                    markeredgewidth=1.3,
                    label=_("{points}: {split}").format(points=points, split=name),
                )
        axes.set_xlabel(_("epoch"))
        if logarithmic:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        else:
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    accuracy, loss = panels
    accuracy.set_title(_("accuracy (%)"))
    loss.set_title(_("cross-entropy (nats)"))
    loss.set_ylim(bottom=0)
    if level is not None:
        accuracy.axhline(_PERCENT * level[1], color=WARM, linewidth=0.9, linestyle="--", label=level[0])
    if test is not None:
        name, share, ends = test
        accuracy.errorbar(
            accuracies[0][1].shape[1],
            _PERCENT * share,
            # An end can lie on the wrong side of the value by a rounding.
            yerr=[[max(0.0, _PERCENT * (share - ends[0]))], [max(0.0, _PERCENT * (ends[1] - share))]],
            fmt="D",
            color=AMBER,
            markersize=4,
            elinewidth=1.2,
            capsize=2.5,
            zorder=3,
            label=name,
        )
    handles, labels = accuracy.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower left",
        ncols={4: 2 if len(accuracies[0][2]) else 4}.get(len(labels), 3),
    )
    return figure


@styled
def by_seed(variants: Sequence[tuple[str, Array, Array]]) -> Figure:
    """What variants of a training reach, seed by seed, and the way there.

    Args:
        variants: up to four, first on top: name, test accuracies (seeds,), and the mean validation accuracy after each
            epoch.
    """
    figure = Figure(figsize=(COLUMN, 0.75 + 0.3 * max(3, len(variants))), layout="constrained")
    seeds, way = figure.subplots(1, 2)
    styles = zip(SERIES, "oD^s", ("-", "--", "-.", (0, (1, 1))), strict=True)
    for place, ((_name, reached, validation), (colour, marker, dashes)) in enumerate(
        zip(variants, styles, strict=False)
    ):
        middle = _PERCENT * float(np.mean(reached))
        seeds.plot([middle, middle], [place - 0.3, place + 0.3], color=INK, linewidth=1.1)
        seeds.plot(
            _PERCENT * np.asarray(reached),
            np.full(len(reached), place),
            marker,
            color=colour,
            markersize=4.5,
            markerfacecolor="none",
            markeredgewidth=1.3,
        )
        way.plot(
            np.arange(1, len(validation) + 1),
            _PERCENT * np.asarray(validation),
            color=colour,
            linestyle=dashes,
            marker=marker,
            markersize=3,
        )
    seeds.set_yticks(range(len(variants)), [name for name, _reached, _validation in variants])
    seeds.tick_params(axis="y", labelcolor=INK)
    seeds.set_ylim(len(variants) - 0.5, -0.5)
    seeds.grid(True, axis="x")
    seeds.set_title(_("test accuracy (%), a mark a seed"))
    way.grid(True, axis="y")
    way.set_title(_("validation accuracy (%)"))
    way.set_xlabel(_("epoch"))
    way.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure
