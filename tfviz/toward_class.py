"""Gradient ascent towards one class, twice: on its probability, as published, and on its log-probability.

The gradient of a probability p is p (1 - p) times that of its log-odds: it vanishes where the class is thought
impossible, which is where these ascents start. That of log p does not.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

import tfviz

if TYPE_CHECKING:
    import keras

    from tfviz.ascent import Trace

Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class TowardClass:
    """Two ascents from the same starts.

    Attributes:
        published: ascent on the probability.
        sound: ascent on the log-probability.
        published_probability: (steps + 1, N), the class's probability along the first.
        sound_probability: (steps + 1, N), along the second.
    """

    published: Trace
    sound: Trace
    published_probability: Array
    sound_probability: Array


def toward_class(
    model: keras.Model,
    k: int,
    starts: Array,
    *,
    steps: int,
    rate: float,
    sound_rate: float,
    keep: Collection[int] = (),
) -> TowardClass:
    """Ascend from each of the pictures (N, H, W, 3) in [0, 1], clipped to that range at every step.

    Args:
        model: pictures -> logits.
        k: the class.
        starts: (N, H, W, 3).
        steps: of each ascent.
        rate: of the ascent on the probability.
        sound_rate: of the ascent on the log-probability.
        keep: steps at which both keep a snapshot.
    """
    probability = tfviz.objectives.probability(k)
    log_probability = tfviz.objectives.log_probability(k)
    published = tfviz.ascend(model, probability, starts, steps=steps, rate=rate, keep=keep)
    sound = tfviz.ascend(model, log_probability, starts, steps=steps, rate=sound_rate, keep=keep)
    return TowardClass(published, sound, published.scores, np.exp(sound.scores))


def steps_to_show(steps: int) -> tuple[int, ...]:
    """0, about 8, 64, 512, and the last."""
    return (*(step for step in (0, 8, 64, 512) if step < steps), steps)
