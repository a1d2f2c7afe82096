"""Gradient ascent towards one class, twice: on its probability, as published, and on its log-probability.

The gradient of a probability p is p (1 - p) times that of its log-odds: it vanishes where the class is thought
impossible, which is where these ascents start. That of log p does not.

Every ascent is repeated from starts that differ in the last bit. Where a probability's end moves with them, no machine
gives another's value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import tfviz
from tfviz import backend
from tfviz.experiment.lab import extreme, probability_of
from tfviz.experiment.part import Again, Findings, array, measuring
from tfviz.language import gettext as _
from tfviz.language import marked

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from tfviz.figures import live

Array = npt.NDArray[Any]

OBJECTIVES = {"published": marked("on the probability"), "logarithm": marked("on its logarithm")}
"""What is climbed, in words, by the name that its arrays begin with."""
_COLUMNS = 5  # of a strip on paper


@dataclass(frozen=True)
class Ascents:
    """Ascents on one objective, from N starts and each start's repeats.

    Attributes:
        pictures: (repeats, N, H, W, 3), after the last step; the first repeat is the start as it is.
        strip: (snapshots, H, W, 3), the first start's picture on the way.
        probability: (steps + 1, repeats, N), the class's probability along the way.
    """

    pictures: Array
    strip: Array
    probability: Array

    def chaotic(self, share: float) -> int:
        """How many starts end so that their repeats' range is more than this share of the largest of them."""
        last = self.probability[-1]
        return int(np.sum(np.ptp(last, axis=0) > share * last.max(axis=0)))


@dataclass(frozen=True)
class TowardClass:
    """Two ascents from the same starts.

    Attributes:
        published: on the probability.
        by_logarithm: on the log-probability.
        steps: at which the strips' pictures were taken.
    """

    published: Ascents
    by_logarithm: Ascents
    steps: Array

    def numbers(self) -> dict[str, Array]:
        """What both parts report, one value for each repeat (repeats,).

        The target's is the lowest of all starts, by the logarithm; the published one is the first start's.
        """
        published, by_logarithm = self.published.probability, self.by_logarithm.probability
        return {
            "target_probability": by_logarithm[-1].min(axis=-1),
            "published_probability": published[-1, :, 0],
            "published_probability_lowest": published[-1].min(axis=-1),
            "published_probability_highest": published[-1].max(axis=-1),
            "published_probability_best_step": published.max(axis=(0, 2)),
            "start_probability": by_logarithm[0].max(axis=-1),
        }

    def arrays(self) -> dict[str, Array]:
        """The last pictures of the first repeat, the first start's strips, and all probabilities."""
        return {
            "steps": self.steps,
            "published": self.published.pictures[0],
            "logarithm": self.by_logarithm.pictures[0],
            "published_strip": self.published.strip,
            "logarithm_strip": self.by_logarithm.strip,
            "published_probability": self.published.probability,
            "logarithm_probability": self.by_logarithm.probability,
        }


def toward_class(
    model: keras.Model,
    k: int,
    starts: Array,
    random: np.random.Generator,
    *,
    repeats: int,
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
        random: of the last bits in which the repeats differ.
        repeats: how often from each start, 1 or more; all of them are one batch.
        steps: of each ascent.
        rate: of the ascent on the probability.
        logarithm_rate: of the ascent on the log-probability.
        keep: steps at which both keep a snapshot.
    """
    from tfviz.method.ascent import last_bits

    # The neighbours of 0 and 1 may lie outside.
    repeated = np.clip(last_bits(starts, repeats, random), 0, 1)
    batch = repeated.reshape(-1, *starts.shape[1:])

    def ascents(goal: tfviz.objectives.Goal, rate: float) -> Ascents:
        trace = tfviz.ascend(model, goal, batch, steps=steps, rate=rate, keep=keep)
        return Ascents(
            trace.picture.reshape(repeated.shape),
            np.array([trace.snapshots[step][0] for step in sorted(keep)]),
            trace.scores.reshape(steps + 1, repeats, len(starts)),
        )

    published = ascents(tfviz.objectives.probability(k), rate)
    scored = ascents(tfviz.objectives.log_probability(k), logarithm_rate)
    by_logarithm = replace(scored, probability=np.exp(scored.probability))
    return TowardClass(published, by_logarithm, np.array(sorted(keep)))


def ends_again(
    findings: Findings, model: keras.Model, k: int, count: int, counted: str
) -> tuple[dict[str, Again], dict[str, Array]]:
    """What both parts report of the last pictures, measured again on them.

    Of the repeats and of the way no picture was kept.

    Args:
        findings: what was handed in.
        model: the grader's.
        k: the class.
        count: how many starts.
        counted: what they are, as the numbers are named: "seed", "ship".

    Returns:
        The numbers; and of the objectives "published" and "logarithm" those pictures (count, H, W, 3) that are sound.
    """
    found: dict[str, Again] = {}
    pictures: dict[str, Array] = {}
    whole = {
        "published": [f"published_probability{suffix}" for suffix in ("", "_lowest", "_highest")],
        "logarithm": ["target_probability"],
    }
    for objective, names in whole.items():
        each = [f"{names[0]}_{counted}_{index}" for index in range(count)]
        with measuring(found, *names, *each):
            last = array(findings, objective, (count, *model.input_shape[1:]), (0.0, 1.0))
            ends = [probability_of(logits, k) for logits in backend.current().outputs(model, last)]
            found |= zip(each, ends, strict=True)
            lowest, highest = extreme(ends, min), extreme(ends, max)
            values = (ends[0], lowest, highest) if objective == "published" else (lowest,)
            found |= zip(names, values, strict=True)
            pictures[objective] = last
    return found, pictures


def strip(arrays: Mapping[str, Array]) -> Figure:
    """The first start's picture on the way, for both objectives, each with the probability that it ends at.

    Of many pictures on the way some are drawn, evenly spaced, the first and the last among them.
    """
    from tfviz import figures as draw

    steps = arrays["steps"]
    drawn = sorted({round(at) for at in np.linspace(0, len(steps) - 1, _COLUMNS)})
    rows = [
        (
            _("{objective}:\nends at {probability}").format(
                objective=_(words), probability=percent(arrays[f"{which}_probability"][-1, 0, 0])
            ),
            [arrays[f"{which}_strip"][at] for at in drawn],
        )
        for which, words in OBJECTIVES.items()
    ]
    return draw.picture_table(rows, [_("step {step}").format(step=steps[at]) for at in drawn])


def over_steps(arrays: Mapping[str, Array]) -> live.Steps:
    """The same for a browser: all pictures on the way, and the probability at each."""
    from tfviz.figures import live

    steps = [int(step) for step in arrays["steps"]]
    return live.Steps(
        steps,
        [
            live.StepsRow(
                _(words),
                list(arrays[f"{which}_strip"]),
                [percent(arrays[f"{which}_probability"][step, 0, 0]) for step in steps],
            )
            for which, words in OBJECTIVES.items()
        ],
        _("probability"),
    )


def headings(arrays: Mapping[str, Array]) -> list[str]:
    """For each start the two final probabilities in percent, one above the other."""
    ends = zip(arrays["published_probability"][-1, 0], arrays["logarithm_probability"][-1, 0], strict=True)
    return [f"{percent(published)}\n{percent(by_logarithm)}" for published, by_logarithm in ends]


def percent(share: float) -> str:
    """As a heading has room for it; less than 1 is never rounded up to 100 %, nor more than 0 down to 0 %."""
    percent = 100 * float(share)
    if 99.995 <= percent < 100:
        return ">\u202f99.99\u202f%"
    if 0 < percent < 0.01:
        return "<\u202f0.01\u202f%"
    digits = f"{percent:.2f}" if 99 < percent < 100 else f"{percent:#.3g}".rstrip(".") if percent else "0"
    return f"{digits}\u202f%"


def ends(arrays: Mapping[str, Array], which: str) -> tuple[str, str]:
    """The lowest and the highest final probability of one objective ("published" or "logarithm"), in percent."""
    last = arrays[f"{which}_probability"][-1]
    return percent(last.min()), percent(last.max())


def probability_curves(arrays: Mapping[str, Array], name: str) -> Figure:
    """The probability of the class of that name at each step, one line for each start, repeat and objective."""
    from tfviz import figures as draw

    bundles = [
        arrays[f"{which}_probability"].reshape(len(arrays["published_probability"]), -1)
        for which in OBJECTIVES
    ]
    return draw.two_bundles(
        *zip(map(_, OBJECTIVES.values()), bundles, strict=True),
        xlabel=_("step"),
        ylabel=_("probability of “{name}”").format(name=name),
    )


def steps_to_show(steps: int) -> tuple[int, ...]:
    """0, about 8, 64, 512, and the last."""
    return (*(step for step in (0, 8, 64, 512) if step < steps), steps)
