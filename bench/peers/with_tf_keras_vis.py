"""tf-keras-vis: `ActivationMaximization` without modifiers or regularisers; it has no occlusion."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from bench.peers.alexnet import build
from bench.peers.works import CHANNEL, CLASS, PLACE, Work, clock


def start(
    folder: Path, threads: int
) -> tuple[dict[str, str], Callable[[Work], Callable[[int], float] | None]]:
    """As `bench.peers.with_tfviz.start`."""
    import keras
    import tensorflow as tf
    from tf_keras_vis.activation_maximization import ActivationMaximization

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    def prepare(work: Work) -> Callable[[int], float] | None:
        if work.kind == "occlusion":
            return None
        model = build(keras, folder, work.size, "conv2" if work.kind == "unit" else "fc8")
        pictures = np.load(folder / f"starts{work.size}.npy")[: work.pictures]
        tool = ActivationMaximization(model, clone=False)

        def score(output):  # type: ignore[no-untyped-def]
            return output[:, CLASS] if work.kind == "class" else output[:, PLACE[0], PLACE[1], CHANNEL]

        def ascend(steps: int) -> float:
            begun = clock()
            found = tool(
                score,
                tf.constant(pictures),
                input_range=(0, 1),
                input_modifiers=None,
                regularizers=None,
                steps=steps,
            )
            np.asarray(found)
            return clock() - begun

        return ascend

    versions = {name: version(name) for name in ("tf-keras-vis", "tensorflow", "keras")}
    return versions, prepare
