"""Colours, sizes and type of every figure, and how one is written.

Sizes are inches, since figures fill the width of a page.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import matplotlib
from matplotlib.figure import Figure

P = ParamSpec("P")

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
    """Write a figure as SVG and return its path; the same drawing, saved once, gives the same bytes."""
    path = stem.with_name(f"{stem.name}.svg")
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure.savefig(path, metadata={"Date": None, "Creator": None})
    return path


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Has a function draw its figure in this style."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
            return draw(*args, **kwargs)

    return wrapper
