"""How near a picture of another class each search finds: this project's, and DDN and FMN of adv-lib.

    python -m bench.attacks [PICTURE ...] [--target 357] [--steps 200 800] [--runs 5] [--only NAME ...]
                            [--torch-python PATH]

The network is SqueezeNet; the pictures are the drawn jellyfish and those named, shrunk to 227 x 227 and rounded to 8
bits. Printed are the median and the range of the L2 distance over runs that get the same number of gradients and whose
starts differ in the last bit, from the first on: all these searches are chaotic, and one run of each says little.
Every search is asked for the same, a softmax probability of 0.9778: for adv-lib's, which want the first place, the
network's output is the log-odds above those of 0.9778, beside a 0. The gradients of log-odds and log-probability have
one direction.

adv-lib (`pip install adv-lib==0.2.8 torch==2.13.0`, which the project itself does not need) is measured where
--torch-python names a Python that has it; each search then runs in a process of its own. DDN: Rony et al. 2019, with
256 levels for 8 bits. FMN: Pintor et al. 2021, "Fast Minimum-norm Adversarial Attacks through Adaptive Norm
Constraints"; it has no search among pictures of 8 bits.

Found with five runs (TensorFlow 2.21 and PyTorch 2.13, one thread), median and range:

    gradients                              200                       800
    drawn jellyfish
    this project  floats         0.902 (0.865 to 0.935)    0.840 (0.815 to 0.863)
    DDN           floats         0.906 (0.906 to 0.922)    0.850 (0.822 to 0.894)
    FMN           floats         0.909 (0.887 to 0.930)    0.870 (0.843 to 0.898)
    this project  8 bits         0.954 (0.942 to 1.008)    0.901 (0.887 to 0.914)
    DDN           8 bits         1.177 (1.162 to 1.196)    1.077 (1.060 to 1.143)
    a photograph of one
    this project  floats         0.707 (0.699 to 0.712)    0.695 (0.689 to 0.699)
    DDN           floats         0.741 (0.706 to 0.742)    0.682 (0.667 to 0.709)
    FMN           floats         0.698 (0.686 to 0.705)    0.665 (0.662 to 0.696)
    this project  8 bits         0.775 (0.769 to 0.782)    0.765 (0.763 to 0.770)
    DDN           8 bits         0.930 (0.925 to 0.933)    0.884 (0.872 to 0.890)

As near as DDN as floats, the ranges overlapping; FMN comes nearer on the photograph. Nearer than DDN among pictures of
8 bits, on both.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.child import measured

CONTENDERS = {"tfviz": "this project's search", "ddn": "DDN (adv-lib)", "fmn": "FMN (adv-lib)"}
PROBABILITY = 0.9778
_SIDE = 227


def prepared(paths: list[Path]) -> dict[str, Any]:
    """The pictures (1, 227, 227, 3) in [0, 1] by name, the drawn one first; of 8 bits."""
    from tfviz.data.drawings import jellyfish
    from tfviz.data.pictures import read_picture
    from tfviz.method.attacks import round_to_bytes

    pictures = {"drawn jellyfish": jellyfish(_SIDE, _SIDE)[0]}
    pictures |= {path.name: read_picture(path, _SIDE, _SIDE) for path in paths}
    return {name: round_to_bytes(picture)[None] for name, picture in pictures.items()}


def starts(picture: Any, runs: int) -> Any:
    """(runs, 227, 227, 3): the picture, and the same but for last bits."""
    from tfviz.method.ascent import last_bits

    return np.clip(last_bits(picture[0], runs, np.random.default_rng(0)), 0, 1)


def by_tfviz(folder: Path, options: argparse.Namespace) -> list[float | None]:
    """L2 of each run, by this project's search."""
    import tfviz
    from tfviz.method import attacks

    model, found = tfviz.load("squeezenet"), []
    for start in np.load(folder / "starts.npy"):
        nearest = attacks.minimum_distance(
            model,
            start,
            options.target,
            probability=PROBABILITY,
            steps=options.steps,
            eight_bit=options.eight_bit,
        )
        found.append(float(np.linalg.norm(nearest.picture - start)) if nearest.reached else None)
    return found


def by_adv_lib(folder: Path, options: argparse.Namespace) -> list[float | None]:
    """L2 of each run, by a search of adv-lib; the network is rebuilt from its kernels."""
    import torch
    from adv_lib.attacks import ddn, fmn
    from torch.nn import functional

    with np.load(folder / "weights.npz") as file:
        weights = {name: torch.from_numpy(file[name]) for name in file.files}
    mean = torch.tensor([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)  # blue, green, red
    threshold = math.log(PROBABILITY / (1 - PROBABILITY))

    def convolution(x: Any, name: str, stride: int = 1, padding: int = 0) -> Any:
        kernel, bias = weights[f"{name}/kernel"].permute(3, 2, 0, 1).contiguous(), weights[f"{name}/bias"]
        return functional.relu(functional.conv2d(x, kernel, bias, stride, padding))

    def log_odds(pictures: Any) -> Any:
        x = convolution(pictures.flip(1) * 255 - mean, "conv1", stride=2)
        for number in range(2, 10):
            if number in (2, 4, 6):
                x = functional.max_pool2d(x, 3, 2)
            x = convolution(x, f"fire{number}_squeeze1x1")
            wide = convolution(x, f"fire{number}_expand3x3", padding=1)
            x = torch.cat([convolution(x, f"fire{number}_expand1x1"), wide], 1)
        logits = convolution(x, "conv10").mean((2, 3))
        others = torch.cat([logits[:, : options.target], logits[:, options.target + 1 :]], 1)
        return logits[:, options.target] - others.logsumexp(1)

    def above(pictures: Any) -> Any:
        excess = log_odds(pictures) - threshold
        return torch.stack([excess, torch.zeros_like(excess)], 1)

    def as_torch(picture: Any) -> Any:
        return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))

    with torch.no_grad():
        off = float(log_odds(as_torch(np.load(folder / "starts.npy")[0]))) - float(
            np.load(folder / "log_odds.npy")
        )
    if abs(off) > 1e-3:
        raise SystemExit(f"the network in PyTorch is not the one in Keras: its log-odds are off by {off:.2g}")
    found: list[float | None] = []
    for start in np.load(folder / "starts.npy"):
        picture = as_torch(start)
        target = torch.zeros(1, dtype=torch.long)
        if options.child == "ddn":
            levels = 256 if options.eight_bit else None
            nearest = ddn(above, picture, target, targeted=True, steps=options.steps, levels=levels)
        else:
            nearest = fmn(above, picture, target, norm=2, targeted=True, steps=options.steps)
        with torch.no_grad():
            reached = bool(above(nearest)[0, 0] >= 0)
        found.append(float((nearest - picture).norm()) if reached else None)
    return found


def line(found: list[float | None]) -> str:
    """Median and range of the runs that reached the goal, and how many did not."""
    reached = [distance for distance in found if distance is not None]
    if not reached:
        return "none reaches it"
    missed = f"  ({len(found) - len(reached)} of {len(found)} miss it)" if len(reached) < len(found) else ""
    return f"{statistics.median(reached):.4f}  {min(reached):.4f} to {max(reached):.4f}{missed}"


def main() -> dict[tuple[str, int, bool, str], list[float | None]]:
    """Prints the tables and returns the distances of the runs by picture, steps, whether 8 bits, and contender."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path, metavar="PICTURE")
    parser.add_argument("--target", type=int, default=357, help="ImageNet class index, 0..999")
    parser.add_argument("--steps", type=int, nargs="+", default=[200, 800])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--torch-python", metavar="PATH")
    parser.add_argument("--child", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--eight-bit", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        (arguments.steps,) = arguments.steps
        search = by_tfviz if arguments.child == "tfviz" else by_adv_lib
        print(json.dumps(search(arguments.folder, arguments)))
        return {}

    import tfviz

    print(f"$ python -m bench.attacks {shlex.join(sys.argv[1:])}".rstrip())
    model = tfviz.load("squeezenet")
    table: dict[tuple[str, int, bool, str], list[float | None]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "weights.npz", **{each.path: np.asarray(each) for each in model.weights})
        for label, picture in prepared(arguments.pictures).items():
            np.save(folder / "starts.npy", starts(picture, arguments.runs))
            logits = np.asarray(model(picture), np.float64)[0]
            others = np.logaddexp.reduce(np.delete(logits, arguments.target))
            np.save(folder / "log_odds.npy", logits[arguments.target] - others)
            for steps in arguments.steps:
                print(
                    f"\n{label}, {steps} gradients, {arguments.runs} runs: L2, median and range", flush=True
                )
                for eight_bit in (False, True):
                    for contender in arguments.only:
                        if (contender != "tfviz" and not arguments.torch_python) or (
                            contender == "fmn" and eight_bit
                        ):
                            continue
                        options = {
                            "child": contender,
                            "folder": folder,
                            "steps": steps,
                            "target": arguments.target,
                            "eight_bit": eight_bit,
                        }
                        python = sys.executable if contender == "tfviz" else arguments.torch_python
                        found = measured("bench.attacks", options, python)
                        table[label, steps, eight_bit, contender] = found
                        kind = "8 bits" if eight_bit else "floats"
                        print(f"{CONTENDERS[contender]:24} {kind:8} {line(found)}", flush=True)
    return table


if __name__ == "__main__":
    main()
