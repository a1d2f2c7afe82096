"""A residual network trained on CIFAR-10.

Paper: He et al. 2015, "Deep Residual Learning for Image Recognition"; the fast preset after Jordan 2024, "94% on
CIFAR-10 in 3.29 seconds on a single GPU".
Cost: seconds for the recorded run; training takes minutes (see the recorded run's page).
Expected: 89.19 % test accuracy at a loss of 0.3675 (published, 100 epochs).
Alone: python run_all.py --only cifar_resnet --data-dir DIR [--train fast]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from tfviz.data import cifar10
from tfviz.experiment.context import Context
from tfviz.experiment.grading import Comparison, Expected
from tfviz.experiment.lab import Lab, close_to
from tfviz.experiment.part import Again, Drawing, Findings, Number, array, measuring
from tfviz.files.program import asset
from tfviz.files.reading import read_json
from tfviz.language import gettext as _
from tfviz.language import marked, ngettext
from tfviz.parts import _cifar
from tfviz.parts._cifar import Settings

ID = "cifar_resnet"
TITLE = marked("A residual network trained on CIFAR-10")
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
_OF_THE_RECORD: tuple[tuple[str, float, float, Comparison, str], ...] = (
    (
        "test_accuracy",
        PUBLISHED_ACCURACY,
        0.01,
        "at least",
        marked("published network, recorded: test accuracy"),
    ),
    ("test_loss", PUBLISHED_LOSS, 0.05, "at most", marked("published network, recorded: test loss")),
)
SETTINGS_EPOCHS = 128
"""What the published settings say; the published log ends at 100."""
PUBLISHED_NETWORK = _cifar.label_of(ID, "published", cifar10.JPEG_COPY, cifar10.JPEG_COPY)
"""How numbers are labelled that `tfviz/assets/cifar_published.json` records, not the training that is shown."""
_OTHERS = {"l2": "L2", "dropout": "dropout"}
"""How the trainings that differ from the published settings are labelled."""

_OWN = ("cifar_resnet (published)",)
_JPEG_COPY = marked(
    "trained and tested on pictures that went through JPEG; what was published is of the original ones"
)
_TRACK = marked("track B")
EXPECTED = (
    # Bounds: rate, blocks and augmentation were not stated, and whoever chooses them better has not failed.
    Expected(
        "test_accuracy",
        PUBLISHED_ACCURACY,
        0.01,
        "published",
        _TRACK,
        _OWN,
        "at least",
        label=marked("test accuracy"),
    ),
    Expected(
        "test_loss", PUBLISHED_LOSS, 0.05, "published", _TRACK, _OWN, "at most", label=marked("test loss")
    ),
    Expected("epochs", 100, 0, "published", _TRACK, _OWN, label=marked("epochs")),
    *(
        Expected(
            f"published_network_{number}",
            value,
            tolerance,
            "published",
            marked("track B; measured: the published network on the JPEG copy, the middle of the seeds"),
            (PUBLISHED_NETWORK,),
            comparison,
            not_comparable=_JPEG_COPY,
            label=label,
        )
        for number, value, tolerance, comparison, label in _OF_THE_RECORD
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
        number, and of those with a penalty (..._l2_...) and with dropout (..._dropout_...). Arrays: the curves,
        (seeds, epochs). Facts: how it was trained, and the curves' middle at the epochs that were published.
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
        numbers[name] = Number(median(values), unit, label, (min(values), max(values)), len(values))
        for record, value in zip(records, values, strict=True):
            numbers[f"{name}_seed_{record.seed}"] = Number(value, unit, label)

    others = {"l2": stored["penalised"], "dropout": stored["dropout"]}
    for other, training in others.items():
        trained = _cifar.label_of(
            ID, f"{first.preset.name} with {_OTHERS[other]}", first.data, first.test.data
        )
        last = {name: value for name, value in training["epochs"][-1].items() if name != "seconds"}
        last |= {"test_accuracy": training["accuracy"], "test_loss": training["loss"]}
        for name, value in last.items():
            unit = "nats" if name.endswith("_loss") else ""
            numbers[f"{other}_{name}"] = Number(value, unit, trained)

    shown = [row[0] for row in PUBLISHED_EPOCHS if row[0] <= len(first.epochs)]
    facts = {
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
        "l2": others["l2"]["l2"],
        "dropout": others["dropout"]["rate"],
        "dropouts_tried": [tried["dropout"] for tried in others["dropout"]["tried"]],
        "tried_epochs": others["dropout"]["tried"][0]["epochs"],
        **{f"{other}_epochs": len(training["epochs"]) for other, training in others.items()},
    }
    return Findings(
        {f"published_network_{name}": number for name, number in numbers.items()},
        {f"published_network_{name}": values for name, values in curves.items()},
        facts,
    )


def figures(findings: Findings, settings: Settings) -> Sequence[Drawing]:
    """Curves with what was published beside them, confusion matrix, worst mistakes; the published network's curves."""
    from tfviz.figures.trainings import Split, learning

    rows = np.array(findings.facts["published_epochs"])
    names = ("train_accuracy", "validation_accuracy", "train_loss", "validation_loss")
    published = _cifar.Published(
        PUBLISHED_ACCURACY, {name: rows[:, [0, column]] for column, name in enumerate(names, 1)}
    )
    record, numbers, arrays = findings.facts["published_network"], findings.numbers, findings.arrays
    seeds = len(record["seeds"])

    def splits(name: str) -> list[Split]:
        return [
            (words, arrays[f"published_network_{split}_{name}"], published.beside(f"{split}_{name}"))
            for words, split in ((_("training"), "train"), (_("validation"), "validation"))
        ]

    def at_end(split: str) -> float:
        return float(numbers[f"published_network_{split}_accuracy"].value)

    if at_end("train") <= at_end("validation"):
        finding = _("The published network ends with training not above validation.")
    elif rows[-1, 1] < rows[-1, 2]:
        finding = _("Training ends above validation here, and ended below it in the published run.")
    else:
        finding = _("Training ends above validation, as in the published run.")
    return (
        *_cifar.figures(findings, published, _beside_published(findings, rows[-1])),
        Drawing(
            "published_network",
            ngettext(
                "The published network on {data}, {count} seed, after each epoch; numbers as in the curves above. "
                "Squares and circles: the epochs that were published, on the original pictures.",
                "The published network on {data}, {count} seeds, after each epoch; numbers as in the curves above. "
                "Squares and circles: the epochs that were published, on the original pictures.",
                seeds,
            ).format(data=_cifar.data_name(record["data"]), count=seeds),
            _(
                "Two panels, a curve for each seed and split over {epochs} epochs: training ends at {training}, "
                "validation at {validation}. {points} squares and as many circles."
            ).format(
                epochs=record["epochs"],
                points=len(rows),
                training=_cifar.percent(at_end("train")),
                validation=_cifar.percent(at_end("validation")),
            ),
            lambda: learning(splits("accuracy"), splits("loss"), points=_("published")),
            finding,
        ),
    )


def _beside_published(findings: Findings, last: np.ndarray) -> str:
    """How the shown training's validation ends, and the published one's; `last` is the published log's last row."""
    numbers = findings.numbers
    if "last_validation_accuracy" not in numbers:
        return _cifar.what_validation_does(findings)
    epochs = int(numbers["epochs"].value)
    return ngettext(
        "After {count} epoch validation stands at {ours}; the published run stood at {theirs} after {last}.",
        "After {count} epochs validation stands at {ours}; the published run stood at {theirs} after {last}.",
        epochs,
    ).format(
        count=epochs,
        ours=_cifar.percent(numbers["last_validation_accuracy"].value),
        theirs=_cifar.percent(float(last[2])),
        last=int(last[0]),
    )


def again(findings: Findings, settings: Settings, lab: Lab) -> Mapping[str, Again]:
    """See `tfviz.parts._cifar.again`; the published network from the grader's copy of its record."""
    found, record = _cifar.again(ID, findings, lab), published_network()
    with measuring(found, *record.numbers):
        for name, values in record.arrays.items():
            stored = array(findings, name, values.shape, dtype="float64")
            close_to(values, stored, 0.0, f"the array {name} is not the recorded training's")
        # What `measuring` above said of these numbers, it said of the shown training.
        found |= _cifar.as_labelled(findings, record.numbers)
    return found
