"""Points: a teacher's rubric.toml, checked, and what it gives for what was measured again.

A claim gets its points where it is what is expected and is borne out. One that is not borne out gets none. Of one that
cannot be measured again the grader knows nothing; how much of its points it gets is the rubric's choice (`unmeasured`,
by default all: a student has no part in what leaves no array), and its row says so. Where it is through what was handed
in that it cannot be measured, there are none.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from tfviz.course.rows import LATE, Graded, Row
from tfviz.errors import BadFileError
from tfviz.experiment.grading import KINDS
from tfviz.parts import PARTS
from tfviz.report.handed_in import legible, read_text

USUAL = Path(__file__).with_name("rubric.toml")
"""The rubric that is used where none is named; its points sum to 100."""

_LARGEST = 64_000  # bytes
_MOST = 1e6  # points; more is a slip
_OTHER = "other"
_SHARES = ("unmeasured", "not_comparable", "late")
_WEIGHTS = (*KINDS, _OTHER)
_LATE = re.compile(r"_LATE_\d+")  # in the name of a late file that Canvas exports


@dataclass(frozen=True)
class Named:
    """What a rubric says of one number.

    Attributes:
        points: of its part's.
        ranges: low, high, share: a claim from low to high gets that share.
    """

    points: float
    ranges: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class PartPoints:
    """What a rubric says of one part.

    Attributes:
        points: that can be had.
        numbers: those named, by name.
    """

    points: float
    numbers: Mapping[str, Named] = field(default_factory=dict)


@dataclass(frozen=True)
class Rubric:
    """A rubric; every share is from 0 to 1.

    Attributes:
        parts: by id, in the order of the report.
        weights: of numbers, by the kind of their expected values, and of all "other" numbers together.
        unmeasured: share for a number that cannot be measured again.
        not_comparable: share for one that nothing published can be compared with.
        near: tolerances, share: a claim that is off by at most so many tolerances gets that share.
        late: share that a late submission keeps.
        deadline: what was computed after it is late; None: there is none.
    """

    parts: Mapping[str, PartPoints]
    weights: Mapping[str, float]
    unmeasured: float = 1.0
    not_comparable: float = 1.0
    near: tuple[tuple[float, float], ...] = ()
    late: float = 0.0
    deadline: datetime | None = None

    @property
    def out_of(self) -> float:
        """The points that can be had."""
        return math.fsum(part.points for part in self.parts.values())

    def apply(self, graded: Graded) -> Graded:
        """The same with points, why these are neither all nor nothing, and rows for numbers that the rubric names."""
        why = self.lateness(graded)
        rows: list[Row] = []
        for part in _in_order(graded.rows):
            rows += self._part(graded.submission, part, [row for row in graded.rows if row.part == part])
        if why:
            rows = [replace(row, points=row.points * self.late, reason=_and(row.reason, why)) for row in rows]
        return replace(
            graded,
            rows=tuple(rows),
            points=_sum(row.points for row in rows),
            out_of=self.out_of,
            notes=(*graded.notes, *[why] * bool(why)),
        )

    def lateness(self, graded: Graded) -> str:
        """Why a submission is late, and what it costs; "": it is not."""
        keeps = f"{self.late:.0%} of the points" if self.late else "no points"
        if _LATE.search(graded.submission):
            return f"{LATE}as Canvas marks it: {keeps}"
        if self.deadline is not None:
            for run in graded.runs.values():
                started = _moment(run.get("started"))
                if started is not None and started > self.deadline:
                    return f"{LATE}computed {started.isoformat(' ')}: {keeps}"
        return ""

    def _part(self, submission: str, part: str, rows: Sequence[Row]) -> Iterator[Row]:
        of = self.parts.get(part, PartPoints(0.0))
        there = {row.number for row in rows}
        missing = "no such number was handed in"
        rows = [
            *rows,
            *(
                Row(submission, part, name, None, None, None, "cannot be measured", reason=missing)
                for name in of.numbers
                if name not in there
            ),
        ]
        maxima = self._maxima(part, of, rows)
        for row in rows:
            share, why = self._share(row, of.numbers.get(row.number))
            points = maxima[row.number] * share
            yield replace(row, points=points, reason=_and(row.reason, why if maxima[row.number] else ""))

    def _maxima(self, part: str, of: PartPoints, rows: Sequence[Row]) -> dict[str, float]:
        """The points that each number can get, by name."""
        left = max(0.0, of.points - math.fsum(named.points for named in of.numbers.values()))
        kinds = {row.number: row.kind or _OTHER for row in rows if row.number not in of.numbers}
        others = sum(kind == _OTHER for kind in kinds.values())
        weights = {
            number: self.weights[kind] / (others if kind == _OTHER else 1) for number, kind in kinds.items()
        }
        # Every part has other numbers; what they weigh is lost, not shared out anew, where they were left out.
        whole = math.fsum(weights.values()) + (0.0 if others else self.weights[_OTHER])
        return {name: named.points for name, named in of.numbers.items()} | {
            number: left * weight / whole if whole else 0.0 for number, weight in weights.items()
        }

    def _share(self, row: Row, named: Named | None) -> tuple[float, str]:
        """The share of its points that a number gets, and why that is neither all nor nothing."""
        if row.claimed is None or row.status == "missing" or row.verdict == "not borne out" or row.theirs:
            return 0.0, ""
        share, why = 1.0, ""
        if row.status == "fail":
            share, why = self._range(row, named)
        elif row.status == "not comparable":
            share = self.not_comparable
            why = f"not comparable: {share:.0%} of the points"
        if share and row.verdict == "cannot be measured":
            share *= self.unmeasured
            why = _and(why, f"not measured again: {self.unmeasured:.0%} of the points by the rubric")
        return share, why

    def _range(self, row: Row, named: Named | None) -> tuple[float, str]:
        """The share of a number that is not what is expected."""
        assert row.claimed is not None
        assert row.expected is not None
        off = {
            "equal": abs(row.claimed - row.expected),
            "at least": row.expected - row.claimed,
            "at most": row.claimed - row.expected,
        }[row.comparison]
        shares = [share for low, high, share in (named.ranges if named else ()) if low <= row.claimed <= high]
        shares += [share for tolerances, share in self.near if off <= tolerances * (row.tolerance or 0.0)]
        share = max(shares, default=0.0)
        # Of repeats the worst counts (`tfviz.experiment.grading.grade`).
        what = "not as expected" if off > (row.tolerance or 0.0) else "as expected, but not in every repeat"
        return share, f"{what}: {share:.0%} of the points"


def load(path: Path | None = None) -> Rubric:
    """A rubric; None: the usual one.

    Raises:
        BadFileError: the file cannot be read, is not TOML, or has a key or a value that a rubric cannot have.
    """
    path = path or USUAL
    text = read_text(path, _LARGEST)
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise BadFileError(f"{legible(path)} is nested too deeply for a rubric.") from error
    except ValueError as error:
        raise BadFileError(f"{legible(path)} is not TOML: {legible(str(error))}.") from error
    return _Checked(path).rubric(values)


class _Checked:
    """The values of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rubric(self, values: Mapping[str, Any]) -> Rubric:
        self._known("", values, (*_SHARES, "near", "deadline", "weights", "parts"))
        usual = {} if self._path == USUAL else tomllib.loads(USUAL.read_text(encoding="utf-8"))
        weights = {**usual.get("weights", {}), **self._table("weights", values.get("weights", {}))}
        self._known("weights", weights, _WEIGHTS)
        given = self._table("parts", values.get("parts"))
        self._known("parts", given, [part.ID for part in PARTS])
        parts = {
            part.ID: self._part(f"parts.{part.ID}", given[part.ID]) for part in PARTS if part.ID in given
        }
        if not math.fsum(part.points for part in parts.values()):
            self._refuse("parts", "gives no points: name parts and their points")
        return Rubric(
            parts,
            {kind: self._number(f"weights.{kind}", weights.get(kind, 0)) for kind in _WEIGHTS},
            **{key: self._share(key, values.get(key, usual.get(key))) for key in _SHARES},
            near=tuple(
                (self._number("near", low), self._share("near", share))
                for low, share in self._lists("near", values.get("near", usual.get("near", [])), 2)
            ),
            deadline=self._deadline(values.get("deadline")),
        )

    def _part(self, key: str, value: object) -> PartPoints:
        if not isinstance(value, dict):
            return PartPoints(self._number(key, value))
        self._known(key, value, ("points", "numbers"))
        numbers = {
            name: self._named(f"{key}.numbers.{name}", each)
            for name, each in self._table(f"{key}.numbers", value.get("numbers", {})).items()
        }
        named = math.fsum(each.points for each in numbers.values())
        points = self._number(f"{key}.points", value["points"]) if "points" in value else named
        if named > points + 1e-9:
            self._refuse(key, f"has numbers with {named:g} points together, more than its own {points:g}")
        return PartPoints(points, numbers)

    def _named(self, key: str, value: object) -> Named:
        if not isinstance(value, dict):
            return Named(self._number(key, value))
        self._known(key, value, ("points", "ranges"))
        if "points" not in value:
            self._refuse(key, "lacks points")
        ranges = []
        for low, high, share in self._lists(f"{key}.ranges", value.get("ranges", []), 3):
            low, high = (self._number(f"{key}.ranges", end, least=-math.inf) for end in (low, high))
            if low > high:
                self._refuse(
                    f"{key}.ranges", f"has a range from {low:g} down to {high:g}: the lower end goes first"
                )
            ranges.append((low, high, self._share(f"{key}.ranges", share)))
        return Named(self._number(f"{key}.points", value["points"]), tuple(ranges))

    def _known(self, key: str, values: Mapping[str, Any], names: Sequence[str]) -> None:
        for name in values:
            if name not in names:
                near = difflib.get_close_matches(name[:50], names, 1)
                there = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
                self._refuse(f"{key}.{name}".lstrip("."), f"is no key of a rubric; {there}", stop="")

    def _table(self, key: str, value: object) -> dict[str, Any]:
        if value is None:
            self._refuse(key, "is missing: a table of parts and their points")
        if not isinstance(value, dict):
            self._refuse(key, f"must be a table, not {_short(value)}")
        return value

    def _lists(self, key: str, value: object, length: int) -> list[list[Any]]:
        if not isinstance(value, list) or not all(
            isinstance(each, list) and len(each) == length for each in value
        ):
            self._refuse(key, f"must be a list of lists of {length} numbers, not {_short(value)}")
        return value

    def _number(self, key: str, value: object, least: float = 0.0, most: float = _MOST) -> float:
        # A truth value is a number to Python.
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(key, f"must be a number, not {_short(value)}")
        if not math.isfinite(value):
            self._refuse(key, f"must be a finite number, not {value}")
        if not least <= value <= most:
            self._refuse(key, f"must be from {least:g} to {most:g}, not {_short(value)}")
        return float(value)

    def _share(self, key: str, value: object) -> float:
        return self._number(key, value, most=1.0)

    def _deadline(self, value: object) -> datetime | None:
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is None:
            self._refuse(
                "deadline",
                f"must be a time with its zone such as 2026-12-31T23:59:00+02:00, not {_short(value)}",
            )
        return value

    def _refuse(self, key: str, why: str, stop: str = ".") -> NoReturn:
        raise BadFileError(f"{legible(self._path)}: {legible(key)} {why}{stop}")


def _in_order(rows: Sequence[Row]) -> dict[str, None]:
    return dict.fromkeys(row.part for row in rows)


def _sum(points: Iterator[float]) -> float:
    """A sum without the last digits that adding made up."""
    return round(math.fsum(points), 9)


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _and(first: str, second: str) -> str:
    return "; ".join(each for each in (first, second) if each)


def _short(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return legible(text if len(text) <= 60 else f"{text[:59]}…")
