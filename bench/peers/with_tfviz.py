"""tfviz, by its public calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.peers.works import CHANNEL, CLASS, FILL, PLACE, WEIGHT, Work, clock


def start(
    folder: Path, threads: int
) -> tuple[dict[str, str], Callable[[Work], Callable[[int], float] | None]]:
    """Versions, and what makes a work a function of how many steps or maps, which returns seconds."""
    import keras
    import tensorflow as tf

    import tfviz
    from tfviz.models import alexnet

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = alexnet.build()
    with np.load(folder / "weights.npz") as file:
        for variable in model.weights:
            variable.assign(file[variable.path])
    calls = iter(range(sys.maxsize))

    def prepare(work: Work) -> Callable[[int], float] | None:
        pictures = np.load(folder / f"starts{work.size}.npy")[: work.pictures]
        network = model
        if work.size != 224:
            network = alexnet.build_features((work.size, work.size, 3))
            for layer in network.layers:
                layer.set_weights(model.get_layer(layer.name).get_weights())

        def ascend(steps: int) -> float:
            if work.kind == "unit":
                unit = tfviz.objectives.neuron("conv2", (CHANNEL + next(calls)) % 192, at=PLACE)
                goal, rate, clip = WEIGHT * unit - tfviz.priors.l2(), 1e-4, None
            else:
                goal, rate, clip = tfviz.objectives.logit((CLASS + next(calls)) % 1000), 1.0, (0.0, 1.0)
            begun = clock()
            tfviz.ascend(network, goal, pictures, steps=steps, rate=rate, clip=clip)
            return clock() - begun

        def occlude(maps: int) -> float:
            begun = clock()
            for _ in range(maps):
                found = tfviz.occlusion_map(
                    network, pictures[0], CLASS, patch=work.patch, stride=work.stride, fill=FILL
                )
            np.save(folder / f"map{work.stride}-tfviz.npy", found)
            return clock() - begun

        return occlude if work.kind == "occlusion" else ascend

    return {"tfviz": "this tree", "tensorflow": tf.__version__, "keras": keras.__version__}, prepare
