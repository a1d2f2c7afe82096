"""What is kept of each part, and read by report and grading.

Files, under the output folder::

    results/<part>.json     one PartResult
    arrays/<part>.npz       the exact pictures and maps as arrays
    figures/<part>/*        what the report shows
    manifest.json           which parts there are, how each stands, and the files that belong to it

Computing writes a result without figures; drawing adds them. A result holds the sha256 of each of its arrays and
figures, and of its own content: what was altered, emptied or taken away since is noticed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from tfviz import backend
from tfviz.backend import machine
from tfviz.errors import BadFileError, BusyError
from tfviz.experiment.part import Findings, Number
from tfviz.files import lock
from tfviz.files.atomic import (
    UNFINISHED,
    as_json,
    clear,
    remove_unfinished,
    write_atomically,
    write_json,
)
from tfviz.files.hashes import array_sha256, file_sha256, json_sha256
from tfviz.files.program import commit
from tfviz.files.reading import read_arrays, read_json

if TYPE_CHECKING:
    import numpy as np

SCHEMA = 3
"""Of results/<part>.json. 1, which said nothing of it, had settings among the facts and no hash; 2: none of itself."""
_LARGEST = 4_000_000  # bytes of a result; the largest has 32 thousand

_FOLDERS = ("results", "arrays", "figures")

Status = Literal["done", "failed", "not run"]


@dataclass(frozen=True)
class FigureFile:
    """A stored figure; paths are relative to the output folder, with forward slashes.

    Attributes:
        path: of the drawing.
        caption: below it.
        alt: in its place, for a reader who cannot see it.
        sha256: of the drawing.
        finding: the caption's first sentence, set apart.
        live: path of what a browser shows in its place (see `tfviz.figures.live`); "": the drawing.
        live_sha256: of it.
    """

    path: str
    caption: str
    alt: str
    sha256: str
    finding: str = ""
    live: str = ""
    live_sha256: str = ""

    @property
    def name(self) -> str:
        """The drawing's name, by which a template asks for it."""
        return Path(self.path).stem


@dataclass(frozen=True)
class Written:
    """A figure that was just written: its file, its words, and the file of what a browser shows in its place."""

    path: Path
    caption: str
    alt: str
    finding: str = ""
    live: Path | None = None


@dataclass(frozen=True)
class PartResult:
    """What is stored about one part: results/<part>.json.

    Attributes:
        part: the part's id.
        status: "done", "failed" (it ran and broke) or "not run" (something it needs cannot be had).
        numbers: by name; empty unless done.
        figures: in the order they were drawn; empty unless done.
        facts: JSON values for the part's template; empty unless done.
        settings: the settings actually used.
        arrays: sha256 of each array (see `tfviz.files.hashes.array_sha256`) by name.
        provenance: where, when, with what this was computed.
        reason: one line, why it failed or did not run; "" when done.
        drawn: what the figures were drawn with (see `tfviz.experiment.fingerprint.of_figures`); "": they were not.
        not_drawn: why figures could not be drawn, by name; "": none of them.
        schema: of the file.
    """

    part: str
    status: Status
    numbers: Mapping[str, Number] = field(default_factory=dict)
    figures: Sequence[FigureFile] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    drawn: str = ""
    not_drawn: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    def figure(self, name: str) -> FigureFile | str:
        """The stored figure of that name, or why it could not be drawn.

        Raises:
            KeyError: there is no figure of that name; the message has those that there are.
        """
        for figure in self.figures:
            if figure.name == name:
                return figure
        for lost in (name, ""):
            if lost in self.not_drawn:
                return self.not_drawn[lost]
        raise KeyError(f"{self.part} has no figure {name!r}, only {[figure.name for figure in self.figures]}")

    @classmethod
    def load(cls, path: Path) -> PartResult:
        """Read a stored result.

        Raises:
            BadFileError: the file is not a result of this program, damaged, or of another schema.
        """
        stored = read_json(path, _LARGEST)
        try:
            schema = stored.get("schema", 1)
            if schema == SCHEMA:
                sha256 = stored.pop("sha256", None)
                if sha256 != json_sha256(stored):
                    raise BadFileError(
                        f"{path} was altered since it was stored (its sha256 is not that of its content): "
                        "run the part again."
                    )
                return cls(**_checked(stored))
            if "part" not in stored:
                raise ValueError("it names no part")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadFileError(
                f"{path} is not a stored result ({type(error).__name__}: {error}): delete it and run again."
            ) from error
        raise BadFileError(
            f"{path} was stored by another version of the program (schema {ascii(schema)[:20]}, this one has "
            f"{SCHEMA}): run the part again."
        )


_PROVENANCE: Mapping[str, tuple[type, ...]] = {
    "fingerprint": (str,),
    "started": (str,),
    "seconds": (int, float),
    "peak_memory_mb": (int, float),
    "quick": (bool,),
    "seed": (int,),
    "commit": (str,),
    "backend": (str,),
    "network": (str, type(None)),
    "traceback": (str,),
}
_NUMBER: Mapping[str, tuple[type, ...]] = {
    "value": (int, float),
    "unit": (str,),
    "network": (str, type(None)),
    "spread": (list, type(None)),
    "repeats": (int,),
}


def _checked(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a PartResult, each of its type, from JSON.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: one is missing, or something else.
    """
    _only(stored, [each.name for each in fields(PartResult)], "a result")
    part = stored["part"]
    if not isinstance(part, str) or not re.fullmatch(r"\w+", part, re.ASCII):
        raise ValueError(f"no part {ascii(part)[:40]}")
    if stored["status"] not in get_args(Status):
        raise ValueError(f"no status {ascii(stored['status'])[:40]}")
    for name in ("reason", "drawn"):
        _typed(stored.get(name, ""), f"its {name}", str)
    for name in ("facts", "settings", "provenance"):
        _typed(stored.get(name, {}), f"its {name}", dict)
    for name in ("arrays", "not_drawn"):
        for key, value in stored.get(name, {}).items():
            _typed(value, f"{name}: {ascii(key)[:40]}", str)
    _check_provenance(stored.get("provenance", {}))
    return {
        **stored,
        "numbers": {name: _number(name, number) for name, number in stored["numbers"].items()},
        "figures": tuple(_figure(part, figure) for figure in stored["figures"]),
    }


def _only(found: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    if unknown := [key for key in found if key not in known]:
        raise ValueError(f"{what} has no {ascii(unknown[0])[:40]}")


def _typed(value: Any, what: str, *types: type) -> None:
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise TypeError(f"{what} is {ascii(value)[:40]}")


def _number(name: str, stored: Mapping[str, Any]) -> Number:
    what = f"the number {ascii(name)[:40]}"
    _only(stored, list(_NUMBER), what)
    for key, value in stored.items():
        _typed(value, f"{what}: {key}", *_NUMBER[key])
    spread = stored.get("spread")
    if spread is not None:
        _, _ = spread
        for value in spread:
            _typed(value, f"{what}: spread", int, float)
    return Number(**stored)


def _figure(part: str, stored: Mapping[str, Any]) -> FigureFile:
    """A figure whose files lie in the part's own folder."""
    _only(stored, [each.name for each in fields(FigureFile)], "a figure")
    for key, value in stored.items():
        _typed(value, f"a figure's {key}", str)
    figure = FigureFile(**stored)
    place = re.compile(rf"figures/{part}/\w[\w.-]*", re.ASCII)
    for path in (figure.path, *[figure.live] * bool(figure.live)):
        if not place.fullmatch(path):
            raise ValueError(f"the figure {ascii(path)[:60]} is not in figures/{part}/")
    return figure


def _check_provenance(stored: Mapping[str, Any]) -> None:
    for key, types in _PROVENANCE.items():
        if key in stored:
            _typed(stored[key], f"provenance: {key}", *types)
    if "started" in stored:
        datetime.fromisoformat(stored["started"])
    for value in (*stored.get("versions", {}).values(), *(stored.get("weights") or {}).values()):
        _typed(value, "provenance: versions and weights", str)
    _typed(stored.get("devices", []), "provenance: devices", list)
    for value in stored.get("devices", []):
        _typed(value, "provenance: devices", str)


class Store:
    """The output folder."""

    def __init__(self, out: Path) -> None:
        self.out = out

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside, no other run works in this folder, and what killed ones left half written is taken away.

        Raises:
            BusyError: another run does.
            OSError: the folder cannot be written.
        """

        def busy(holder: str) -> None:
            raise BusyError(
                f"Another run ({holder}) works in {self.out}: wait until it ends, or name another folder with --out."
            )

        with lock.held(self.out / ".tfviz.lock", busy) as alone:
            trainings = (self.out / "training").glob("*")
            for folder in (self.out, *(self.out / name for name in _FOLDERS), *trainings):
                if alone:
                    remove_unfinished(folder)
            yield

    def load(self, part: str) -> PartResult:
        """The stored result of a part.

        Raises:
            BadFileError: see `PartResult.load`; or it is another part's.
        """
        return self._load(part, self._path(part))

    def load_all(self, parts: Iterable[str]) -> dict[str, PartResult]:
        """The stored results of those parts that have one, in order; of one that cannot be read, that it is so."""
        found = {}
        for part in parts:
            if not os.path.lexists(self._path(part)):
                continue
            try:
                found[part] = self.load(part)
            except BadFileError as error:
                found[part] = PartResult(part, "not run", reason=str(error))
        return found

    def findings(self, result: PartResult) -> Findings:
        """What a part found, as it was stored.

        Raises:
            BadFileError: its arrays are missing, damaged, or not those that the result names.
        """
        return Findings(result.numbers, self._arrays(result), result.facts)

    def current(self, part: str, fingerprint: str) -> PartResult | None:
        """The stored result with that fingerprint, if it is there with the arrays that belong to it."""
        for path in (self._path(part), self._kept_path(part)):
            try:
                stored = self._load(part, path)
                if stored.status != "done":
                    continue
                if stored.provenance.get("fingerprint") != fingerprint:
                    continue
                self._arrays(stored)
            except BadFileError:
                continue
            self._save(stored)
            return stored
        return None

    def save(self, result: PartResult, arrays: Mapping[str, np.ndarray]) -> PartResult:
        """Store what a part found; its figures are drawn later (see `save_figures`)."""
        import numpy as np

        named = {name: np.asarray(array) for name, array in arrays.items()}
        result = replace(result, arrays={name: array_sha256(array) for name, array in named.items()})
        as_json(asdict(result))  # what cannot be written is found before anything is taken away

        def write(fresh: Path) -> None:
            np.savez_compressed(fresh, **named)  # type: ignore[arg-type]
            # All is written. The old result goes before its arrays do: none ever stands with another run's.
            clear(self._path(result.part))
            clear(self._kept_path(result.part))

        write_atomically(self._arrays_path(result.part), write)
        self._save(result)
        return result

    def save_failure(
        self, part: str, status: Status, reason: str, settings: Mapping[str, Any], **details: Any
    ) -> PartResult:
        """Store that a part failed or did not run; an earlier result stays beside it, to be taken up again."""
        path = self._path(part)
        try:
            earlier_is_good = self._load(part, path).status == "done"
        except BadFileError:
            earlier_is_good = False
        if earlier_is_good:
            path.replace(self._kept_path(part))
        result = PartResult(
            part=part,
            status=status,
            reason=reason,
            settings=settings,
            provenance={"started": machine.now(), "commit": commit(), **details},
        )
        self._save(result)
        return result

    def altered_figures(self, result: PartResult) -> list[str]:
        """The files of figures that do not lie there as they were drawn, each with how, in words."""
        found = []
        for figure in result.figures:
            for path, sha256 in ((figure.path, figure.sha256), (figure.live, figure.live_sha256)):
                if not path:
                    continue
                try:
                    if (size := (self.out / path).lstat().st_size) == 0:
                        found.append(f"{path} is empty")
                    elif file_sha256(self.out / path) != sha256:
                        found.append(f"{path} is not as it was drawn ({size} bytes now)")
                except FileNotFoundError:
                    found.append(f"{path} is missing")
                except OSError as error:
                    found.append(f"{path} cannot be read ({error.strerror})")
        return found

    def save_figures(
        self,
        result: PartResult,
        drawn: str,
        write: Callable[[Path], tuple[Sequence[Written], Mapping[str, str]]],
    ) -> PartResult:
        """Write a part's figures and put them in the place of the old ones, then say so in the result.

        Args:
            result: to which they belong.
            drawn: what is kept of how they were drawn.
            write: writes them into an empty folder; returns what it wrote, and why others could not be drawn, by
                name.
        """
        folder = self.out / "figures" / result.part
        fresh = folder.with_name(f"{UNFINISHED}{result.part}")
        clear(fresh)
        fresh.mkdir(parents=True)
        written, not_drawn = write(fresh)
        named = {path for each in written for path in (each.path, each.live)}
        for half in set(fresh.iterdir()) - named:  # of a figure that could not be written
            clear(half)
        place = f"figures/{result.part}/"
        figures = tuple(
            FigureFile(
                place + each.path.name,
                each.caption,
                each.alt,
                file_sha256(each.path),
                each.finding,
                place + each.live.name if each.live else "",
                file_sha256(each.live) if each.live else "",
            )
            for each in written
        )
        clear(folder)
        os.replace(fresh, folder)
        result = replace(result, figures=figures, drawn=drawn, not_drawn=dict(not_drawn))
        self._save(result)
        return result

    def write_manifest(self, results: Mapping[str, PartResult], parts: Sequence[str]) -> None:
        """Write manifest.json."""

        def entry(part: str) -> dict[str, Any]:
            if part not in results:
                return {"part": part, "status": "not run", "reason": "not asked for", "files": []}
            result = results[part]
            files = [f"results/{part}.json"]
            if result.status == "done":
                files.append(f"arrays/{part}.npz")
                files += [path for figure in result.figures for path in (figure.path, figure.live) if path]
            return {"part": part, "status": result.status, "reason": result.reason, "files": files}

        write_json(
            self.out / "manifest.json",
            {
                "program": "tfviz",
                "schema": SCHEMA,
                "commit": commit(),
                "created": machine.now(),
                "versions": backend.versions(),
                "parts": [entry(part) for part in parts],
            },
        )

    def _load(self, part: str, path: Path) -> PartResult:
        result = PartResult.load(path)
        if result.part != part:
            raise BadFileError(f"{path} is the result of {result.part}: delete it and run again.")
        return result

    def _arrays(self, result: PartResult) -> dict[str, np.ndarray]:
        path = self._arrays_path(result.part)
        arrays = read_arrays(path, result.arrays)
        if altered := [name for name in arrays if array_sha256(arrays[name]) != result.arrays[name]]:
            which = ", ".join(map(ascii, altered[:5]))
            raise BadFileError(
                f"{path} is not what {result.part} computed ({which} altered): run the part again."
            )
        return arrays

    def _save(self, result: PartResult) -> None:
        """Write the result as JSON, whole or not at all."""
        content = json.loads(as_json(asdict(result)))
        content["sha256"] = json_sha256(content)
        write_json(self._path(result.part), content)

    def _path(self, part: str) -> Path:
        return self.out / "results" / f"{part}.json"

    def _kept_path(self, part: str) -> Path:
        """Where the last good result waits while a failed one stands in its place."""
        return self.out / "results" / f"{part}.last-good.json"

    def _arrays_path(self, part: str) -> Path:
        return self.out / "arrays" / f"{part}.npz"
