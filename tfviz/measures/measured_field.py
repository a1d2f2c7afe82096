"""What a unit sees, measured: the pixels on which the gradient of its output is not zero.

The second way beside the formulas of `tfviz.receptive_field`; the two share nothing but the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from tfviz import backend
from tfviz.measures.receptive_field import ReceptiveField
from tfviz.models import graph
from tfviz.models.blank import blank, unset
from tfviz.models.reading import Reader

Array = npt.NDArray[Any]
Unit = tuple[int, int, int | None]
Box = tuple[tuple[int, int], tuple[int, int]]

_KEPT = (
    layers.InputLayer,
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
    layers.ZeroPadding2D,
    layers.Cropping2D,
    layers.AveragePooling2D,
    layers.GlobalAveragePooling2D,
    layers.Dense,
    layers.Reshape,
    layers.Add,
    layers.Multiply,
    layers.Average,
    layers.Concatenate,
)
_FEW = 8
"""Pictures whose gradient takes less time than the compiling of a fast program."""
_AVERAGES = {
    layers.MaxPooling2D: layers.AveragePooling2D,
    layers.GlobalMaxPooling2D: layers.GlobalAveragePooling2D,
    layers.Maximum: layers.Average,
    layers.Minimum: layers.Average,
}
_LEFT_OUT = (
    layers.Activation,
    layers.ReLU,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ELU,
    layers.BatchNormalization,
    layers.Normalization,
    layers.Rescaling,
    layers.Dropout,
    layers.GaussianNoise,
    layers.Identity,
)


class _Same(layers.Layer):
    """Passes on what it gets, whatever else the layer in whose place it stands was called with."""

    pointwise = True  # as `tfviz.receptive_field` asks

    def call(self, x: Any, mask: Any = None, training: Any = None) -> Any:
        """The same."""
        return x


def averaging_copy(model: keras.Model) -> keras.Model:
    """A copy of the same geometry in which every layer takes averages, so that no path to a pixel is lost.

    In the network itself a gradient through a max-pool reaches one pixel only, one through a ReLU perhaps none,
    and contributions of opposite sign cancel. So here max-pools are average pools, every entry of a kernel is 1 over
    their number per filter, biases are 0, and pointwise layers (ReLU, normalisations) and activations are left out.
    Weights of the model are not needed: random ones do.

    Args:
        model: a functional model of convolutions, pools, padding, joins, dense and pointwise layers; nested ones too.

    Returns:
        A model with the same layer names.

    Raises:
        ValueError: another kind of layer.
    """

    def changed(layer: Any) -> Any:
        if not isinstance(layer, layers.Layer):
            return layer  # an operation such as x * 2: it has no weights
        settings = unset(layer.get_config())
        if type(layer) in _AVERAGES:
            return _AVERAGES[type(layer)].from_config(settings)
        if isinstance(layer, _KEPT) or hasattr(layer, "kernel_size"):
            if "activation" in settings:
                settings["activation"] = "linear"
            return type(layer).from_config(settings)
        across_channels = isinstance(layer, layers.LayerNormalization) and layer.axis in (-1, [-1], 3, [3])
        of_convnext = type(layer).__name__ in ("LayerScale", "StochasticDepth")
        if (
            isinstance(layer, _LEFT_OUT)
            or across_channels
            or of_convnext
            or getattr(layer, "pointwise", False)
        ):
            return _Same(name=layer.name)
        raise ValueError(f"what layer {layer.name!r} ({type(layer).__name__}) averages is not known")

    with blank():
        copy = keras.models.clone_model(model, clone_function=changed, recursive=True)
    for layer in {call.layer for call in graph.calls(copy)}:
        for variable in getattr(layer, "weights", ()):
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
        layer: path of a layer whose output is a map.
        units: N times (row, column, channel); channel None: the sum of all channels there.
        pictures: (N, H, W, colours).

    Returns:
        (N, H, W, colours) float32.
    """
    reader = Reader(model, [layer])

    def score(x: Any) -> Any:
        return _values(reader(x)[0][layer], units)

    if len(pictures) <= _FEW:
        return backend.current().gradients_once(
            lambda xs: ops.sum(score(xs[0])), reader.variables, [pictures]
        )[0]
    return backend.current().gradient_function(lambda x: (score(x), {}), reader.variables)(pictures)[2]


def _values(maps: Any, units: Sequence[Unit]) -> Any:
    """One unit of each map (N, rows, columns, channels): (N,)."""
    channels = maps.shape[-1]
    # Slices, not one gather: TensorFlow's gradient of that takes a third of the time of a small network's tracing.
    if len({unit[:2] for unit in units}) == 1:
        row, column, _ = units[0]
        there = maps[:, row, column]
    else:
        there = ops.stack([maps[index, row, column] for index, (row, column, _) in enumerate(units)])
    counted = np.zeros((len(units), channels), np.float32)
    for line, (*_, channel) in zip(counted, units, strict=True):
        line[slice(None) if channel is None else channel] = 1
    return ops.sum(there * counted, axis=1)


def bounding_box(values: Array) -> Box:
    """First and last row, first and last column of the entries (H, W) that are not zero.

    Raises:
        ValueError: all are zero.
    """
    rows, columns = np.nonzero(values)
    if not rows.size:
        raise ValueError("no entry differs from zero: there is nothing to put a box around")
    return (int(rows.min()), int(rows.max())), (int(columns.min()), int(columns.max()))


class Looked(NamedTuple):
    """Where a field is measured.

    Attributes:
        copy: from `averaging_copy`.
        layer: name of one of its layers.
        unit: (row, column) of the second of two neighbours; both must see whole fields, nothing cut off by the border.
        shape: height and width of the picture.
    """

    copy: keras.Model
    layer: str
    unit: tuple[int, int]
    shape: tuple[int, int]


def measured_field(
    copy: keras.Model, layer: str, unit: tuple[int, int], shape: tuple[int, int]
) -> ReceptiveField:
    """The receptive field of a layer from the gradients of two neighbouring units, one down and right of the other.

    The arguments are those of `Looked`.
    """
    return measured_fields([Looked(copy, layer, unit, shape)])[0]


def measured_fields(looked: Sequence[Looked]) -> list[ReceptiveField]:
    """Several of them, by one program: each for itself takes a framework up to twice as long to compile."""
    readers = [Reader(copy, [layer]) for copy, layer, *_ in looked]
    # All channels: where branches were concatenated, one channel sees the field of its own branch only.
    units = [[(row - 1, column - 1, None), (row, column, None)] for _, _, (row, column), _ in looked]
    pictures = [np.ones((2, *shape, copy.inputs[0].shape[-1]), np.float32) for copy, *_, shape in looked]

    def score(xs: Sequence[Any]) -> Any:
        seen = (reader(x)[0][layer] for reader, x, (_, layer, *_) in zip(readers, xs, looked, strict=True))
        return ops.sum(ops.concatenate([_values(maps, two) for maps, two in zip(seen, units, strict=True)]))

    variables = {id(variable): variable for reader in readers for variable in reader.variables}
    found = backend.current().gradients_once(score, list(variables.values()), pictures)
    return [_field(two, unit) for two, (_, _, unit, _) in zip(found, looked, strict=True)]


def _field(gradients: Array, unit: tuple[int, int]) -> ReceptiveField:
    """The field from the gradients (2, H, W, colours) of a unit's upper left neighbour, and its own."""
    before, after = (bounding_box(np.abs(gradient).sum(axis=-1)) for gradient in gradients)
    size, stride, offset = [], [], []
    for axis in (0, 1):
        first, last = after[axis]
        size.append(last - first + 1)
        stride.append(first - before[axis][0])
        offset.append(first - stride[axis] * unit[axis])
    return ReceptiveField((size[0], size[1]), (stride[0], stride[1]), (offset[0], offset[1]))
