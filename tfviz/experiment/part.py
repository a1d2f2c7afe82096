"""What a part is: it computes findings, and draws figures from what of them was stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tfviz.errors import BadFileError

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from tfviz.experiment.context import Context
    from tfviz.experiment.grading import Expected


@dataclass(frozen=True)
class Number:
    """One measured number.

    Attributes:
        value: finite.
        unit: "" for a pure number, else a short unit ("s", "px", "filters").
        network: the network that produced it, or None where no network took part.
        spread: smallest and largest value, itself included, over repeats from starts that differ in the last bit, or
            over a search's attempts; None: it was not repeated.
        repeats: how many these are.
    """

    value: float | int
    unit: str = ""
    network: str | None = None
    spread: tuple[float, float] | None = None
    repeats: int = 1

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (self.value, *(self.spread or ()))):
            raise ValueError(f"a number must be finite, not {self.value} {self.spread or ''}".rstrip())
        if self.spread is not None:
            object.__setattr__(self, "spread", tuple(self.spread))  # a list, where it comes from JSON
            if not self.spread[0] <= self.value <= self.spread[1]:
                raise ValueError(f"{self.value} does not lie within {self.spread}")


@dataclass(frozen=True)
class Findings:
    """What a part's run returns, and what its figures are drawn from once it was stored.

    Attributes:
        numbers: by name; the names that are graded are a contract.
        arrays: exact pictures and maps, by name; stored as they are.
        facts: JSON values that the part's template shows (tables, words chosen from the numbers). Settings are stored
            apart from them.
    """

    numbers: Mapping[str, Number]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Drawing:
    """A figure that a part can draw from its findings.

    Attributes:
        name: file name without suffix.
        caption: what the reader sees, in one or two sentences.
        alt: the same for a reader who cannot see the picture.
        draw: draws it, as a matplotlib figure; what it raises costs this figure and no other.
        finding: the caption's first sentence, set apart: what this run's figure shows.
        live: makes what a browser shows in the figure's place, one of tfviz.figures.live; None: the figure itself.
    """

    name: str
    caption: str
    alt: str
    draw: Callable[[], Figure]
    finding: str = ""
    live: Callable[[], Any] | None = None


class Part(Protocol):
    """What a module in `tfviz.parts` must have.

    Attributes:
        ID: the part's name in files and on the command line; its template is templates/parts/<ID>.html.
        TITLE: heading in the report.
        TRACK: the piece of work it belongs to.
        NETWORKS: the networks it can run on, best first; empty if it needs none.
        INPUTS: names of the user's inputs that it uses (attributes of tfviz.experiment.context.Inputs).
        SETTINGS: a frozen dataclass of JSON values: the full run.
        QUICK: the same for a shorter run, labelled as such; equal to SETTINGS where the full run is quick.
        EXPECTED: the values that its numbers are graded against.

    A module may also have ALSO, a tuple of networks that it looks at where their weights are in the cache; nothing is
    downloaded for them.
    """

    # Properties, since a module's own are more exact (a tuple of one string).
    @property
    def ID(self) -> str: ...

    @property
    def TITLE(self) -> str: ...

    @property
    def TRACK(self) -> str: ...

    @property
    def NETWORKS(self) -> tuple[str, ...]: ...

    @property
    def INPUTS(self) -> tuple[str, ...]: ...

    @property
    def SETTINGS(self) -> Any: ...

    @property
    def QUICK(self) -> Any: ...

    @property
    def EXPECTED(self) -> tuple[Expected, ...]: ...

    def run(self, settings: Any, context: Context) -> Findings:
        """Compute; touches no files."""
        ...

    def figures(self, findings: Findings, settings: Any) -> Sequence[Drawing]:
        """What there is to draw of stored findings; needs no framework."""
        ...


def settings_from(part: Part, stored: Mapping[str, Any]) -> Any:
    """A part's settings from what was stored of them as JSON.

    Raises:
        BadFileError: they are those of another version of the part.
    """
    try:
        return type(part.SETTINGS)(**{name: _tuples(value) for name, value in stored.items()})
    except TypeError as error:
        raise BadFileError(
            f"The stored settings of {part.ID} are not those of this version of the program ({error}): run it again."
        ) from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
