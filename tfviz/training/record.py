"""The record of a finished training: everything that it was trained with, and how it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from tfviz.errors import BadFileError
from tfviz.files.program import asset
from tfviz.files.reading import read_json
from tfviz.training.presets import Preset, Views

RECORDED = {"cifar_cnn": asset("cifar_cnn.json"), "cifar_resnet": asset("cifar_resnet.json")}
"""The records that come with the program (how they were made: tfviz/assets/README.md)."""


@dataclass(frozen=True)
class Judged:
    """How the finished network does on the test split.

    Attributes:
        views: what its logits are averaged over (see `tfviz.training.evaluate.logits_of`).
        loss: mean cross-entropy, nats.
        accuracy: share of the pictures.
        accuracy_one_view: the same from the picture alone.
        confusion: (10, 10) counts; rows: the label; columns: what the network says.
        data: the data set, in words.
    """

    views: Views
    loss: float
    accuracy: float
    accuracy_one_view: float
    confusion: Sequence[Sequence[int]]
    data: str


@dataclass(frozen=True)
class Seed:
    """One training of several that differ by the seed alone; accuracies and loss are those of the test split."""

    seed: int
    accuracy: float
    accuracy_one_view: float
    loss: float
    seconds: float


@dataclass(frozen=True)
class Record:
    """One training run.

    Attributes:
        network: "cifar_cnn" or "cifar_resnet".
        preset: all of it.
        seed: of everything random.
        parameters: numbers in the network's variables.
        epochs: as in `tfviz.training.loop.History`.
        resumed: how often it was taken up again.
        devices: on which it ran.
        seconds: of all epochs, validation included.
        data: the data set, in words.
        pictures: how many were trained on.
        mean: what the network takes off the pictures' colours, on the scale [0, 1]: the training pictures' mean, or 0.
        std: what it divides them by: their standard deviation, or 1.
        precision: the Keras policy.
        versions: of what computed it.
        commit: of the program.
        finished: when, UTC.
        clean: "train_loss", "train_accuracy", "validation_loss", "validation_accuracy": of the finished network on as
            many training pictures as validation has, and on validation, neither augmented, one view.
        test: on the test split.
        seeds: of all seeds, where several were trained.
    """

    network: str
    preset: Preset
    seed: int
    parameters: int
    epochs: Sequence[Mapping[str, float]]
    resumed: int
    devices: Sequence[str]
    seconds: float
    data: str
    pictures: int
    mean: Sequence[float]
    std: Sequence[float]
    precision: str
    versions: Mapping[str, str]
    commit: str
    finished: str
    clean: Mapping[str, float]
    test: Judged
    seeds: Sequence[Seed] = ()

    def as_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        return asdict(self) | {"preset": self.preset.as_json()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The record that `as_json` wrote.

        Raises:
            KeyError, TypeError: it is none.
        """
        typed = {
            "preset": Preset.from_json(stored["preset"]),
            "test": Judged(**stored["test"]),
            "seeds": tuple(Seed(**seed) for seed in stored.get("seeds", ())),
        }
        return cls(**{**stored, **typed})


def load(path: Path) -> Record:
    """Read a record.

    Raises:
        BadFileError: the file is missing, damaged, or a record of another version of the program.
    """
    stored = read_json(path)
    try:
        return Record.from_json(stored)
    except (KeyError, TypeError, AttributeError) as error:
        raise BadFileError(
            f"{path} is no record of a training by this version of the program ({type(error).__name__}: {error}): "
            "train anew."
        ) from error


def finished(folder: Path) -> Record | None:
    """The record of a training that came to its end in this folder, or None; its weights lie beside it.

    Raises:
        BadFileError: see `load`.
    """
    path = folder / "record.json"
    return load(path) if path.exists() and (folder / "weights.npz").exists() else None
