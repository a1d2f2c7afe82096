"""Trainings of the plain CIFAR-10 network with other kernels, and without standardised pictures, several seeds each.

`python -m tfviz.experiment.kernel_study` does them. The recipe is that of `fast` for a third of its epochs, but for two
things that would blur the comparison: the first kernels do not start as the principal axes of the pictures' patches,
which would standardise the pictures once more, and the test split is judged from the picture alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfviz.errors import BadFileError
from tfviz.files.program import asset
from tfviz.files.reading import read_json
from tfviz.models.architectures import PlainCnn
from tfviz.training.presets import Preset
from tfviz.training.record import Record

RECORDED = asset("cifar_study.json")
"""The study that comes with the program; without trainings: none was run."""
NETWORK = "cifar_cnn"
VARIANTS = (
    ((7, 5, 3, 2), True),
    ((3, 3, 3, 3), True),
    ((2, 2, 2, 2), True),
    ((7, 5, 3, 2), False),
)
"""Kernels of the four convolutions, and whether the pictures are standardised."""


@dataclass(frozen=True)
class Study:
    """Trainings that differ in their variant and seed.

    Attributes:
        settings: "preset" (the one that was varied), "epochs", "seeds": how many were asked for.
        data: the data set, in words.
        data_sha256: of it.
        trainings: the records of those that are finished: all variants with one seed, then all with the next.
    """

    settings: Mapping[str, Any]
    data: str
    data_sha256: str
    trainings: Sequence[Record]

    def as_json(self) -> dict[str, Any]:
        """The study as JSON values."""
        return {**vars(self), "trainings": [record.as_json() for record in self.trainings]}


def load(path: Path) -> Study | None:
    """Read a study; None if there is no such file, or no training in it.

    Raises:
        BadFileError: the file is damaged, or of another version of the program.
    """
    if not path.exists():
        return None
    stored = read_json(path)
    try:
        if not stored["trainings"]:
            return None
        records = [Record.from_json(record) for record in stored["trainings"]]
        return Study(**{**stored, "trainings": records})
    except (KeyError, TypeError, AttributeError) as error:
        raise BadFileError(
            f"{path} is no study by this version of the program ({type(error).__name__}: {error}): "
            "name another file."
        ) from error


def epochs_of(preset: Preset) -> int:
    """How many epochs a variant of a preset is trained for: a third of its own."""
    return max(1, round(preset.recipe.epochs / 3))


def variants(base: Preset, epochs: int) -> list[Preset]:
    """The presets that are compared: a plain network's, with each of `VARIANTS`."""
    if not isinstance(base.architecture, PlainCnn):
        raise ValueError(f"{base.network} has no kernels to vary")
    presets = []
    for kernels, standardize in VARIANTS:
        name = "-".join(("study", *map(str, kernels), *([] if standardize else ["unstandardised"])))
        recipe = replace(base.recipe, epochs=epochs, whiten=False, views="one", standardize=standardize)
        architecture = replace(base.architecture, kernels=kernels)
        presets.append(replace(base, name=name, architecture=architecture, recipe=recipe))
    return presets
