"""Makes `<network>.json` and `<network>.npz` from finished trainings of one preset.

python -m tfviz.assets.make_cifar_records FOLDER [FOLDER ...]

FOLDER: of a training with one seed each, as `python run_all.py --train PRESET --seed N --data-dir DIR` leaves it under
reports/training/. The training in the middle of the order of test accuracies, not the best, gives weights and curves;
the record lists all of them.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from tfviz.files.atomic import write_json
from tfviz.models.cifar import BUNDLED
from tfviz.training.record import RECORDED, Seed, load


def main() -> None:
    """Writes both files beside this one and prints what is in them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    folders = parser.parse_args().folders
    records = [load(folder / "record.json") for folder in folders]
    if any((each.preset, each.data) != (records[0].preset, records[0].data) for each in records):
        parser.error("these trainings are of different presets or data sets")
    order = sorted(range(len(records)), key=lambda index: records[index].test.accuracy)
    middle = order[(len(order) - 1) // 2]
    seeds = [
        Seed(each.seed, each.test.accuracy, each.test.accuracy_one_view, each.test.loss, each.seconds)
        for each in sorted(records, key=lambda each: each.seed)
    ]
    record = replace(records[middle], seeds=seeds)
    write_json(RECORDED[record.network], record.as_json())
    shutil.copyfile(folders[middle] / "weights.npz", BUNDLED[record.network])
    print(RECORDED[record.network], seeds)


if __name__ == "__main__":
    main()
