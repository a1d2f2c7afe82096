"""What is kept of each part, and read by report and grading.

Files, under the output folder::

    results/<part>.json     one PartResult
    arrays/<part>.npz       the exact pictures and maps as arrays
    figures/<part>/*        what the report shows
    manifest.json           which parts there are, how each stands, and the files that belong to it

Computing writes a result without figures; drawing adds them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from tfviz import backend
from tfviz.backend import machine
from tfviz.errors import DAMAGED_ARCHIVE, BadFileError
from tfviz.experiment.part import Findings, Number
from tfviz.files.atomic import as_json, read_json, write_json
from tfviz.files.hashes import array_sha256, file_sha256
from tfviz.files.program import commit

if TYPE_CHECKING:
    import numpy as np

SCHEMA = 2
"""Of results/<part>.json. 1, which said nothing of it, had settings among the facts and no hashes."""

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
        stored = read_json(path)
        if isinstance(stored, dict) and "part" in stored and (schema := stored.get("schema", 1)) != SCHEMA:
            raise BadFileError(
                f"{path} was stored by another version of the program (schema {schema!r}, this one has {SCHEMA}): "
                "run the part again."
            )
        try:
            if stored["status"] not in get_args(Status):
                raise ValueError(f"no status {stored['status']!r}")
            return cls(
                **{
                    **stored,
                    "numbers": {name: Number(**number) for name, number in stored["numbers"].items()},
                    "figures": tuple(FigureFile(**figure) for figure in stored["figures"]),
                }
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadFileError(
                f"{path} is not a stored result ({type(error).__name__}: {error}): delete it and run again."
            ) from error


class Store:
    """The output folder."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def load(self, part: str) -> PartResult:
        """The stored result of a part.

        Raises:
            BadFileError: see `PartResult.load`.
        """
        return PartResult.load(self._path(part))

    def load_all(self, parts: Iterable[str]) -> dict[str, PartResult]:
        """The stored results of those parts that have one, in order; of one that cannot be read, that it is so."""
        found = {}
        for part in parts:
            if not self._path(part).exists():
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
                stored = PartResult.load(path)
                if stored.status != "done" or stored.provenance.get("fingerprint") != fingerprint:
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
        path = self._arrays_path(result.part)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{result.part}.new.npz")
        np.savez_compressed(fresh, **named)  # type: ignore[arg-type]
        # All is written. The old result goes before its arrays do: none ever stands with another run's.
        self._path(result.part).unlink(missing_ok=True)
        self._kept_path(result.part).unlink(missing_ok=True)
        os.replace(fresh, path)
        self._save(result)
        return result

    def save_failure(
        self, part: str, status: Status, reason: str, settings: Mapping[str, Any], **details: Any
    ) -> PartResult:
        """Store that a part failed or did not run; an earlier result stays beside it, to be taken up again."""
        path = self._path(part)
        try:
            earlier_is_good = PartResult.load(path).status == "done"
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

    def figures_are_whole(self, result: PartResult) -> bool:
        """Whether every figure lies there as it was drawn."""
        try:
            return all(
                file_sha256(self.out / path) == sha256
                for figure in result.figures
                for path, sha256 in ((figure.path, figure.sha256), (figure.live, figure.live_sha256))
                if path
            )
        except OSError:
            return False

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
        fresh = folder.with_name(f".{result.part}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        written, not_drawn = write(fresh)
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
        shutil.rmtree(folder, ignore_errors=True)
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

    def _arrays(self, result: PartResult) -> dict[str, np.ndarray]:
        import numpy as np

        path = self._arrays_path(result.part)
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (OSError, *DAMAGED_ARCHIVE) as error:
            raise BadFileError(f"{path} is missing or damaged ({error}): run the part again.") from error
        if {name: array_sha256(array) for name, array in arrays.items()} != dict(result.arrays):
            raise BadFileError(f"{path} is not what {result.part} computed: run the part again.")
        return arrays

    def _save(self, result: PartResult) -> None:
        """Write the result as JSON, whole or not at all."""
        write_json(self._path(result.part), asdict(result))

    def _path(self, part: str) -> Path:
        return self.out / "results" / f"{part}.json"

    def _kept_path(self, part: str) -> Path:
        """Where the last good result waits while a failed one stands in its place."""
        return self.out / "results" / f"{part}.last-good.json"

    def _arrays_path(self, part: str) -> Path:
        return self.out / "arrays" / f"{part}.npz"
