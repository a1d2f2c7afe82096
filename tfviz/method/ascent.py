"""The one optimisation loop: gradient ascent on pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence, Set
from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt

from tfviz.backend.protocol import Chunk, Tensor
from tfviz.errors import TfvizError
from tfviz.measures.pictures import RANGES, as_pictures, whole
from tfviz.method import loops
from tfviz.method.objectives import Goal
from tfviz.method.parametrizations import Parametrization, pixels
from tfviz.method.transforms import Transform
from tfviz.models import description, trial

Rate = float | Callable[[int], float]

_PICTURES = (0.0, 1.0)  # the default of clip


class AscentDivergedError(TfvizError):
    """The score or the picture became infinite or undefined."""


@dataclass(frozen=True)
class Trace:
    """What an ascent did.

    Attributes:
        picture: (N, H, W, channels) float32, after the last step.
        scores: (steps + 1, N): the goal at the start and after every step.
        terms: {name: (steps + 1, N)}: each term's own value, without its weight. Two different terms of one name are
            "distance" and "distance (2)", in the order in which they were added.
        snapshots: {step: (N, H, W, channels)} for every step in keep; step 0 is the start.
    """

    picture: np.ndarray
    scores: np.ndarray
    terms: dict[str, np.ndarray]
    snapshots: dict[int, np.ndarray]


def ascend(
    model: keras.Model,
    goal: Goal,
    start: npt.ArrayLike | Parametrization,
    *,
    steps: int,
    rate: Rate,
    clip: tuple[float, float] | None = (0.0, 1.0),
    transforms: Sequence[Transform] = (),
    seed: int = 0,
    keep: Collection[int] = (),
) -> Trace:
    """Repeat ``x <- clip(x + rate * d goal / d x)``: plain gradient ascent, without momentum or normalisation.

    Args:
        model: takes pictures (N, H, W, channels).
        goal: what to maximise, one score per picture; pictures of a batch do not influence each other.
        start: pictures (N, H, W, channels) as floats, one picture (H, W, channels), or a parametrised picture, whose
            parameters are x.
        steps: how many, 0 or more.
        rate: a number of 0 or more, or a function of the step (0 .. steps - 1) that gives one.
        clip: smallest and largest value of a pixel, or None: not clipped. It acts on pixels that are moved themselves;
            other parametrised pictures keep to their own range.
        transforms: random changes, one after the other, of what the network sees at each step; scores and terms are
            then those of the changed pictures, while penalties on the picture itself see it unchanged.
        seed: of the transforms.
        keep: steps (0 .. steps) after which the pictures are kept as snapshots.

    Returns:
        The trace; its picture is always a batch, also where start was one picture.

    Raises:
        ValueError: model, goal, start, steps, rate, clip, transforms, seed or keep make no sense (a start of
            whole numbers, of values that are not finite, or outside the range of the model's pictures where that is
            known, else outside clip's (0, 1); with another clip, or none, as much as the range's width outside is
            taken); the goal does not fit the model, or does not depend on the picture.
        AscentDivergedError: a score or a picture became infinite or NaN; the message names the step.
    """
    trial.check_model(model)
    moved = start if isinstance(start, Parametrization) else pixels(start)
    steps = whole(steps, "steps", 0)
    clip = _checked_clip(clip, moved)
    transforms = _checked_transforms(transforms)
    _check_range(model, moved, clip)
    kept = sorted(whole(step, "a step in keep", 0) for step in keep)
    if kept and kept[-1] > steps:
        raise ValueError(f"keep asks for step {kept[-1]}, the ascent has 0 to {steps}")
    rates = [_rate(rate(step) if callable(rate) else rate, step) for step in range(steps)]
    try:
        random = np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise ValueError(f"seed must be a whole number of 0 or more, not {seed!r}") from error
    draws = [transform.draw(random, steps + 1) for transform in transforms]
    loop, data = loops.bound(model, goal, moved, clip, [t.apply for t in transforms], draws)

    # A step of rate 0 reads the score of the last picture and leaves it where it is.
    rates.append(0.0)
    # A copy: what is written into the trace must not reach the start.
    snapshots = {0: moved.pictures.copy()} if 0 in kept else {}
    chunks: list[Chunk] = []
    x: Tensor = moved.parameters
    position = 0
    for stop in [*sorted({*kept} - {0, steps}), steps + 1]:
        x, chunk = loop(x, rates[position:stop], [drawn[position:stop] for drawn in draws], data)
        chunks.append(_checked(chunk, position))
        if min(stop, steps) in kept and steps:
            snapshots[min(stop, steps)] = chunks[-1].pictures
        position = stop
    return Trace(
        picture=chunks[-1].pictures if steps else moved.pictures.copy(),  # nothing moved, nothing clipped
        scores=np.concatenate([chunk.scores for chunk in chunks]),
        terms={
            # What is compiled may bear the names of an earlier goal, whose terms stand in the same order.
            name: np.concatenate([chunk.terms[compiled] for chunk in chunks])
            for name, compiled in sorted(zip(goal.summands, chunks[-1].terms, strict=True))
        },
        snapshots=snapshots,
    )


def falling(rate: float, steps: int) -> Callable[[int], float]:
    """A rate that falls in a straight line, from `rate` at step 0 to 0 after so many steps."""
    return lambda step: rate * (1 - step / steps)


def last_bits(start: npt.ArrayLike, repeats: int, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """The same start several times, but for the last bit of every second value.

    What an optimisation from these ends at shows how far rounding alone moves it: another machine, or another order of
    the same sums, changes no less.

    Args:
        start: (...), any shape.
        repeats: how many, 1 or more; the first is the start as it is.
        random: of which values of the others change, and up or down.

    Returns:
        (repeats, ...).

    Raises:
        ValueError: repeats is no whole number of 1 or more.
    """
    whole(repeats, "repeats", 1)
    first = np.asarray(start, np.float32)
    copies = np.repeat(first[np.newaxis], repeats, axis=0)
    for copy in copies[1:]:
        towards = np.where(random.random(first.shape) < 0.5, np.inf, -np.inf).astype(np.float32)
        copy[...] = np.where(random.random(first.shape) < 0.5, np.nextafter(first, towards), first)
    return copies


def _checked(chunk: Chunk, first_step: int) -> Chunk:
    """The chunk without what only tells that it is finite.

    Raises:
        AscentDivergedError: it is not.
    """
    terms = dict(chunk.terms)
    moved = terms.pop(loops.FINITE)
    bad = {
        int(wrong.argmax()): what
        for what, wrong in (
            ("score", ~np.isfinite(chunk.scores).all(axis=1)),
            ("picture", ~(moved > 0).all(axis=1)),
        )
        if wrong.any()
    }
    if bad:
        step, what = min(bad.items())
        raise AscentDivergedError(
            f"The {what} is not finite at step {first_step + step}: take a smaller rate."
            if first_step + step
            else f"The {what} is not finite before the first step: the network or the goal gives no number here."
        )
    if not np.isfinite(chunk.pictures).all():
        raise AscentDivergedError(
            f"The picture is not finite after step {first_step + len(chunk.scores)}: take a smaller rate."
        )
    # JAX's arrays cannot be written into, TensorFlow's can.
    return Chunk(np.require(chunk.pictures, requirements="W"), chunk.scores, terms)


def _checked_clip(clip: tuple[float, float] | None, start: Parametrization) -> tuple[float, float] | None:
    """As two floats: a list or an array will do, too."""
    if clip is None:
        return None
    try:
        low, high = map(float, clip)
    except (TypeError, ValueError, OverflowError):
        low = high = math.nan
    if isinstance(clip, str | Set) or not low < high:
        raise ValueError(f"clip must be (smallest, largest), not {clip}")
    if not start.are_pixels and (low, high) != _PICTURES:
        raise ValueError(f"clip={clip} acts on pixels, and other parameters are moved here: take clip=None")
    return low, high


def _checked_transforms(transforms: Iterable[Transform]) -> tuple[Transform, ...]:
    given = tuple(transforms) if isinstance(transforms, Iterable) else (transforms,)
    if not isinstance(transforms, Iterable) or not all(isinstance(each, Transform) for each in given):
        raise ValueError(
            f"transforms must be a list of what tfviz.transforms makes, such as [affine()], not {transforms!r}"
        )
    return given


def _check_range(model: keras.Model, start: Parametrization, clip: tuple[float, float] | None) -> None:
    """Refuse pictures that the model does not take, as far as that is known, and those that clipping would destroy.

    Who names another clip, or none, may start from noise about black, but not from 0..255 where [0, 1] is taken.
    """
    if not np.isfinite(start.parameters).all():
        raise ValueError("start has parameters that are not finite")
    known = description.of(model)
    within = RANGES.get(known.pictures or "")
    if within is not None:
        low, high = within
        beyond = 0 if clip is not None and tuple(clip) == _PICTURES else high - low
        as_pictures(
            start.pictures, f"start, for {known.network},", ranks=(4,), within=(low - beyond, high + beyond)
        )
    elif clip is not None and start.are_pixels and tuple(clip) == _PICTURES:
        smallest, largest = start.pictures.min(), start.pictures.max()
        if smallest < clip[0] or largest > clip[1]:
            raise ValueError(
                f"start has values from {smallest:.4g} to {largest:.4g}, which clip=(0, 1) would cut off: give the "
                "network's own range as clip, or None"
            )


def _rate(value: float, step: int) -> float:
    try:
        with np.errstate(over="ignore"):
            rate = float(np.float32(value)) if np.ndim(value) == 0 else math.nan
    except (TypeError, ValueError, OverflowError):
        rate = math.nan
    if not 0 <= rate < math.inf:
        raise ValueError(f"the rate must be a finite number of 0 or more, not {value!r} at step {step}")
    return float(value)
