"""The one optimisation loop: gradient ascent on pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt

from tfviz import backend
from tfviz.backend.protocol import Chunk, Scores, Tensor
from tfviz.errors import TfvizError
from tfviz.method.objectives import Goal
from tfviz.method.parametrizations import Parametrization, pixels
from tfviz.method.probe import Probe
from tfviz.method.transforms import Transform

Rate = float | Callable[[int], float]


class AscentDivergedError(TfvizError):
    """The score or the picture became infinite or undefined."""


@dataclass(frozen=True)
class Trace:
    """What an ascent did.

    Attributes:
        picture: (N, H, W, 3) float32, after the last step.
        scores: (steps + 1, N): the goal at the start and after every step.
        terms: {name: (steps + 1, N)}: each term's own value, without its weight.
        snapshots: {step: (N, H, W, 3)} for every step in keep; step 0 is the start.
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
        model: takes pictures (N, H, W, 3).
        goal: what to maximise, one score per picture; pictures of a batch do not influence each other.
        start: pictures (N, H, W, 3), one picture (H, W, 3), or a parametrised picture, whose parameters are x.
        steps: how many, 0 or more.
        rate: a positive number, or a function of the step (0 .. steps - 1).
        clip: smallest and largest value of x, or None: not clipped.
        transforms: random changes, one after the other, of what the network sees at each step; scores and terms are
            then those of the changed pictures, while penalties on the picture itself see it unchanged.
        seed: of the transforms.
        keep: steps (0 .. steps) after which the pictures are kept as snapshots.

    Returns:
        The trace; its picture is always a batch, also where start was one picture.

    Raises:
        ValueError: start, steps, clip or keep make no sense, or the goal does not fit the model.
        AscentDivergedError: a score or a picture became infinite or NaN; the message names the step.
    """
    moved = start if isinstance(start, Parametrization) else pixels(start)
    if steps < 0:
        raise ValueError(f"steps must be 0 or more, not {steps}")
    if clip is not None and not clip[0] < clip[1]:
        raise ValueError(f"clip must be (smallest, largest), not {clip}")
    if outside := [step for step in keep if not 0 <= step <= steps]:
        raise ValueError(f"keep asks for steps {outside}, the ascent has 0 to {steps}")

    rates = [rate(step) if callable(rate) else rate for step in range(steps)]
    random = np.random.default_rng(seed)
    draws = [transform.draw(random, steps + 1) for transform in transforms]
    loop = _loop(model, goal, moved, clip, transforms)

    def advance(first: int, stop: int, rates: Sequence[float]) -> Chunk:
        chunk = loop(rates, [drawn[first:stop] for drawn in draws])
        _check_finite(chunk, first)
        return chunk

    snapshots = {0: moved.pictures} if 0 in keep else {}
    chunks = []
    position = 0
    for stop in sorted({*keep, steps} - {0}):
        chunks.append(advance(position, stop, rates[position:stop]))
        if stop in keep:
            snapshots[stop] = chunks[-1].pictures
        position = stop
    # A step of rate 0 reads the score of the last picture and leaves it where it is.
    chunks.append(advance(steps, steps + 1, [0.0]))
    return Trace(
        picture=chunks[-1].pictures,
        scores=np.concatenate([chunk.scores for chunk in chunks]),
        terms={name: np.concatenate([chunk.terms[name] for chunk in chunks]) for name in chunks[-1].terms},
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
    """
    first = np.asarray(start, np.float32)
    copies = np.repeat(first[np.newaxis], repeats, axis=0)
    for copy in copies[1:]:
        towards = np.where(random.random(first.shape) < 0.5, np.inf, -np.inf).astype(np.float32)
        copy[...] = np.where(random.random(first.shape) < 0.5, np.nextafter(first, towards), first)
    return copies


def _loop(
    model: keras.Model,
    goal: Goal,
    start: Parametrization,
    clip: tuple[float, float] | None,
    transforms: Sequence[Transform],
) -> Callable[[Sequence[float], Sequence[np.ndarray]], Chunk]:
    probe = Probe(model, goal)

    def score(x: Tensor, draws: Sequence[Tensor]) -> Scores:
        pictures = start.to_pictures(x)
        seen = pictures
        for transform, drawn in zip(transforms, draws, strict=True):
            seen = transform.apply(seen, drawn)
        return probe(pictures, seen)

    names = sorted({term.name for _, term in goal.terms})
    return backend.current().ascent_loop(
        score, start.to_pictures, start.parameters, probe.variables, names, clip
    )


def _check_finite(chunk: Chunk, first_step: int) -> None:
    bad = ~np.isfinite(chunk.scores).all(axis=1)
    if bad.any():
        raise AscentDivergedError(
            f"The score is not finite at step {first_step + int(bad.argmax())}: take a smaller rate."
        )
    # A ReLU can turn NaN into 0: the score alone does not tell.
    if not np.isfinite(chunk.pictures).all():
        raise AscentDivergedError(
            f"The picture is not finite after step {first_step + len(chunk.scores)}: take a smaller rate."
        )
