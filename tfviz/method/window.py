"""Computes a few units of a map from that part of the picture which they see, and from nothing else.

What a unit sees is followed back through the layers, row by row and column by column: a window at the border is cut off
there, and what the layer pads is padded, so that the numbers are those of the whole map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
from keras import activations, layers, ops

from tfviz import backend
from tfviz.method.shortcuts import has_faster_gradient
from tfviz.models import graph
from tfviz.models.layers import (
    BatchNormalization,
    CaffePicture,
    Convolution,
    GroupedConv2D,
    LocalResponseNormalization,
)

Tensor = Any
Pair = tuple[int, int]
Span = tuple[Pair, Pair]
"""First row and the one after the last; likewise columns."""
Compute = Callable[..., Tensor]
MIDDLE = (-1, -1)
"""Stands for the unit in the middle: row rows // 2, column columns // 2."""


class UnknownError(Exception):
    """What a unit sees through some layer is not known here: the whole map is to be computed."""


@dataclass(frozen=True)
class Slide:
    """A layer whose outputs are made of windows of its inputs; each pair is rows and columns.

    Attributes:
        extent: of a window.
        stride: from one window to the next.
        padding: before the first row and column; negative: so many are left out.
        outputs: rows and columns made.
        compute: the padded part of each input -> what the layer makes of it, without padding any more.
        fill: what is padded; None: nothing can be.
    """

    extent: Pair
    stride: Pair
    padding: Pair
    outputs: Pair
    compute: Compute
    fill: float | None = 0.0


@dataclass(frozen=True)
class _Cut:
    """Where an input of a call lies in what was computed of it, and what is padded around it."""

    rows: Pair
    columns: Pair
    pad: Span


@dataclass(frozen=True, eq=False)
class Window:
    """Some units of a model's layers, and how they are computed.

    Attributes:
        corner: row and column of the picture at which what they see begins.
        size: its rows and columns.
        kind: two windows of one kind differ in their corner only.
        lengths: rows and columns of the whole map, by path.
        parts: first row and column, rows and columns of what is computed of it, by path.
    """

    corner: Pair
    size: Pair
    kind: Hashable
    lengths: Mapping[str, Pair]
    parts: Mapping[str, tuple[Pair, Pair]]
    _steps: tuple[tuple[graph.Call, Compute, float | None, tuple[_Cut, ...]], ...]
    _source: graph.Value
    _ends: Mapping[str, graph.Value]

    def __call__(self, pictures: Tensor) -> dict[str, Tensor]:
        """The units (N, rows, columns, channels) of each path, from that part (N, *size, channels) of the pictures."""
        known = {self._source: pictures}
        for call, compute, fill, cuts in self._steps:
            known[call.outputs[0]] = compute(
                *(_cut(known[value], cut, fill) for value, cut in zip(call.inputs, cuts, strict=True))
            )
        return {path: ops.cast(known[value], "float32") for path, value in self._ends.items()}

    def cut(self, pictures: Tensor, corner: Tensor | None = None) -> Tensor:
        """That part of the pictures; corner: (2,) int32, of any window of this kind, None: this one's."""
        row, column = self.corner if corner is None else (corner[0], corner[1])
        count, height, width, channels = pictures.shape
        # Out of whole rows of pixels: with three numbers at a time the slice's gradient took four times as long.
        rows = ops.reshape(pictures, (count, height, width * channels))
        size = (self.size[0], self.size[1] * channels)
        return ops.reshape(
            ops.slice(rows, (0, row, column * channels), (count, *size)), (count, *self.size, channels)
        )

    @property
    def variables(self) -> list[Any]:
        """The Keras variables that it reads."""
        found = [each for call, *_ in self._steps for each in getattr(call.layer, "variables", ())]
        return list({id(variable): variable for variable in found}.values())


class Ways:
    """The calls of a model's layers, followed once for every set of paths."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._known: dict[tuple[str, ...], tuple[tuple[graph.Call, ...], dict[str, graph.Value]]] = {}

    def window(self, places: Mapping[str, Iterable[tuple[int, ...]]], size: Pair) -> Window | None:
        """The window of some units.

        Args:
            places: row and column of units, or `MIDDLE`, by path.
            size: rows and columns of the picture.

        Returns:
            None: they see the whole picture, or what they see is not known.
        """
        try:
            calls, ends = self._followed(tuple(places))
            return _window(calls, ends, places, size)
        # ValueError: graph's, of a model or a layer whose calls are not known.
        except (UnknownError, ValueError):
            return None

    def _followed(self, paths: tuple[str, ...]) -> tuple[tuple[graph.Call, ...], dict[str, graph.Value]]:
        """The calls that lead to these paths, and what is read there."""
        if paths not in self._known:
            ends = {path: graph.find(self._model, path).path for path in paths}
            needed = {call.path for path in ends.values() for call in graph.way(self._model, path)}
            calls = tuple(call for call in graph.calls(self._model) if call.path in needed)
            made = {call.path: call.outputs[0] for call in calls if len(call.outputs) == 1}
            self._known[paths] = calls, {path: made[end] for path, end in ends.items() if end in made}
        return self._known[paths]


def _window(
    calls: tuple[graph.Call, ...],
    ends: Mapping[str, graph.Value],
    places: Mapping[str, Iterable[tuple[int, ...]]],
    size: Pair,
) -> Window:
    sources = [call.outputs[0] for call in calls if call.is_input]
    if len(sources) != 1 or len(sources[0].shape) != 4 or len(ends) != len(places):
        raise UnknownError
    lengths = {sources[0]: size}
    slides: dict[str, Slide] = {}
    for call in calls:
        if not call.is_input:
            slides[call.path] = slide = slide_of(call, [lengths[value] for value in call.inputs])
            lengths[call.outputs[0]] = slide.outputs
    wanted: dict[graph.Value, Span] = {}
    for path, value in ends.items():
        height, width = lengths[value]
        units = [(height // 2, width // 2) if place == MIDDLE else place for place in places[path]]
        if not all(len(at) == 2 and 0 <= at[0] < height and 0 <= at[1] < width for at in units):
            raise UnknownError
        rows, columns = zip(*units, strict=True)
        _widen(wanted, value, ((min(rows), max(rows) + 1), (min(columns), max(columns) + 1)))
    needed: dict[str, Span] = {}
    for call in reversed(calls):
        if not call.is_input:
            needed[call.path] = _seen(slides[call.path], wanted[call.outputs[0]])
            for value in call.inputs:
                _widen(wanted, value, _clipped(needed[call.path], lengths[value]))
    steps = []
    for call in calls:
        if not call.is_input:
            slide = slides[call.path]
            cuts = tuple(_cut_of(needed[call.path], wanted[value], lengths[value]) for value in call.inputs)
            if slide.fill is None and any(cut.pad != ((0, 0), (0, 0)) for cut in cuts):
                raise UnknownError
            steps.append((call, slide.compute, slide.fill, cuts))
    (top, bottom), (left, right) = wanted[sources[0]]
    if (bottom - top, right - left) == size:
        raise UnknownError
    parts = {
        path: ((rows[0], columns[0]), (rows[1] - rows[0], columns[1] - columns[0]))
        for path, (rows, columns) in ((path, wanted[value]) for path, value in ends.items())
    }
    return Window(
        (top, left),
        (bottom - top, right - left),
        (
            (bottom - top, right - left),
            tuple((call.path, cuts) for call, _, _, cuts in steps),
            tuple((path, extent) for path, (_, extent) in parts.items()),
        ),
        {path: lengths[value] for path, value in ends.items()},
        parts,
        tuple(steps),
        sources[0],
        ends,
    )


def _seen(slide: Slide, units: Span) -> Span:
    """Rows and columns of the input that these outputs are made of; some may lie in the padding."""
    rows, columns = (
        (first * stride - pad, (stop - 1) * stride - pad + extent)
        for (first, stop), stride, pad, extent in zip(
            units, slide.stride, slide.padding, slide.extent, strict=True
        )
    )
    return rows, columns


def _clipped(span: Span, lengths: Pair) -> Span:
    rows, columns = (
        (max(first, 0), min(stop, length)) for (first, stop), length in zip(span, lengths, strict=True)
    )
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        raise UnknownError  # padding alone
    return rows, columns


def _widen(wanted: dict[graph.Value, Span], value: graph.Value, span: Span) -> None:
    before = wanted.get(value, span)
    rows, columns = ((min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(before, span, strict=True))
    wanted[value] = rows, columns


def _cut_of(needed: Span, computed: Span, lengths: Pair) -> _Cut:
    inside = _clipped(needed, lengths)
    rows, columns = (
        (span[0] - begin[0], span[1] - begin[0]) for span, begin in zip(inside, computed, strict=True)
    )
    top, left = ((span[0] - need[0], need[1] - span[1]) for span, need in zip(inside, needed, strict=True))
    return _Cut(rows, columns, (top, left))


def _cut(maps: Tensor, cut: _Cut, fill: float | None) -> Tensor:
    if (cut.rows, cut.columns) != ((0, maps.shape[1]), (0, maps.shape[2])):
        maps = maps[:, cut.rows[0] : cut.rows[1], cut.columns[0] : cut.columns[1]]
    if cut.pad != ((0, 0), (0, 0)):
        maps = ops.pad(maps, ((0, 0), *cut.pad, (0, 0)), constant_values=fill or 0.0)
    return maps


def slide_of(call: graph.Call, lengths: list[Pair]) -> Slide:
    """What is known of a call.

    Raises:
        UnknownError: it is no layer that does the same at every place, or one that is not known here.
    """
    layer = call.layer
    if len(call.outputs) != 1 or len(set(lengths)) != 1 or len(call.outputs[0].shape) != 4:
        raise UnknownError
    if any(len(value.shape) != 4 for value in call.inputs):
        raise UnknownError
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise UnknownError
    if getattr(layer, "compute_dtype", "float32") != "float32":
        raise UnknownError
    if call.arguments[1].get("training"):
        raise UnknownError  # by the moments of a batch, or by chance
    same = Slide((1, 1), (1, 1), (0, 0), lengths[0], partial(called, call), None)
    if _is_pointwise(call):
        return same
    kind = type(layer)
    if kind in (layers.ZeroPadding2D, layers.Cropping2D):
        sign = 1 if kind is layers.ZeroPadding2D else -1
        (top, bottom), (left, right) = layer.padding if sign > 0 else layer.cropping
        outputs = (lengths[0][0] + sign * (top + bottom), lengths[0][1] + sign * (left + right))
        return Slide((1, 1), (1, 1), (sign * top, sign * left), outputs, lambda x: x)
    return _convolution(layer, lengths[0])


_CONVOLUTIONS = (layers.Conv2D, Convolution, GroupedConv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
_POOLS = (layers.MaxPooling2D, layers.AveragePooling2D)


def _convolution(layer: Any, lengths: Pair) -> Slide:
    """A convolution or a pool."""
    kind = type(layer)
    if kind not in (*_CONVOLUTIONS, *_POOLS) or getattr(layer, "quantization_mode", None):
        raise UnknownError
    if not _is_known_function(getattr(layer, "activation", None)):
        raise UnknownError
    kernel = layer.pool_size if kind in _POOLS else layer.kernel_size
    dilation = getattr(layer, "dilation_rate", (1, 1))
    extent, stride, padding, outputs = [], [], [], []
    for axis, length in enumerate(lengths):
        reach = (kernel[axis] - 1) * dilation[axis] + 1
        step = layer.strides[axis]
        count = -(-length // step) if layer.padding == "same" else (length - reach) // step + 1
        before = max((count - 1) * step + reach - length, 0) // 2 if layer.padding == "same" else 0
        if count < 1 or layer.padding not in ("same", "valid"):
            raise UnknownError
        extent.append(reach)
        stride.append(step)
        padding.append(before)
        outputs.append(count)
    fill = {layers.MaxPooling2D: -math.inf, layers.AveragePooling2D: None}.get(kind, 0.0)
    return Slide(
        (extent[0], extent[1]),
        (stride[0], stride[1]),
        (padding[0], padding[1]),
        (outputs[0], outputs[1]),
        partial(_pooled if kind in _POOLS else _convolved, layer),
        fill,
    )


def _pooled(layer: Any, maps: Tensor) -> Tensor:
    pool = ops.max_pool if isinstance(layer, layers.MaxPooling2D) else ops.average_pool
    return pool(maps, layer.pool_size, layer.strides, "valid", "channels_last")


def _convolved(layer: Any, maps: Tensor) -> Tensor:
    options = {"padding": "valid", "data_format": "channels_last"}
    if isinstance(layer, GroupedConv2D):
        parts = zip(
            ops.split(maps, layer.groups, axis=-1),
            ops.split(ops.convert_to_tensor(layer.kernel), layer.groups, axis=-1),
            strict=True,
        )
        return ops.concatenate([ops.conv(part, kernel, **options) for part, kernel in parts], -1) + layer.bias
    options |= {"strides": layer.strides, "dilation_rate": layer.dilation_rate}
    if isinstance(layer, layers.DepthwiseConv2D):
        made = ops.depthwise_conv(maps, layer.kernel, **options)
    elif isinstance(layer, layers.SeparableConv2D):
        made = ops.separable_conv(maps, layer.depthwise_kernel, layer.pointwise_kernel, **options)
    elif tuple(maps.shape[1:]) == tuple(layer.kernel.shape[:-1]):
        # One unit: the gradient of a product of matrices took a tenth of the time of a convolution's.
        made = ops.matmul(
            ops.reshape(maps, (-1, math.prod(maps.shape[1:]))), ops.reshape(layer.kernel, (-1, layer.filters))
        )
        made = ops.reshape(made, (-1, 1, 1, layer.filters))
    elif has_faster_gradient(layer) and (operations := backend.current().operations()) is not None:
        made = operations.frozen_convolution(maps, layer.kernel, layer.strides[0], "valid", layer.groups)
    else:
        made = ops.conv(maps, layer.kernel, **options)
    if layer.use_bias:
        made = ops.add(made, layer.bias)
    return made if layer.activation is None else layer.activation(made)


def called(call: graph.Call, *maps: Tensor) -> Tensor:
    """What the layer itself makes of these in place of its inputs."""
    given = dict(zip(call.inputs, maps, strict=True))

    def replaced(value: Any) -> Any:
        return given[value] if isinstance(value, graph.Value) else value

    arguments, named = keras.tree.map_structure(replaced, call.arguments)
    return call.layer(*arguments, **named)


_ALONE = (
    *(layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Identity, layers.Dropout, layers.SpatialDropout2D),
    *(layers.GaussianNoise, layers.GaussianDropout, CaffePicture, LocalResponseNormalization),
)
_JOINS = (
    *(layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum),
    layers.Concatenate,
)
_ALONG_CHANNELS = (
    *(layers.BatchNormalization, layers.Normalization, layers.LayerNormalization, layers.Concatenate),
    *(layers.Softmax, BatchNormalization),
)
_OPERATIONS = {
    *("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum", "Minimum", "Relu", "Relu6", "Elu"),
    *("LeakyRelu", "Sigmoid", "Silu", "Gelu", "Tanh", "Softplus", "Negative", "Abs", "Absolute", "Square"),
    *("Sqrt", "Exp", "Log"),
}


def _is_pointwise(call: graph.Call) -> bool:
    """Whether each output is made of the inputs at its own place, everywhere in the same way."""
    layer, kind = call.layer, type(call.layer)
    others = [
        value for value in keras.tree.flatten(call.arguments) if not isinstance(value, graph.Value | str)
    ]
    if any(len(getattr(value, "shape", ())) > 1 for value in others):
        return False
    if kind in _ALONG_CHANNELS:
        axis = layer.axis
        return {each % 4 for each in (axis if isinstance(axis, list | tuple) else (axis,))} == {3}
    if kind is layers.Rescaling:
        return all(len(getattr(value, "shape", ())) <= 1 for value in (layer.scale, layer.offset))
    if kind is layers.Activation:
        return _is_known_function(layer.activation)
    if kind is layers.Dense:
        return not layer.quantization_mode and _is_known_function(layer.activation)
    if kind in (*_ALONE, *_JOINS):
        return True
    return kind.__module__.startswith("keras.src.ops.") and kind.__name__ in _OPERATIONS


def _is_known_function(function: Any) -> bool:
    """Whether an activation is one of Keras' own, each of which acts on a value by itself or on the channels."""
    name = getattr(function, "__name__", "")
    return function is None or (bool(name) and getattr(activations, name, None) is function)
