"""Which input pixels a unit sees: size, stride and offset of any layer of a Keras model.

The recursion is the usual one (Araujo, Norris, Sim 2019, "Computing Receptive Fields of Convolutional Neural
Networks", Distill): a layer with kernel k, stride s, dilation d and p rows of padding before the first maps
(size, stride, offset) to (size + (k - 1) d stride, stride s, offset - p stride).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from operator import index
from typing import TYPE_CHECKING, Any

from tfviz.models import graph

if TYPE_CHECKING:
    import keras

Pair = tuple[int, int]


class UnknownFieldError(ValueError):
    """What a layer's units see cannot be followed back to the pictures.

    Attributes:
        why: "layer": one on the way is not known here; "branches": some of different stride join; "inputs": the layer
            sees no picture, or two; "order": channels come first in some layers, last in others; "size": the picture's
            is not known.
        at: the path of the layer on the way, if it is one's fault.
        kind: of that layer, its class.
    """

    def __init__(self, message: str, why: str, at: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.why, self.at, self.kind = why, at, kind


@dataclass(frozen=True)
class ReceptiveField:
    """The window of the input that the units of a layer see; each attribute is (rows, columns), in pixels.

    Attributes:
        size: extent of the window.
        stride: how far the window moves from one unit to the next; 0: it does not, all units see the same, such as
            the whole picture behind a global pool.
        offset: first row and column that unit (0, 0) sees; negative where its window begins in the padding.
    """

    size: Pair
    stride: Pair
    offset: Pair

    def window(self, row: int, column: int, shape: Pair) -> tuple[slice, slice]:
        """The rows and columns of a picture of that (height, width) which unit (row, column) sees.

        Both slices have 0 <= start <= stop <= length; they are empty where the window lies wholly in the padding.

        Raises:
            ValueError: row or column is not a whole number of 0 or more.
        """
        slices = []
        for axis, number in enumerate((row, column)):
            try:
                at = index(number)
            except TypeError:
                at = -1
            if at < 0:
                raise ValueError(
                    f"units are counted from 0 in whole numbers: there is none at {(row, column)}"
                )
            first = self.offset[axis] + self.stride[axis] * at
            start = min(max(first, 0), shape[axis])
            slices.append(slice(start, max(min(first + self.size[axis], shape[axis]), start)))
        return slices[0], slices[1]


def receptive_field(model: keras.Model, layer: str) -> ReceptiveField:
    """Size, stride and offset of the receptive field of a layer's units.

    Passed are convolutions, pools, padding, cropping, what is pointwise, and joins of maps of one stride. Behind a
    global pool, and where a map is weighted with such a pool (squeeze-and-excite), all units see the whole picture.
    Units whose window reaches over the border of a map on the way, into padding or into what was cropped, see less.

    Args:
        model: a functional model whose input is pictures (N, H, W, channels), or channels first.
        layer: path of a layer: "conv1", "base/conv5"; of one that is called twice "conv1#0" or "conv1#1".

    Raises:
        ValueError: no model, no such layer, or the path does not say which call.
        UnknownFieldError: the layer sees no picture, or two; a layer on the way is none of those that are known here;
            branches of different stride that join; "same" padding with a stride, or a global pool, on an input of
            unknown size.
    """
    from tfviz.models import trial

    trial.check_model(model)
    way = graph.way(model, layer)
    pictures = [call for call in way if call.is_input]
    if len(pictures) != 1:
        names = " and ".join(call.path for call in pictures)
        raise UnknownFieldError(
            f"layer {layer!r} sees {len(pictures)} inputs ({names}): a receptive field is that of one picture"
            if pictures
            else f"layer {layer!r} sees no picture",
            "inputs",
        )
    shape = pictures[0].outputs[0].shape
    if len(shape) != 4:
        raise UnknownFieldError(
            f"the input of {model.name} is {shape}, not pictures (N, H, W, channels)", "inputs"
        )
    axes = _axes(way)
    lengths = (shape[axes[0]], shape[axes[1]])
    fields: dict[graph.Value, ReceptiveField] = {
        pictures[0].outputs[0]: ReceptiveField((1, 1), (1, 1), (0, 0))
    }
    for call in way:
        if not call.is_input:
            field = _step(call, [fields[value] for value in call.inputs], axes, lengths)
            fields.update(dict.fromkeys(call.outputs, field))
    return fields[way[-1].outputs[0]]


def _axes(way: tuple[graph.Call, ...]) -> Pair:
    """Where rows and columns stand in the shape of a map."""
    from keras import layers

    formats = {
        getattr(call.layer, "data_format", None)
        for call in way
        if call.inputs and len(call.inputs[0].shape) == 4 and not isinstance(call.layer, layers.Flatten)
    }
    if {"channels_first", "channels_last"} <= formats:
        raise UnknownFieldError(
            "some layers have their channels first, others last: rows and columns cannot be followed", "order"
        )
    return (2, 3) if "channels_first" in formats else (1, 2)


def _step(
    call: graph.Call, before: list[ReceptiveField], axes: Pair, lengths: tuple[int | None, ...]
) -> ReceptiveField:
    """The field after a call, from the fields of its inputs.

    Args:
        call: with one or more inputs.
        before: of each input.
        axes: of rows and columns in maps.
        lengths: rows and columns of the picture.
    """
    from keras import layers

    layer, given, made = call.layer, call.inputs, call.outputs[0]
    if len(call.outputs) == 1 and len(before) == 1 and len(given[0].shape) == 4:
        field, kernel = before[0], _kernel(layer)
        if kernel is not None:
            if _is_pointwise_function(getattr(layer, "activation", None), axes):
                return _windows(layer, given[0], made, field, kernel, axes)
        elif isinstance(layer, layers.ZeroPadding2D) and len(made.shape) == 4:
            (top, _), (left, _) = layer.padding
            return _shifted(field, (-top, -left))
        elif isinstance(layer, layers.Cropping2D):
            (top, _), (left, _) = layer.cropping
            return _shifted(field, (top, left))
        elif _is_pointwise(layer, axes) and _places(made, axes) == _places(given[0], axes):
            return field
        elif _is_global(layer, axes):
            return _whole(call, lengths)
    # Whatever is made of values that all see the same window sees that window.
    resting = [_at_rest(field, value, axes) for field, value in zip(before, given, strict=True)]
    if all(field.stride == (0, 0) for field in resting) and len(set(resting)) == 1:
        return resting[0]
    if _is_join(layer, axes) and len(made.shape) == 4 and all(len(value.shape) == 4 for value in given):
        spread = [_broadcast(field, value, made, axes) for field, value in zip(before, given, strict=True)]
        if None not in spread:
            return _joined(call, [field for field in spread if field is not None], lengths)
    raise UnknownFieldError(
        f"the receptive field through layer {call.path!r} ({type(layer).__name__}) is not known: only convolutions, "
        "pools, padding, cropping, pointwise layers and joins of channels or of values are",
        "layer",
        call.path,
        type(layer).__name__,
    )


def _kernel(layer: Any) -> Pair | None:
    """Rows and columns of the window of a convolution or a pool; None: it is neither."""
    from keras import layers

    from tfviz.models.layers import GroupedConv2D

    if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D | layers.SeparableConv2D | GroupedConv2D):
        return None if isinstance(layer, layers.Conv2DTranspose) else tuple(layer.kernel_size)
    return (
        tuple(layer.pool_size) if isinstance(layer, layers.MaxPooling2D | layers.AveragePooling2D) else None
    )


@cache
def _pointwise_kinds() -> tuple[type, ...]:
    """Layers that make each output position of the same input position only; augmentation does nothing here."""
    from keras import layers

    names = (
        *("ReLU", "LeakyReLU", "PReLU", "ELU", "BatchNormalization", "Normalization", "Rescaling"),
        *("Identity", "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout"),
        *("ActivityRegularization", "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation"),
        *("RandomContrast", "RandomBrightness"),
    )
    return tuple(getattr(layers, name) for name in names)


_POINTWISE_OPERATIONS = {
    *("Abs", "Absolute", "Add", "Arctan", "Cast", "Cbrt", "Celu", "Clip"),
    *("Copy", "Cos", "Cosh", "Divide", "Elu", "Erf", "Exp", "Exp2"),
    *("Expm1", "Gelu", "HardShrink", "HardSigmoid", "HardSilu", "HardTanh", "LeakyRelu", "Log"),
    *("Log10", "Log1p", "Log2", "LogSigmoid", "Logaddexp", "Maximum", "Minimum", "Mod"),
    *("Multiply", "Negative", "Power", "Reciprocal", "Relu", "Relu6", "Rsqrt", "Selu"),
    *("Sigmoid", "Sign", "Silu", "Sin", "Sinh", "SoftShrink", "Softplus", "Softsign"),
    *("SparsePlus", "SparseSigmoid", "Sqrt", "Square", "Squareplus", "Subtract", "Tan", "Tanh"),
    *("TanhShrink", "Threshold", "TrueDivide"),
}
"""Operations of keras.ops on one map and numbers, or on several maps, place by place."""
_JOINS = {"Add", "Average", "Divide", "Maximum", "Minimum", "Multiply", "Subtract", "TrueDivide"}
_REDUCTIONS = {"Amax", "Max", "Mean", "Sum"}
_ACROSS_CHANNELS = {"Concatenate", "Glu", "LogSoftmax", "Softmax", *_REDUCTIONS}
_ACROSS_THE_LAST_AXIS = ("softmax", "log_softmax", "sparsemax", "glu")


def _is_of_keras(layer: Any) -> bool:
    return type(layer).__module__.startswith("keras.src.")


def _is_pointwise_function(function: Any, axes: Pair) -> bool:
    """Whether an activation is one of Keras' own, each of which acts on a value by itself or on the last axis."""
    from keras import activations, layers, ops

    if function is None:
        return True
    if isinstance(function, layers.Layer):
        return _is_pointwise(function, axes)
    name = getattr(function, "__name__", type(function).__name__)
    known = getattr(activations, name, None), getattr(ops, name, None), getattr(ops.nn, name, None)
    if not any(function is one for one in known if one is not None):
        return _is_of_keras(function) and type(function).__name__ in _POINTWISE_OPERATIONS
    return axes == (1, 2) or name not in _ACROSS_THE_LAST_AXIS


def _is_pointwise(layer: Any, axes: Pair) -> bool:
    """Whether each output position depends on the same input position only; its shape is not looked at."""
    from keras import layers

    if isinstance(layer, _pointwise_kinds()) or getattr(layer, "pointwise", False):
        return True
    if isinstance(layer, layers.Activation):
        return _is_pointwise_function(layer.activation, axes)
    if _is_of_keras(layer) and type(layer).__name__ in ("LayerScale", "StochasticDepth"):
        return axes == (
            1,
            2,
        )  # of keras.applications' ConvNeXt: a factor for each of the last axis' channels, or none
    if isinstance(layer, layers.Dense):
        return axes == (1, 2) and _is_pointwise_function(layer.activation, axes)
    if isinstance(layer, layers.LayerNormalization | layers.UnitNormalization | layers.Softmax):
        return _axes_of(layer) == {6 - sum(axes)}
    if not _is_of_keras(layer) or isinstance(layer, layers.Layer):
        return False
    kind = type(layer).__name__
    if kind in _ACROSS_CHANNELS:
        return _axes_of(layer) == {6 - sum(axes)}
    return kind in _POINTWISE_OPERATIONS


def _axes_of(layer: Any) -> set[int]:
    """The axes of a map (N, ., ., .) along which a layer acts."""
    axis = layer.axis
    every = range(4) if axis is None else axis if isinstance(axis, list | tuple) else (axis,)
    return {number % 4 for number in every}


def _is_global(layer: Any, axes: Pair) -> bool:
    """Whether every output depends on all positions."""
    from keras import layers

    if isinstance(
        layer, layers.GlobalAveragePooling2D | layers.GlobalMaxPooling2D | layers.GroupNormalization
    ):
        return True
    if isinstance(layer, layers.LayerNormalization | layers.UnitNormalization):
        return set(axes) <= _axes_of(layer)
    if not _is_of_keras(layer) or type(layer).__name__ not in _REDUCTIONS:
        return False
    return set(axes) <= _axes_of(layer) and 0 not in _axes_of(layer)


def _is_join(layer: Any, axes: Pair) -> bool:
    """Whether several maps become one, place by place."""
    if not _is_of_keras(layer):
        return False
    if type(layer).__name__ == "Concatenate":
        return _axes_of(layer) == {6 - sum(axes)}
    return type(layer).__name__ in _JOINS


def _places(value: graph.Value, axes: Pair) -> tuple[int | None, ...] | None:
    return tuple(value.shape[axis] for axis in axes) if len(value.shape) == 4 else None


def _windows(
    layer: Any, given: graph.Value, made: graph.Value, before: ReceptiveField, kernel: Pair, axes: Pair
) -> ReceptiveField:
    """Through a convolution or a pool."""
    dilation = tuple(getattr(layer, "dilation_rate", (1, 1)))
    size, stride, offset = [], [], []
    for axis in (0, 1):
        extent = (kernel[axis] - 1) * dilation[axis] + 1
        length, step, pad = given.shape[axes[axis]], layer.strides[axis], 0
        if layer.padding == "same":
            pad = _same_padding(layer, length, extent, step)
        if length is not None:
            outputs = -(-length // step) if layer.padding == "same" else (length - extent) // step + 1
            if made.shape[axes[axis]] != outputs:
                raise UnknownFieldError(
                    f"layer {layer.name!r} makes {made.shape[axes[axis]]} of {length} rows or columns, where "
                    f"its kernel, stride and padding make {outputs}: what its units see is not known",
                    "layer",
                    layer.name,
                    type(layer).__name__,
                )
        size.append(before.size[axis] + (extent - 1) * before.stride[axis])
        stride.append(before.stride[axis] * step)
        offset.append(before.offset[axis] - pad * before.stride[axis])
    return ReceptiveField((size[0], size[1]), (stride[0], stride[1]), (offset[0], offset[1]))


def _same_padding(layer: Any, length: int | None, extent: int, stride: int) -> int:
    """Rows of padding before the first, as TensorFlow pads: what an odd total leaves over comes after the last."""
    if stride == 1:
        return (extent - 1) // 2
    if length is None:
        raise UnknownFieldError(
            f"layer {layer.name!r} pads 'same' with stride {stride}: its offset depends on the size of the "
            "picture; build the model with a fixed input size",
            "size",
            layer.name,
            type(layer).__name__,
        )
    outputs = -(-length // stride)
    return max((outputs - 1) * stride + extent - length, 0) // 2


def _shifted(field: ReceptiveField, by: Pair) -> ReceptiveField:
    rows, columns = (o + s * b for o, s, b in zip(field.offset, field.stride, by, strict=True))
    return ReceptiveField(field.size, field.stride, (rows, columns))


def _whole(call: graph.Call, lengths: tuple[int | None, ...]) -> ReceptiveField:
    """The whole picture."""
    if None in lengths:
        raise UnknownFieldError(
            f"layer {call.path!r} sees the whole picture, whose size is not known: build the model with a fixed "
            "input size",
            "size",
            call.path,
            type(call.layer).__name__,
        )
    return ReceptiveField((lengths[0] or 0, lengths[1] or 0), (0, 0), (0, 0))


def _at_rest(field: ReceptiveField, value: graph.Value, axes: Pair) -> ReceptiveField:
    """The field of a map of one position, whose window has nowhere to move; any other as it is."""
    return ReceptiveField(field.size, (0, 0), field.offset) if _places(value, axes) == (1, 1) else field


def _broadcast(
    field: ReceptiveField, value: graph.Value, made: graph.Value, axes: Pair
) -> ReceptiveField | None:
    """The field once a map is repeated to the size of what is made; None: that cannot be."""
    stride = list(field.stride)
    for axis in (0, 1):
        has, wanted = value.shape[axes[axis]], made.shape[axes[axis]]
        if has == 1 and wanted != 1:
            stride[axis] = 0
        elif has != wanted:
            return None
    return ReceptiveField(field.size, (stride[0], stride[1]), field.offset)


def _joined(
    call: graph.Call, before: list[ReceptiveField], lengths: tuple[int | None, ...]
) -> ReceptiveField:
    """The smallest window that holds those of all branches; where one moves, one at rest must be the whole picture."""
    size, stride, offset = [], [], []
    for axis in (0, 1):
        parts = [(field.offset[axis], field.size[axis], field.stride[axis]) for field in before]
        whole = [part for part in parts if part == (0, lengths[axis], 0)]
        if len({step for *_, step in parts}) > 1 and not whole:
            raise UnknownFieldError(
                f"layer {call.path!r} joins branches of different stride {[field.stride for field in before]}",
                "branches",
                call.path,
                type(call.layer).__name__,
            )
        parts = whole or parts
        first = min(start for start, *_ in parts)
        offset.append(first)
        size.append(max(start + extent for start, extent, _ in parts) - first)
        stride.append(parts[0][2])
    return ReceptiveField((size[0], size[1]), (stride[0], stride[1]), (offset[0], offset[1]))
