"""How long the published CIFAR-10 ResNet takes a training step: Keras as it is, this project's layers, and PyTorch.

    python -m bench.resnet_step [--kernel 3] [--precision bfloat16] [--batch 128] [--steps 30] [--warm-up 5]
                                [--only NAME ...] [--profile] [--torch-python PATH]

Two blocks a stage, 64 to 512 channels, random pictures, forward, backward and the Nadam step. Every contender runs in a
process of its own, all after one another, and prints the median of its steps and, extrapolated from it, the minutes
of an epoch of 45,000 pictures. PyTorch (`pip install torch==2.13.0`, which the project itself does not need) may be in
another environment: --torch-python PATH. --profile lists where TensorFlow's time goes, by operation.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.child import measured

CONTENDERS = {
    "keras": "Keras' layers on TensorFlow",
    "tfviz": "this project's layers on TensorFlow",
    "torch": "PyTorch, NCHW",
    "torch-nhwc": "PyTorch, channels last",
}
PRECISIONS = ("float32", "bfloat16")
EPOCH = 45_000


def keras_step(name: str, kernel: int, batch: int, precision: str) -> Callable[[], Any]:
    """One step of Keras on TensorFlow, with Keras' own layers or this project's."""
    from tfviz import backend

    backend.load()
    import keras
    import numpy as np
    import tensorflow as tf

    from tfviz.models import cifar
    from tfviz.models.architectures import ResNet
    from tfviz.training import allocator

    if name == "tfviz":
        allocator.keep_freed_memory()  # as `tfviz.training.loop` does
    if name == "keras":
        cifar.Convolution, cifar.BatchNormalization = keras.layers.Conv2D, keras.layers.BatchNormalization  # type: ignore
    if precision == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    model = cifar.build("cifar_resnet", ResNet(kernel=kernel), mean=(0.5,) * 3, std=(0.25,) * 3)
    model.compile(
        keras.optimizers.Nadam(1e-3),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    random = np.random.default_rng(0)
    pictures = tf.constant(random.random((batch, 32, 32, 3), np.float32))
    labels = tf.constant(np.eye(10, dtype=np.float32)[random.integers(0, 10, batch)])
    run = tf.function(lambda: model.train_step((pictures, labels)))
    return lambda: float(run()["loss"])


def torch_step(name: str, kernel: int, batch: int, precision: str) -> Callable[[], Any]:
    """One step of the same network in PyTorch."""
    import torch
    from torch import nn
    from torch.nn import functional

    def convolution(inputs: int, outputs: int, size: int, stride: int) -> nn.Module:
        # Keras' padding "same": what is odd goes to the right and to the bottom.
        total = size - 1 if stride == 1 else max(size - stride, 0)
        pad = nn.ZeroPad2d((total // 2, total - total // 2, total // 2, total - total // 2))
        if total % 2 == 0:
            padded = nn.Conv2d(inputs, outputs, size, stride, padding=total // 2, bias=False)
            return nn.Sequential(padded, nn.BatchNorm2d(outputs))
        bare = nn.Conv2d(inputs, outputs, size, stride, bias=False)
        return nn.Sequential(pad, bare, nn.BatchNorm2d(outputs))

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.one = convolution(inputs, outputs, kernel, stride)
            self.two = convolution(outputs, outputs, kernel, 1)
            self.project = convolution(inputs, outputs, 1, stride) if inputs != outputs else nn.Identity()

        def forward(self, x: Any) -> Any:
            return functional.relu(self.two(functional.relu(self.one(x))) + self.project(x))

    torch.manual_seed(0)
    layers: list[nn.Module] = [convolution(3, 64, 3, 1), nn.ReLU()]
    inputs = 64
    for stage, width in enumerate((64, 128, 256, 512)):
        layers += [Block(inputs, width, 2 if stage else 1), Block(width, width, 1)]
        inputs = width
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
    pictures = torch.rand(batch, 3, 32, 32)
    if name == "torch-nhwc":
        model, pictures = (
            model.to(memory_format=torch.channels_last),
            pictures.to(memory_format=torch.channels_last),
        )
    labels = torch.randint(0, 10, (batch,))
    optimizer = torch.optim.NAdam(model.parameters(), 1e-3)

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = functional.cross_entropy(model(pictures).float(), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def profiled(step: Callable[[], Any]) -> list[tuple[str, int, float]]:
    """TensorFlow's operations in one step: name, how often, milliseconds in all, longest first."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        step()
        tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    times: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                _, colon, operation = plane.event_metadata[event.metadata_id].name.rpartition(":")
                if (
                    colon
                    and (operation[:1].isalpha() or operation[:1] == "_")
                    and "::" not in plane.event_metadata[event.metadata_id].name
                ):
                    times[operation] += event.duration_ps / 1e9
                    calls[operation] += 1
    return [(name, calls[name], time_) for name, time_ in times.most_common(14)]


def measure(arguments: argparse.Namespace) -> None:
    """Runs in the contender's own process; prints one line of JSON."""
    build = torch_step if arguments.child.startswith("torch") else keras_step
    step = build(arguments.child, arguments.kernel, arguments.batch, arguments.precision)
    for _ in range(arguments.warm_up):
        step()
    seconds = []
    for _ in range(arguments.steps):
        clock = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - clock)
    profile = profiled(step) if arguments.profile and not arguments.child.startswith("torch") else []
    print(json.dumps({"seconds": seconds, "profile": profile}))


def main() -> dict[str, float]:
    """Prints the table and returns the median seconds a step by contender and precision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", type=int, default=3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--torch-python", default=sys.executable, metavar="PATH")
    parser.add_argument("--child", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        measure(arguments)
        return {}
    medians = {}
    print(
        f"kernel {arguments.kernel}, batch {arguments.batch}, {arguments.precision}, {arguments.steps} steps"
    )
    for name in arguments.only:
        python = arguments.torch_python if name.startswith("torch") else sys.executable
        options = {
            option: getattr(arguments, option)
            for option in ("kernel", "batch", "steps", "warm_up", "precision", "profile")
        }
        found = measured("bench.resnet_step", {"child": name, **options}, python)
        medians[name] = statistics.median(found["seconds"])
        minutes = medians[name] * EPOCH / arguments.batch / 60
        print(
            f"{CONTENDERS[name]:38} {medians[name]:7.3f} s/step  {minutes:6.1f} min/epoch (extrapolated)",
            flush=True,
        )
        for operation, count, milliseconds in found["profile"]:
            print(f"    {operation:32} {count:4} times {milliseconds:9.1f} ms")
    return medians


if __name__ == "__main__":
    main()
