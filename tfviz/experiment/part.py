"""What a part is: it computes findings, and draws figures from what of them was stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tfviz.errors import BadFileError, TfvizError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
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
            over a search's attempts; of what is chaotic wider, see `Context.chaotic`; None: it was not repeated.
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
class Again:
    """A number that a grader measured again on what was handed in; see `tfviz.experiment.lab`.

    Attributes:
        value: finite; None: it cannot be measured.
        tolerance: how far an honest claim may lie from it.
        reason: why it cannot be measured, for people.
        theirs: whether that lies in what was handed in, not in what the grader lacks.
    """

    value: float | None
    tolerance: float = 0.0
    reason: str = ""
    theirs: bool = False

    def __post_init__(self) -> None:
        if self.value is not None and not (math.isfinite(self.value) and math.isfinite(self.tolerance)):
            raise NotHandedInError(f"what is measured on it is {self.value}, no finite number")


class NotMeasurableError(TfvizError):
    """What was handed in, or what the grader has, is not what a number could be measured with: the message says why."""


class NotHandedInError(NotMeasurableError):
    """It is what was handed in that a number cannot be measured with."""


def array(
    findings: Findings,
    name: str,
    shape: Sequence[int | None],
    within: tuple[float, float] = (-math.inf, math.inf),
    dtype: str = "float32",
) -> npt.NDArray[Any]:
    """An array that somebody handed in, of which nothing is believed.

    Args:
        findings: what was handed in.
        name: the array's.
        shape: that it must have; None: any length but 0.
        within: no value lies outside; NaN and infinity never pass.
        dtype: its type, in this machine's order of bytes.

    Raises:
        NotHandedInError: it is not there, or is not such an array.
    """
    import numpy as np

    found = findings.arrays.get(name)
    if found is None:
        raise NotHandedInError(f"the array {name} was not handed in")
    if not isinstance(found, np.ndarray) or found.dtype != np.dtype(dtype):
        raise NotHandedInError(f"the array {name} is of type {getattr(found, 'dtype', None)}, not {dtype}")
    if len(found.shape) != len(shape) or any(
        there != wanted and (wanted is not None or there == 0)
        for there, wanted in zip(found.shape, shape, strict=True)
    ):
        wanted = " x ".join("any" if length is None else str(length) for length in shape)
        raise NotHandedInError(
            f"the array {name} is of shape {' x '.join(map(str, found.shape))}, not {wanted}"
        )
    if not np.isfinite(found).all():
        raise NotHandedInError(f"the array {name} holds values that are no finite numbers")
    low, high = float(found.min()), float(found.max())
    if low < within[0] or high > within[1]:
        raise NotHandedInError(
            f"the array {name} holds values from {low:g} to {high:g}, outside {within[0]:g} to {within[1]:g}"
        )
    return found


def network_of(findings: Findings) -> str | None:
    """The network that all numbers are labelled with, those apart that have none.

    Raises:
        NotHandedInError: there are two.
    """
    labels = {number.network for number in findings.numbers.values()} - {None}
    if len(labels) > 1:
        raise NotHandedInError(f"the numbers are labelled with {len(labels)} networks, not with one")
    return next(iter(labels), None)


@contextmanager
def measuring(found: MutableMapping[str, Again], *numbers: str) -> Iterator[None]:
    """Inside, numbers are measured; where that fails, those of them not measured yet get the reason.

    A ValueError is what a measure says of a picture that it does not take: of a constant one, for example.
    """
    try:
        yield
    except (NotMeasurableError, ValueError) as error:
        for number in numbers:
            theirs = isinstance(error, NotHandedInError | ValueError)
            found.setdefault(number, Again(None, reason=str(error), theirs=theirs))


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
    downloaded for them; ANY_NETWORK, whether it runs on a network of the user's own in place of its NETWORKS;
    TITLE_ON_ANY, its heading there; WHY_NOT_ANY, why it runs on none of theirs, in English; and again(findings,
    settings, lab), which measures numbers again on the arrays that somebody handed in, with the grader's own networks,
    and returns a Mapping[str, Again]: a number that it leaves out cannot be measured. Nothing of the findings is
    believed: arrays are taken by `array` alone.
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
        values = {name: _tuples(value) for name, value in stored.items()}
        for name, value in values.items():
            if not any(_alike(value, getattr(usual, name, value)) for usual in (part.SETTINGS, part.QUICK)):
                raise TypeError(f"{name} is {ascii(value)[:40]}")
        return type(part.SETTINGS)(**values)
    except TypeError as error:
        raise BadFileError(
            f"The stored settings of {part.ID} are not those of this version of the program ({error}): run it again."
        ) from error


def _alike(value: Any, usual: Any) -> bool:
    """Whether a value is of the same kind as a usual one: what is a number there is a number here."""
    if usual is None or value is None:
        return True
    if isinstance(usual, (list, tuple)):
        return isinstance(value, tuple) and all(
            any(_alike(each, one) for one in usual) for each in value if usual
        )
    if isinstance(usual, (int, float)) and not isinstance(usual, bool):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, type(usual))


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
