"""The report that grows while parts are computed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from tfviz.language import marked

BEING_COMPUTED = marked("it is being computed; load this page again in a while")
NOT_YET = marked("it is not computed yet; load this page again in a while")
STOPPED = marked("the run was stopped before it was computed; the same command goes on")
SHARE = 0.1
"""Of a run's time, at most, that goes into rendering pages that will be rendered again, after the first two."""


class Growing:
    """Renders the report while a run goes on: before its first part, after that one, then after each that pays for it.

    A rendering is paid for when the last one took no more than its share of the time from then until the next part
    is expected to end: before a part that takes long, what has finished is shown. What fails does not stop the run;
    that is said once.
    """

    def __init__(
        self,
        render: Callable[[Mapping[str, str]], object],
        draw: Callable[[str], object],
        waiting: Mapping[str, float | None],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        at_once: int = 1,
    ) -> None:
        """Take what it needs.

        Args:
            render: called with what is pending, {part: why it is not there yet}.
            draw: called with a part that is through, to draw its figures: once, whenever that is, so that the time it
                takes is none of a rendering's.
            waiting: the parts that will be computed, in order, with the seconds that each may take (None: nobody
                knows); where there are none, nothing is rendered.
            say: called with one line if a rendering fails.
            clock: seconds.
            at_once: how many are computed at a time: the first of those that wait.
        """
        self._render = render
        self._draw = draw
        self._waiting = dict(waiting)
        self._say = say
        self._clock = clock
        self._at_once = at_once
        self._last = self._cost = 0.0
        self._finished = 0
        self._failed = False

    def begin(self) -> bool:
        """Render before the first part; returns whether there is a page now that will grow."""
        return bool(self._waiting) and self._rendered()

    def ends(self, part: str) -> None:
        """A part is through; draw it if it was waited for, and render if more is to come and it is time to."""
        if part not in self._waiting:
            return
        del self._waiting[part]
        self._finished += 1
        if self._waiting and self._tried(self._draw, part) and (self._finished == 1 or self._is_paid_for()):
            self._rendered()

    def _is_paid_for(self) -> bool:
        running = list(self._waiting.values())[: self._at_once]
        ahead = min((seconds for seconds in running if seconds is not None), default=None)
        return ahead is None or self._cost <= SHARE * (self._clock() - self._last + ahead)

    def _rendered(self) -> bool:
        begun = self._clock()
        parts = list(self._waiting)
        pending = dict.fromkeys(parts[: self._at_once], BEING_COMPUTED)
        try:
            return self._tried(self._render, {**pending, **dict.fromkeys(parts[self._at_once :], NOT_YET)})
        finally:
            self._last = self._clock()
            self._cost = self._last - begun

    def _tried(self, do: Callable[[Any], object], what: Any) -> bool:
        try:
            do(what)
        except Exception as error:
            if not self._failed:
                why = f"{type(error).__name__}: {error}"
                self._say(f"The report cannot be rendered yet ({why}); that is tried again at the end.")
            self._failed = True
            return False
        return True
