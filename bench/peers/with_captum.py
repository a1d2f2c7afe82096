"""Captum: `Occlusion`; it has no activation maximisation."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from bench.peers.with_torch import network
from bench.peers.works import BATCH, CLASS, FILL, Work, clock


def start(
    folder: Path, threads: int
) -> tuple[dict[str, str], Callable[[Work], Callable[[int], float] | None]]:
    """As `bench.peers.with_tfviz.start`."""
    import torch
    from captum.attr import Occlusion

    torch.set_num_threads(threads)

    def prepare(work: Work) -> Callable[[int], float] | None:
        if work.kind != "occlusion":
            return None
        tool = Occlusion(network(folder))
        picture = torch.from_numpy(
            np.load(folder / f"starts{work.size}.npy")[:1].transpose(0, 3, 1, 2).copy()
        )

        def occlude(maps: int) -> float:
            begun = clock()
            with torch.no_grad():
                for _ in range(maps):
                    tool.attribute(
                        picture,
                        target=CLASS,
                        sliding_window_shapes=(3, work.patch, work.patch),
                        strides=(3, work.stride, work.stride),
                        baselines=FILL,
                        perturbations_per_eval=BATCH,
                    )
            return clock() - begun

        return occlude

    return {"captum": version("captum"), "torch": torch.__version__}, prepare
