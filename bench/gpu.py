"""The class step on a GPU: this project on JAX beside PyTorch, eager and compiled, in one process, interleaved.

KERAS_BACKEND=jax python -m bench.gpu [--rounds 5]

AlexNet 224, random weights, float32 with TensorFloat-32 products in both; 1, 16 and 128 pictures at once. A step is the
gradient of a logit on the picture, an addition and a clip to [0, 1]. PyTorch: a loop of steps, timed after one that
compiled. `tfviz.ascend` is called whole with few and with many steps, after one call of each: the slope is what a step
costs, the rest is what a call costs before its first step. Printed are medians of the rounds, smallest and largest.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch lives in the same process

import jax
import numpy as np
import torch

import tfviz
from tfviz.models import alexnet

CLASS, RATE = 107, 1.0
STEPS = {1: (200, 3200, 500), 16: (100, 1600, 200), 128: (40, 340, 50)}
"""By the number of pictures: few and many steps of tfviz, steps of PyTorch."""


class PictureNet(torch.nn.Module):
    """AlexNet as torchvision has it (Krizhevsky 2014, one tower), with random weights, in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        relu, pool = torch.nn.ReLU, torch.nn.MaxPool2d
        conv, dense = torch.nn.Conv2d, torch.nn.Linear
        self.layers = torch.nn.Sequential(
            conv(3, 64, 11, 4, 2), relu(), pool(3, 2), conv(64, 192, 5, padding=2), relu(), pool(3, 2),
            conv(192, 384, 3, padding=1), relu(), conv(384, 256, 3, padding=1), relu(),
            conv(256, 256, 3, padding=1), relu(), pool(3, 2), torch.nn.Flatten(),
            dense(9216, 4096), relu(), dense(4096, 4096), relu(), dense(4096, 1000),
        )  # fmt: skip
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])
        self.requires_grad_(False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures (N, 3, 224, 224) in [0, 1] to logits (N, 1000)."""
        return self.layers((pictures - self.mean) / self.std)


def of_torch(network: Callable[[torch.Tensor], torch.Tensor], start: np.ndarray) -> Callable[[int], float]:
    """A function that runs so many steps and returns the seconds."""

    def run(steps: int) -> float:
        x = torch.from_numpy(start.transpose(0, 3, 1, 2).copy()).cuda()
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for _ in range(steps):
            torch.compiler.cudagraph_mark_step_begin()
            x.requires_grad_(True)
            (gradient,) = torch.autograd.grad(network(x)[:, CLASS].sum(), x)
            x = (x.detach() + RATE * gradient).clamp(0, 1)
        torch.cuda.synchronize()
        return time.perf_counter() - begun

    return run


def main() -> None:
    """Prints a JSON line for each number of pictures and way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    network = PictureNet().cuda().eval()
    model = alexnet.build()
    print(
        json.dumps(
            {
                "device": torch.cuda.get_device_name(),
                "torch": torch.__version__,
                "jax": jax.__version__,
                "python": platform.python_version(),
            }
        ),
        flush=True,
    )
    for count, (few, many, eager) in STEPS.items():
        start = np.random.default_rng(0).random((count, 224, 224, 3), np.float32)

        def ours(steps: int, start: np.ndarray = start) -> float:
            begun = time.perf_counter()
            tfviz.ascend(model, tfviz.objectives.logit(CLASS), start, steps=steps, rate=RATE)
            return time.perf_counter() - begun

        theirs = {"PyTorch eager": network}
        for mode in ("default", "reduce-overhead"):
            theirs[f"PyTorch compiled, {mode}"] = torch.compile(network, mode=mode, dynamic=False)
        loops = {}
        for name, callable_ in theirs.items():
            loop = of_torch(callable_, start)
            try:
                loop(10)  # compiles
                loops[name] = loop
            except Exception as error:  # whatever it is: the others are measured
                line = {"pictures": count, "way": name, "failed": f"{type(error).__name__}: {error}"[:300]}
                print(json.dumps(line), flush=True)
        ours(few), ours(many)
        steps: dict[str, list[float]] = {}
        before = []
        for _ in range(rounds):
            short, long = ours(few), ours(many)
            steps.setdefault("tfviz", []).append((long - short) / (many - few))
            before.append(short - few * steps["tfviz"][-1])
            for name, loop in loops.items():
                steps.setdefault(name, []).append(loop(eager) / eager)
        for name, values in steps.items():
            shares = [mine / other for mine, other in zip(steps["tfviz"], values, strict=True)]
            line = {
                "pictures": count,
                "way": name,
                "ms a step": round(1000 * statistics.median(values), 4),
                "from": round(1000 * min(values), 4),
                "to": round(1000 * max(values), 4),
                "tfviz as a share of it": round(statistics.median(shares), 3),
            }
            if name == "tfviz":
                line["seconds before the first step"] = round(statistics.median(before), 3)
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
