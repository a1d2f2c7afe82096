"""What a mask of an occlusion map costs: what its block changes, beside whole pictures in a plain loop.

    python -m bench.occlusion [--rounds 3] [--stride 16] [--patch 32] [--threads 1] [--torch-python PATH] [--memory]

AlexNet 224 and SqueezeNet 227 with random weights, on the drawn jellyfish, float32. "tfviz" is
`tfviz.method.occlusion.occluded_probabilities`; "whole" the same call, told that there is no shorter way: batches of 32
masked pictures through `keras.Model.predict_on_batch`. They take turns in one process, after a call of each that
compiles; what that first call of tfviz takes is printed, too. PyTorch (`pip install torch==2.13.0`), a plain loop over
batches of 32 masked pictures in its faster layout (channels last), is AlexNet in a process of its own in the same
round. All figures are processor milliseconds a mask: median over the rounds, smallest and largest. --memory instead
measures a map of one class at stride 1: by how much the process grows while it is made.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np

from bench.child import measured

_SIDES = {"alexnet": 224, "squeezenet": 227}
_BATCH = 32


def by_torch(patch: int, stride: int, threads: int) -> float:
    """Milliseconds a mask."""
    import torch
    from torch.nn import functional

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    shapes = ((64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3))
    kernels = [torch.randn(out, into, side, side) * 0.01 for out, into, side in shapes]
    dense = [torch.randn(out, into) * 0.01 for out, into in ((4096, 9216), (4096, 4096), (1000, 4096))]
    biases = [torch.zeros(len(each)) for each in (*kernels, *dense)]

    def probabilities(x: Any) -> Any:
        x = functional.max_pool2d(functional.relu(functional.conv2d(x, kernels[0], biases[0], 4, 2)), 3, 2)
        x = functional.max_pool2d(functional.relu(functional.conv2d(x, kernels[1], biases[1], 1, 2)), 3, 2)
        for kernel, bias in zip(kernels[2:], biases[2:5], strict=True):
            x = functional.relu(functional.conv2d(x, kernel, bias, 1, 1))
        x = functional.max_pool2d(x, 3, 2).flatten(1)
        for kernel, bias in zip(dense[:2], biases[5:7], strict=True):
            x = functional.relu(functional.linear(x, kernel, bias))
        return functional.linear(x, dense[2], biases[7]).softmax(1)

    side = _SIDES["alexnet"]
    starts = range(0, side - patch + 1, stride)
    blocks = [(top, left) for top in starts for left in starts]
    picture = torch.rand(1, 3, side, side)

    def run() -> None:
        with torch.inference_mode():
            for first in range(0, len(blocks), _BATCH):
                here = blocks[first : first + _BATCH]
                masked = picture.repeat(len(here), 1, 1, 1).to(memory_format=torch.channels_last)
                for hidden, (top, left) in zip(masked, here, strict=True):
                    hidden[:, top : top + patch, left : left + patch] = 0
                probabilities(masked).numpy()

    run()
    return 1000 * seconds_of(run)[0] / len(blocks)


def seconds_of(run: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds, and what it returns."""
    begun = time.process_time()
    found = run()
    return time.process_time() - begun, found


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):6.2f}  ({min(values):.2f} to {max(values):.2f})"


def main() -> dict[str, dict[str, list[float]]]:
    """Prints the table and returns milliseconds a mask by network and contender."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--patch", type=int, default=32)
    parser.add_argument("--stride", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--torch-python", metavar="PATH")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--child", choices=("torch",), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(by_torch(arguments.patch, arguments.stride, arguments.threads)))
        return {}

    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    from tfviz.data.drawings import jellyfish
    from tfviz.method import occlusion
    from tfviz.models import alexnet, squeezenet

    keras.utils.set_random_seed(0)
    options = {"patch": arguments.patch, "stride": 1 if arguments.memory else arguments.stride}
    found: dict[str, dict[str, list[float]]] = {}
    for name, module in (("alexnet", alexnet), ("squeezenet", squeezenet)):
        model, side = module.build(), _SIDES[name]
        picture = jellyfish(side, side)[0]

        def by_tfviz(model: Any = model, picture: Any = picture) -> Any:
            return occlusion.occluded_probabilities(model, picture, **options, batch=_BATCH)

        def by_whole(run: Callable[[], Any] = by_tfviz) -> Any:
            with mock.patch.object(occlusion, "incremental", return_value=None):
                return run()

        if arguments.memory:
            model.predict_on_batch(np.zeros((_BATCH, side, side, 3), np.float32))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            seconds, made = seconds_of(
                lambda model=model, picture=picture: occlusion.occlusion_map(model, picture, 0, **options)
            )
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            print(
                f"{name}: {made.size} masks, {1000 * seconds / made.size:.2f} ms each; grown by {grown:.0f} MiB"
            )
            continue
        times: dict[str, list[float]] = {"tfviz": [], "whole": [], "PyTorch": []}
        first, made = seconds_of(by_tfviz)
        masks = made.shape[0] * made.shape[1]
        off = np.abs(made - by_whole()).max()
        for _ in range(arguments.rounds):
            for contender, run in (("tfviz", by_tfviz), ("whole", by_whole)):
                times[contender].append(1000 * seconds_of(run)[0] / masks)
            if arguments.torch_python and name == "alexnet":
                asked = {"child": "torch", **options, "threads": arguments.threads}
                times["PyTorch"].append(measured("bench.occlusion", asked, arguments.torch_python))
        print(f"{name}, {masks} masks; probabilities off by {off:.1g}; first call {1000 * first / masks:.2f}")
        for contender, values in times.items():
            if values:
                share = statistics.median(a / b for a, b in zip(times["tfviz"], values, strict=True))
                print(f"  {contender:8} {shown(values)}; tfviz takes {share:.3f} of it", flush=True)
        found[name] = times
    return found


if __name__ == "__main__":
    main()
