"""A ship of CIFAR-10 that the network calls a golden retriever.

Paper: Szegedy et al. 2014, "Intriguing properties of neural networks".
Cost: about 10 s on two cores with SqueezeNet.
Expected: probability 1.0 on AlexNet (published), at least 0.998 for its logarithm on every network.
Alone: python run_all.py --only ship_to_retriever --data-dir DIR (with CIFAR-10 in DIR; else the ship is drawn)
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

ID = "ship_to_retriever"
TITLE = "A ship that the network calls a golden retriever"
TRACK = "B"
NETWORKS = ("alexnet", "squeezenet")
INPUTS = ("data_dir",)


@dataclass(frozen=True)
class Settings:
    """As published, for several ships.

    Attributes:
        rate: of the published ascent, on the probability.
        logarithm_rate: of the ascent on the log-probability; with the published rate it would bury the ship.
        ships: how many ships of the test split, picked by the seed; or of noisy copies of the drawn ship.
        drawn_noise_std: of the noise that tells the copies of the drawn ship apart.
    """

    target: int = 207
    ships: int = 5
    steps: int = 40
    rate: float = 5.0
    logarithm_rate: float = 0.5
    drawn_noise_std: float = 0.01


SETTINGS = Settings()
QUICK = Settings(ships=2)

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
    from tfviz.measures.similarity import distances
    from tfviz.parts._toward_class import steps_to_show, toward_class

    starts, source = _ships(settings, context, model.input_shape[1:3])
    keep = steps_to_show(settings.steps)
    context.reporter.progress(ID, 0, 1)
    both = toward_class(
        model,
        settings.target,
        starts,
        steps=settings.steps,
        rate=settings.rate,
        logarithm_rate=settings.logarithm_rate,
        keep=keep,
    )
    context.reporter.progress(ID, 1, 1)
    first_class = np.asarray(model(starts)).argmax(axis=1)

    numbers = {name: context.number(value) for name, value in both.numbers().items()}
    for ship in range(settings.ships):
        numbers[f"target_probability_ship_{ship}"] = context.number(both.logarithm_probability[-1, ship])
        numbers[f"published_probability_ship_{ship}"] = context.number(both.published_probability[-1, ship])
        for which, trace in (("", both.by_logarithm), ("published_", both.published)):
            for measure, value in distances(starts[ship], trace.picture[ship]).items():
                numbers[f"{which}{measure}_ship_{ship}"] = context.number(value)
    names = imagenet_classes()
    facts = {
        "class": names[settings.target],
        "source": source,
        "before": [names[index] for index in first_class],
    }
    return Findings(numbers, {"start": starts, **both.arrays()}, facts)


def _ships(settings: Settings, context: Context, shape: tuple[int, int]) -> tuple[Array, str]:
    """The starts, (ships, H, W, 3) in [0, 1], and where they are from."""
    from PIL import Image

    from tfviz.data import cifar10, drawings
    from tfviz.data.pictures import as_floats

    random = context.random()
    test = cifar10.read_test_batch(context.inputs.data_dir) if context.inputs.data_dir else None
    if test is None:
        ship = drawings.ship(*shape)
        noise = random.normal(0, settings.drawn_noise_std, (settings.ships, *ship.shape))
        return np.clip(ship + noise, 0, 1).astype(np.float32), "drawn by the program, with a little noise"
    ships = np.flatnonzero(test.labels == cifar10.CLASSES.index("ship"))
    chosen = test.pictures[random.choice(ships, settings.ships, replace=False)]
    size = shape[::-1]
    enlarged = [
        as_floats(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)) for picture in chosen
    ]
    return np.stack(enlarged), f"{test.source}, test split, enlarged from 32 x 32"


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """Every ship before and after both ascents, the first one's strip, and the probability."""
    from tfviz import figures as draw
    from tfviz.parts._toward_class import headings, probability_curves, strip

    arrays = findings.arrays
    name = findings.facts["class"]

    return (
        Drawing(
            "ships",
            f"Each ship before, and after ascent on the probability and on its logarithm; over each the two final "
            f"probabilities of “{name}”. Source: {findings.facts['source']}.",
            f"{len(arrays['start'])} columns of three pictures of one ship; the lower two are speckled with colours.",
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
            "strip",
            "The first ship on the way.",
            "Two rows of pictures of a ship, increasingly speckled.",
            lambda: strip(arrays),
        ),
        Drawing(
            "probability",
            f"The probability of “{name}” at each step: one line for each ship and objective.",
            "Two bundles of curves; those of the log-probability rise to 1 and stay.",
            lambda: probability_curves(arrays, name),
        ),
    )
