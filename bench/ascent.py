"""What a step of `tfviz.ascend` costs beside the same loop in PyTorch: towards a class, and towards a unit of conv2.

    python -m bench.ascent [--rounds 5] [--active 0.2] [--torch-python PATH]

AlexNet 224, float32: the published convolutions, dense layers with random weights whose biases leave `active` of the
values behind a ReLU above 0 on the first picture. A trained network's share is small, too; with random biases it would
be a half, and what reading only the rows that count is worth would not be seen. Pictures are the drawn jellyfish plus a
little noise, in [0, 1]; a step towards a class is the gradient of its logit, an addition and a clip; one towards a unit
that of 1000 times the unit of conv2 at (13, 13), less the picture's squared norm. The PyTorch loop, too, asks for no
gradient of weights, and stops after conv2 where a unit is sought. On a machine that others use, too, --threads 1 says
more than all threads: those of OpenMP wait for one another; it is then the processor's time that is counted.

Contenders take turns, each time in a process of their own; each says the median over its own repeats. Printed are the
median over the rounds with the smallest and largest, and the median share of PyTorch's time in the same round. PyTorch
(`pip install torch==2.13.0`, which the project itself does not need) may be in another environment, whose Python is
PATH. Before the first step: what the second call of `tfviz.ascend` takes besides its steps, for another class or unit.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.child import measured

WORKS = {
    "class": ("class step, one picture", 1),
    "classes": ("class step, 16 pictures", 16),
    "unit": ("conv2 unit", 1),
}
STEPS = {"class": (2, 22), "classes": (1, 4), "unit": (20, 220)}
"""Few and many steps: the slope is what one costs."""
RATE = {"class": 1.0, "classes": 1.0, "unit": 1e-4}
CLASS, CHANNEL, PLACE, WEIGHT = 107, 5, (13, 13), 1000.0
_REPEATS = 3
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _clock(threads: int) -> Callable[[], float]:
    """One thread's work takes the same time on the processor whatever else runs there, several wait for one another."""
    return time.process_time if threads == 1 else time.perf_counter


def prepare(folder: Path, active: float) -> None:
    """Weights, starts and their logits, for all contenders."""
    import keras

    import tfviz
    from tfviz.data.drawings import jellyfish
    from tfviz.models import alexnet

    keras.utils.set_random_seed(0)
    model, features = alexnet.build(), tfviz.load("alexnet_features")
    random = np.random.default_rng(0)
    picture = jellyfish(224, 224)[0]
    starts = np.clip(picture + random.normal(0, 0.05, (16, 224, 224, 3)), 0, 1).astype(np.float32)
    for layer in features.layers:
        if layer.get_weights():
            model.get_layer(layer.name).set_weights(layer.get_weights())
    for name in ("fc6", "fc7"):
        layer = model.get_layer(name)
        kernel, bias = layer.get_weights()
        values = np.asarray(keras.Model(model.input, layer.output)(starts[:1]))
        layer.set_weights([kernel, bias - np.quantile(values, 1 - active).astype(np.float32)])
    np.savez(folder / "weights.npz", **{each.path: np.asarray(each) for each in model.weights})
    np.save(folder / "starts.npy", starts)
    np.save(folder / "logits.npy", np.asarray(model(starts[:1])))


def by_tfviz(folder: Path, work: str, threads: int) -> tuple[dict[str, str], Callable[[int], float]]:
    """Versions, and a function that runs so many steps and returns the seconds."""
    import keras
    import tensorflow as tf

    import tfviz
    from tfviz.models import alexnet

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    model = alexnet.build()
    with np.load(folder / "weights.npz") as file:
        for variable in model.weights:
            variable.assign(file[variable.path])
    start = np.load(folder / "starts.npy")[: WORKS[work][1]]
    calls = iter(range(sys.maxsize))
    clock = _clock(threads)

    def run(steps: int) -> float:
        if work == "unit":
            unit = tfviz.objectives.neuron("conv2", (CHANNEL + next(calls)) % 192, at=PLACE)
            goal, clip = WEIGHT * unit - tfviz.priors.l2(), None
        else:
            goal, clip = tfviz.objectives.logit((CLASS + next(calls)) % 1000), (0.0, 1.0)
        begun = clock()
        tfviz.ascend(model, goal, start, steps=steps, rate=RATE[work], clip=clip)
        return clock() - begun

    return {"tensorflow": tf.__version__, "keras": keras.__version__}, run


def by_torch(folder: Path, work: str, threads: int) -> tuple[dict[str, str], Callable[[int], float]]:
    """The same; the network is rebuilt from its kernels.

    Raises:
        SystemExit: it is not the same network.
    """
    import torch
    from torch.nn import functional

    if threads:
        torch.set_num_threads(threads)
    with np.load(folder / "weights.npz") as file:
        weights = {name: torch.from_numpy(file[name]) for name in file.files}
    kernels = {
        name: weights[f"{name}/kernel"].permute(3, 2, 0, 1).contiguous()
        for name in ("conv1", "conv2", "conv3", "conv4", "conv5")
    }
    # Flattened by channel, row, column, as PyTorch users have it.
    six = weights["fc6/kernel"].reshape(6, 6, 256, 4096).permute(2, 0, 1, 3).reshape(9216, 4096)
    dense = {"fc6": six.T.contiguous()} | {
        name: weights[f"{name}/kernel"].T.contiguous() for name in ("fc7", "fc8")
    }
    mean, std = (torch.tensor(colour).reshape(1, 3, 1, 1) for colour in (_MEAN, _STD))

    def conv2(pictures: Any) -> Any:
        x = functional.conv2d((pictures - mean) / std, kernels["conv1"], weights["conv1/bias"], 4, 2)
        x = functional.max_pool2d(functional.relu(x), 3, 2)
        return functional.conv2d(x, kernels["conv2"], weights["conv2/bias"], 1, 2)

    def logits(pictures: Any) -> Any:
        x = functional.max_pool2d(functional.relu(conv2(pictures)), 3, 2)
        for name in ("conv3", "conv4", "conv5"):
            x = functional.relu(functional.conv2d(x, kernels[name], weights[f"{name}/bias"], 1, 1))
        x = functional.max_pool2d(x, 3, 2).flatten(1)
        for name in ("fc6", "fc7"):
            x = functional.relu(functional.linear(x, dense[name], weights[f"{name}/bias"]))
        return functional.linear(x, dense["fc8"], weights["fc8/bias"])

    start = torch.from_numpy(np.load(folder / "starts.npy")[: WORKS[work][1]].transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        off = float((logits(start[:1]) - torch.from_numpy(np.load(folder / "logits.npy"))).abs().max())
    if off > 1e-3:
        raise SystemExit(f"the network in PyTorch is not the one in Keras: its logits are off by {off:.2g}")

    def score(x: Any) -> Any:
        if work == "unit":
            return WEIGHT * conv2(x)[:, CHANNEL, PLACE[0], PLACE[1]].sum() - x.square().sum()
        return logits(x)[:, CLASS].sum()

    clock = _clock(threads)

    def run(steps: int) -> float:
        x = start.clone()
        begun = clock()
        for _ in range(steps):
            x.requires_grad_(True)
            (gradient,) = torch.autograd.grad(score(x), x)
            x = x.detach() + RATE[work] * gradient
            x = x if work == "unit" else x.clamp(0, 1)
        return clock() - begun

    return {"torch": torch.__version__}, run


def measure(contender: str, folder: Path, work: str, threads: int) -> dict[str, Any]:
    """Milliseconds a step, and before the first one."""
    versions, run = {"tfviz": by_tfviz, "torch": by_torch}[contender](folder, work, threads)
    few, many = STEPS[work]
    run(few)
    slopes, before = [], []
    for _ in range(_REPEATS):
        short, long = run(few), run(many)
        slopes.append(1000 * (long - short) / (many - few))
        before.append(1000 * short - (few + (contender == "tfviz")) * slopes[-1])  # tfviz reads the end, too
    return {"step": statistics.median(slopes), "before": statistics.median(before), "versions": versions}


def processor() -> str:
    """Its name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):8.2f}  ({min(values):.2f} to {max(values):.2f})"


def main() -> dict[tuple[str, str], list[float]]:
    """Prints the table and returns the milliseconds of a step in each round by work and contender."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--active", type=float, default=0.2, help="share of values above 0 behind fc6's and fc7's ReLU"
    )
    parser.add_argument("--threads", type=int, default=0, help="of each contender; 0: as many as it takes")
    parser.add_argument("--torch-python", metavar="PATH")
    parser.add_argument("--only", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--child", choices=("tfviz", "torch"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", choices=WORKS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(arguments.child, arguments.folder, arguments.work, arguments.threads)))
        return {}

    print(f"$ python -m bench.ascent {shlex.join(sys.argv[1:])}".rstrip())
    pythons = {"tfviz": sys.executable} | (
        {"torch": arguments.torch_python} if arguments.torch_python else {}
    )
    steps: dict[tuple[str, str], list[float]] = {}
    before: dict[str, list[float]] = {}
    versions = {"python": platform.python_version()}
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), arguments.active)
        for _ in range(arguments.rounds):
            for work in arguments.only:
                for contender, python in pythons.items():
                    found = measured(
                        "bench.ascent",
                        {"child": contender, "folder": name, "work": work, "threads": arguments.threads},
                        python,
                    )
                    steps.setdefault((work, contender), []).append(found["step"])
                    versions |= found["versions"]
                    if contender == "tfviz":
                        before.setdefault(work, []).append(found["before"])
    threads = arguments.threads or os.cpu_count()
    print(f"{processor()}, {threads} threads; {', '.join(' '.join(each) for each in versions.items())}")
    print(
        f"{arguments.rounds} rounds, active {arguments.active}; ms a step of the whole batch: median, range"
    )
    for work in arguments.only:
        mine = steps[work, "tfviz"]
        print(f"{WORKS[work][0]:24} tfviz   {shown(mine)}; before the first {shown(before[work])}")
        if theirs := steps.get((work, "torch")):
            share = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
            print(f"{'':24} PyTorch {shown(theirs)}; tfviz takes {share:.3f} of it")
    return steps


if __name__ == "__main__":
    main()
