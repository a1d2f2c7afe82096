"""A residual network trained on CIFAR-10.

Paper: He et al. 2015, "Deep Residual Learning for Image Recognition"; the fast preset after Jordan 2024, "94% on
CIFAR-10 in 3.29 seconds on a single GPU".
Cost: seconds for the recorded run; training takes minutes (see the recorded run's page).
Expected: 89.19 % test accuracy at a loss of 0.3675 (published, 100 epochs).
Alone: python run_all.py --only cifar_resnet --data-dir DIR [--train fast]
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from tfviz.data import cifar10
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Comparison, Expected
from tfviz.experiment.part import Drawing, Findings, Number
from tfviz.files.atomic import read_json
from tfviz.files.program import asset
from tfviz.parts import _cifar
from tfviz.parts._cifar import Array, Settings

ID = "cifar_resnet"
TITLE = "A residual network trained on CIFAR-10"
TRACK = "B"
NETWORKS = ()
INPUTS = ("data_dir", "train")
SETTINGS = Settings()
QUICK = SETTINGS
PUBLISHED_ACCURACY = 0.8919
PUBLISHED_EPOCHS = (
    # epoch, training accuracy, validation accuracy, training loss, validation loss
    (1, 0.3723, 0.4630, 1.7184, 1.5769),
    (30, 0.8492, 0.8788, 0.4434, 0.3726),
    (60, 0.8744, 0.8944, 0.3666, 0.3408),
    (90, 0.8845, 0.8850, 0.3402, 0.3727),
    (100, 0.8842, 0.8984, 0.3386, 0.3194),
)

PUBLISHED_LOSS = 0.3675
_OF_THE_RECORD: tuple[tuple[str, float, float, Comparison], ...] = (
    ("test_accuracy", PUBLISHED_ACCURACY, 0.01, "at least"),
    ("test_loss", PUBLISHED_LOSS, 0.05, "at most"),
)
SETTINGS_EPOCHS = 128
"""What the published settings say; the published log ends at 100."""
PUBLISHED_NETWORK = _cifar.label_of(ID, "published", cifar10.JPEG_COPY, cifar10.JPEG_COPY)
"""How numbers are labelled that `tfviz/assets/cifar_published.json` records, not the training that is shown."""

_OWN = ("cifar_resnet (published)",)
_JPEG_COPY = (
    "trained and tested on pictures that went through JPEG; what was published is of the original ones"
)
EXPECTED = (
    # Bounds: rate, blocks and augmentation were not stated, and whoever chooses them better has not failed.
    Expected("test_accuracy", PUBLISHED_ACCURACY, 0.01, "published", "track B", _OWN, "at least"),
    Expected("test_loss", PUBLISHED_LOSS, 0.05, "published", "track B", _OWN, "at most"),
    Expected("epochs", 100, 0, "published", "track B", _OWN),
    *(
        Expected(
            f"published_network_{number}",
            value,
            tolerance,
            "published",
            "track B; measured: the published network on the JPEG copy, the middle of three seeds",
            (PUBLISHED_NETWORK,),
            comparison,
            not_comparable=_JPEG_COPY,
        )
        for number, value, tolerance, comparison in _OF_THE_RECORD
    ),
    *_cifar.at_least_as_published(ID, PUBLISHED_ACCURACY, ("fast",)),
)


def run(settings: Settings, context: Context) -> Findings:
    """Train, or take the recorded run, and judge it; beside it the record of the published network."""
    findings = _cifar.run(ID, settings, context)
    record = published_network()
    facts = {
        "published_epochs": PUBLISHED_EPOCHS,
        "settings_epochs": SETTINGS_EPOCHS,
        "published_network": record.facts,
    }
    return Findings(
        {**findings.numbers, **record.numbers},
        {**findings.arrays, **record.arrays},
        {**findings.facts, **facts},
    )


def published_network() -> Findings:
    """The recorded trainings of the published network, which several seeds and a penalty tell apart.

    Returns:
        Numbers, all named "published_network_...": of each seed (..._seed_N), the middle of the seeds, number by
        number, and of the one with a penalty (..._l2_...). Arrays: the curves, (seeds, epochs). Facts: how it was
        trained, and the curves' middle at the epochs that were published.
    """
    from tfviz.training.record import Record

    stored = read_json(asset("cifar_published.json"))
    records = [Record.from_json(record) for record in stored["trainings"]]
    first = records[0]
    label = _cifar.label_of(ID, first.preset.name, first.data, first.test.data)
    curves = {
        name: np.array([_cifar.curve(record, name) for record in records])
        for name in ("train_accuracy", "validation_accuracy", "train_loss", "validation_loss")
    }
    per_seed: dict[str, list[float]] = {name: values[:, -1].tolist() for name, values in curves.items()}
    per_seed |= {f"clean_{name}": [record.clean[name] for record in records] for name in first.clean}
    per_seed["test_accuracy"] = [record.test.accuracy for record in records]
    per_seed["test_loss"] = [record.test.loss for record in records]
    per_seed["seconds"] = [record.seconds for record in records]
    per_seed["lowest_validation_loss"] = curves["validation_loss"].min(axis=1).tolist()
    numbers = {}
    for name, values in per_seed.items():
        unit = "s" if name == "seconds" else "nats" if name.endswith("_loss") else ""
        numbers[name] = Number(median(values), unit, label)
        for record, value in zip(records, values, strict=True):
            numbers[f"{name}_seed_{record.seed}"] = Number(value, unit, label)

    penalised = stored["penalised"]
    with_penalty = _cifar.label_of(ID, f"{first.preset.name} with L2", first.data, first.test.data)
    last = {name: value for name, value in penalised["epochs"][-1].items() if name != "seconds"}
    last |= {"test_accuracy": penalised["accuracy"], "test_loss": penalised["loss"]}
    for name, value in last.items():
        numbers[f"l2_{name}"] = Number(value, "nats" if name.endswith("_loss") else "", with_penalty)

    shown = [row[0] for row in PUBLISHED_EPOCHS if row[0] <= len(first.epochs)]
    facts = {
        "label": f"published network, {_data_in_short(first.data)}, {_in_words(len(records))} seeds",
        "seeds": [record.seed for record in records],
        "data": first.data,
        "devices": list(first.devices),
        "precision": first.precision,
        "epochs": len(first.epochs),
        "middle": {
            str(epoch): [float(np.median(values[:, epoch - 1])) for values in curves.values()]
            for epoch in shown
        },
        "lowest_after": sorted(int(values.argmin()) + 1 for values in curves["validation_loss"]),
        "l2": penalised["l2"],
        "l2_epochs": len(penalised["epochs"]),
    }
    return Findings(
        {f"published_network_{name}": number for name, number in numbers.items()},
        {f"published_network_{name}": values for name, values in curves.items()},
        facts,
    )


def _data_in_short(data: str) -> str:
    return "JPEG copy" if data == cifar10.JPEG_COPY else data


def _in_words(count: int) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six")
    return words[count] if count < len(words) else str(count)


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """Curves with what was published beside them, confusion matrix, worst mistakes; the published network's curves."""
    from tfviz import figures as draw

    rows = np.array(findings.facts["published_epochs"])
    names = ("train_accuracy", "validation_accuracy", "train_loss", "validation_loss")
    points = {name: rows[:, [0, column]] for column, name in enumerate(names, 1)}
    record = findings.facts["published_network"]

    def splits(name: str) -> list[tuple[str, Array, Array]]:
        return [
            (
                f"{words}, {_in_words(len(record['seeds']))} seeds",
                findings.arrays[f"published_network_{split}_{name}"],
                points[f"{split}_{name}"],
            )
            for words, split in (("training", "train"), ("validation", "validation"))
        ]

    first, *others = _cifar.figures(findings, PUBLISHED_ACCURACY, points)
    drawing = Drawing(
        "published_network",
        f"{record['label'][0].upper()}{record['label'][1:]}: cross-entropy and accuracy after each epoch, as above, on "
        f"{record['data']}. Diamonds: the epochs that were published, on the original pictures.",
        "Two panels of two groups of curves, one curve a seed, with diamonds at a few epochs.",
        lambda: draw.curves_and_points(splits("loss"), splits("accuracy"), "published", logarithmic=False),
    )
    return (first, *others, drawing)
