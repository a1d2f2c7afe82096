"""SqueezeNet 1.1: as accurate as AlexNet with a fiftieth of its parameters.

F. Iandola and others, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size"
(2016); version 1.1 is the authors' own later revision. A fire module squeezes the maps with 1x1 kernels, then
expands them with 1x1 and 3x3 kernels side by side.
"""

from typing import Any

import keras
from keras import layers

from tfviz.models.colours import KERAS_MEAN_BGR
from tfviz.models.layers import CaffePicture
from tfviz.models.layouts import Layout
from tfviz.weights.port import Row

# Fire module: maps after the squeeze, and maps of each of the two expands.
_FIRES = {
    "fire2": (16, 64),
    "fire3": (16, 64),
    "fire4": (32, 128),
    "fire5": (32, 128),
    "fire6": (48, 192),
    "fire7": (48, 192),
    "fire8": (64, 256),
    "fire9": (64, 256),
}

_FILE_LAYERS = (
    "conv1",
    *(f"{fire}/{part}" for fire in _FIRES for part in ("squeeze1x1", "expand1x1", "expand3x3")),
    "conv10",
)

LAYOUTS = (
    Layout(
        "squeezenet_weights_tf_dim_ordering_tf_kernels.h5",
        tuple(
            Row(f"{layer.replace('/', '_')}/{variable}", f"{layer}/{layer}_{letter}:0")
            for layer in _FILE_LAYERS
            for variable, letter in (("kernel", "W"), ("bias", "b"))
        ),
    ),
)
"""Files that hold the weights of `build`. conv1 is for blue, green, red."""


def build(
    input_shape: tuple[int | None, int | None, int] = (227, 227, 3), *, normalize: bool = True
) -> keras.Model:
    """Builds the network, 1,235,496 parameters, with random weights.

    Dropout, which acts in training only, is left out. The logits are never negative: a ReLU follows conv10.

    Args:
        input_shape: Rows, columns and the 3 colours. None for rows or columns: any number, from 31 on.
        normalize: Whether the model makes the network's input from the pictures itself, as its first layer.

    Returns:
        A model from pictures (N, H, W, 3) RGB in [0, 1], or from the network's own input (BGR in 0..255,
        `KERAS_MEAN_BGR` taken off) if not `normalize`, to logits (N, 1000).
    """
    x = inputs = keras.Input(input_shape, name="pictures")
    if normalize:
        x = CaffePicture(KERAS_MEAN_BGR, name="normalize")(x)
    x = layers.ReLU(name="relu1")(layers.Conv2D(64, 3, strides=2, name="conv1")(x))
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    for fire, (squeezed, expanded) in _FIRES.items():
        x = _fire(x, fire, squeezed, expanded)
        if fire in ("fire3", "fire5"):
            x = layers.MaxPooling2D(3, 2, name=f"pool{fire[-1]}")(x)
    x = layers.ReLU(name="relu10")(layers.Conv2D(1000, 1, name="conv10")(x))
    return keras.Model(inputs, layers.GlobalAveragePooling2D(name="mean")(x), name="squeezenet")


def _fire(x: Any, name: str, squeezed: int, expanded: int) -> Any:
    x = layers.Conv2D(squeezed, 1, name=f"{name}_squeeze1x1")(x)
    x = layers.ReLU(name=f"{name}_relu_squeeze1x1")(x)
    small = layers.Conv2D(expanded, 1, name=f"{name}_expand1x1")(x)
    large = layers.Conv2D(expanded, 3, padding="same", name=f"{name}_expand3x3")(x)
    return layers.Concatenate(name=f"{name}_concat")(
        [
            layers.ReLU(name=f"{name}_relu_expand1x1")(small),
            layers.ReLU(name=f"{name}_relu_expand3x3")(large),
        ]
    )
