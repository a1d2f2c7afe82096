"""Xplique: `optimize` without Fourier parametrisation, transformations or regularisers, and `Occlusion`.

Both do what they do at the least: a step adds its Adam update and the rescaling of the picture, which cannot be
switched off. Its neuron objective reads the layer's whole map.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from bench.peers.alexnet import build
from bench.peers.works import BATCH, CHANNEL, CLASS, FILL, PLACE, Work, clock


def start(
    folder: Path, threads: int
) -> tuple[dict[str, str], Callable[[Work], Callable[[int], float] | None]]:
    """As `bench.peers.with_tfviz.start`."""
    import keras
    import tensorflow as tf
    from xplique.attributions import Occlusion
    from xplique.features_visualizations import Objective, optimize

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    def prepare(work: Work) -> Callable[[int], float] | None:
        unit = work.kind == "unit"
        model = build(keras, folder, work.size, "conv2" if unit else "fc8")
        if work.kind == "occlusion":
            explainer = Occlusion(
                model, BATCH, patch_size=work.patch, patch_stride=work.stride, occlusion_value=FILL
            )
            picture = np.load(folder / f"starts{work.size}.npy")[:1]
            target = np.eye(1000, dtype=np.float32)[[CLASS]]

            def occlude(maps: int) -> float:
                begun = clock()
                for _ in range(maps):
                    np.asarray(explainer.explain(picture, target))
                return clock() - begun

            return occlude
        layer = "conv2" if unit else "fc8"
        shape = model.output.shape[1:]
        index = CLASS if not unit else int(np.ravel_multi_index((*PLACE, CHANNEL), shape))
        objective = Objective.neuron(model, layer, [index] * work.pictures)

        def ascend(steps: int) -> float:
            begun = clock()
            pictures, _ = optimize(
                objective,
                nb_steps=steps,
                use_fft=False,
                transformations=None,
                regularizers=None,
                image_normalizer="clip",
                custom_shape=None,
            )
            np.asarray(pictures[-1])
            return clock() - begun

        return ascend

    versions = {name: version(name) for name in ("xplique", "tensorflow", "keras")}
    return versions, prepare
