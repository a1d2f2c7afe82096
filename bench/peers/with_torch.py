"""A loop in plain PyTorch: no gradient of weights, and a network that ends where the goal is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.alexnet import CONVOLUTIONS, MEAN, POOLED, STD
from bench.peers.works import BATCH, CHANNEL, CLASS, FILL, PLACE, WEIGHT, Work, clock


def network(folder: Path, last: str = "fc8") -> Callable[[Any], Any]:
    """Pictures (N, 3, H, W) in [0, 1] to logits (N, 1000), or to conv2's map.

    Raises:
        SystemExit: it is not the network of the run.
    """
    import torch
    from torch.nn import functional

    with np.load(folder / "weights.npz") as file:
        weights = {name: torch.from_numpy(file[name]) for name in file.files}
    kernels = {name: weights[f"{name}/kernel"].permute(3, 2, 0, 1).contiguous() for name, *_ in CONVOLUTIONS}
    # Flattened by channel, row, column, as PyTorch users have it.
    six = weights["fc6/kernel"].reshape(6, 6, 256, 4096).permute(2, 0, 1, 3).reshape(9216, 4096)
    dense = {"fc6": six.T.contiguous()} | {
        name: weights[f"{name}/kernel"].T.contiguous() for name in ("fc7", "fc8")
    }
    mean, std = (torch.tensor(colour).reshape(1, 3, 1, 1) for colour in (MEAN, STD))

    def run(pictures: Any) -> Any:
        x = (pictures - mean) / std
        for name, _, kernel, stride in CONVOLUTIONS:
            x = functional.conv2d(
                x, kernels[name], weights[f"{name}/bias"], stride, 2 if name == "conv1" else kernel // 2
            )
            if name == last:
                return x
            x = functional.relu(x)
            x = functional.max_pool2d(x, 3, 2) if name in POOLED else x
        x = x.flatten(1)
        for name in ("fc6", "fc7"):
            x = functional.relu(functional.linear(x, dense[name], weights[f"{name}/bias"]))
        return functional.linear(x, dense["fc8"], weights["fc8/bias"])

    if last == "fc8":
        picture = torch.from_numpy(np.load(folder / "starts224.npy")[:1].transpose(0, 3, 1, 2).copy())
        with torch.no_grad():
            off = float((run(picture) - torch.from_numpy(np.load(folder / "logits.npy"))).abs().max())
        if off > 1e-3:
            raise SystemExit(
                f"the network in PyTorch is not the one in Keras: its logits are off by {off:.2g}"
            )
    return run


def start(
    folder: Path, threads: int
) -> tuple[dict[str, str], Callable[[Work], Callable[[int], float] | None]]:
    """As `bench.peers.with_tfviz.start`."""
    import torch

    torch.set_num_threads(threads)

    def prepare(work: Work) -> Callable[[int], float] | None:
        unit = work.kind == "unit"
        run = network(folder, "conv2" if unit else "fc8")
        first = torch.from_numpy(
            np.load(folder / f"starts{work.size}.npy")[: work.pictures].transpose(0, 3, 1, 2).copy()
        )

        def score(x: Any) -> Any:
            if unit:
                return WEIGHT * run(x)[:, CHANNEL, PLACE[0], PLACE[1]].sum() - x.square().sum()
            return run(x)[:, CLASS].sum()

        def ascend(steps: int) -> float:
            x = first.clone()
            begun = clock()
            for _ in range(steps):
                x.requires_grad_(True)
                (gradient,) = torch.autograd.grad(score(x), x)
                x = x.detach() + (1e-4 if unit else 1.0) * gradient
                x = x if unit else x.clamp(0, 1)
            return clock() - begun

        def occlude(maps: int) -> float:
            corners = range(0, work.size - work.patch + 1, work.stride)
            blocks = [(top, left) for top in corners for left in corners]
            begun = clock()
            with torch.no_grad():
                for _ in range(maps):
                    found = []
                    for at in range(0, len(blocks), BATCH):
                        here = blocks[at : at + BATCH]
                        hidden = first[:1].repeat(len(here), 1, 1, 1)
                        for each, (top, left) in zip(hidden, here, strict=True):
                            each[:, top : top + work.patch, left : left + work.patch] = FILL
                        found.append(run(hidden).softmax(1)[:, CLASS])
                    probabilities = torch.cat(found).reshape(len(corners), len(corners))
            np.save(folder / f"map{work.stride}-torch.npy", probabilities.numpy())
            return clock() - begun

        return occlude if work.kind == "occlusion" else ascend

    return {"torch": torch.__version__}, prepare
