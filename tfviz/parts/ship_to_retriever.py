"""A ship of CIFAR-10 that the network calls a golden retriever.

Paper: Szegedy et al. 2014, "Intriguing properties of neural networks".
Cost: about 30 s on two cores with SqueezeNet.
Expected: probability 1.0 on AlexNet (published), at least 0.998 for its logarithm on every network.
Alone: python run_all.py --only ship_to_retriever --data-dir DIR (with CIFAR-10 in DIR; else ships are drawn)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tfviz.experiment.context import Context
from tfviz.experiment.grading import Expected
from tfviz.experiment.part import Drawing, Findings

Array = npt.NDArray[np.floating]
Bytes = npt.NDArray[np.uint8]

ID = "ship_to_retriever"
TITLE = "A ship that the network calls a golden retriever"
TRACK = "B"
NETWORKS = ("alexnet", "squeezenet")
INPUTS = ("data_dir",)

_SIDE = 32  # of CIFAR-10's pictures


@dataclass(frozen=True)
class Settings:
    """As published, for several ships.

    Attributes:
        rate: of the published ascent, on the probability.
        logarithm_rate: of the ascent on the log-probability, a tenth of it (ours): the smaller the step, the less the
            picture moves.
        ships: how many ships, of the test split where it is to be had, else drawn; picked by the seed.
        repeats: of each, from starts that differ in the last bit.
        moved: a value that changed by more than this, of [0, 1], counts as moved.
        chaotic: a ship's end counts as chaotic where its repeats differ by more than this share of the largest.
    """

    target: int = 207
    ships: int = 5
    repeats: int = 3
    steps: int = 40
    rate: float = 5.0
    logarithm_rate: float = 0.5
    moved: float = 0.1
    chaotic: float = 0.1


SETTINGS = Settings()
QUICK = Settings(ships=2, repeats=2)

EXPECTED = (
    Expected("published_probability", 1.0, 0.001, "published", "track B", ("alexnet",)),
    Expected(
        "target_probability",
        0.998,
        0.0,
        "own bound",
        "the log-probability's lowest of all ships",
        (),
        "at least",
    ),
)


def run(settings: Settings, context: Context) -> Findings:
    """Ascend from each ship on the probability and on its logarithm, and measure how far the picture moved."""
    model = context.model()
    from tfviz.data.labels import imagenet_classes
    from tfviz.parts._toward_class import steps_to_show, toward_class

    random = context.random()
    small, source = _ships(settings, context, random)
    starts = _enlarged(small, model.input_shape[1:3])
    context.reporter.progress(ID, 0, 1)
    both = toward_class(
        model,
        settings.target,
        starts,
        random,
        repeats=settings.repeats,
        steps=settings.steps,
        rate=settings.rate,
        logarithm_rate=settings.logarithm_rate,
        keep=steps_to_show(settings.steps),
    )
    context.reporter.progress(ID, 1, 1)

    names = imagenet_classes()
    numbers = {name: context.repeated(values) for name, values in both.numbers().items()}
    for prefix, of, ascents in (
        ("", "target", both.by_logarithm),
        ("published_", "published", both.published),
    ):
        numbers[f"{of}_chaotic"] = context.number(ascents.chaotic(settings.chaotic), "ships")
        called = [np.asarray(model(pictures)).argmax(axis=1) for pictures in ascents.pictures]
        numbers[f"{prefix}called"] = context.repeated(
            np.sum(np.equal(called, settings.target), axis=1), "ships"
        )
        for ship in range(settings.ships):
            numbers[f"{of}_probability_ship_{ship}"] = context.repeated(ascents.probability[-1, :, ship])
        for measure, values in _movement(starts, ascents.pictures, settings.moved).items():
            for ship in range(settings.ships):
                numbers[f"{prefix}{measure}_ship_{ship}"] = context.repeated(values[:, ship])
            numbers[f"{prefix}{measure}_least"] = context.number(values.min())
            numbers[f"{prefix}{measure}_most"] = context.number(values.max())
    facts = {
        "class": names[settings.target],
        "source": source,
        "before": [names[index] for index in np.asarray(model(starts)).argmax(axis=1)],
    }
    return Findings(numbers, {"start": starts, **both.arrays()}, facts)


def _ships(settings: Settings, context: Context, random: np.random.Generator) -> tuple[Bytes, str]:
    """Different ships, (ships, 32, 32, 3), and where they are from."""
    from tfviz.data import cifar10, drawings
    from tfviz.data.pictures import as_bytes

    if context.inputs.data_dir is None:
        drawn = as_bytes(drawings.fleet(settings.ships, _SIDE, _SIDE, random))
        return drawn, f"drawn by the program at {_SIDE} × {_SIDE} pixels, enlarged; not CIFAR-10"
    test = cifar10.read_test_batch(context.inputs.data_dir)
    ships = np.flatnonzero(test.labels == cifar10.CLASSES.index("ship"))
    chosen = test.pictures[random.choice(ships, settings.ships, replace=False)]
    return chosen, f"{test.source}, test split, enlarged from {_SIDE} × {_SIDE} pixels"


def _enlarged(small: Bytes, shape: tuple[int, int]) -> Array:
    """Pictures (N, 32, 32, 3) as (N, H, W, 3) in [0, 1]."""
    from PIL import Image

    from tfviz.data.pictures import as_floats

    size = shape[::-1]
    return np.stack(
        [as_floats(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)) for picture in small]
    )


def _movement(starts: Array, pictures: Array, moved: float) -> dict[str, Array]:
    """How far pictures (repeats, N, H, W, 3) are from their starts (N, H, W, 3), each measure (repeats, N).

    "l2", "linf" and "ssim" are those of `distances`; "moved" is the share of the values that changed by more than that.
    """
    from tfviz.measures.similarity import distances

    measured = [
        [distances(start, after) for start, after in zip(starts, each, strict=True)] for each in pictures
    ]
    found = {
        measure: np.array([[each[measure] for each in row] for row in measured]) for measure in measured[0][0]
    }
    return found | {"moved": np.mean(np.abs(pictures - starts) > moved, axis=(2, 3, 4))}


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """Every ship before and after both ascents, the first one enlarged with what changed, and the probability."""
    from tfviz import figures as draw
    from tfviz.parts._toward_class import ends, headings, percent, probability_curves

    arrays = findings.arrays
    name = findings.facts["class"]
    # The first ship, after the ascent that made it the more probable.
    words, which = max(
        (("the probability", "published"), ("the log-probability", "logarithm")),
        key=lambda objective: arrays[f"{objective[1]}_probability"][-1, 0, 0],
    )
    before, after = arrays["start"][0], arrays[which][0]
    difference = after.astype(np.float64) - before
    largest = float(np.abs(difference).max())
    end = percent(arrays[f"{which}_probability"][-1, 0, 0])

    return (
        Drawing(
            "ships",
            f"Each ship before, and after ascent on the probability and on its logarithm; over each the two final "
            f"probabilities of “{name}”. Source: {findings.facts['source']}.",
            f"{len(arrays['start'])} columns of three pictures of one ship.",
            lambda: draw.picture_table(
                [
                    ("before", list(arrays["start"])),
                    ("probability", list(arrays["published"])),
                    ("log-probability", list(arrays["logarithm"])),
                ],
                headings(arrays),
                cell=1.25,
            ),
        ),
        Drawing(
            "enlarged",
            f"The first ship before, after ascent on {words} (“{name}”: {end}), and what changed: grey is no change, "
            f"black and full colour are a change by {largest:.2g} of the range of values.",
            "A ship, the same after the ascent, and the difference of the two.",
            lambda: draw.picture_table(
                [("", [before, after, draw.centred(difference)])], ("before", "after", "difference"), cell=2.1
            ),
        ),
        Drawing(
            "probability",
            f"The probability of “{name}” at each step: one line for each ship, repeat and objective.",
            "Two bundles of curves: those of the probability end between "
            f"{' and '.join(ends(arrays, 'published'))}, those of its logarithm between "
            f"{' and '.join(ends(arrays, 'logarithm'))}.",
            lambda: probability_curves(arrays, name),
        ),
    )
