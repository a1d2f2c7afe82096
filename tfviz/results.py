"""The typed record that everything passes on: parts make it, the runner stores it, report and grading read it.

Files, under the output folder (see the README for the whole layout)::

    results/<part>.json     one PartResult
    arrays/<part>.npz       the exact pictures and maps as arrays
    figures/<part>/*        what the report shows
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tfviz.errors import BadFileError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

Status = Literal["done", "failed", "not run"]


@dataclass(frozen=True)
class Number:
    """One measured number.

    Attributes:
        value: finite.
        unit: "" for a pure number, else a short unit ("s", "px", "filters").
        network: the network that produced it, or None where no network took part.
    """

    value: float | int
    unit: str = ""
    network: str | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"a number must be finite, not {self.value}")


@dataclass(frozen=True)
class Findings:
    """What a part's run returns.

    Attributes:
        numbers: by name; the names that are graded are a contract.
        arrays: exact pictures and maps, by name; stored as they are.
        facts: JSON values that the part's template shows (tables, words chosen from the numbers).
    """

    numbers: Mapping[str, Number]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Drawing:
    """A figure that a part drew from its findings; the runner gives it a file.

    Attributes:
        name: file name without suffix.
        caption: what the reader sees, in one or two sentences.
        alt: the same for a reader who cannot see the picture.
        figure: a matplotlib figure.
    """

    name: str
    caption: str
    alt: str
    figure: Figure


@dataclass(frozen=True)
class FigureFile:
    """A stored figure; path is relative to the output folder, with forward slashes."""

    path: str
    caption: str
    alt: str

    @property
    def name(self) -> str:
        """The drawing's name, by which a template asks for it."""
        return Path(self.path).stem


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
        provenance: where, when, with what this was computed.
        reason: one line, why it failed or did not run; "" when done.
    """

    part: str
    status: Status
    numbers: Mapping[str, Number] = field(default_factory=dict)
    figures: Sequence[FigureFile] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""

    def figure(self, name: str) -> FigureFile:
        """The stored figure of that name; KeyError names those that there are."""
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise KeyError(f"{self.part} has no figure {name!r}, only {[figure.name for figure in self.figures]}")

    def save(self, path: Path) -> None:
        """Write the result as JSON, whole or not at all."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> PartResult:
        """Read a stored result.

        Raises:
            BadFileError: the file is not a result of this program, or damaged.
        """
        stored = read_json(path)
        try:
            return cls(
                part=stored["part"],
                status=stored["status"],
                numbers={name: Number(**number) for name, number in stored["numbers"].items()},
                figures=tuple(FigureFile(**figure) for figure in stored["figures"]),
                facts=stored["facts"],
                settings=stored["settings"],
                provenance=stored["provenance"],
                reason=stored["reason"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadFileError(
                f"{path} is not a stored result ({type(error).__name__}: {error}): delete it and run again."
            ) from error


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let write(temporary path) fill a file beside path, then put it in path's place.

    A reader, or a run after a crash, finds the old file or the new one, never half of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write value as indented JSON, whole or not at all; NaN and infinity are refused."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: _write_text(temporary, text))


def read_json(path: Path) -> Any:
    """The JSON value in a file.

    Raises:
        BadFileError: the file cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadFileError(f"{path} cannot be read ({error}): delete it and run again.") from error


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
