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

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from tfviz.method.ascent import Trace

Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class TowardClass:
    """Two ascents from the same starts.

    Attributes:
        published: ascent on the probability.
        by_logarithm: ascent on the log-probability.
        published_probability: (steps + 1, N), the class's probability along the first.
        logarithm_probability: (steps + 1, N), along the second.
    """

    published: Trace
    by_logarithm: Trace
    published_probability: Array
    logarithm_probability: Array

    def numbers(self) -> dict[str, float]:
        """What both parts report; the target's is the logarithm's lowest, the published the first start's."""
        published, by_logarithm = self.published_probability, self.logarithm_probability
        values = {
            "target_probability": by_logarithm[-1].min(),
            "published_probability": published[-1, 0],
            "published_probability_lowest": published[-1].min(),
            "published_probability_highest": published[-1].max(),
            "published_probability_best_step": published.max(),
            "start_probability": by_logarithm[0].max(),
        }
        return {name: float(value) for name, value in values.items()}

    def arrays(self) -> dict[str, Array]:
        """The last pictures, the first start's snapshots, and the probabilities."""
        steps = sorted(self.by_logarithm.snapshots)
        return {
            "steps": np.array(steps),
            "published": self.published.picture,
            "logarithm": self.by_logarithm.picture,
            "published_strip": np.stack([self.published.snapshots[step][0] for step in steps]),
            "logarithm_strip": np.stack([self.by_logarithm.snapshots[step][0] for step in steps]),
            "published_probability": self.published_probability,
            "logarithm_probability": self.logarithm_probability,
        }


def toward_class(
    model: keras.Model,
    k: int,
    starts: Array,
    *,
    steps: int,
    rate: float,
    logarithm_rate: float,
    keep: Collection[int] = (),
) -> TowardClass:
    """Ascend from each of the pictures (N, H, W, 3) in [0, 1], clipped to that range at every step.

    Args:
        model: pictures -> logits.
        k: the class.
        starts: (N, H, W, 3).
        steps: of each ascent.
        rate: of the ascent on the probability.
        logarithm_rate: of the ascent on the log-probability.
        keep: steps at which both keep a snapshot.
    """
    probability = tfviz.objectives.probability(k)
    log_probability = tfviz.objectives.log_probability(k)
    published = tfviz.ascend(model, probability, starts, steps=steps, rate=rate, keep=keep)
    by_logarithm = tfviz.ascend(model, log_probability, starts, steps=steps, rate=logarithm_rate, keep=keep)
    return TowardClass(published, by_logarithm, published.scores, np.exp(by_logarithm.scores))


def strip(arrays: Mapping[str, Array]) -> Figure:
    """The first start's picture on the way, for both objectives."""
    from tfviz import figures as draw

    return draw.picture_table(
        [
            ("probability", list(arrays["published_strip"])),
            ("log-probability", list(arrays["logarithm_strip"])),
        ],
        [f"step {step}" for step in arrays["steps"]],
        cell=1.7,
    )


def headings(arrays: Mapping[str, Array]) -> list[str]:
    """For each start the two final probabilities in percent, one above the other."""
    ends = zip(arrays["published_probability"][-1], arrays["logarithm_probability"][-1], strict=True)
    return [f"{100 * published:.3g} %\n{100 * by_logarithm:.4g} %" for published, by_logarithm in ends]


def probability_curves(arrays: Mapping[str, Array], name: str) -> Figure:
    """The probability of the class of that name at each step, one line for each start and objective."""
    from tfviz import figures as draw

    return draw.two_bundles(
        ("on the probability", arrays["published_probability"]),
        ("on the log-probability", arrays["logarithm_probability"]),
        xlabel="step",
        ylabel=f"probability of “{name}”",
    )


def steps_to_show(steps: int) -> tuple[int, ...]:
    """0, about 8, 64, 512, and the last."""
    return (*(step for step in (0, 8, 64, 512) if step < steps), steps)
