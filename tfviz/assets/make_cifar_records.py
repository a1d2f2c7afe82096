"""Makes `<network>.json` and `<network>.npz` from finished trainings of one preset.

python -m tfviz.assets.make_cifar_records FOLDER [FOLDER ...]

FOLDER: of a training with one seed each, as `python run_all.py --train PRESET --seed N --data-dir DIR` leaves it under
reports/training/. The training in the middle of the order of test accuracies, not the best, gives weights and curves;
the record lists all of them.
"""

import argparse
import shutil
from pathlib import Path

from tfviz.provenance import PACKAGE
from tfviz.results import read_json, write_json


def main() -> None:
    """Writes both files beside this one and prints what is in them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    folders = parser.parse_args().folders
    records = [read_json(folder / "record.json") for folder in folders]
    if any((one["preset"], one["data"]) != (records[0]["preset"], records[0]["data"]) for one in records):
        parser.error("these trainings are of different presets or data sets")
    order = sorted(range(len(records)), key=lambda index: records[index]["test"]["accuracy"])
    middle = order[(len(order) - 1) // 2]
    record = records[middle]
    record["seeds"] = [
        {
            "seed": one["seed"],
            "accuracy": one["test"]["accuracy"],
            "accuracy_one_view": one["test"]["accuracy_one_view"],
            "loss": one["test"]["loss"],
            "seconds": one["seconds"],
        }
        for one in sorted(records, key=lambda one: one["seed"])
    ]
    target = PACKAGE / "assets" / record["network"]
    write_json(target.with_suffix(".json"), record)
    shutil.copyfile(folders[middle] / "weights.npz", target.with_suffix(".npz"))
    print(target, record["seeds"])


if __name__ == "__main__":
    main()
