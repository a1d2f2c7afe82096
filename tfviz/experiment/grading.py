"""Expected values x measured numbers -> verdicts. Pure: no files, no TensorFlow.

Reasons, sources and labels are in the language in use; what is written for programs is graded in English.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from tfviz.experiment.context import is_own
from tfviz.experiment.store import PartResult
from tfviz.language import gettext as _
from tfviz.language import marked

Kind = Literal["published", "published theory", "reference", "own bound"]
KINDS: dict[Kind, str] = {
    "published": marked("a number that an experiment of the two pieces of work reported"),
    "published theory": marked("a number that they derived"),
    "reference": marked("an independent computation: another implementation, a closed form"),
    "own bound": marked("a threshold that this project set; passing it reproduces nothing"),
}
Comparison = Literal["equal", "at least", "at most"]
VerdictStatus = Literal["pass", "fail", "missing", "not comparable"]
STATUSES: tuple[VerdictStatus, ...] = ("pass", "fail", "missing", "not comparable")


@dataclass(frozen=True)
class Expected:
    """What a number ought to be.

    Attributes:
        number: name of the number in the part's result.
        value: the expected value.
        tolerance: how far the measured value may be from it (on the wrong side, for a bound).
        kind: where the value comes from, one of `KINDS`.
        source: where the value comes from, in a few words.
        networks: the networks on which it is comparable; empty: no network takes part.
        comparison: "equal", "at least" or "at most".
        not_comparable: why no measured value can be compared with it, for example since what it was measured on is
            not available; "" where one can.
        written: the value as it was published, where a number does not hold its last zeros: "62.0380".
        label: what the number is, for people; "{n}" in it is the number at the end of its name. "": its name.
    """

    number: str
    value: float
    tolerance: float
    kind: Kind
    source: str
    networks: tuple[str, ...] = ()
    comparison: Comparison = "equal"
    not_comparable: str = ""
    written: str = ""
    label: str = ""


@dataclass(frozen=True)
class Verdict:
    """One row of the grading table; the fields are those of grades.json."""

    part: str
    number: str
    expected: float
    measured: float | None
    tolerance: float
    kind: Kind
    source: str
    status: VerdictStatus
    comparison: Comparison
    network: str | None
    reason: str
    spread: tuple[float, float] | None = None
    repeats: int = 1
    written: str = ""
    label: str = ""


def grade(part: str, expected: Expected, result: PartResult | None) -> Verdict:
    """The verdict on one expected value; result is None where the part was never run."""
    measured: float | None = None
    network: str | None = None
    spread: tuple[float, float] | None = None
    repeats = 1
    status: VerdictStatus
    looked_at = None if result is None else result.provenance.get("network")
    if expected.networks and is_own(looked_at) and (result is None or expected.number not in result.numbers):
        network, status = looked_at, "not comparable"
        reason = _("looked at is {network}, comparable is {networks}").format(
            network=network, networks=_(" or ").join(expected.networks)
        )
    elif result is None or expected.number not in result.numbers:
        status, reason = "missing", _("not run") if result is None else result.reason or _("not measured")
    else:
        number = result.numbers[expected.number]
        measured, network, spread, repeats = number.value, number.network, number.spread, number.repeats
        if is_own(network) and not expected.networks:
            status, reason = "not comparable", _("not set for {network}").format(network=network)
        elif expected.not_comparable:
            status, reason = "not comparable", _(expected.not_comparable)
        elif expected.networks and network not in expected.networks:
            status = "not comparable"
            reason = _("measured on {network}, comparable on {networks}").format(
                network=network, networks=_(" or ").join(expected.networks)
            )
        else:
            # Of repeats the worst counts: what holds for some of them only does not hold.
            offs = [value - expected.value for value in (measured, *(spread or ()))]
            wrongs = [
                {"equal": abs(off), "at least": -off, "at most": off}[expected.comparison] for off in offs
            ]
            off = offs[wrongs.index(max(wrongs))]
            status, reason = (
                ("pass", "")
                if max(wrongs) <= expected.tolerance
                else ("fail", _("off by {difference}").format(difference=f"{off:+.6g}"))
            )
    return Verdict(
        part=part,
        number=expected.number,
        expected=expected.value,
        measured=measured,
        tolerance=expected.tolerance,
        kind=expected.kind,
        source=_(expected.source),
        status=status,
        comparison=expected.comparison,
        network=network,
        reason=reason,
        spread=spread,
        repeats=repeats,
        written=expected.written,
        label=_labelled(expected),
    )


def _labelled(expected: Expected) -> str:
    """What a number is, for people."""
    if not expected.label:
        return expected.number.replace("_", " ")
    last = re.search(r"\d+$", expected.number)
    return _(expected.label).format(n=last[0] if last else "")


def grade_all(
    expectations: Mapping[str, Sequence[Expected]], results: Mapping[str, PartResult]
) -> list[Verdict]:
    """Verdicts on every expected value of every part, in order."""
    return [
        grade(part, expected, results.get(part)) for part, many in expectations.items() for expected in many
    ]


def summary(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many verdicts have each status; every status is a key."""
    counts = Counter(verdict.status for verdict in verdicts)
    return {status: counts[status] for status in STATUSES}


def by_kind(verdicts: Sequence[Verdict]) -> dict[str, dict[str, int]]:
    """`summary` of the verdicts of each kind; every kind is a key."""
    return {kind: summary([verdict for verdict in verdicts if verdict.kind == kind]) for kind in KINDS}


def as_json(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The content of grades.json."""
    return {
        "verdicts": [asdict(verdict) for verdict in verdicts],
        "summary": summary(verdicts),
        "kinds": by_kind(verdicts),
    }


def as_csv(verdicts: Sequence[Verdict]) -> str:
    """The content of grades.csv (RFC 4180): a row a verdict, a column a field, the ends of a range in two.

    Numbers are written to their last digit. A text that a spreadsheet would take for a formula has a ' before it.
    """
    file = io.StringIO(newline="")
    rows = csv.writer(file)
    names = [field.name for field in fields(Verdict)]
    place = names.index("spread")
    rows.writerow([*names[:place], "spread_low", "spread_high", *names[place + 1 :]])
    for verdict in verdicts:
        cells = [_cell(getattr(verdict, name)) for name in names]
        rows.writerow([*cells[:place], *(verdict.spread or ("", "")), *cells[place + 1 :]])
    return file.getvalue()


_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with these a spreadsheet's formula begins


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
