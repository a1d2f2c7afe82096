"""What the user sees while the program works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn


class Reporter:
    """Says lines and shows progress; to be used in a ``with`` block.

    Off a terminal, progress is one plain line for each quarter, so that a log stays readable.
    """

    def __init__(self, console: Console | None = None) -> None:
        # Plain lines must stay whole: a log has no width.
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._quarters: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """Print one line; it is never interpreted as markup."""
        self.console.print(line, markup=False)

    def progress(self, description: str, done: float, total: float, note: str = "") -> None:
        """Show that done of total is reached, on a terminal with a note; done >= total ends the bar."""
        if self.console.is_terminal:
            if description not in self._tasks:
                self._tasks[description] = self._bars.add_task(description, total=total, note=note)
            self._bars.update(self._tasks[description], completed=done, total=total, note=note)
            if done >= total:
                self._bars.remove_task(self._tasks.pop(description))
            return
        quarter = int(4 * done / total) if total else 4
        if quarter > self._quarters.get(description, 0):
            self._quarters[description] = quarter
            self.say(f"  {description}: {25 * quarter} %")
        if done >= total:
            self._quarters.pop(description, None)
