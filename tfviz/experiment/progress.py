"""What the user sees while the program works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table

from tfviz.errors import printable
from tfviz.experiment.durations import Estimate, Own
from tfviz.experiment.executor import tell

QUIET = 30.0
"""Seconds between two lines about the same thing in a log."""
_BAR_WIDTH = 40
_OFTEN = 0.1  # seconds between two messages of a part about the same thing


class Reporter:
    """Says lines and shows progress; to be used in a ``with`` block.

    On a terminal that can move its cursor there is one bar for the whole run below the lines, and one for what goes on
    inside a part. Elsewhere a part is one line when it starts and one when it ends; what takes long inside it says its
    quarters, so that a log stays readable.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        # Plain lines must stay whole: a log has no width. FORCE_COLOR makes no terminal of it, whose cursor could move.
        is_terminal = sys.stdout is not None and sys.stdout.isatty()
        self.console = console or Console(highlight=False, soft_wrap=True, force_terminal=is_terminal)
        self._moves = self.console.is_terminal and not self.console.is_dumb_terminal
        self._clock = clock
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}  # by part and description
        self._said: dict[tuple[str, str], tuple[int, float]] = {}  # quarter and time of the last line
        self._places: dict[str, str] = {}
        self._done = 0
        self._running: dict[str, tuple[float, Own]] = {}  # since when, and what it says of itself
        self._estimate = Estimate({})
        self._live = Live(get_renderable=self._bottom, console=self.console, transient=True)

    def __enter__(self) -> Self:
        if self._moves:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._moves:
            self._live.stop()

    def say(self, line: str) -> None:
        """Print one line; it is never interpreted as markup."""
        self.console.print(printable(line), markup=False)

    def plan(self, seconds: Mapping[str, float | None], at_once: int = 1) -> None:
        """Announce the parts of a run.

        Args:
            seconds: that each may take, in their order; None: nobody knows.
            at_once: how many are computed at a time.
        """
        self._places = {part: f"[{place} of {len(seconds)}] " for place, part in enumerate(seconds, 1)}
        self._estimate = Estimate(seconds, at_once)

    def starts(self, part: str, network: str | None) -> None:
        """A part is about to be computed, on that network."""
        self._running[part] = self._clock(), Own()
        if not self._moves:
            on, left = f" on {network}" if network else "", self._estimate.words(self._so_far())
            self.say(f"{self._places.get(part, '')}{part}: running{on}{left and f', {left}'}")

    def ends(self, part: str, how: str, seconds: float | None = None) -> None:
        """A part is through, and how; seconds: that it took, None if it was not computed to its end."""
        self._estimate.ends(part, seconds)
        self._done += 1
        self._running.pop(part, None)
        for left in [each for each in self._said if each[0] in ("", part)]:
            del self._said[left]
        for left in [each for each in self._tasks if each[0] in ("", part)]:  # of a part that failed
            self._bars.remove_task(self._tasks.pop(left))
        self.say(f"{self._places.get(part, '')}{part}: {how}")

    def progress(self, description: str, done: float, total: float, note: str = "", part: str = "") -> None:
        """Show that done of total is reached, on a terminal with a note; done >= total ends the bar.

        What has a running part's name is also how far the part is; part: in which it goes on, if in one.
        """
        if description in self._running and total:
            since, own = self._running[description]
            own.says(min(done / total, 1.0), self._clock() - since)
        which = part, description
        if self._moves:
            if which not in self._tasks:
                self._tasks[which] = self._bars.add_task(description, total=total, note=note)
            self._bars.update(self._tasks[which], completed=done, total=total, note=note)
            if done >= total:
                self._bars.remove_task(self._tasks.pop(which))
            return
        now, quarter = self._clock(), int(4 * done / total) if total else 4
        last, since = self._said.setdefault(which, (0, now))
        if quarter > last and now - since >= QUIET:
            self._said[which] = quarter, now
            self.say(f"  {description}: {25 * quarter} %")
        if done >= total:
            self._said.pop(which, None)

    def _so_far(self) -> dict[str, tuple[float, float | None]]:
        """How long each running part has been, and the share of it that is done as far as it says so."""
        now = self._clock()
        return {part: (now - since, own.share(now - since)) for part, (since, own) in self._running.items()}

    def _bottom(self) -> Group:
        """What stands below the lines on a terminal; drawn anew, with the time left, as often as rich likes."""
        if not self._places:
            return Group(self._bars)
        estimate, running = self._estimate, self._so_far()
        behind = sum(estimate.running(part, *so_far) for part, so_far in running.items())
        bar = ProgressBar(total=estimate.total, completed=estimate.passed + behind, width=_BAR_WIDTH)
        row = Table.grid(padding=(0, 1))
        for narrows in (False, True, False, False):
            row.add_column(no_wrap=not narrows)
        row.add_row(
            f"{self._done} of {len(self._places)} parts done",
            bar,
            ", ".join(running),
            estimate.words(running),
        )
        return Group(row, self._bars)


class Relay(Reporter):
    """What a part reports to where it is computed; whoever runs the parts hears it (`heard_by`)."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._told: dict[str, float] = {}

    def say(self, line: str) -> None:
        """See `Reporter`."""
        tell(("say", line))

    def starts(self, part: str, network: str | None) -> None:
        """See `Reporter`."""
        tell(("starts", part, network))

    def progress(self, description: str, done: float, total: float, note: str = "", part: str = "") -> None:
        """See `Reporter`; what comes faster than anybody reads is left out."""
        now = time.monotonic()
        if done >= total or now - self._told.get(description, -_OFTEN) >= _OFTEN:
            self._told[description] = now
            tell(("progress", description, done, total, note, self._part))


def heard_by(reporter: Reporter) -> Callable[[tuple[str, Any]], None]:
    """What gives the messages of `Relay` to a reporter."""

    def heard(message: tuple[str, Any]) -> None:
        what, *values = message
        getattr(reporter, what)(*values)

    return heard
