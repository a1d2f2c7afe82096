"""The way of a search, as the distance that it goes and the probability that it comes to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tfviz.figures.style import ACCENT, COLUMN, INK, SOFT, number, styled, wrapped

Array = npt.NDArray[Any]

_SHADES = (0.25, 0.45, 0.7, 1.0)  # of the quarters of the steps
_LEAST, _MOST = 1e-30, 1 - 1e-5  # the axis goes on for ever at both ends
_UPPER_TICKS = (0.5, 0.999)
_LOWER_TICKS = 3


@styled
def paths_to_goal(panels: Sequence[tuple[str, Array, Array]], goal: float, *, xlabel: str) -> Figure:
    """Panels (title, distance at each step, probability at each step) with a dotted line at the probability asked.

    The probabilities' axis is that of their log-odds, one for all panels; later steps are darker.
    """
    figure = Figure(figsize=(COLUMN, 2.0), layout="constrained")
    line = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    lowest = _UPPER_TICKS[0]
    for axes, (title, distances, probabilities) in zip(line, panels, strict=True):
        shown = np.clip(probabilities, _LEAST, _MOST)
        lowest = min(lowest, float(shown.min()))
        farthest = float(distances.max()) or 1.0
        axes.grid(True)
        axes.plot(distances, shown, color=SOFT, linewidth=0.4, alpha=0.4)
        edges = np.linspace(0, len(shown), len(_SHADES) + 1).round().astype(int)
        for shade, start, stop in zip(_SHADES, edges, edges[1:], strict=False):
            axes.add_patch(_dots(distances[start:stop], shown[start:stop], shade, 0.003 * farthest))
        axes.axhline(goal, color=INK, linewidth=0.9, linestyle=":")
        axes.set(yscale="logit", xlim=(-0.03 * farthest, 1.03 * farthest))
        axes.set_title(wrapped(title, COLUMN / len(panels) - 0.5))
        axes.set_xlabel(xlabel)
    decades = math.ceil(-math.log10(lowest))
    apart = math.ceil(decades / _LOWER_TICKS)
    powers = range(decades // apart * apart, 0, -apart)
    axis = line[0].yaxis
    line[0].set_ylim(10.0 ** -(decades + 0.5), _MOST)
    axis.set_major_locator(FixedLocator([*(10.0**-power for power in powers), *_UPPER_TICKS]))
    axis.set_major_formatter(FuncFormatter(lambda value, _place: number(value, 3)))
    axis.set_minor_locator(NullLocator())
    return figure


def _dots(x: Array, y: Array, alpha: float, length: float) -> PathPatch:
    """Points as one path of short lines with round ends: a fraction of what as many marks take in a file."""
    ends = np.stack([np.stack([x, y], -1), np.stack([x + length, y], -1)], 1).reshape(-1, 2)
    codes = np.tile([Path.MOVETO, Path.LINETO], len(x))
    look: dict[str, Any] = {"edgecolor": ACCENT, "alpha": alpha, "linewidth": 1.7, "capstyle": "round"}
    return PathPatch(Path(ends, codes), fill=False, snap=False, **look)
