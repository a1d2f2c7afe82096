"""Trains the plain CIFAR-10 network with other kernels, and without standardised pictures, several seeds each.

    python -m tfviz.experiment.kernel_study --data-dir DIR --out FILE [--epochs N] [--seeds N] [--workers N]

Every training's record is written to FILE as it finishes; the same command goes on where it was stopped, also in the
middle of a training (checkpoints lie in the folder `training` beside FILE). The report shows what lies in
`tfviz/assets/cifar_study.json`; `tfviz.training.study` says what is compared.

All variants are trained with one seed, then all with the next, so that they can be compared early.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import lru_cache
from pathlib import Path

from tfviz import backend
from tfviz.data import cifar10
from tfviz.errors import BadFileError, TfvizError
from tfviz.experiment.executor import Failures, Task, run, tell, workers
from tfviz.experiment.inputs import of_cifar10
from tfviz.files.atomic import write_json
from tfviz.files.hashes import json_sha256
from tfviz.training import study
from tfviz.training.presets import PRESETS, Preset
from tfviz.training.record import Record


def train_all(
    out: Path,
    place: Path,
    executor: Executor,
    *,
    base: Preset,
    epochs: int,
    seeds: int,
    say: Callable[[str], None],
) -> Failures:
    """Train what is not yet in a file, and write each record into it as it is finished.

    Args:
        out: the file.
        place: where CIFAR-10 is.
        executor: whose workers train.
        base: the plain network's preset that is varied.
        epochs: of every training.
        seeds: how many, from 0 on.
        say: called with a line per epoch and per training.

    Raises:
        BadFileError: the file holds another study.
    """
    from tfviz.training.loop import folder_of

    data, _ = _splits(place)
    presets, sha256 = study.variants(base, epochs), cifar10.sha256(data)
    settings = {"preset": base.name, "epochs": epochs, "seeds": seeds}
    before = study.load(out)
    if before is not None and (
        before.data_sha256 != sha256 or any(record.preset not in presets for record in before.trainings)
    ):
        raise BadFileError(
            f"{out} holds a study with other settings or of other data: name another file with --out."
        )
    done = {_which(record): record for record in before.trainings} if before else {}
    given = (of_cifar10(place.absolute(), test=False),)
    order = [(preset.name, seed) for seed in range(seeds) for preset in presets]

    def task(preset: Preset, seed: int) -> Task:
        folder = folder_of(out.absolute().parent, preset, sha256, seed)
        name = f"{preset.name}, seed {seed}"
        first = f"{name}: {order.index((preset.name, seed)) + 1} of {len(order)}"
        key = json_sha256([preset.as_json(), sha256, seed])
        return Task(key, _train, (preset, place.absolute(), folder, seed, first), name, given)

    def keep(task: Task, record: Record) -> None:
        done[_which(record)] = record
        also = [which for which in done if which not in order]  # seeds of an earlier study
        trainings = tuple(done[which] for which in (*order, *also) if which in done)
        write_json(out, study.Study(settings, data.source, sha256, trainings).as_json())
        say(f"{task.name}: test {record.test.accuracy:.2%} after {record.seconds:.0f} s")

    return run(
        [
            task(preset, seed)
            for seed in range(seeds)
            for preset in presets
            if (preset.name, seed) not in done
        ],
        executor,
        done=lambda _: False,
        keep=keep,
        say=say,
        heard=say,
        shared=out.absolute().parent,
    )


def _which(record: Record) -> tuple[str, int]:
    return record.preset.name, record.seed


@lru_cache(1)
def _splits(place: Path) -> tuple[cifar10.Batch, cifar10.Batch]:
    """The training and the test split."""
    return cifar10.read_train(place), cifar10.read_test_batch(place)


def _train(preset: Preset, place: Path, folder: Path, seed: int, first: str) -> Record:
    """One training, to its end; it goes on where another worker's stopped."""
    backend.load()
    from tfviz.training import loop

    tell(first)
    data, test = _splits(place)
    training = loop.Training(preset, data, folder, seed=seed)
    training.run(lambda line: tell(f"{preset.name}, seed {seed}: {line}"), lambda done, total, words: None)
    return loop.finish(training, data, test)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    presets = PRESETS[study.NETWORK]
    parser = argparse.ArgumentParser(
        prog="python -m tfviz.experiment.kernel_study", description=str(__doc__).splitlines()[0]
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
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="trainings at a time, each in a process with its share of the cores (default: 1, on all cores)",
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="train on the workers of a Dask scheduler, tcp://host:8786"
    )
    options = parser.parse_args(arguments)
    base = presets[options.preset]
    epochs = study.epochs_of(base) if options.epochs is None else options.epochs
    if epochs < 1 or options.seeds < 1 or options.workers < 1:
        parser.error("--epochs, --seeds and --workers must be at least 1")
    try:
        place = cifar10.find(options.data_dir) or options.data_dir
        with workers(options.workers, scheduler=options.scheduler) as executor:
            failures = train_all(
                options.out, place, executor, base=base, epochs=epochs, seeds=options.seeds, say=print
            )
    except TfvizError as error:
        print(error, file=sys.stderr)
        return 2
    if failures:
        return 2
    print(f"{options.out}: the report shows it once it is {study.RECORDED}")
    return 0


if __name__ == "__main__":
    from tfviz.experiment import kernel_study  # by its name, by which workers find what they are to do

    sys.exit(kernel_study.main())
