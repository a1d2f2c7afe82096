"""Makes `cifar_published.json` from the records of trainings of the published residual network.

python -m tfviz.assets.make_cifar_published FOLDER SEARCH

FOLDER holds `published-seedN.json`, one a seed, and `published-l2-*.json`, the same network with a penalty on the
squares of its weights; SEARCH is what `tfviz.assets.train_published` wrote. Settings
that presets did not have yet when these were trained get the value that was in force.
"""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from tfviz.files.atomic import write_json
from tfviz.files.program import asset
from tfviz.files.reading import read_json
from tfviz.models.architectures import ResNet
from tfviz.training.presets import Recipe
from tfviz.training.record import Record

COMMIT = "85e5546"
"""Of the program whose network, split, augmentation and optimiser were used; the records do not say it."""


def completed(stored: dict[str, Any]) -> Record:
    """The record of one seed, typed: with the settings that came later, and what a training in one go leaves unsaid."""
    preset = stored["preset"]
    for name, kind in (("architecture", ResNet), ("recipe", Recipe)):
        neutral = {field.name: field.default for field in fields(kind)}
        preset = {**preset, name: {**neutral, **preset[name]}}
    more = {"preset": preset, "commit": COMMIT, "resumed": 0, "finished": "not recorded"}
    return Record.from_json({**stored, **more})


def with_dropout(search: dict[str, Any]) -> dict[str, Any]:
    """What the search for a rate of dropout found: where each rate stood, and the whole training of the nearest."""

    def last(training: dict[str, Any]) -> dict[str, Any]:
        """Rate, epochs, and the numbers after the last."""
        end = {name: value for name, value in training["epochs"][-1].items() if name != "seconds"}
        return {**training["setting"], "epochs": len(training["epochs"]), **end}

    longest = max(search["trainings"], key=lambda training: len(training["epochs"]))
    return {
        "tried": [last(training) for training in search["trainings"] if training is not longest],
        "epochs": longest["epochs"],
        "rate": longest["setting"]["dropout"],
        "accuracy": longest["test"]["accuracy"],
        "loss": longest["test"]["loss"],
        "confusion": longest["test"]["confusion"],
        "devices": search["devices"],
        "precision": search["precision"],
        "versions": search["versions"],
    }


def main() -> None:
    """Writes the file beside this one and prints what is in it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("search", type=Path, metavar="SEARCH")
    options = parser.parse_args()
    folder = options.folder
    records = [completed(read_json(path)) for path in sorted(folder.glob("published-seed*.json"))]
    (path,) = folder.glob("published-l2-*.json")
    penalised = read_json(path)
    content = {
        "trainings": [record.as_json() for record in records],
        "penalised": {
            "l2": penalised["config"]["l2"],
            "epochs": penalised["epochs"],
            "accuracy": penalised["test_accuracy"],
            "loss": penalised["test_loss"],
            "confusion": penalised["confusion"],
        },
        "dropout": with_dropout(read_json(options.search)),
    }
    write_json(target := asset("cifar_published.json"), content)
    print(target, [(record.seed, record.test.accuracy, record.test.loss) for record in records])


if __name__ == "__main__":
    main()
