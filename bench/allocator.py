"""What keeping freed memory (`tfviz.training.allocator`) saves in training.

    python -m bench.allocator [--steps 60] [--repeat 3]

Trains the preset `fast` of the CIFAR-10 ResNet on made-up pictures, with and without, in turns, each in a process of
its own; prints the medians over those runs of their mean milliseconds a step (the first epoch, in which everything is
compiled, left out), page faults and system time a step.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench.child import measured


def measure(keep: bool, steps: int) -> None:
    """Runs in a process of its own; prints one line of JSON."""
    from tfviz import backend

    backend.load()
    import numpy as np

    from tfviz.data import cifar10
    from tfviz.training import allocator, loop
    from tfviz.training.presets import PRESETS

    if not keep:
        allocator.keep_freed_memory = lambda: False
    preset = PRESETS["cifar_resnet"]["fast"]
    recipe = replace(preset.recipe, epochs=2, validation=0)
    count = steps * recipe.batch
    random = np.random.default_rng(0)
    data = cifar10.Batch(
        random.integers(0, 256, (count, 32, 32, 3), np.uint8), random.integers(0, 10, count), "made up"
    )
    with tempfile.TemporaryDirectory() as folder:
        training = loop.Training(replace(preset, recipe=recipe, pictures=count), data, Path(folder), seed=0)
        training.run(lambda line: None, lambda *progress: None, until=1)
        before, clock = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        training.run(lambda line: None, lambda *progress: None)
        seconds, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            [
                1000 * seconds / steps,
                (after.ru_minflt - before.ru_minflt) / steps,
                1000 * (after.ru_stime - before.ru_stime) / steps,
            ]
        )
    )


def main() -> None:
    """Prints a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--child", choices=("kept", "given back"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        measure(arguments.child == "kept", arguments.steps)
        return
    found: dict[str, list[list[float]]] = {"given back": [], "kept": []}
    for _ in range(arguments.repeat):
        for name, runs in found.items():
            runs.append(measured("bench.allocator", {"child": name, "steps": arguments.steps}))
    for name, runs in found.items():
        step, faults, system = (statistics.median(column) for column in zip(*runs, strict=True))
        print(
            f"freed memory {name:11} {step:7.0f} ms/step {faults:9.0f} page faults {system:6.0f} ms in the system"
        )


if __name__ == "__main__":
    main()
