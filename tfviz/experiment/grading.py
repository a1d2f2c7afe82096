"""Expected values x measured numbers -> verdicts. Pure: no files, no TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tfviz.experiment.store import PartResult

Kind = Literal["published", "published theory", "reference", "own bound"]
KINDS: dict[Kind, str] = {
    "published": "a number that an experiment of the two pieces of work reported",
    "published theory": "a number that they derived",
    "reference": "an independent computation: another implementation, a closed form",
    "own bound": "a threshold that this project set; passing it reproduces nothing",
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


def grade(part: str, expected: Expected, result: PartResult | None) -> Verdict:
    """The verdict on one expected value; result is None where the part was never run."""
    measured: float | None = None
    network: str | None = None
    spread: tuple[float, float] | None = None
    repeats = 1
    status: VerdictStatus
    if result is None or expected.number not in result.numbers:
        status, reason = "missing", "not run" if result is None else result.reason or "not measured"
    else:
        number = result.numbers[expected.number]
        measured, network, spread, repeats = number.value, number.network, number.spread, number.repeats
        if expected.not_comparable:
            status, reason = "not comparable", expected.not_comparable
        elif expected.networks and network not in expected.networks:
            status = "not comparable"
            reason = f"measured on {network}, comparable on {' or '.join(expected.networks)}"
        else:
            # Of repeats the worst counts: what holds for some of them only does not hold.
            offs = [value - expected.value for value in (measured, *(spread or ()))]
            wrongs = [
                {"equal": abs(off), "at least": -off, "at most": off}[expected.comparison] for off in offs
            ]
            off = offs[wrongs.index(max(wrongs))]
            status, reason = (
                ("pass", "") if max(wrongs) <= expected.tolerance else ("fail", f"off by {off:+.6g}")
            )
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
        spread=spread,
        repeats=repeats,
        written=expected.written,
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
