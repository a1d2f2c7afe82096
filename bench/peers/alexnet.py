"""AlexNet as a user of Keras alone writes it, for the peers that take a Keras model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CONVOLUTIONS = (
    ("conv1", 64, 11, 4),
    ("conv2", 192, 5, 1),
    ("conv3", 384, 3, 1),
    ("conv4", 256, 3, 1),
    ("conv5", 256, 3, 1),
)
POOLED = ("conv1", "conv2", "conv5")


def build(keras: Any, folder: Path, size: int = 224, last: str = "fc8") -> Any:
    """The network up to a layer, with the weights of the run.

    Args:
        keras: the module; peers bring their own.
        folder: holds weights.npz.
        size: rows and columns of a picture.
        last: the layer whose output is the model's, linear.
    """
    layers = keras.layers
    x = inputs = keras.Input((size, size, 3))
    x = layers.Normalization(mean=MEAN, variance=[each**2 for each in STD])(x)
    x = layers.ZeroPadding2D(2)(x)
    for name, channels, kernel, stride in CONVOLUTIONS:
        x = layers.Conv2D(
            channels, kernel, strides=stride, padding="valid" if name == "conv1" else "same", name=name
        )(x)
        if name == last:
            break
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(3, 2)(x) if name in POOLED else x
    else:
        x = layers.Flatten()(x)
        for name in ("fc6", "fc7"):
            x = layers.ReLU()(layers.Dense(4096, name=name)(x))
        x = layers.Dense(1000, name="fc8")(x)
    model = keras.Model(inputs, x)
    with np.load(folder / "weights.npz") as file:
        for layer in model.layers:
            if f"{layer.name}/kernel" in file:
                layer.set_weights([file[f"{layer.name}/kernel"], file[f"{layer.name}/bias"]])
    return model
