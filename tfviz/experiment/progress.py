"""What the user sees while the program works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table

from tfviz.errors import printable
from tfviz.experiment.durations import Estimate, Own

QUIET = 30.0
"""Seconds between two lines about the same thing in a log."""
_BAR_WIDTH = 40


class Reporter:
    """Says lines and shows progress; to be used in a ``with`` block.

    On a terminal that can move its cursor there is one bar for the whole run below the lines, and one for what goes on
    inside a part. Elsewhere a part is one line when it starts and one when it ends; what takes long inside it says its
    quarters, so that a log stays readable.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        # Plain lines must stay whole: a log has no width.
        self.console = console or Console(highlight=False, soft_wrap=True)
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
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, tuple[int, float]] = {}  # quarter and time of the last line
        self._places: dict[str, str] = {}
        self._done = 0
        self._running, self._since, self._own = "", 0.0, Own()
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

    def plan(self, seconds: Mapping[str, float | None]) -> None:
        """Announce the parts of a run, in order, with the seconds that each may take; None: nobody knows."""
        self._places = {part: f"[{place} of {len(seconds)}] " for place, part in enumerate(seconds, 1)}
        self._estimate = Estimate(seconds)

    def starts(self, part: str, network: str | None) -> None:
        """A part is about to be computed, on that network."""
        self._running, self._since, self._own = part, self._clock(), Own()
        if not self._moves:
            on, left = f" on {network}" if network else "", self._estimate.words()
            self.say(f"{self._places.get(part, '')}{part}: running{on}{left and f', {left}'}")

    def ends(self, part: str, how: str, seconds: float | None = None) -> None:
        """A part is through, and how; seconds: that it took, None if it was not computed to its end."""
        self._estimate.ends(part, seconds)
        self._done += 1
        self._running = ""
        self._said.clear()
        for description in list(self._tasks):  # what a part that failed left unfinished
            self._bars.remove_task(self._tasks.pop(description))
        self.say(f"{self._places.get(part, '')}{part}: {how}")

    def progress(self, description: str, done: float, total: float, note: str = "") -> None:
        """Show that done of total is reached, on a terminal with a note; done >= total ends the bar.

        What has the running part's name is also how far the part is.
        """
        if description == self._running and total:
            self._own.says(min(done / total, 1.0), self._clock() - self._since)
        if self._moves:
            if description not in self._tasks:
                self._tasks[description] = self._bars.add_task(description, total=total, note=note)
            self._bars.update(self._tasks[description], completed=done, total=total, note=note)
            if done >= total:
                self._bars.remove_task(self._tasks.pop(description))
            return
        now, quarter = self._clock(), int(4 * done / total) if total else 4
        last, since = self._said.setdefault(description, (0, now))
        if quarter > last and now - since >= QUIET:
            self._said[description] = quarter, now
            self.say(f"  {description}: {25 * quarter} %")
        if done >= total:
            self._said.pop(description, None)

    def _bottom(self) -> Group:
        """What stands below the lines on a terminal; drawn anew, with the time left, as often as rich likes."""
        if not self._places:
            return Group(self._bars)
        elapsed = self._clock() - self._since if self._running else 0.0
        estimate, own = self._estimate, self._own.share(elapsed)
        bar = ProgressBar(
            total=estimate.total,
            completed=estimate.passed + estimate.running(self._running, elapsed, own),
            width=_BAR_WIDTH,
        )
        row = Table.grid(padding=(0, 1))
        for narrows in (False, True, False, False):
            row.add_column(no_wrap=not narrows)
        row.add_row(
            f"{self._done} of {len(self._places)} parts done",
            bar,
            self._running,
            estimate.words(self._running, elapsed, own),
        )
        return Group(row, self._bars)
