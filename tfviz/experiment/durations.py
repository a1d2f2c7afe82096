"""How long parts take: what earlier runs recorded, and what that says of the rest of this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tfviz.experiment.store import PartResult
from tfviz.files.atomic import read_json
from tfviz.files.program import asset

if TYPE_CHECKING:
    from tfviz.experiment.part import Part

TRUST = 20.0
"""Seconds of finished parts after which this run's own pace counts as much as what was recorded."""
_A_FEW, _IN_TENS, _IN_MINUTES = 10, 90, 90 * 60  # seconds up to which a time is said so


def expected(
    parts: Sequence[Part], stored: Mapping[str, PartResult], *, quick: bool, train: bool
) -> dict[str, float | None]:
    """The seconds that each part is expected to compute, in order; None where nobody knows.

    Args:
        parts: that will run.
        stored: results of earlier runs in the same folder, which go before the typical seconds that come with the
            program.
        quick: whether the settings will be the shorter ones.
        train: whether the parts that can train do so; their time depends on what is trained, and on what an earlier
            run left of it.
    """
    typical = read_json(asset("typical_seconds.json"))
    found: dict[str, float | None] = {}
    for part in parts:
        trains = "train" in part.INPUTS
        if trains and train:
            found[part.ID] = None
            continue
        shorter = quick and part.QUICK != part.SETTINGS
        seconds = typical["quick" if shorter else "full"].get(part.ID, typical["full"].get(part.ID))
        result = stored.get(part.ID)
        # What a part that can train has recorded may be the time of a training.
        if not trains and result and result.status == "done" and result.provenance.get("quick") is shorter:
            seconds = result.provenance.get("seconds", seconds)
        found[part.ID] = seconds
    return found


class Estimate:
    """The time that is left of a run, corrected by how long its finished parts took.

    Attributes:
        total: seconds expected of all parts whose time is known, at the recorded pace.
        passed: those of the finished ones.
    """

    def __init__(self, seconds: Mapping[str, float | None]) -> None:
        self._left = dict(seconds)
        self.total = sum(value or 0.0 for value in seconds.values())
        self.passed = 0.0
        self._compared = self._taken = 0.0

    def ends(self, part: str, taken: float | None = None) -> None:
        """A part is through; taken: the seconds that it computed, None if it did not compute to its end."""
        seconds = self._left.pop(part, None) or 0.0
        self.passed += seconds
        if taken is not None and seconds:
            self._compared += seconds
            self._taken += taken

    @property
    def pace(self) -> float:
        """How many times as long as expected things take in this run; near 1 until enough has finished."""
        return (self._taken + TRUST) / (self._compared + TRUST)

    def running(self, part: str, elapsed: float) -> float:
        """The expected seconds, at the recorded pace, that a part has behind it after so many."""
        return min(elapsed / self.pace, self._left.get(part) or 0.0)

    def left(self, part: str = "", elapsed: float = 0.0) -> float:
        """The seconds that are left while a part has been running for so many."""
        return (self.total - self.passed - self.running(part, elapsed)) * self.pace

    @property
    def unknown(self) -> list[str]:
        """The parts ahead that `left` does not count, since nobody knows their time."""
        return [part for part, seconds in self._left.items() if seconds is None]

    def words(self, part: str = "", elapsed: float = 0.0) -> str:
        """`left` for people: "about 9 min left", "" where nothing is known."""
        left, unknown = self.left(part, elapsed), self.unknown
        if not left:
            return ""
        return f"{about(left)} left" + (f", not counting {' and '.join(unknown)}" if unknown else "")


def about(seconds: float) -> str:
    """A time that is not known exactly: "a few seconds", "about 40 s", "about 9 min", "about 2.5 h"."""
    if seconds < _A_FEW:
        return "a few seconds"
    if seconds < _IN_TENS:
        return f"about {round(seconds, -1):.0f} s"
    if seconds < _IN_MINUTES:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"


def took(seconds: float) -> str:
    """A time that was measured: "14.1 s", "11 min 20 s", "2 h 5 min"."""
    if seconds < _IN_TENS:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if seconds < _IN_MINUTES else f"{minutes // 60} h {minutes % 60} min"
