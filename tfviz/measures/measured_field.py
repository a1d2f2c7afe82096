"""What a unit sees, measured: the pixels on which the gradient of its output is not zero.

The second way beside the formulas of `tfviz.receptive_field`; the two share nothing but the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from tfviz import backend
from tfviz.measures.receptive_field import ReceptiveField

Array = npt.NDArray[Any]
Unit = tuple[int, int, int | None]
Box = tuple[tuple[int, int], tuple[int, int]]

_KEPT = (
    layers.InputLayer,
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.ZeroPadding2D,
    layers.Cropping2D,
    layers.AveragePooling2D,
    layers.Add,
    layers.Concatenate,
)


def averaging_copy(model: keras.Model) -> keras.Model:
    """A copy of the same geometry in which every layer takes averages, so that no path to a pixel is lost.

    In the network itself a gradient through a max-pool reaches one pixel only, one through a ReLU perhaps none,
    and contributions of opposite sign cancel. So here max-pools are average pools, every entry of a kernel is 1 over
    their number per filter, biases are 0, and pointwise layers (ReLU, normalisations) are left out. Weights of the
    model are not needed: random ones do.

    Args:
        model: a functional model of convolutions, pools, padding, joins and pointwise layers.

    Returns:
        A model with the same layer names.

    Raises:
        ValueError: another kind of layer.
    """

    def changed(layer: Any) -> Any:
        settings = layer.get_config()
        if isinstance(layer, layers.MaxPooling2D):
            return layers.AveragePooling2D.from_config(settings)
        if "activation" in settings and isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            settings["activation"] = "linear"
        if isinstance(layer, _KEPT) or hasattr(layer, "kernel_size"):
            return type(layer).from_config(settings)
        if layer.input.shape[1:3] == layer.output.shape[1:3] and len(layer.output.shape) == 4:
            return layers.Identity(name=layer.name)
        raise ValueError(f"what layer {layer.name!r} ({type(layer).__name__}) averages is not known")

    copy = keras.models.clone_model(model, clone_function=changed)
    for layer in copy.layers:
        for variable in layer.weights:
            if "kernel" in variable.name:
                taps = prod(variable.shape[:2]) if "depthwise" in type(layer).__name__.lower() else None
                value = 1 / (taps or prod(variable.shape[:3]))
            else:
                value = 0.0
            variable.assign(np.full(variable.shape, value, np.float32))
    return copy


def unit_gradients(model: keras.Model, layer: str, units: Sequence[Unit], pictures: Array) -> Array:
    """The gradient of one unit per picture with respect to that picture.

    Args:
        model: takes (N, H, W, colours).
        layer: name of a layer whose output is a map.
        units: N times (row, column, channel); channel None: the sum of all channels there.
        pictures: (N, H, W, colours).

    Returns:
        (N, H, W, colours) float32.
    """
    seen = keras.Model(model.inputs, model.get_layer(layer).output)

    def score(x: Any) -> Any:
        maps = seen(x, training=False)
        _, rows, columns, channels = maps.shape
        places = ops.convert_to_tensor([[[row * columns + column]] for row, column, _ in units], "int32")
        by_place = ops.reshape(maps, (len(units), rows * columns, channels))
        there = ops.take_along_axis(by_place, ops.repeat(places, channels, axis=2), axis=1)[:, 0]
        counted = np.zeros((len(units), channels), np.float32)
        for line, (*_, channel) in zip(counted, units, strict=True):
            line[slice(None) if channel is None else channel] = 1
        return ops.sum(there * counted, axis=1), {}

    return backend.current().gradient_function(score, seen.variables)(pictures)[2]


def bounding_box(values: Array) -> Box:
    """First and last row, first and last column of the entries (H, W) that are not zero.

    Raises:
        ValueError: all are zero.
    """
    rows, columns = np.nonzero(values)
    if not rows.size:
        raise ValueError("no entry differs from zero: there is nothing to put a box around")
    return (int(rows.min()), int(rows.max())), (int(columns.min()), int(columns.max()))


def measured_field(
    copy: keras.Model, layer: str, unit: tuple[int, int], shape: tuple[int, int]
) -> ReceptiveField:
    """The receptive field of a layer from the gradients of two neighbouring units, one down and right of the other.

    Args:
        copy: from `averaging_copy`.
        layer: name of one of its layers.
        unit: (row, column) of the second of the two; both must see whole fields, nothing cut off by the border.
        shape: height and width of the picture.
    """
    colours = copy.input.shape[-1]
    pictures = np.ones((2, *shape, colours), np.float32)
    row, column = unit
    # All channels: where branches were concatenated, one channel sees the field of its own branch only.
    units = [(row - 1, column - 1, None), (row, column, None)]
    gradients = unit_gradients(copy, layer, units, pictures)
    before, after = (bounding_box(np.abs(gradient).sum(axis=-1)) for gradient in gradients)
    size, stride, offset = [], [], []
    for axis in (0, 1):
        first, last = after[axis]
        size.append(last - first + 1)
        stride.append(first - before[axis][0])
        offset.append(first - stride[axis] * unit[axis])
    return ReceptiveField((size[0], size[1]), (stride[0], stride[1]), (offset[0], offset[1]))
