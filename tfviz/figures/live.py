"""What a browser shows in a figure's place: pictures and values that answer to pointer, touch and keys.

A part gives one of the kinds below (`tfviz.experiment.part.Drawing.live`). It is stored as JSON with its pictures
inside, and templates/live.html makes the page's HTML of it, which shows everything without a script, too.

Pictures are (H, W, 3) RGB in [0, 1], or maps (h, w) of any range, which become grey, 0 in the middle.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfviz.errors import BadFileError
from tfviz.figures.pictures import centred
from tfviz.figures.style import BLACK, MARKS, png
from tfviz.files.atomic import write_json
from tfviz.files.reading import read_json

Array = npt.NDArray[Any]

SMALL = 64
"""Pixels on a side; pictures with fewer are enlarged without smoothing."""
CURVE = (120, 60)
"""Width and height of the box in which a curve is drawn."""
_ROUNDING = 1e-4  # how far outside [0, 1] the last bits of a computation may lie
_LEVELS = 255  # of a colour in a PNG
_FAINT = 0.005  # share of a class's pictures from which a cell of the matrix is tinted
_DEEPEST = 44  # per cent: the deepest tint on which text stays legible
_NARROW = 0.15  # of the picture's width: a square that is narrower than its label
# Of the occlusion map: at, red, green, blue, opacity; lightness grows all the way, for those who do not see hues apart.
_RAMP = (
    (0.0, 125, 17, 40, 235),
    (0.45, 224, 102, 47, 220),
    (0.75, 246, 200, 90, 190),
    (1.0, 246, 200, 90, 0),
)


@dataclass(frozen=True, eq=False)
class Labelled:
    """A picture with its words.

    Attributes:
        label: below it; may be "".
        picture: see the module.
        alt: for a reader who cannot see it.
        pixelated: whether it is enlarged without smoothing; pictures under SMALL pixels always are.
    """

    label: str
    picture: Array
    alt: str
    pixelated: bool = False

    def __post_init__(self) -> None:
        _check_picture(self.picture, self.alt or self.label)


@dataclass(frozen=True, eq=False)
class StepsRow:
    """One optimisation: a picture and, if given, a written value for each step."""

    label: str
    pictures: Sequence[Array]
    values: Sequence[str] = ()

    def __post_init__(self) -> None:
        for picture in self.pictures:
            _check_picture(picture, self.label)


@dataclass(frozen=True, eq=False)
class Steps:
    """Pictures on the way; one slider moves all rows.

    Attributes:
        steps: rising.
        rows: each with as many pictures as there are steps.
        unit: what the rows' values are ("activation").
    """

    steps: Sequence[int]
    rows: Sequence[StepsRow]
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.rows or len(self.steps) < 2:
            raise ValueError("there must be a row, and two steps or more")
        if any(later <= earlier for earlier, later in zip(self.steps, self.steps[1:], strict=False)):
            raise ValueError(f"steps must rise, not be {list(self.steps)}")
        for row in self.rows:
            if len(row.pictures) != len(self.steps) or len(row.values) not in (0, len(self.steps)):
                raise ValueError(
                    f"row {row.label!r} has {len(row.pictures)} pictures and {len(row.values)} values for "
                    f"{len(self.steps)} steps"
                )


@dataclass(frozen=True, eq=False)
class Wipe:
    """Two pictures of one shape, one over the other up to a divider that can be moved; more may stand beside them."""

    before: Labelled
    after: Labelled
    more: Sequence[Labelled] = ()

    def __post_init__(self) -> None:
        before, after = self.before.picture.shape[:2], self.after.picture.shape[:2]
        if before != after:
            raise ValueError(f"the two pictures must have one size, not {before} and {after}")


@dataclass(frozen=True, eq=False)
class BlockMap:
    """What a classifier says with one block of a picture hidden, for every place of the block.

    Attributes:
        picture: (H, W, 3).
        values: (rows, columns) in [0, 1]: the probability of the class with the block at rows r * stride to
            r * stride + patch - 1, columns likewise.
        winners: (rows, columns): index of the class that is then the most probable.
        names: {index: name}; the first is the class that the map is of, and all winners are there.
        patch: side of the block in pixels.
        stride: pixels from one place to the next.
        first: row and column of the map where the block lies at first; None: where the value is lowest.
        winning: (rows, columns) in [0, 1]: the winner's probability; None: it is not known.
        fill: the block's colour, RGB in [0, 1].
    """

    picture: Array
    values: Array
    winners: Array
    names: Mapping[int, str]
    patch: int
    stride: int
    first: tuple[int, int] | None = None
    winning: Array | None = None
    fill: Sequence[float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        _check_picture(self.picture, "picture")
        if self.picture.ndim != 3:
            raise ValueError("the picture must have colours")
        height, width = self.picture.shape[:2]
        if not 0 < self.patch <= min(height, width) or self.stride < 1:
            raise ValueError(
                f"a block of {self.patch} in steps of {self.stride} does not fit {height} × {width}"
            )
        shape = ((height - self.patch) // self.stride + 1, (width - self.patch) // self.stride + 1)
        for name, values in (("values", self.values), ("winners", self.winners), ("winning", self.winning)):
            if values is not None and values.shape != shape:
                raise ValueError(f"{name} must be {shape}, not {values.shape}")
        _check_range(self.values, "values")
        if self.winning is not None:
            _check_range(self.winning, "winning")
        if len(self.fill) != 3:
            raise ValueError(f"fill must be three colours, not {self.fill}")
        _check_range(np.asarray(self.fill), "fill")
        if not self.names:
            raise ValueError("names must have the class that the map is of")
        if unnamed := sorted({int(index) for index in self.winners.flat} - set(self.names)):
            raise ValueError(f"winners without a name: {unnamed}")
        if self.first is not None and not all(
            0 <= at < size for at, size in zip(self.first, shape, strict=True)
        ):
            raise ValueError(f"first must lie in {shape}, not be {self.first}")


@dataclass(frozen=True, eq=False)
class Matrix:
    """A confusion matrix.

    Attributes:
        names: of the classes.
        counts: (n, n) whole numbers: row, what a picture shows; column, what the classifier says.
        cell_pictures: some pictures of a cell, by (row, column).
    """

    names: Sequence[str]
    counts: Array
    cell_pictures: Mapping[tuple[int, int], Sequence[Array]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = len(self.names)
        if size < 2 or len(set(self.names)) != size:
            raise ValueError("there must be two classes or more, of different names")
        if self.counts.shape != (size, size):
            raise ValueError(f"counts must be {(size, size)}, not {self.counts.shape}")
        if (self.counts < 0).any() or (self.counts != np.round(self.counts)).any():
            raise ValueError("counts must be whole numbers from 0 on")
        for cell, pictures in self.cell_pictures.items():
            if not all(0 <= at < size for at in cell):
                raise ValueError(f"there is no cell {cell} in {size} × {size}")
            for picture in pictures:
                _check_picture(picture, f"cell {cell}")


@dataclass(frozen=True, eq=False)
class PicturesRow:
    """A row of a table of pictures."""

    label: str
    pictures: Sequence[Labelled]


@dataclass(frozen=True, eq=False)
class Pictures:
    """A table of pictures that can be enlarged.

    Attributes:
        rows: a label and as many pictures as the longest row has, or fewer; labels may be "".
        headings: one over each column, or none.
    """

    rows: Sequence[PicturesRow]
    headings: Sequence[str] = ()

    def __post_init__(self) -> None:
        columns = max((len(row.pictures) for row in self.rows), default=0)
        if not columns:
            raise ValueError("there must be a picture")
        if len(self.headings) not in (0, columns):
            raise ValueError(f"{len(self.headings)} headings for {columns} columns")


@dataclass(frozen=True, eq=False)
class Curve:
    """How a value came about, step by step.

    Attributes:
        label: in words, with its ends.
        values: (n,), finite, two or more.
        limit: a bound that they do not pass.
    """

    label: str
    values: Array
    limit: float

    def __post_init__(self) -> None:
        if self.values.ndim != 1 or len(self.values) < 2 or not np.isfinite([*self.values, self.limit]).all():
            raise ValueError(f"{self.label!r}: a curve has two finite values or more, and a finite limit")


@dataclass(frozen=True, eq=False)
class Tile:
    """One of many small pictures, with what is shown of it when it is chosen.

    Attributes:
        name: short ("17"), no other tile's.
        picture: see the module.
        facts: written values by their names.
        more: pictures that belong to it.
        curve: of what led to it, where there is one.
    """

    name: str
    picture: Array
    facts: Mapping[str, str]
    more: Sequence[Labelled] = ()
    curve: Curve | None = None

    def __post_init__(self) -> None:
        _check_picture(self.picture, self.name)


@dataclass(frozen=True, eq=False)
class Wall:
    """Many small pictures; one at a time is shown large, with its facts.

    Attributes:
        tiles: all with the same facts and as many pictures.
        title: of one tile, with its "{name}" ("Channel {name}").
        label: what the tiles' own pictures are ("filter").
        curves: what the tiles' curves are, where there are any.
    """

    tiles: Sequence[Tile]
    title: str = "{name}"
    label: str = ""
    curves: str = ""

    def __post_init__(self) -> None:
        if not self.tiles:
            raise ValueError("there must be a tile")
        if len({tile.name for tile in self.tiles}) != len(self.tiles):
            raise ValueError("tiles must have different names")
        if "{name}" not in self.title:
            raise ValueError(f"the title must have {{name}} in it, not be {self.title!r}")
        first = self.tiles[0]
        for tile in self.tiles:
            if list(tile.facts) != list(first.facts) or [each.label for each in tile.more] != [
                each.label for each in first.more
            ]:
                raise ValueError(f"tile {tile.name!r} has other facts or pictures than {first.name!r}")


@dataclass(frozen=True, eq=False)
class Field:
    """A square of pixels on a picture.

    Attributes:
        label: short ("conv1"), no other's.
        size: its side in pixels.
        first: row and column of its first pixel, which may lie outside the picture.
        text: what is said of it.
    """

    label: str
    size: int
    first: tuple[int, int]
    text: str


@dataclass(frozen=True, eq=False)
class Fields:
    """A picture, and squares on it of which one at a time can be looked at; it needs no script.

    Attributes:
        picture: see the module.
        layers: in the order of the list beside the picture; on it a smaller square lies over a larger one.
    """

    picture: Array
    layers: Sequence[Field]

    def __post_init__(self) -> None:
        _check_picture(self.picture, "picture")
        if not self.layers:
            raise ValueError("there must be a layer")
        if len({layer.label for layer in self.layers}) != len(self.layers):
            raise ValueError("layers must have different labels")
        for layer in self.layers:
            if layer.size < 1:
                raise ValueError(f"layer {layer.label!r} must see a pixel or more, not {layer.size}")


Live = Steps | Wipe | BlockMap | Matrix | Pictures | Wall | Fields


def save(live: Live, stem: Path) -> Path:
    """Write <stem>.live.json and return its path; the same values give the same bytes."""
    kind, content = _KINDS[type(live)]
    path = stem.with_name(f"{stem.name}.live.json")
    write_json(path, {"kind": kind, **content(live)})
    return path


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote, as JSON.

    Raises:
        BadFileError: it is missing or something else.
    """
    stored = read_json(path)
    if not isinstance(stored, dict) or stored.get("kind") not in [kind for kind, _ in _KINDS.values()]:
        raise BadFileError(f"{path} is not a figure for the browser: draw it again with --force.")
    try:
        _check(stored)
    except ValueError as error:
        raise BadFileError(
            f"{path} is not a figure for the browser ({error}): draw it again with --force."
        ) from error
    return stored


_NUMBERS = frozenset(
    {"width", "height", "steps", "size", "patch", "stride", "first", "top", "left", "side", "around", "above"}
    | {"limit", "columns", "row", "column", "counts", "totals", "tint", "winners"}
)
_STYLES = {
    "path": r"M[\d. L-]+",
    "fill": r"#[0-9a-f]{6}",
    "colour": r"#[0-9A-Fa-f]{6}",
    "ramp": r"linear-gradient\(to right(, rgb\([\d. /e-]+\) [\d.]+%)+\)",
}


def _check(value: Any, name: str = "") -> None:
    """Raise ValueError where what becomes a number or a style on the page is something else."""
    if name in _STYLES and not (isinstance(value, str) and re.fullmatch(_STYLES[name], value)):
        raise ValueError(f"{name} is {ascii(value)[:40]}")
    if isinstance(value, Mapping):
        for key, each in value.items():
            _check(each, "" if name == "facts" else key)
    elif isinstance(value, list):
        for each in value:
            _check(each, name)
    elif name in _NUMBERS and (not isinstance(value, (int, float)) or isinstance(value, bool)):
        raise ValueError(f"{name} is {ascii(value)[:40]}")


def written_percent(share: float) -> str:
    """A share in per cent as people read it: "29.8", and "< 0.1" or "> 99.9" where rounding would say too much."""
    percent = 100 * share
    if percent < 0.05:
        return "<\u202f0.1"
    if percent >= 99.95:
        return ">\u202f99.9"
    return f"{percent:.1f}"


def _check_picture(picture: Array, name: str) -> None:
    if picture.ndim not in (2, 3) or picture.size == 0 or (picture.ndim == 3 and picture.shape[2] != 3):
        raise ValueError(f"{name}: a picture must be (H, W, 3) or (h, w), not {picture.shape}")
    if picture.ndim == 3:
        _check_range(picture, name)
    elif not np.isfinite(picture).all():
        raise ValueError(f"{name}: a map must be finite")


def _check_range(values: Array, name: str) -> None:
    if not (np.isfinite(values).all() and values.min() >= -_ROUNDING and values.max() <= 1 + _ROUNDING):
        raise ValueError(f"{name} must lie in [0, 1], not in [{values.min()}, {values.max()}]")


def _bytes(values: Array) -> npt.NDArray[np.uint8]:
    return np.rint(np.clip(np.asarray(values, np.float64), 0, 1) * _LEVELS).astype(np.uint8)


def _picture(picture: Array, alt: str = "", pixelated: bool = False) -> dict[str, Any]:
    return _png(_bytes(picture if picture.ndim == 3 else centred(picture)), alt, pixelated)


def _png(pixels: npt.NDArray[np.uint8], alt: str = "", pixelated: bool = False) -> dict[str, Any]:
    """A picture (H, W), (H, W, 3) or (H, W, 4) as JSON."""
    from PIL import Image

    height, width = pixels.shape[:2]
    return {
        "png": base64.b64encode(png(Image.fromarray(pixels))).decode(),
        "width": width,
        "height": height,
        "alt": alt,
        "pixelated": pixelated or min(height, width) < SMALL,
    }


def _labelled(each: Labelled) -> dict[str, Any]:
    return {"label": each.label, **_picture(each.picture, each.alt, each.pixelated)}


def _steps(live: Steps) -> dict[str, Any]:
    return {
        "steps": [int(step) for step in live.steps],
        "unit": live.unit,
        "rows": [
            {
                "label": row.label,
                "written": list(row.values),
                "pictures": [_picture(picture) for picture in row.pictures],
            }
            for row in live.rows
        ],
    }


def _wipe(live: Wipe) -> dict[str, Any]:
    return {
        "before": _labelled(live.before),
        "after": _labelled(live.after),
        "more": [_labelled(each) for each in live.more],
    }


def _block_map(live: BlockMap) -> dict[str, Any]:
    (height, width), columns = live.picture.shape[:2], live.values.shape[1]
    index = {key: position for position, key in enumerate(live.names)}
    first = live.first or np.unravel_index(live.values.argmin(), live.values.shape)
    grey = np.asarray(live.picture) @ (
        0.299,
        0.587,
        0.114,
    )  # luma, Rec. 601; paler, so that colours keep their hue
    at, *colours = np.array(_RAMP).T
    shade = np.stack([np.interp(live.values, at, colour) for colour in colours], axis=-1)
    edge = (
        live.patch - live.stride
    ) / 2  # of the map: its entries are squares around the middles of their blocks
    stops = (
        f"rgb({red} {green} {blue} / {opacity / _LEVELS:.3g}) {100 * place:g}%"
        for place, red, green, blue, opacity in _RAMP
    )
    return {
        "picture": _picture(live.picture),
        "grey": _png(np.repeat(_bytes(0.35 + 0.6 * grey)[..., None], 3, axis=-1)),
        "map": _png(np.rint(shade).astype(np.uint8), pixelated=True),
        "place": {
            "top": _of(edge, height),
            "left": _of(edge, width),
            "width": _of(columns * live.stride, width),
        },
        "block": {"height": _of(live.patch, height), "width": _of(live.patch, width)},
        "size": [height, width],
        "patch": live.patch,
        "stride": live.stride,
        "first": [int(each) for each in first],
        "fill": "#" + _bytes(np.asarray(live.fill)).tobytes().hex(),
        "ramp": f"linear-gradient(to right, {', '.join(stops)})",
        "names": list(live.names.values()),
        "percent": [[written_percent(value) for value in row] for row in live.values],
        "winners": [[index[int(winner)] for winner in row] for row in live.winners],
        "winning": None
        if live.winning is None
        else [[written_percent(value) for value in row] for row in live.winning],
    }


def _of(part: float, whole: float) -> float:
    """In per cent, exact to a hundredth of a pixel on any screen."""
    return round(100 * part / whole, 3)


def _matrix(live: Matrix) -> dict[str, Any]:
    counts = live.counts.astype(int)
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, shares)
    tint = np.where(
        wrong < _FAINT, 0, np.minimum(_DEEPEST, np.rint(10 * np.log2(1 + wrong / _FAINT)))
    )  # with the logarithm
    return {
        "names": list(live.names),
        "short": _short(live.names),
        "counts": counts.tolist(),
        "totals": totals.tolist(),
        "tint": tint.astype(int).tolist(),
        "first": [int(each) for each in np.unravel_index(wrong.argmax(), wrong.shape)],
        "cells": [
            {"row": row, "column": column, "pictures": [_picture(each) for each in pictures]}
            for (row, column), pictures in sorted(live.cell_pictures.items())
            if pictures
        ],
    }


def _short(names: Sequence[str]) -> list[str]:
    """The first letters of each name that tell it from the others, two or more."""

    def shortened(name: str) -> str:
        others = [other for other in names if other != name]
        for length in range(2, len(name)):
            if not any(other.startswith(name[:length]) for other in others):
                return name[:length]
        return name

    return [shortened(name) for name in names]


def _pictures(live: Pictures) -> dict[str, Any]:
    return {
        "headings": list(live.headings),
        "columns": max(len(row.pictures) for row in live.rows),
        "rows": [
            {"label": row.label, "pictures": [_labelled(each) for each in row.pictures]} for row in live.rows
        ],
    }


def _wall(live: Wall) -> dict[str, Any]:
    return {
        "title": live.title,
        "label": live.label,
        "curves": live.curves,
        "tiles": [
            {
                "name": tile.name,
                "picture": _picture(tile.picture, live.title.replace("{name}", tile.name)),
                "facts": dict(tile.facts),
                "more": [_labelled(each) for each in tile.more],
                "curve": _curve(tile.curve) if tile.curve else None,
            }
            for tile in live.tiles
        ],
    }


def _curve(curve: Curve) -> dict[str, Any]:
    """As a path and the height of the limit, in a box of CURVE."""
    width, height = CURVE
    drawn = np.append(curve.values, curve.limit)
    low, span = drawn.min(), np.ptp(drawn) or 1.0
    heights = 1 + (height - 2) * (1 - (drawn - low) / span)
    points = zip(np.linspace(0, width, len(curve.values)), heights[:-1], strict=True)
    return {
        "label": curve.label,
        "path": "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points),
        "limit": round(float(heights[-1]), 1),
    }


def _fields(live: Fields) -> dict[str, Any]:
    height, width = live.picture.shape[:2]
    colours = (*MARKS, BLACK)

    def content(index: int, layer: Field) -> dict[str, Any]:
        row, column = layer.first
        # How far the picture goes on above, right of, below and left of the square; negative: it ends before.
        around = (row, width - column - layer.size, height - row - layer.size, column)
        return {
            "label": layer.label,
            "text": layer.text,
            "colour": colours[index % len(colours)],
            "above": sum(other.size > layer.size for other in live.layers),
            # All in per cent of the picture's width, which is what margins are counted in.
            "top": _of(row, width),
            "left": _of(column, width),
            "side": _of(layer.size, width),
            "narrow": layer.size < _NARROW * width,
            "around": [_of(pixels, layer.size) for pixels in around],
        }

    return {
        "picture": _picture(live.picture),
        "layers": [content(index, layer) for index, layer in enumerate(live.layers)],
    }


_KINDS: Mapping[type, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    Steps: ("steps", _steps),
    Wipe: ("wipe", _wipe),
    BlockMap: ("map", _block_map),
    Matrix: ("matrix", _matrix),
    Pictures: ("pictures", _pictures),
    Wall: ("wall", _wall),
    Fields: ("fields", _fields),
}
