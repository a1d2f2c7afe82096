"""What the cover says at a glance: how much was reproduced, how much was checked, and how each part stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfviz.experiment.grading import Verdict

if TYPE_CHECKING:
    from tfviz.report.page import Section


@dataclass(frozen=True)
class Tally:
    """So many of so many."""

    good: int
    all: int


@dataclass(frozen=True)
class Scores:
    """The scorecard.

    Attributes:
        experiments: parts whose published experiments' numbers all pass, of those that have any.
        incomparable: parts of these with a number that is not comparable, failed parts left out.
        differing: parts of these with a number that fails.
        numbers: published experiments' numbers that pass.
        theory: published derivations that pass.
        checks: independent computations that pass.
        bounds: own bounds that are kept.
        missing: expected values that were not measured, though their part's turn is over.
        seconds: that the shown results took to compute; trainings recorded earlier took theirs then.
        quick: whether any of them is of a shorter run.
    """

    experiments: Tally
    incomparable: int
    differing: int
    numbers: Tally
    theory: Tally
    checks: Tally
    bounds: Tally
    missing: int
    seconds: float
    quick: bool


def of(sections: Sequence[Section]) -> Scores:
    """The scorecard of a report."""
    verdicts = [verdict for section in sections for verdict in section.verdicts]
    published = [
        [verdict.status for verdict in section.verdicts if verdict.kind == "published"]
        for section in sections
    ]
    published = [statuses for statuses in published if statuses]
    done = [section.result for section in sections if section.result and section.result.status == "done"]
    return Scores(
        experiments=Tally(sum(set(statuses) == {"pass"} for statuses in published), len(published)),
        incomparable=sum("not comparable" in statuses and "fail" not in statuses for statuses in published),
        differing=sum("fail" in statuses for statuses in published),
        numbers=_tally(verdicts, "published"),
        theory=_tally(verdicts, "published theory"),
        checks=_tally(verdicts, "reference"),
        bounds=_tally(verdicts, "own bound"),
        missing=sum(
            verdict.status == "missing"
            for section in sections
            if not section.pending
            for verdict in section.verdicts
        ),
        seconds=sum(result.provenance.get("seconds", 0) for result in done),
        quick=any(section.quick for section in sections),
    )


def standing(section: Section) -> str:
    """How a part stands, in one word for its line on the cover.

    One of "pending", "failed", "not run" (its status); "differs" (a verdict fails); "agrees" (all that was published
    of it passes), "not comparable" (some of that cannot be compared here), "checked" (only other verdicts, which pass),
    "shown" (no verdict), "missing" (a graded number was not measured).
    """
    if section.status != "done":
        return section.status
    statuses = {verdict.status for verdict in section.verdicts}
    if "fail" in statuses:
        return "differs"
    if "missing" in statuses:
        return "missing"
    if statuses == {"not comparable"}:
        return "not comparable"
    published = {verdict.status for verdict in section.verdicts if verdict.kind.startswith("published")}
    if published:
        return "not comparable" if "not comparable" in published else "agrees"
    return "checked" if statuses else "shown"


def _tally(verdicts: Sequence[Verdict], kind: str) -> Tally:
    here = [verdict for verdict in verdicts if verdict.kind == kind]
    if kind != "published":  # of those the scorecard says how many cannot be compared
        here = [verdict for verdict in here if verdict.status != "not comparable"]
    return Tally(sum(verdict.status == "pass" for verdict in here), len(here))
