"""What grading says of a submission: a row a number, and what the page and the other outputs show beside them."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from tfviz.experiment.grading import Comparison, Kind, VerdictStatus

Measured = Literal["borne out", "not borne out", "cannot be measured"]
LATE = "late, "
"""How the note begins that says that a submission is."""
MEASURED: tuple[Measured, ...] = get_args(Measured)


@dataclass(frozen=True)
class Row:
    """One submission and number; the fields down to `reason` are the columns of grades.csv.

    Attributes:
        submission: its name.
        part: the part's id; "" where the submission could not be read at all.
        number: the number's name; "" where the part could not be read at all.
        claimed: what was handed in; None: nothing, or nothing that is a number.
        measured: the same, measured again by the grader; None: it was not.
        expected: what it ought to be; None: nothing is expected of it.
        verdict: whether what was handed in bears the claim out.
        points: given for it; 0 until the rubric was applied.
        reason: why not, or why it cannot be measured; "" where it is borne out. English, one line, printable.
        status: of the claim beside what is expected; "": nothing is.
        network: the network that the number is said to be of.
        tolerance: how far the claim may lie from what is expected.
        comparison: in which sense.
        kind: where the expected value is from; "": nothing is expected.
        theirs: whether it is through what was handed in that the number cannot be measured or is not borne out, not
            through what the grader lacks or no array can show.
        allowed: how far the claim may lie from what was measured again; None: it was not.
        shown: whatever else JSON and the page show, JSON values.
    """

    submission: str
    part: str
    number: str
    claimed: float | None
    measured: float | None
    expected: float | None
    verdict: Measured
    points: float = 0.0
    reason: str = ""
    status: VerdictStatus | Literal[""] = ""
    network: str | None = None
    tolerance: float | None = None
    comparison: Comparison = "equal"
    kind: Kind | Literal[""] = ""
    allowed: float | None = None
    theirs: bool = False
    shown: Mapping[str, Any] = field(default_factory=dict)


COLUMNS = ("submission", "part", "number", "claimed", "measured", "expected", "verdict", "points", "reason")
"""Of grades.csv."""


@dataclass(frozen=True)
class Picture:
    """A thumbnail of an array that was handed in, made by the grader.

    Attributes:
        part: the part's id.
        name: the array's name, and which picture of it: "pictures 2".
        png: of at most `tfviz.course.measuring.THUMBNAIL` pixels a side.
    """

    part: str
    name: str
    png: bytes


@dataclass(frozen=True)
class Graded:
    """All that grading says of one submission.

    Attributes:
        submission: its name.
        rows: by part, in the order of the report.
        points: given by the rubric.
        out_of: that could have been.
        refused: one line, why nothing of it was graded; "": it was.
        notes: one line each: what of it was left aside (parts that the program does not know).
        pictures: thumbnails.
        hashes: of the values of each array, by "part/name" (see `tfviz.course.measuring`).
        signatures: of each picture, by "part/name" or "part/name 2": 64 numbers, for finding re-encodings of it.
        runs: what each part says of the run that it is from, by its id (see `tfviz.course.twins.run_of`).
        seconds: that it took.
        peak_memory_mb: of the process that measured it.
    """

    submission: str
    rows: tuple[Row, ...] = ()
    points: float = 0.0
    out_of: float = 0.0
    refused: str = ""
    notes: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    signatures: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory_mb: float = 0.0

    @property
    def unchecked(self) -> float:
        """Of the points, those for numbers that could not be measured again: the student's word alone."""
        return round(math.fsum(row.points for row in self.rows if row.verdict == "cannot be measured"), 9)

    def named(self, name: str) -> Graded:
        """The same under another name: two submissions of the same content are measured once."""
        return replace(self, submission=name, rows=tuple(replace(row, submission=name) for row in self.rows))


def called(rows: Sequence[Row]) -> str:
    """What to call numbers of one part of which the same is said."""
    return rows[0].number if len(rows) == 1 else f"{len(rows)} numbers ({rows[0].number}, ...)"


def as_json(graded: Graded) -> dict[str, Any]:
    """As a JSON value, whole: `from_json` reads it back."""
    pictures = [
        {"part": each.part, "name": each.name, "png": base64.b64encode(each.png).decode("ascii")}
        for each in graded.pictures
    ]
    return asdict(replace(graded, pictures=())) | {"pictures": pictures}


def from_json(value: Mapping[str, Any]) -> Graded:
    """What `as_json` wrote."""
    return Graded(
        **{
            **value,
            "rows": tuple(Row(**row) for row in value["rows"]),
            "notes": tuple(value["notes"]),
            "pictures": tuple(
                Picture(each["part"], each["name"], base64.b64decode(each["png"]))
                for each in value["pictures"]
            ),
            "signatures": {name: tuple(values) for name, values in value["signatures"].items()},
        }
    )
