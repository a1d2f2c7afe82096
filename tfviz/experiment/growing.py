"""The report that grows while parts are computed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from tfviz.language import marked

BEING_COMPUTED = marked("it is being computed; load this page again in a while")
NOT_YET = marked("it is not computed yet; load this page again in a while")
SHARE = 0.05
"""Of a run's time, at most, that goes into rendering what will be rendered again."""


class Growing:
    """Renders the report while a run goes on: before its first part, and after each part when that costs little.

    A rendering that fails does not stop the run; that is said once.
    """

    def __init__(
        self,
        render: Callable[[Mapping[str, str]], object],
        waiting: Sequence[str],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what it needs.

        Args:
            render: called with what is pending, {part: why it is not there yet}.
            waiting: the parts that will be computed, in order; where there are none, nothing is rendered.
            say: called with one line if a rendering fails.
            clock: seconds.
        """
        self._render = render
        self._waiting = list(waiting)
        self._say = say
        self._clock = clock
        self._last = self._cost = 0.0
        self._failed = False

    def begin(self) -> bool:
        """Render before the first part; returns whether there is a page now that will grow."""
        return bool(self._waiting) and self._rendered()

    def ends(self, part: str) -> None:
        """A part is through; render if it was waited for, more is to come, and the last rendering is paid for."""
        if part not in self._waiting:
            return
        self._waiting.remove(part)
        if self._waiting and self._cost <= SHARE * (self._clock() - self._last):
            self._rendered()

    def _rendered(self) -> bool:
        begun = self._clock()
        first, *others = self._waiting
        try:
            self._render({first: BEING_COMPUTED, **dict.fromkeys(others, NOT_YET)})
        except Exception as error:
            if not self._failed:
                why = f"{type(error).__name__}: {error}"
                self._say(f"The report cannot be rendered yet ({why}); that is tried again at the end.")
            self._failed = True
            return False
        finally:
            self._last = self._clock()
            self._cost = self._last - begun
        return True
