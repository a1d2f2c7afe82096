"""Whether the report is there as it would be rendered: then it is not rendered again, which takes most of the time.

After each rendering that lacks nothing, one hash of all that it depends on is written down beside it, with the hashes
of what it wrote. Whatever cannot be known this way (exports, letters that this machine's fonts may have, a part that
cannot be shown) has no such record and is rendered each time.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tfviz import backend, language
from tfviz.errors import BadFileError
from tfviz.experiment.part import Part
from tfviz.experiment.store import PartResult, Store
from tfviz.files.atomic import write_json
from tfviz.files.hashes import file_sha256, json_sha256
from tfviz.files.program import PACKAGE, commit
from tfviz.files.reading import read_json

RECORD = ".tfviz.rendered.json"
WRITTEN = ("report.html", "report.pdf", "grades.json", "grades.csv", "manifest.json")
"""What a rendering writes into the output folder, and what must lie there unaltered for it to be kept."""


def program(parts: Sequence[Part], templates: Path) -> dict[str, Any]:
    """All of the program, of what it is built on, and of the language in use, that a rendering depends on.

    Raises:
        BadFileError, OSError: a file of it cannot be read.
    """
    words = language.current()
    return {
        "sources": _files(PACKAGE),
        "templates": _files(templates),
        "parts": [[part.ID, repr(part), _module(part)] for part in parts],
        "commit": commit(),
        "versions": backend.versions(),
        "python": sys.version,
        "packages": _installed(),
        "pango": _pango(),
        "language": [words.code, words.sha256],
    }


def key(store: Store, results: Mapping[str, PartResult], others: Mapping[str, Any]) -> str | None:
    """One hash of all that a rendering depends on; None: not all that is stored is there as the results have it.

    Args:
        store: the output folder.
        results: all that the report is of.
        others: what it depends on besides: `program`, whose report it is; JSON values.
    """
    if any(result.not_drawn or store.altered_figures(result) for result in results.values()):
        return None
    try:
        stored = {
            part: [
                file_sha256(store.out / place)
                for place in (f"results/{part}.json", *[f"arrays/{part}.npz"] * bool(result.arrays))
            ]
            for part, result in results.items()
        }
    except (BadFileError, OSError):
        return None
    return json_sha256({**others, "results": stored})


def stands(out: Path, key: str | None) -> tuple[str, ...] | None:
    """What was said of the rendering with that key, if it is there as it was written; None: it is not."""
    if key is None:
        return None
    try:
        record = read_json(out / RECORD)
        if not isinstance(record, dict) or record.get("of") != key:
            return None
        if record["files"] != _written(out):
            return None
        return tuple(map(str, record["notes"]))
    except (BadFileError, OSError, KeyError, TypeError):
        return None


def keep(out: Path, key: str | None, notes: Iterable[str]) -> None:
    """Write down that the rendering that has just been written is that of a key; None: that there is none."""
    if key is None:
        (out / RECORD).unlink(missing_ok=True)
    else:
        write_json(out / RECORD, {"of": key, "files": _written(out), "notes": list(notes)})


def _written(out: Path) -> dict[str, str]:
    return {name: file_sha256(out / name) for name in WRITTEN}


def _files(folder: Path) -> dict[str, str]:
    """The files below a folder, by path, with their hashes; without what Python compiles."""
    return {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _module(part: Part) -> str:
    file = getattr(part, "__file__", None)
    return file_sha256(Path(file)) if file else ""


def _installed() -> list[str]:
    """The names, with their versions, of what is installed."""
    found: set[str] = set()
    for folder in sys.path:
        try:
            found |= {
                name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info"))
            }
        except OSError:  # a zip, or a folder that is not there
            continue
    return sorted(found)


def _pango() -> str:
    """The version of the library that sets the PDF's text; "": there is none."""
    with suppress(OSError, AttributeError):  # its name on Linux: to import WeasyPrint takes long
        return str(ctypes.CDLL("libpango-1.0.so.0").pango_version())
    try:
        from weasyprint.text.ffi import pango
    except (ImportError, OSError):
        return ""
    return str(pango.pango_version())
