"""Pictures that the program draws itself, so that the parts need no photograph: a jellyfish, a ship, a fleet.

All are formulas over the unit square, x to the right and y downwards, evaluated on a grid finer than the picture
and averaged. The same size, and for the fleet the same random numbers, give the same pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def fleet(count: int, height: int, width: int, random: np.random.Generator) -> Picture:
    """Ships at sea, each another: drawn boldly enough to be known for ships at 32 x 32 pixels.

    Container ship, sailing boat, liner, warship and fishing boat follow each other in turn. The random numbers choose
    colours, sizes, which way they head, and the weather.

    Args:
        count: how many, 0 or more.
        height: rows, at least 1.
        width: columns, at least 1.
        random: the same numbers give the same ships.

    Returns:
        (count, height, width, 3) RGB float32 in [0, 1].
    """
    kinds = (_container_ship, _sailing_boat, _liner, _warship, _fishing_boat)
    weather = random.permutation(len(_WEATHER))
    pictures = np.zeros((count, height, width, 3), np.float32)
    for index in range(count):
        x, y = _grid(height, width)
        if random.random() < 0.5:  # it heads the other way
            x = 1 - x
        horizon = random.uniform(0.46, 0.58)
        sky, sea = _WEATHER[weather[index % len(weather)]]
        picture = _blend(sky[0], sky[1], np.clip(y / horizon, 0, 1))
        if random.random() < 0.4:  # a far shore
            hills = horizon - 0.03 - 0.025 * np.sin(7 * x + random.uniform(0, 6)) ** 2
            picture = _over(
                picture, _blend((0.42, 0.50, 0.52), (0.30, 0.38, 0.38), y), _inside(y - hills, 0.02)
            )
        depth = np.clip((y - horizon) / (1 - horizon), 0, 1)
        waves = np.sin(70 * y**1.5 + 4 * np.sin(8 * x + random.uniform(0, 6)) + 9 * x)
        water = _blend(sea[0], sea[1], depth) + 0.03 * (waves * (0.3 + depth))[..., None]
        picture = _over(picture, water, _inside(y - horizon, 0.01))
        picture = kinds[index % len(kinds)](picture, x, y, random)
        pictures[index] = np.clip(_average(picture, height, width), 0, 1)
    return pictures


_WEATHER = np.array(
    [
        # Colours of the sky, above and at the horizon, and of the sea, at the horizon and near.
        (((0.36, 0.60, 0.90), (0.80, 0.89, 0.96)), ((0.20, 0.42, 0.58), (0.05, 0.20, 0.38))),  # clear
        (((0.74, 0.78, 0.82), (0.88, 0.90, 0.91)), ((0.34, 0.45, 0.52), (0.17, 0.28, 0.36))),  # overcast
        (((0.40, 0.44, 0.62), (0.97, 0.76, 0.55)), ((0.52, 0.46, 0.48), (0.16, 0.19, 0.30))),  # evening
        (((0.55, 0.78, 0.93), (0.90, 0.95, 0.95)), ((0.26, 0.60, 0.64), (0.06, 0.36, 0.44))),  # shallow water
    ]
)
_DARK, _WHITE = (0.10, 0.12, 0.15), (0.95, 0.95, 0.93)
_SOFT = 0.012  # width of the borders of these ships


def _among(colours: Sequence[tuple[float, float, float]], random: np.random.Generator) -> tuple[float, ...]:
    """One of the colours, a little darker or lighter."""
    colour = np.array(colours[int(random.integers(len(colours)))])
    return tuple(np.clip(colour * random.uniform(0.9, 1.1), 0, 1))


def _box(x: Array, y: Array, left: float, right: float, top: float, bottom: float) -> Array:
    return _inside(_least(x - left, right - x, y - top, bottom - y), _SOFT)


def _floating(
    picture: Array,
    x: Array,
    y: Array,
    *,
    stern: float,
    bow: float,
    deck: float,
    water: float,
    sheer: float,
    rake: float,
    colour: tuple[float, ...],
    keel: tuple[float, ...],
) -> Array:
    """A hull from stern (left) to bow (right), its lower part in another colour, its foam and its reflection.

    Args:
        picture: sky and sea.
        x: of the grid.
        y: likewise.
        stern: where the deck ends.
        bow: where it ends in front.
        deck: its height amidships.
        water: the waterline.
        sheer: how much the deck rises to both ends.
        rake: how far the bow leans forward, relative to the hull's height.
        colour: of the hull.
        keel: of the lowest fifth above the water.
    """
    middle, half = (stern + bow) / 2, (bow - stern) / 2
    line = deck - sheer * ((x - middle) / half) ** 2
    front, back = bow - rake * (y - deck), stern + 0.35 * rake * (y - deck)
    mirror = _inside(_least(front - x, x - back, y - water, water + 0.7 * (water - deck) - y), 0.06)
    picture = _over(picture, 0.55 * np.array(colour) + 0.05, 0.45 * mirror)
    hull = _inside(_least(front - x, x - back, y - line, water - y), _SOFT)
    picture = _over(picture, colour, hull)
    picture = _over(picture, keel, hull * _inside(y - (water - 0.2 * (water - deck)), _SOFT))
    foam = np.exp(-(((y - water) / 0.014) ** 2)) * _inside(x - stern, 0.08) * _inside(bow - x, 0.08)
    return _over(picture, (0.94, 0.96, 0.97), 0.75 * foam)


def _windows(picture: Array, x: Array, y: Array, left: float, right: float, top: float, step: float) -> Array:
    panes = _inside(0.27 * step - np.abs((x - left) % step - step / 2), _SOFT)
    return _over(picture, (0.16, 0.24, 0.34), panes * _box(x, y, left, right, top, top + 0.028))


def _container_ship(picture: Array, x: Array, y: Array, random: np.random.Generator) -> Array:
    deck, water = 0.56, random.uniform(0.68, 0.73)
    paint = (
        (0.70, 0.16, 0.13),
        (0.20, 0.50, 0.68),
        (0.85, 0.55, 0.15),
        (0.25, 0.52, 0.30),
        (0.82, 0.82, 0.78),
    )
    first, tiers = 0.27, int(random.integers(2, 4))
    columns = int(random.integers(5, 7))
    size = (0.84 - first) / columns
    for column in range(columns):
        for tier in range(tiers - (column == columns - 1)):
            left, bottom = first + column * size, deck + 0.01 - 0.072 * tier
            box = _box(x, y, left + 0.004, left + size - 0.004, bottom - 0.070, bottom)
            picture = _over(picture, _among(paint, random), box)
    top = deck - 0.072 * tiers - 0.10
    picture = _over(picture, _WHITE, _box(x, y, 0.11, 0.24, top, deck + 0.02))
    picture = _over(picture, _WHITE, _box(x, y, 0.09, 0.26, top, top + 0.05))
    picture = _windows(picture, x, y, 0.11, 0.25, top + 0.012, 0.047)
    picture = _over(picture, _among(paint[:3], random), _box(x, y, 0.04, 0.10, top + 0.06, deck + 0.02))
    return _floating(
        picture,
        x,
        y,
        stern=0.03,
        bow=0.97,
        deck=deck,
        water=water,
        sheer=0.02,
        rake=0.55,
        colour=_among(((0.12, 0.16, 0.24), (0.45, 0.11, 0.10), (0.10, 0.28, 0.24)), random),
        keel=(0.55, 0.13, 0.11),
    )


def _sailing_boat(picture: Array, x: Array, y: Array, random: np.random.Generator) -> Array:
    mast, top, deck = random.uniform(0.50, 0.56), random.uniform(0.06, 0.12), 0.72
    cloth = _among((_WHITE, (0.96, 0.92, 0.80), (0.80, 0.24, 0.18)), random)
    foot = deck - 0.06
    share = np.clip((y - top) / (foot - top), 0, 1)  # 0 at the mast's top, 1 at the sails' feet
    aft = mast - 0.012 - 0.34 * share**0.85
    main = _inside(_least(x - aft, mast - 0.012 - x, y - top, foot - y), _SOFT)
    fore = mast + 0.015 + 0.30 * np.clip((y - top - 0.06) / (foot - top - 0.06), 0, 1)
    jib = _inside(_least(x - mast - 0.015, fore - x, y - top - 0.06, foot + 0.01 - y), _SOFT)
    shade = _blend(tuple(0.86 * np.array(cloth)), cloth, np.clip((x - aft) / 0.3, 0, 1))
    picture = _over(picture, shade, main)
    picture = _over(picture, tuple(0.93 * np.array(cloth)), jib)
    picture = _over(
        picture, (0.35, 0.25, 0.16), _box(x, y, mast - 0.012, mast + 0.012, top - 0.03, deck + 0.02)
    )
    return _floating(
        picture,
        x,
        y,
        stern=0.17,
        bow=0.90,
        deck=deck,
        water=0.81,
        sheer=0.03,
        rake=1.3,
        colour=_among((_WHITE, (0.14, 0.20, 0.38), (0.46, 0.27, 0.14)), random),
        keel=(0.14, 0.20, 0.30),
    )


def _liner(picture: Array, x: Array, y: Array, random: np.random.Generator) -> Array:
    deck = 0.57
    funnel = _among(((0.82, 0.20, 0.14), (0.90, 0.66, 0.16), (0.16, 0.26, 0.50)), random)
    count = int(random.integers(1, 4))
    for k in range(count):
        left = 0.48 + 0.17 * (k - (count - 1) / 2) - 0.045
        lean = 0.12 * (y - 0.3)
        picture = _over(picture, funnel, _box(x + lean, y, left, left + 0.09, 0.19, 0.40))
        picture = _over(picture, _DARK, _box(x + lean, y, left, left + 0.09, 0.19, 0.235))
    for left, right, top in ((0.24, 0.76, 0.36), (0.19, 0.82, 0.43), (0.13, 0.86, 0.50)):
        picture = _over(picture, _WHITE, _box(x, y, left, right, top, deck + 0.02))
        picture = _windows(picture, x, y, left + 0.02, right - 0.02, top + 0.025, 0.062)
    return _floating(
        picture,
        x,
        y,
        stern=0.04,
        bow=0.97,
        deck=deck,
        water=random.uniform(0.70, 0.74),
        sheer=0.03,
        rake=0.8,
        colour=_among((_WHITE, (0.12, 0.14, 0.20), (0.14, 0.26, 0.46)), random),
        keel=(0.62, 0.16, 0.14),
    )


def _warship(picture: Array, x: Array, y: Array, random: np.random.Generator) -> Array:
    grey = np.array(_among(((0.52, 0.56, 0.59), (0.60, 0.63, 0.65), (0.44, 0.48, 0.50)), random))
    light, dark = tuple(np.clip(1.18 * grey, 0, 1)), tuple(0.6 * grey)
    deck, tower = 0.61, random.uniform(0.44, 0.52)
    picture = _over(picture, dark, _box(x, y, tower + 0.015, tower + 0.04, 0.14, 0.45))  # mast and yards
    picture = _over(picture, dark, _box(x, y, tower - 0.06, tower + 0.115, 0.22, 0.245))
    for left, right, top, colour in (
        (tower - 0.28, tower - 0.16, 0.45, light),
        (tower - 0.24, tower - 0.19, 0.36, dark),  # funnel
        (tower - 0.10, tower + 0.20, 0.47, light),
        (tower - 0.05, tower + 0.13, 0.37, light),
    ):
        picture = _over(picture, colour, _box(x, y, left, right, top, deck + 0.03))
    picture = _windows(picture, x, y, tower - 0.05, tower + 0.14, 0.395, 0.063)
    for left in (tower + 0.24, 0.09):  # guns
        picture = _over(picture, dark, _box(x, y, left, left + 0.09, 0.545, deck + 0.03))
        picture = _over(
            picture,
            dark,
            _inside(0.012 - np.abs(y - 0.56 + 0.25 * (x - left - 0.06)), _SOFT)
            * _box(x, y, left + 0.06, left + 0.19, 0.4, 0.7),
        )
    return _floating(
        picture,
        x,
        y,
        stern=0.03,
        bow=0.98,
        deck=deck,
        water=random.uniform(0.71, 0.75),
        sheer=0.03,
        rake=0.9,
        colour=tuple(grey),
        keel=_DARK,
    )


def _fishing_boat(picture: Array, x: Array, y: Array, random: np.random.Generator) -> Array:
    deck = 0.60
    wood = (0.42, 0.30, 0.18)
    picture = _over(picture, wood, _box(x, y, 0.36, 0.385, 0.14, deck))  # mast and boom
    picture = _over(
        picture,
        wood,
        _inside(0.011 - np.abs(y - 0.24 - 0.75 * (0.37 - x)), _SOFT) * _box(x, y, 0.10, 0.37, 0.1, 0.6),
    )
    picture = _over(
        picture,
        (0.25, 0.25, 0.27),
        0.8
        * _inside(0.006 - np.abs(y - 0.16 - 0.62 * (x - 0.37)), _SOFT)
        * _box(x, y, 0.37, 0.88, 0.1, 0.55),
    )
    cabin = _among((_WHITE, (0.92, 0.86, 0.66)), random)
    roof = _among(((0.75, 0.20, 0.15), (0.18, 0.36, 0.55), (0.20, 0.42, 0.30)), random)
    picture = _over(picture, cabin, _box(x, y, 0.47, 0.72, 0.34, deck + 0.03))
    picture = _over(picture, roof, _box(x, y, 0.44, 0.75, 0.31, 0.36))
    picture = _windows(picture, x, y, 0.49, 0.71, 0.40, 0.073)
    picture = _windows(picture, x, y, 0.49, 0.71, 0.42, 0.073)
    return _floating(
        picture,
        x,
        y,
        stern=0.10,
        bow=0.92,
        deck=deck,
        water=random.uniform(0.75, 0.79),
        sheer=0.07,
        rake=0.55,
        colour=_among(
            ((0.14, 0.34, 0.62), (0.72, 0.18, 0.14), (0.12, 0.42, 0.34), (0.90, 0.88, 0.82)), random
        ),
        keel=_among(((0.30, 0.12, 0.10), (0.10, 0.12, 0.20)), random),
    )


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
