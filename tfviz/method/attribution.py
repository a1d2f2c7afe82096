"""Which part of a picture a class score rests on, from one gradient."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from tfviz.measures.receptive_field import receptive_field
from tfviz.method.objectives import logit
from tfviz.method.probe import value_and_gradient

Array = npt.NDArray[Any]


def grad_cam(model: keras.Model, layer: str, picture: Array, class_index: int) -> Array:
    """Grad-CAM (Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks", equations 1 and 2).

    Each channel of a layer is weighted with the mean gradient of the class's logit with respect to it; of the sum
    over channels the positive part counts.

    Args:
        model: takes pictures (N, H, W, 3), returns logits (N, classes).
        layer: name of a layer whose output is a map, through which all of the logits' computation goes.
        picture: (H, W, 3).
        class_index: 0-based.

    Returns:
        (H, W): interpolated linearly between the middles of what the units see, not stretched to the picture.
    """
    output = model.get_layer(layer).output
    maps = np.asarray(keras.Model(model.input, output).predict_on_batch(picture[None]))
    goal = logit(class_index)
    _, _, gradient = value_and_gradient(keras.Model(output, model.output), goal, maps)
    cam = np.maximum((gradient.mean(axis=(1, 2), keepdims=True) * maps).sum(axis=-1)[0], 0)
    field = receptive_field(model, layer)
    at = [
        (np.arange(length) - offset - (size - 1) / 2) / stride
        for length, offset, size, stride in zip(
            picture.shape[:2], field.offset, field.size, field.stride, strict=True
        )
    ]
    placed: Array = map_coordinates(cam, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest")
    return placed
