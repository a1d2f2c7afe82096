"""Gradient ascent towards one class, twice: on its probability, as published, and on its log-probability.

The gradient of a probability p is p (1 - p) times that of its log-odds: it vanishes where the class is thought
impossible, which is where these ascents start. That of log p does not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

import tfviz
from tfviz.results import Number

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

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

    def numbers(self, label: str | None) -> dict[str, Number]:
        """What both parts report; target_probability is the sound ascent's lowest, published_probability the first."""
        published, sound = self.published_probability, self.sound_probability
        values = {
            "target_probability": sound[-1].min(),
            "published_probability": published[-1, 0],
            "published_probability_lowest": published[-1].min(),
            "published_probability_highest": published[-1].max(),
            "published_probability_best_step": published.max(),
            "start_probability": sound[0].max(),
        }
        return {name: Number(float(value), "", label) for name, value in values.items()}

    def arrays(self) -> dict[str, Array]:
        """The last pictures, the first start's snapshots, and the probabilities."""
        return {
            "steps": np.array(sorted(self.sound.snapshots)),
            "published": self.published.picture,
            "sound": self.sound.picture,
            "published_strip": np.stack(
                [self.published.snapshots[k][0] for k in sorted(self.sound.snapshots)]
            ),
            "sound_strip": np.stack([self.sound.snapshots[k][0] for k in sorted(self.sound.snapshots)]),
            "published_probability": self.published_probability,
            "sound_probability": self.sound_probability,
        }


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


def strip(arrays: Mapping[str, Array]) -> Figure:
    """The first start's picture on the way, for both objectives."""
    from tfviz import figures as draw

    return draw.picture_table(
        [
            ("probability", list(arrays["published_strip"])),
            ("log-probability", list(arrays["sound_strip"])),
        ],
        [f"step {step}" for step in arrays["steps"]],
        cell=1.7,
    )


def headings(arrays: Mapping[str, Array]) -> list[str]:
    """For each start the two final probabilities in percent, one above the other."""
    ends = zip(arrays["published_probability"][-1], arrays["sound_probability"][-1], strict=True)
    return [f"{100 * published:.3g} %\n{100 * sound:.4g} %" for published, sound in ends]


def probability_curves(arrays: Mapping[str, Array], name: str) -> Figure:
    """The probability of the class of that name at each step, one line for each start and objective."""
    from tfviz import figures as draw

    return draw.two_bundles(
        ("on the probability", arrays["published_probability"]),
        ("on the log-probability", arrays["sound_probability"]),
        xlabel="step",
        ylabel=f"probability of “{name}”",
    )


def steps_to_show(steps: int) -> tuple[int, ...]:
    """0, about 8, 64, 512, and the last."""
    return (*(step for step in (0, 8, 64, 512) if step < steps), steps)
