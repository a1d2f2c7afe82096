"""Expected values x measured numbers -> verdicts. Pure: no files, no TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tfviz.experiment.store import PartResult

Kind = Literal["published", "reference"]
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
        kind: "published" (the two pieces of work) or "reference" (another implementation, a closed form).
        source: where the value comes from, in a few words.
        networks: the networks on which it is comparable; empty: no network takes part.
        comparison: "equal", "at least" or "at most".
        not_comparable: why no measured value can be compared with it, for example since what it was measured on is
            not available; "" where one can.
    """

    number: str
    value: float
    tolerance: float
    kind: Kind
    source: str
    networks: tuple[str, ...] = ()
    comparison: Comparison = "equal"
    not_comparable: str = ""


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


def grade(part: str, expected: Expected, result: PartResult | None) -> Verdict:
    """The verdict on one expected value; result is None where the part was never run."""
    measured: float | None = None
    network: str | None = None
    status: VerdictStatus
    if result is None or expected.number not in result.numbers:
        status, reason = "missing", "not run" if result is None else result.reason or "not measured"
    else:
        number = result.numbers[expected.number]
        measured, network = number.value, number.network
        if expected.not_comparable:
            status, reason = "not comparable", expected.not_comparable
        elif expected.networks and network not in expected.networks:
            status = "not comparable"
            reason = f"measured on {network}, comparable on {' or '.join(expected.networks)}"
        else:
            off = measured - expected.value
            wrong = {"equal": abs(off), "at least": -off, "at most": off}[expected.comparison]
            status, reason = ("pass", "") if wrong <= expected.tolerance else ("fail", f"off by {off:+.6g}")
    return Verdict(
        part=part,
        number=expected.number,
        expected=expected.value,
        measured=measured,
        tolerance=expected.tolerance,
        kind=expected.kind,
        source=expected.source,
        status=status,
        comparison=expected.comparison,
        network=network,
        reason=reason,
    )


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


def as_json(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The content of grades.json."""
    return {"verdicts": [asdict(verdict) for verdict in verdicts], "summary": summary(verdicts)}
