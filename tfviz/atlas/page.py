"""atlas.html: layers, the units of each as a wall of drawings, and what is known of a unit.

Files, beside the rows that they are taken from::

    atlas.html                   what the atlas is of; with the style, the fonts and the script inside
    page/<layer>/layer.js        the layer's units and the orders in which they can be shown
    page/<layer>/<unit>.webp     the unit's best drawing, as it is stored
    page/<layer>/<unit>.js       the rest of what is known of the unit, its other pictures inside
    page/<layer>/units-<n>.html  the n-th plain page, for readers without scripts: drawings, numbers, links
    page/made.json               which chunks these are of: what has not changed is not taken out again

They open from disk, where a page can read no file but scripts and pictures, and from any server. No request leaves
them.

The wall has a file a picture, and only the tiles near the window are there: 24 at a time in a block whose height is
known. With 10,000 units in chromium, on a phone's screen with the processor slowed down to a quarter, two cores shared
with 13 to 25 other busy processes: painted after 0.4 to 0.7 s, 39 to 58 frames a second while it scrolls (45 to 48 when
sorted), 75 MB (`python -m tests.atlas.browse`). Bare walls of such pictures, tried the same way: all tiles at once,
left to the browser (`loading=lazy`, `content-visibility`), take 2 to 5 s to open and 115 to 163 MB; sheets of 100
pictures scroll as well, but sorted by anything but the number every window needs half of them (176 to 487 MB);
OpenSeadragon 6.1 draws 18 to 20 frames a second, has no links in it, and cannot be sorted.
"""

from __future__ import annotations

import base64
import json
import math
import re
import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import quote

import jinja2

from tfviz import language
from tfviz.atlas import table
from tfviz.atlas.table import Atlas, Layer
from tfviz.errors import BadFileError
from tfviz.figures import style
from tfviz.files.atomic import UNFINISHED, clear, write_atomically, write_json, write_text
from tfviz.files.hashes import file_sha256
from tfviz.files.program import templates
from tfviz.files.reading import read_json
from tfviz.report.environment import environment
from tfviz.report.numbers import breakable, exact, isolated, network_name, significant

NAME = "atlas.html"
FOLDER = "page"
_STRIP = 12  # drawings of a layer that are shown with its name
_PLAIN = 96  # units of a plain page
_SMALL = 24  # pixels a side up to which a picture's pixels are shown as squares
_EARLY = (
    "document.documentElement.className=location.hash.length>1?'js waiting':'js';"
    "document.fonts.forEach(face=>face.load())"
)
"""Runs before anything is painted, so that nothing moves later."""
_OURS = re.compile(r"\d+\.(js|webp)|units-\d+\.html")
_SETTINGS = {
    "kind": language.marked(
        "recipe (fourier: all of the Fourier transform is moved; phases: its phases alone)"
    ),
    "steps": language.marked("steps"),
    "rate": language.marked("rate of the first step"),
    "decay": language.marked("decay of the Fourier scale"),
    "starts": language.marked("strength of each start’s lowest frequency"),
    "shift": language.marked("largest shift, share of what the unit sees"),
    "scale": language.marked("largest relative change of size"),
    "degrees": language.marked("largest turn, degrees"),
    "whole": language.marked("pixels a side from which on all this holds"),
    "most": language.marked("largest shift, pixels"),
    "batch": language.marked("units drawn at a time"),
}
"""Of `tfviz.atlas.recipes.Recipe`, in words."""
_LIGHT = ("activation", "best_picture", "agreement")
_WORDS = (
    *("activation", "activation_other", "best_picture", "bound", "agreement", "field", "recipe", "seconds"),
    *("incoming", "outgoing", "neighbours"),
    *(f"exemplars.list.element.{name}" for name in ("picture", "activation", "row", "column")),
)
"""Columns without the pictures."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Shown:
    """A layer as the page shows it.

    Attributes:
        layer: it.
        folder: of its files, below `FOLDER`.
        units: those that are drawn.
        more: for how many the drawing excites more than the best picture of the data set.
        compared: how many have both.
        agreement: the median of all units that have one, in words; None: none has.
        missing: units that were asked for and are not there, in words; "": none.
        reasons: why.
    """

    layer: Layer
    folder: str
    units: Sequence[int]
    more: int
    compared: int
    agreement: str | None
    missing: str
    reasons: Sequence[str]

    @property
    def address(self) -> str:
        """Of the layer on the page."""
        return f"#{quote(self.layer.name, safe='/')}"

    def plain(self, unit: int) -> str:
        """Address of a unit that is drawn on its plain page, seen from atlas.html."""
        return f"{FOLDER}/{self.folder}/{_plain_name(unit)}#{unit}"

    @property
    def drawn(self) -> tuple[int, int]:
        """Rows and columns of its drawings."""
        rows, columns = self.layer.field or self.layer.picture
        return min(rows, self.layer.picture[0]), min(columns, self.layer.picture[1])

    @property
    def squares(self) -> bool:
        """Whether its pictures' pixels are shown as squares."""
        return max(self.drawn) <= _SMALL


def write(out: Path) -> Path:
    """Write the page of the atlas in a folder, in the language in use; returns the path of atlas.html.

    Raises:
        BadFileError: there is no atlas, or a picture in it is none.
        NoPyarrowError: there is no pyarrow.
    """
    atlas = Atlas.open(out)
    made = _Made.open(out / FOLDER)
    missing = atlas.missing(out)
    shown = [_write_layer(out, layer, atlas, missing.get(layer.name, ()), made) for layer in atlas.layers]
    for each in shown:
        _write_plain(out, each, shown, atlas.network)
    for path in (out / FOLDER).iterdir():
        if path.name not in {each.folder for each in shown} and (path / "layer.js").is_file():
            clear(path)
    path = out / NAME
    try:
        write_text(path, render(atlas, shown))
    except (jinja2.UndefinedError, AttributeError, TypeError, ValueError) as error:
        raise BadFileError(
            f"{out / 'atlas.json'} is no atlas of this version ({str(error)[:100]}): make the atlas again."
        ) from error
    return path


@dataclass
class _Made:
    """Which chunks have been taken out: made.json.

    Attributes:
        path: of the file.
        by: hash of what took them out, this module.
        chunks: their sha256 by key.
    """

    path: Path
    by: str
    chunks: dict[str, str]

    @classmethod
    def open(cls, folder: Path) -> _Made:
        """The record in a folder, which is made; one of another version of the program, or a damaged one, is empty."""
        folder.mkdir(parents=True, exist_ok=True)
        path, by = folder / "made.json", file_sha256(Path(__file__))
        try:
            kept = read_json(path)
            if kept["by"] == by:
                return cls(path, by, dict(kept["chunks"]))
        except (BadFileError, KeyError, TypeError, ValueError):
            pass
        return cls(path, by, {})

    def keep(self) -> None:
        """Write it."""
        write_json(self.path, {"by": self.by, "chunks": self.chunks})


def _write_layer(out: Path, layer: Layer, atlas: Atlas, missing: Collection[int], made: _Made) -> _Shown:
    """Takes a layer's chunks out of the rows, as far as they are not there already."""
    name = folder_name(layer.name)
    folder = out / FOLDER / name
    folder.mkdir(exist_ok=True)
    files = {path.name for path in folder.iterdir()}
    rows: dict[int, Row] = {}
    there = table.written(out)
    for key in layer.chunks:
        if key not in there:
            continue
        line = there[key]
        whole = made.chunks.get(key) == line.sha256 and all(
            {f"{unit}.webp", f"{unit}.js"} <= files for unit in line.units
        )
        for row in table.chunk(out, key, line, _LIGHT if whole else None):
            rows[row["unit"]] = row
            if not whole:
                _write_unit(folder, row, table.chunk_path(out, key))
        made.chunks[key] = line.sha256
    units = sorted(rows.keys() & set(layer.units))
    write_text(folder / "layer.js", _script(_columns([rows[unit] for unit in units])))
    kept = {
        "layer.js",
        *(f"{unit}.{kind}" for unit in units for kind in ("js", "webp")),
        *map(_plain_name, units),
    }
    for path in folder.iterdir():
        if path.name not in kept and (path.name.startswith(UNFINISHED) or _OURS.fullmatch(path.name)):
            clear(path)
    made.keep()
    compared = [(rows[unit]["activation"], rows[unit]["best_picture"]) for unit in units]
    compared = [(one, other) for one, other in compared if _is_number(one) and _is_number(other)]
    agreements = [rows[unit]["agreement"] for unit in units if _is_number(rows[unit]["agreement"])]
    return _Shown(
        layer,
        name,
        units,
        sum(drawing > best for drawing, best in compared),
        len(compared),
        number(statistics.median(agreements), 2) if agreements else None,
        ranges(missing),
        list(dict.fromkeys(atlas.failed[key] for key in layer.chunks if key in atlas.failed)),
    )


def _write_unit(folder: Path, row: Row, chunk: Path) -> None:
    """A unit's two files."""
    drawings = row["drawings"] or []
    patches = [each["patch"] for each in row["exemplars"] or []]
    if not drawings or not all(_is_webp(content) for content in (*drawings, *patches)):
        raise BadFileError(f"{chunk} holds a picture that is none: delete the file and make the atlas again.")

    def fill(path: Path) -> None:
        path.write_bytes(drawings[0])

    write_atomically(folder / f"{row['unit']}.webp", fill)
    write_text(folder / f"{row['unit']}.js", _script(_evidence(row)))


def _plain_name(unit: int) -> str:
    """Of the plain page that has a unit."""
    return f"units-{unit // _PLAIN}.html"


def _write_plain(out: Path, each: _Shown, every: Sequence[_Shown], network: str) -> None:
    """A layer's plain pages."""
    pages: dict[str, list[tuple[int, Any]]] = {}
    for row in table.rows(out, [each.layer.name], _WORDS):
        pages.setdefault(_plain_name(row["unit"]), []).append((row["unit"], _evidence(row)))
    names = {name: ranges(unit for unit, _ in units) for name, units in pages.items()}
    drawn = {other.layer.name: (other, set(other.units)) for other in every}

    def place(layer: str, unit: int) -> str | None:
        """Address of a unit, seen from a plain page; None: it is not drawn."""
        if layer not in drawn or unit not in drawn[layer][1]:
            return None
        return drawn[layer][0].plain(unit).replace(FOLDER, "..", 1)

    css = _colours() + (templates() / "atlas-units.css").read_text(encoding="utf-8").strip()
    template = _environment().get_template("atlas-units.html")
    for name, units in pages.items():
        text = template.render(
            here=name,
            layer=each,
            units=units,
            pages=names,
            place=place,
            network=network_name(network),
            atlas=f"../../{NAME}",
            language=language.current(),
            css=css,
            policy=f"{_PICTURES};style-src {_hashes([css])};base-uri 'none';form-action 'none'",
        )
        write_text(out / FOLDER / each.folder / name, text)


def _is_webp(content: bytes) -> bool:
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def _script(value: Any) -> str:
    """A script that hands a JSON value to the page; in ASCII, whatever it is served as."""
    return f"atlas({json.dumps(value, separators=(',', ':'), allow_nan=False)})\n"


def folder_name(layer: str) -> str:
    """The name of a layer's folder: safe on any file system, and another one for each layer."""
    readable = re.sub(r"[^a-z0-9]+", "-", layer.lower())[-40:].strip("-")
    return f"{readable}-{sha256(layer.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}".lstrip("-")


def ranges(units: Iterable[int]) -> str:
    """Units in words: "3, 5–9"."""
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in _ranges(units))


def _ranges(units: Iterable[int]) -> list[list[int]]:
    """First and last of units that follow one another."""
    ordered = sorted(units)
    cuts = [at for at, (one, other) in enumerate(pairwise(ordered), 1) if other != one + 1]
    return (
        [[ordered[start], ordered[end - 1]] for start, end in pairwise([0, *cuts, len(ordered)])]
        if ordered
        else []
    )


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def number(value: float | None, digits: int = 4) -> str | None:
    """A number as the page shows it; None: there is none."""
    return significant(value, digits) if _is_number(value) else None


def _ratio(row: Row) -> float | None:
    """The drawing's activation over that of the best picture, where that excites the unit at all."""
    drawing, best = row["activation"], row["best_picture"]
    return drawing / best if _is_number(drawing) and _is_number(best) and best > 0 else None


_ORDERS: dict[str, Callable[[Row], float | None]] = {
    "ratio": _ratio,
    "agreement": lambda row: row["agreement"],
    "activation": lambda row: row["activation"],
}


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    """A layer's units, and for each order: what it goes by, in words, and which have it, the highest first."""
    orders = {}
    for name, value_of in _ORDERS.items():
        values = {at: value for at, row in enumerate(rows) if _is_number(value := value_of(row))}
        if values:
            orders[name] = {
                "said": [number(values.get(at), 3) for at in range(len(rows))],
                "order": sorted(values, key=lambda at: -values[at]),
            }
    return {"units": [row["unit"] for row in rows], "orders": orders}


def _address_of(picture: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(picture).decode('ascii')}"


def _evidence(row: Row) -> dict[str, Any]:
    """What the page shows of a unit: words, numbers as words, pictures; None where there is nothing."""
    measured = {"drawing": row["activation"], "picture": row["best_picture"], "bound": row["bound"]}
    values = {name: value for name, value in measured.items() if _is_number(value)}
    largest = max((value for value in values.values() if value > 0), default=1.0)
    field = row["field"]

    def weights(name: str) -> list[dict[str, Any]]:
        return [
            {"layer": each["layer"], "unit": each["unit"], "said": _signed(each["weight"])}
            for each in row[name] or ()
        ]

    return {
        "drawings": [
            {
                "picture": _address_of(row["drawings"][at]) if at and "drawings" in row else None,
                "said": number(activation),
            }
            for at, activation in enumerate([row["activation"], *(row["activation_other"] or ())])
        ],
        "bars": [
            {"name": name, "said": number(value), "share": round(100 * max(value, 0.0) / largest)}
            for name, value in values.items()
        ],
        "largest": largest,  # what a bar's whole length is: of two units of a layer the bars can be compared
        "facts": {
            "ratio": number(_ratio(row), 3),
            "agreement": number(row["agreement"], 2),
            "field": f"{field['rows']} × {field['columns']}" if field else None,
            "recipe": row["recipe"],
            "seconds": number(row["seconds"], 2),
        },
        "exemplars": [
            {
                "picture": _address_of(each["patch"]) if "patch" in each else None,
                "name": each["picture"],
                "said": number(each["activation"]),
                "row": each["row"],
                "column": each["column"],
            }
            for each in row["exemplars"] or ()
        ],
        "incoming": weights("incoming"),
        "outgoing": weights("outgoing"),
        "neighbours": [
            {"layer": row["layer"], "unit": each["unit"], "said": _signed(each["correlation"])}
            for each in row["neighbours"] or ()
        ],
    }


def _signed(value: float) -> str | None:
    said = number(value, 3)
    return f"+{said}" if said is not None and value > 0 else said


def _environment() -> jinja2.Environment:
    pages = environment(trim_blocks=True)
    pages.filters.update(
        num=lambda value: isolated(significant(value)),
        exact=exact,
        isolated=isolated,
        breakable=breakable,
    )
    return pages


def render(atlas: Atlas, shown: Sequence[_Shown]) -> str:
    """atlas.html, in the language in use; errors of Jinja where the atlas lacks what it shows."""
    script = (templates() / "atlas.js").read_text(encoding="utf-8").strip()
    css = _css()
    return (
        _environment()
        .get_template("atlas.html")
        .render(
            atlas=atlas,
            network=network_name(atlas.network),
            layers=shown,
            known=[
                {
                    "name": each.layer.name,
                    "folder": f"{FOLDER}/{each.folder}",
                    "drawn": _ranges(each.units),
                    "squares": each.squares,
                }
                for each in shown
            ],
            settings={name: language.gettext(words) for name, words in _SETTINGS.items()},
            folder=FOLDER,
            strip=_STRIP,
            language=language.current(),
            css=css,
            scripts=(_EARLY, script),
            policy=_policy(css, (_EARLY, script)),
        )
    )


def _css() -> str:
    """The page's style with colours and fonts inside."""
    text = (templates() / "atlas.css").read_text(encoding="utf-8")
    return f"{style.font_faces()}{_colours()}{text}"


def _colours() -> str:
    colours = [
        ";".join(f"{name}:{value}" for name, value in palette.items())
        for palette in (style.PALETTE, style.DARK)
    ]
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{colours[1]}}}}}"
    return f":root{{{colours[0]}}}{dark}"


_PICTURES = "default-src 'none';img-src 'self' file: data:"


def _policy(css: str, scripts: Iterable[str]) -> str:
    """The content-security policy: no request but for the page's files, no script but its own and what that asks for.

    The latter is ``strict-dynamic``, as "self" means nothing to some browsers on a page from disk; which addresses it
    may ask for is checked by the one policy for trusted types. Pictures are also ``file:`` for the same reason.
    """
    return (
        f"{_PICTURES};font-src data:;style-src {_hashes([css])};"
        f"script-src {_hashes(scripts)} 'strict-dynamic';base-uri 'none';form-action 'none';"
        "require-trusted-types-for 'script';trusted-types atlas"
    )


def _hashes(texts: Iterable[str]) -> str:
    return " ".join(f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'" for text in texts)
