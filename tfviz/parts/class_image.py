"""A picture, grown from noise, that the network calls a golden retriever.

Papers: Simonyan et al. 2014, "Deep Inside Convolutional Networks"; Nguyen et al. 2015, "Deep Neural Networks are Easily
Fooled".
Cost: about 30 s on two cores with SqueezeNet.
Expected: probability 1.0 on AlexNet (published), at least 0.998 for its logarithm on every network.
Alone: python run_all.py --only class_image
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.part import Drawing, Findings

ID = "class_image"
TITLE = "A picture that the network calls a golden retriever"
TRACK = "B"
NETWORKS = ("alexnet", "squeezenet")
INPUTS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """As published, from several seeds.

    Attributes:
        seeds: pictures of noise to start from.
        repeats: of each, from starts that differ in the last bit.
        chaotic: a seed's end counts as chaotic where its repeats differ by more than this share of the largest.
    """

    target: int = 207
    seeds: int = 5
    repeats: int = 3
    chaotic: float = 0.1
    noise_mean: float = 0.5
    noise_std: float = 0.01
    steps: int = 40
    rate: float = 5.0


SETTINGS = Settings()
QUICK = Settings(seeds=2, repeats=2)

EXPECTED = (
    Expected("published_probability", 1.0, 0.001, "published", "track B", ("alexnet",)),
    Expected(
        "target_probability",
        0.998,
        0.0,
        "own bound",
        "the log-probability's lowest of all seeds",
        (),
        "at least",
    ),
)


def run(settings: Settings, context: Context) -> Findings:
    """Ascend on the probability and on its logarithm, from the same noise, for every seed."""
    model = context.model()
    from tfviz.data.labels import imagenet_classes
    from tfviz.parts._toward_class import steps_to_show, toward_class

    # The first seed's noise is that of conv1_units; the others follow from it.
    random = context.random()
    starts = random.normal(
        settings.noise_mean, settings.noise_std, (settings.seeds, *model.input_shape[1:])
    ).astype(np.float32)
    context.reporter.progress(ID, 0, 1)
    keep = steps_to_show(settings.steps)
    both = toward_class(
        model,
        settings.target,
        starts,
        random,
        repeats=settings.repeats,
        steps=settings.steps,
        rate=settings.rate,
        logarithm_rate=settings.rate,
        keep=keep,
    )
    context.reporter.progress(ID, 1, 1)

    numbers = {name: context.repeated(values) for name, values in both.numbers().items()}
    for which, ascents in (("target", both.by_logarithm), ("published", both.published)):
        numbers[f"{which}_chaotic"] = context.number(ascents.chaotic(settings.chaotic), "seeds")
        for seed in range(settings.seeds):
            numbers[f"{which}_probability_seed_{seed}"] = context.repeated(ascents.probability[-1, :, seed])
    return Findings(numbers, both.arrays(), {"class": imagenet_classes()[settings.target]})


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """The first seed's strip for both objectives, the last pictures of every seed, and the probability."""
    from tfviz import figures as draw
    from tfviz.parts._toward_class import ends, headings, probability_curves, strip

    arrays, name = findings.arrays, findings.facts["class"]

    return (
        Drawing(
            "strip",
            f"The first seed's picture on the way, and the probability of “{name}” at its end.",
            "Two rows of pictures that begin as even grey noise.",
            lambda: strip(arrays),
        ),
        Drawing(
            "last",
            f"After the last step, for every seed; over each pair the probability of “{name}” above and below.",
            "Pairs of pictures, one pair for each seed.",
            lambda: draw.picture_table(
                [("probability", list(arrays["published"])), ("log-probability", list(arrays["logarithm"]))],
                headings(arrays),
                cell=1.25,
            ),
        ),
        Drawing(
            "probability",
            f"The probability of “{name}” at each step: one line for each seed, repeat and objective.",
            "Two bundles of curves: those of the probability end between "
            f"{' and '.join(ends(arrays, 'published'))}, those of its logarithm between "
            f"{' and '.join(ends(arrays, 'logarithm'))}.",
            lambda: probability_curves(arrays, name),
        ),
    )
