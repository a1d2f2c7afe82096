"""How long parts take: what earlier runs recorded, and what that says of the rest of this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from tfviz.experiment.store import PartResult
from tfviz.files.program import asset
from tfviz.files.reading import read_json

if TYPE_CHECKING:
    from tfviz.experiment.part import Part

TRUST = 20.0
"""Seconds of finished parts after which this run's own pace counts as much as what was recorded."""
_NEAR = 0.8  # of the expected time: from here on a part only comes nearer to its end
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


def approaching(elapsed: float, expected: float) -> float:
    """How much, 0..1, is behind what takes about so long: in step with time at first, and never all of it."""
    if elapsed <= _NEAR * expected:
        return elapsed / expected if expected else 0.0
    # The hyperbola that goes on with the same value and slope.
    rest = (1 - _NEAR) * expected
    return 1 - (1 - _NEAR) * rest / (elapsed - _NEAR * expected + rest)


class Own:
    """What a part says of its own progress, and how far it is since it last said so."""

    def __init__(self) -> None:
        self._said = self._at = 0.0
        self._step = self._seconds = 0.0  # between the last two times it said so

    def says(self, share: float, elapsed: float) -> None:
        """A share, 0..1, of the part is done after so many seconds; less than before: it has begun something anew."""
        if share != self._said:
            self._step, self._seconds = max(share - self._said, 0.0), elapsed - self._at
            self._said, self._at = share, elapsed

    def share(self, elapsed: float) -> float | None:
        """What is done after so many seconds, below 1; None: the part has said nothing that tells."""
        if not 0 < self._said < 1:
            return None
        step = min(self._step, 1 - self._said)
        return self._said + _NEAR * step * approaching(elapsed - self._at, self._seconds)


Running = Mapping[str, tuple[float, float | None]]
"""For each part that is running, the seconds since it began, and the share, 0..1, that it says is done."""
_NOTHING_RUNS: Running = MappingProxyType({})


class Estimate:
    """The time that is left of a run, corrected by how long its finished parts took.

    Attributes:
        total: the length of the run's bar: seconds expected of all parts, at the recorded pace, where all are known;
            else parts.
        passed: that of the finished ones.
    """

    def __init__(self, seconds: Mapping[str, float | None], at_once: int = 1) -> None:
        """Take the seconds that each part may take (None: nobody knows), and how many are computed at a time."""
        self._at_once = at_once
        self._left = dict(seconds)
        known = sum(value or 0.0 for value in seconds.values())
        self._lengths = {
            part: 1.0 if None in seconds.values() or not known else value or 0.0
            for part, value in seconds.items()
        }
        self.total = sum(self._lengths.values())
        self.passed = 0.0
        self._compared = self._taken = 0.0

    def ends(self, part: str, taken: float | None = None) -> None:
        """A part is through; taken: the seconds that it computed, None if it did not compute to its end."""
        seconds = self._left.pop(part, None) or 0.0
        self.passed += self._lengths.pop(part, 0.0)
        if taken is not None and seconds:
            self._compared += seconds
            self._taken += taken

    @property
    def pace(self) -> float:
        """How many times as long as expected things take in this run; near 1 until enough has finished."""
        return (self._taken + TRUST) / (self._compared + TRUST)

    def running(self, part: str, elapsed: float, own: float | None = None) -> float:
        """How much of the bar a part that is running has behind it; never all that it will have.

        Args:
            part: that is running; none of the run's: nothing.
            elapsed: seconds since it began.
            own: the share, 0..1, that it says itself; None: it says nothing, and the expected seconds tell.
        """
        return self._lengths.get(part, 0.0) * self._share(part, elapsed, own)

    def left(self, running: Running = _NOTHING_RUNS) -> float:
        """The seconds that are left: what is left of all parts is shared out, and the longest one is not cut up."""
        parts = {}
        for part, seconds in self._left.items():
            elapsed, own = running.get(part, (0.0, None))
            if own:
                parts[part] = elapsed * (1 - own) / own
            elif seconds:
                parts[part] = seconds * self.pace * (1 - self._share(part, elapsed))
        return max(sum(parts.values()) / self._at_once, *parts.values()) if parts else 0.0

    def _share(self, part: str, elapsed: float, own: float | None = None) -> float:
        """The share, 0..1, of a part that is behind it."""
        if own is not None:
            return own
        seconds = self._left.get(part)
        return approaching(elapsed, seconds * self.pace) if seconds else 0.0

    @property
    def unknown(self) -> list[str]:
        """The parts ahead that `left` does not count, since nobody knows their time."""
        return [part for part, seconds in self._left.items() if seconds is None]

    def words(self, running: Running = _NOTHING_RUNS) -> str:
        """`left` for people: "about 9 min left", "" where nothing is known."""
        left = self.left(running)
        unknown = [name for name in self.unknown if not running.get(name, (0.0, None))[1]]
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
