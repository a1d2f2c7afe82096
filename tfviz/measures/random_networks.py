"""Receptive fields of random networks, by formula and by gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from tfviz.measures.measured_field import Looked, averaging_copy, measured_fields
from tfviz.measures.receptive_field import receptive_field
from tfviz.models.blank import blank

_AT_ONCE = 20
"""Networks that are measured together: more of them save little time, and keep their memory longer."""


def random_network(random: np.random.Generator) -> keras.Model:
    """A small network of one to five random steps; its last layer is called "last".

    A step is a convolution (dilated or with a stride), a depthwise or separable one, a max- or average-pool, zero
    padding, cropping, something pointwise, a layer that is used twice, a nested model, or two branches that join;
    kernels are 1 to 5 (branches: 6) high and, by themselves, wide; paddings "valid" or "same". One in eight weights
    the picture with its mean first, as squeeze-and-excite does with a map: its units see the whole picture.

    Raises:
        ValueError: the map became smaller than a kernel.
    """

    def pick(*choices: Any) -> Any:
        return choices[int(random.integers(len(choices)))]

    def pair(low: int, high: int) -> tuple[int, int]:
        rows, columns = random.integers(low, high + 1, 2)
        return int(rows), int(columns)

    def step(x: Any) -> Any:
        padding, kernel = pick("valid", "same"), pair(1, 5)
        kinds = ("conv", "dilated", "depthwise", "separable", "max", "average", "pad", "crop", "pointwise")
        match pick(*kinds, "twice", "nested", "join", "join"):
            case "conv":
                x = layers.Conv2D(2, kernel, strides=pair(1, 3), padding=padding)(x)
                return pick(layers.ReLU(), layers.Activation("tanh"))(x)
            case "dilated":
                return layers.Conv2D(2, kernel, dilation_rate=pair(1, 3), padding=padding)(x)
            case "depthwise":
                return layers.DepthwiseConv2D(kernel, strides=pick(1, 2), padding=padding)(x)
            case "separable":
                return layers.SeparableConv2D(2, kernel, strides=pick(1, 2), padding=padding)(x)
            case "max":
                return layers.MaxPooling2D(kernel, pair(1, 3), padding=padding)(x)
            case "average":
                return layers.AveragePooling2D(kernel, pair(1, 3), padding=padding)(x)
            case "pad":
                return layers.ZeroPadding2D((pair(0, 3), pair(0, 3)))(x)
            case "crop":
                return layers.Cropping2D((pair(0, 2), pair(0, 2)))(x)
            case "pointwise":
                kind = pick(layers.PReLU, layers.ELU, layers.LayerNormalization, layers.Dropout, None)
                return (
                    1.5 * x + 0.25
                    if kind is None
                    else kind()(x)
                    if kind is not layers.Dropout
                    else kind(0.5)(x)
                )
            case "twice":
                shared = layers.Conv2D(2, kernel, padding=padding)
                return shared(shared(layers.Conv2D(2, 1)(x)))
            case "nested":
                inner = keras.Sequential(
                    [layers.Conv2D(2, kernel, strides=pick(1, 2)), layers.MaxPooling2D(2)]
                )
                return inner(x)
        strides = pair(1, 2)
        left = layers.Conv2D(2, pair(1, 6), strides=strides, padding="same")(x)
        if pick(True, False):
            right = layers.MaxPooling2D(pair(1, 6), strides, padding="same")(x)
            return layers.Concatenate()([left, right])
        right = layers.Conv2D(2, pair(1, 3), dilation_rate=pair(1, 2), padding="same")(x)
        right = layers.Conv2D(2, pair(1, 4), strides=strides, padding="same")(right)
        return layers.Add()([left, right])

    height, width = pair(40, 80)
    x = picture = keras.Input((height, width, 1))
    if pick(*range(8)) == 0:
        x = layers.Multiply()([x, layers.Reshape((1, 1, 1))(layers.GlobalAveragePooling2D()(x))])
    for _ in range(int(random.integers(1, 6))):
        x = step(x)
    return keras.Model(picture, layers.Identity(name="last")(x))


def whole_unit(model: keras.Model, random: np.random.Generator) -> tuple[int, int] | None:
    """A random unit of "last" that sees its whole field, as does the one above and left; None: there is none."""
    field = receptive_field(model, "last")
    crops = [layer.cropping for layer in model.layers if isinstance(layer, layers.Cropping2D)]
    at = []
    for axis in (0, 1):
        offset, stride, size = field.offset[axis], field.stride[axis], field.size[axis]
        units, length = model.output.shape[1 + axis], model.input.shape[1 + axis]
        if (
            stride == 0
        ):  # all see the same, but at the border of a map that was padded afterwards they see nothing
            inside = list(range(units // 3, units - units // 3)) if units > 12 else []
        else:
            margin = stride * sum(max(crop[axis]) for crop in crops)
            first = [offset + stride * i for i in range(units)]
            inside = [i for i in range(units) if margin <= first[i] and first[i] + size <= length - margin]
        if len(inside) < 2:
            return None
        at.append(int(random.choice(inside[1:])))
    return at[0], at[1]


class Compared(NamedTuple):
    """What formula and gradient say of a random network.

    Attributes:
        agrees: whether they say the same.
        words: its layers.
    """

    agrees: bool
    words: str


def compare_random_networks(count: int, random: np.random.Generator) -> tuple[list[Compared], int]:
    """Formula and gradient of so many random networks, and how many were drawn for them.

    A network is drawn again if its map vanishes, or if no two neighbouring units see whole fields: what the border
    of the picture cuts off cannot be measured.
    """
    compared: list[Compared] = []
    drawn = 0
    while len(compared) < count:
        models: list[keras.Model] = []
        looked: list[Looked] = []
        while len(looked) < min(_AT_ONCE, count - len(compared)):
            drawn += 1
            try:
                with blank():
                    model = random_network(random)
            except ValueError:
                continue
            if (unit := whole_unit(model, random)) is not None:
                models.append(model)
                looked.append(Looked(averaging_copy(model), "last", unit, model.input.shape[1:3]))
        for model, measured in zip(models, measured_fields(looked), strict=True):
            words = " - ".join(type(layer).__name__ for layer in model.layers[1:-1])
            compared.append(Compared(measured == receptive_field(model, "last"), words))
    return compared, drawn
