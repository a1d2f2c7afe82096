"""Trains the plain CIFAR-10 network with other kernels, and without standardised pictures, several seeds each.

    python -m tfviz.training.study --data-dir DIR --out FILE [--epochs N] [--seeds N]

Every training's record is written to FILE as it finishes; the same command goes on where it was stopped, also in the
middle of a training (checkpoints lie in the folder `training` beside FILE). The report shows what lies in
`tfviz/assets/cifar_study.json`.

The recipe is that of `fast` for a third of its epochs, but for two things that would blur the comparison: the first
kernels do not start as the principal axes of the pictures' patches, which would standardise the pictures once more, and
the test split is judged from the picture alone. All variants are trained with one seed, then all with the next, so that
they can be compared early.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfviz import backend
from tfviz.data import cifar10
from tfviz.errors import BadFileError, TfvizError
from tfviz.files.atomic import write_json
from tfviz.files.program import asset
from tfviz.files.reading import read_json
from tfviz.models.architectures import PlainCnn
from tfviz.training.presets import PRESETS, Preset
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
        trainings: the records of those that are finished, in the order in which they were.
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


def run(
    out: Path,
    data: cifar10.Batch,
    test: cifar10.Batch,
    *,
    base: Preset,
    epochs: int,
    seeds: int,
    say: Callable[[str], None],
) -> Study:
    """Train what is not yet in a file, and write each record into it as it is finished.

    Args:
        out: the file.
        data: the training split.
        test: the test split.
        base: the plain network's preset that is varied.
        epochs: of every training.
        seeds: how many, from 0 on.
        say: called with a line per epoch and per training.

    Raises:
        BadFileError: the file holds another study.
    """
    backend.load()
    from tfviz.training import loop

    presets, sha256 = variants(base, epochs), cifar10.sha256(data)
    settings = {"preset": base.name, "epochs": epochs, "seeds": seeds}
    study = Study(settings, data.source, sha256, ())
    if (before := load(out)) is not None:
        if before.data_sha256 != sha256 or any(record.preset not in presets for record in before.trainings):
            raise BadFileError(
                f"{out} holds a study with other settings or of other data: name another file with --out."
            )
        study = replace(study, trainings=before.trainings)
    done = {(record.preset.name, record.seed) for record in study.trainings}
    for seed in range(seeds):
        for preset in presets:
            if (preset.name, seed) in done:
                continue
            say(f"{preset.name}, seed {seed}: {len(study.trainings) + 1} of {len(presets) * seeds}")
            training = loop.Training(
                preset, data, loop.folder_of(out.parent, preset, sha256, seed), seed=seed
            )
            training.run(say, lambda done, total, words: None)
            record = loop.finish(training, data, test)
            study = replace(study, trainings=(*study.trainings, record))
            write_json(out, study.as_json())
            say(f"{preset.name}, seed {seed}: test {record.test.accuracy:.2%} after {record.seconds:.0f} s")
    return study


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    presets = PRESETS[NETWORK]
    parser = argparse.ArgumentParser(
        prog="python -m tfviz.training.study", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("--data-dir", type=Path, required=True, metavar="DIR", help="folder with CIFAR-10")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the record, JSON")
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="of every training (default: a third of the preset's)"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="of every variant (default: 3)")
    parser.add_argument(
        "--preset", choices=("fast", "smoke"), default="fast", help="which is varied (default: fast)"
    )
    options = parser.parse_args(arguments)
    base = presets[options.preset]
    epochs = epochs_of(base) if options.epochs is None else options.epochs
    if epochs < 1 or options.seeds < 1:
        parser.error("--epochs and --seeds must be at least 1")
    try:
        place = cifar10.find(options.data_dir) or options.data_dir
        data, test = cifar10.read_train(place), cifar10.read_test_batch(place)
        run(options.out, data, test, base=base, epochs=epochs, seeds=options.seeds, say=print)
    except TfvizError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{options.out}: the report shows it once it is {RECORDED}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
