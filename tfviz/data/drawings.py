"""Pictures that the program draws itself, so that the parts need no photograph: a jellyfish and a ship.

Both are formulas over the unit square, x to the right and y downwards, evaluated on a grid finer than the picture
and averaged. They have no randomness: the same size gives the same picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tfviz.data.pictures import Picture

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

_FINER = 3  # samples a pixel, each way


def jellyfish(height: int, width: int) -> tuple[Picture, Mask]:
    """A jellyfish in blue water: a bell with ribs, frilled arms below it, thin tentacles.

    Args:
        height: rows, at least 1.
        width: columns, at least 1.

    Returns:
        The picture, (height, width, 3) RGB float32 in [0, 1], and its body, (height, width) bool: where bell and
        arms cover at least half a pixel. The tentacles, thin and half transparent, are no part of it.
    """
    x, y = _grid(height, width)
    picture = _blend((0.02, 0.10, 0.42), (0.05, 0.36, 0.78), np.clip(1.05 - y - 0.4 * np.abs(x - 0.4), 0, 1))

    for k in range(11):  # tentacles: they hang from the rim and sway the more the lower
        start = 0.24 + 0.052 * k
        sway = 0.066 * (y - 0.35) * np.sin(13 * y + 1.9 * k)
        centre = start + 0.35 * (start - 0.5) * (y - 0.45) + sway
        end = 0.86 + 0.09 * np.sin(2.4 * k)
        alpha = _inside(0.0042 - np.abs(x - centre), 0.003) * _inside(y - 0.42, 0.01) * _inside(end - y, 0.15)
        picture = _over(picture, (0.98, 0.74, 0.55), 0.75 * alpha)

    body = np.zeros_like(x)
    for k, (start, length) in enumerate(((0.405, 0.80), (0.47, 0.90), (0.53, 0.86), (0.595, 0.76))):
        fall = np.clip((y - 0.42) / (length - 0.42), 0, 1)
        centre = start + 0.045 * np.sin(8.5 * y + 1.7 * k) * fall
        frill = 1 + 0.28 * np.sin(95 * y + 2.1 * k)
        half = 0.031 * frill * (1 - 0.75 * fall)
        across, along = half - np.abs(x - centre), np.minimum(y - 0.40, (length - y) / 2)
        alpha = _inside(across, 0.006) * _inside(along, 0.01)
        shade = np.clip(0.55 + 0.45 * np.cos((x - centre) / (half + 1e-6) * 2.2), 0, 1)
        picture = _over(picture, _blend((0.80, 0.33, 0.25), (1.0, 0.86, 0.74), shade), 0.92 * alpha)
        body = np.maximum(body, alpha)

    # The bell: the upper part of an ellipse, whose rim is scalloped.
    u, v = (x - 0.5) / 0.315, (y - 0.42) / 0.29
    rim = 0.42 + 0.035 * (1 - u**2) + 0.008 * np.cos(22 * u)
    bell = _inside(1 - np.hypot(u, v), 0.02) * _inside(rim - y, 0.006)
    dome = np.sqrt(np.clip(1 - u**2 - v**2, 0, 1))  # its height towards the viewer
    angle = u / np.sqrt(np.clip(1 - np.minimum(v, 0) ** 2, 0.02, 1))  # the same along a rib from top to rim
    ribs = np.cos(np.arcsin(np.clip(angle, -1, 1)) * 16) ** 2
    highlight = np.exp(-((u + 0.3) ** 2 + (v + 0.55) ** 2) / 0.06)
    light = np.clip(0.30 + 0.35 * dome + 0.30 * ribs * (v + 1) + 0.25 * highlight, 0, 1)
    picture = _over(picture, _blend((0.72, 0.22, 0.12), (1.0, 0.80, 0.55), light), 0.95 * bell)
    edge = bell * np.exp(-(((rim - y) / 0.014) ** 2))
    picture = _over(picture, (1.0, 0.93, 0.85), 0.8 * edge)
    body = np.maximum(body, bell)
    return _average(picture, height, width).astype(np.float32), _average(body, height, width) >= 0.5


def ship(height: int, width: int) -> Picture:
    """A ship at sea, from the side: dark hull, white superstructure, one funnel.

    Args:
        height: rows, at least 1.
        width: columns, at least 1.

    Returns:
        (height, width, 3) RGB float32 in [0, 1].
    """
    x, y = _grid(height, width)
    horizon = 0.60
    picture = _blend((0.45, 0.66, 0.90), (0.87, 0.92, 0.96), np.clip(y / horizon, 0, 1))
    waves = 0.5 + 0.5 * np.sin(90 * y**2 + 5 * np.sin(9 * x) + 16 * x)
    depth = np.clip((y - horizon) / (1 - horizon), 0, 1)
    sea = _blend((0.16, 0.38, 0.55), (0.04, 0.17, 0.33), depth) + 0.07 * (waves * depth)[..., None]
    picture = _over(picture, sea, _inside(y - horizon, 0.004))

    def box(left: float, right: float, top: float, bottom: float) -> Array:
        return _inside(_least(x - left, right - x, y - top, bottom - y), 0.004)

    for left, right, top, bottom, colour in (
        (0.245, 0.252, 0.22, 0.55, (0.25, 0.25, 0.28)),  # masts
        (0.735, 0.742, 0.27, 0.55, (0.25, 0.25, 0.28)),
        (0.47, 0.56, 0.20, 0.36, (0.80, 0.20, 0.14)),  # funnel and its cap
        (0.47, 0.56, 0.20, 0.235, (0.13, 0.13, 0.15)),
        (0.30, 0.70, 0.43, 0.56, (0.93, 0.93, 0.91)),  # superstructure, three decks
        (0.34, 0.64, 0.355, 0.44, (0.97, 0.97, 0.95)),
        (0.37, 0.46, 0.30, 0.36, (0.90, 0.90, 0.88)),
    ):
        picture = _over(picture, colour, box(left, right, top, bottom))
    for deck, (first, last) in ((0.475, (0.33, 0.67)), (0.385, (0.37, 0.61))):  # rows of windows
        panes = _inside(0.009 - np.abs((x - first) % 0.034 - 0.017), 0.004)
        picture = _over(picture, (0.15, 0.25, 0.35), panes * box(first, last, deck, deck + 0.03))

    deck_line = 0.53 - 0.28 * (x - 0.5) ** 2  # the deck rises to bow and stern
    bow, stern = 0.91 - 0.45 * (y - 0.48), 0.10 + 0.22 * (y - 0.48)
    waterline = 0.69 + 0.006 * np.sin(60 * x)
    hull = _inside(_least(bow - x, x - stern, y - deck_line, waterline - y), 0.004)
    steel = _blend((0.16, 0.20, 0.27), (0.05, 0.07, 0.11), np.clip((y - 0.5) / 0.2, 0, 1))
    picture = _over(picture, steel, hull)
    picture = _over(picture, (0.60, 0.13, 0.11), hull * _inside(y - 0.65, 0.004))
    foam = np.exp(-(((y - waterline) / 0.012) ** 2)) * _inside(x - 0.10, 0.1) * _inside(0.88 - x, 0.1)
    picture = _over(picture, (0.95, 0.97, 0.98), 0.8 * foam)
    return np.clip(_average(picture, height, width), 0, 1).astype(np.float32)


def _grid(height: int, width: int) -> tuple[Array, Array]:
    """Columns and rows of the fine grid's points, in 0..1."""
    columns = (np.arange(width * _FINER) + 0.5) / (width * _FINER)
    rows = (np.arange(height * _FINER) + 0.5) / (height * _FINER)
    x, y = np.meshgrid(columns, rows)
    return x, y


def _average(fine: Array, height: int, width: int) -> Array:
    mean: Array = fine.reshape(height, _FINER, width, _FINER, -1).mean((1, 3))
    return mean if fine.ndim == 3 else mean[..., 0]


def _inside(depth: Array, soft: float) -> Array:
    """How much a point is covered, 0..1: depth is how far inside it lies, soft the width of the border."""
    covered: Array = np.clip(0.5 + depth / soft, 0, 1)
    return covered


def _least(*depths: Array) -> Array:
    """How far inside several borders at once."""
    depth: Array = np.minimum.reduce(np.broadcast_arrays(*depths))
    return depth


def _blend(low: tuple[float, ...], high: tuple[float, ...], share: Array) -> Array:
    """From the colour low to the colour high; share (rows, columns) in 0..1."""
    colours: Array = np.asarray(low) + (np.asarray(high) - np.asarray(low)) * share[..., None]
    return colours


def _over(picture: Array, colour: Any, alpha: Array) -> Array:
    """A colour, or a picture, laid over another."""
    mixed: Array = picture + (np.asarray(colour) - picture) * alpha[..., None]
    return mixed
