"""Which input pixels a unit sees: size, stride and offset of any layer of a Keras model.

The recursion is the usual one (Araujo, Norris, Sim 2019, "Computing Receptive Fields of Convolutional Neural
Networks", Distill): a layer with kernel k, stride s, dilation d and p rows of padding before the first maps
(size, stride, offset) to (size + (k - 1) d stride, stride s, offset - p stride).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

Pair = tuple[int, int]


@dataclass(frozen=True)
class ReceptiveField:
    """The window of the input that the units of a layer see; each attribute is (rows, columns), in pixels.

    Attributes:
        size: extent of the window.
        stride: how far the window moves from one unit to the next.
        offset: first row and column that unit (0, 0) sees; negative where its window begins in the padding.
    """

    size: Pair
    stride: Pair
    offset: Pair

    def window(self, row: int, column: int, shape: Pair) -> tuple[slice, slice]:
        """The rows and columns of a picture of that (height, width) which unit (row, column) sees."""
        first = [o + s * index for o, s, index in zip(self.offset, self.stride, (row, column), strict=True)]
        last = [min(f + size, limit) for f, size, limit in zip(first, self.size, shape, strict=True)]
        return slice(max(first[0], 0), last[0]), slice(max(first[1], 0), last[1])


def receptive_field(model: keras.Model, layer: str) -> ReceptiveField:
    """Size, stride and offset of the receptive field of a layer's units.

    Args:
        model: a functional model whose input is pictures (N, H, W, channels).
        layer: name of a layer whose output is a map.

    Raises:
        ValueError: no such layer; a layer on the way that is neither convolution, pooling, padding, join nor
            pointwise; branches of different stride that join; "same" padding with a stride on an input of
            unknown size.
    """
    target = model.get_layer(layer)
    fields: dict[int, ReceptiveField] = {}

    def field_of(tensor: Any) -> ReceptiveField:
        if id(tensor) not in fields:
            history = tensor._keras_history
            node = history.operation._inbound_nodes[history.node_index]
            inputs = node.input_tensors
            fields[id(tensor)] = (
                _step(history.operation, inputs, [field_of(tensor) for tensor in inputs])
                if inputs
                else ReceptiveField((1, 1), (1, 1), (0, 0))
            )
        return fields[id(tensor)]

    return field_of(target.output)


def _step(layer: Any, inputs: list[Any], before: list[ReceptiveField]) -> ReceptiveField:
    """The field after a layer, from the fields of its inputs."""
    from keras import layers

    if isinstance(layer, layers.ZeroPadding2D):
        (top, _), (left, _) = layer.padding
        return _shifted(before[0], (-top, -left))
    if isinstance(layer, layers.Cropping2D):
        (top, _), (left, _) = layer.cropping
        return _shifted(before[0], (top, left))
    if len(before) > 1:
        return _joined(layer, before)
    kernel = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if kernel is not None and len(kernel) == 2 and not _is_transposed(layer):
        return _window(layer, inputs[0], before[0], kernel)
    if (
        inputs[0].shape[1:3] == layer.output.shape[1:3]
        and len(layer.output.shape) == 4
        and _is_pointwise(layer)
    ):
        return before[0]
    raise ValueError(
        f"the receptive field through layer {layer.name!r} ({type(layer).__name__}) is not known: only "
        "convolution, pooling, padding, joins and pointwise layers are"
    )


def _is_transposed(layer: Any) -> bool:
    return "Transpose" in type(layer).__name__


def _is_pointwise(layer: Any) -> bool:
    """Whether each output position depends on the same input position only."""
    from keras import layers

    kinds = (
        layers.Activation,
        layers.ReLU,
        layers.LeakyReLU,
        layers.BatchNormalization,
        layers.Normalization,
        layers.Rescaling,
        layers.Dropout,
        layers.Identity,
    )
    return isinstance(layer, kinds) or getattr(layer, "pointwise", False)


def _window(layer: Any, tensor: Any, before: ReceptiveField, kernel: Pair) -> ReceptiveField:
    dilation = getattr(layer, "dilation_rate", (1, 1))
    size, stride, offset = [], [], []
    for axis in (0, 1):
        extent = (kernel[axis] - 1) * dilation[axis] + 1
        pad = 0
        if layer.padding == "same":
            pad = _same_padding(layer, tensor.shape[1 + axis], extent, layer.strides[axis])
        size.append(before.size[axis] + (extent - 1) * before.stride[axis])
        stride.append(before.stride[axis] * layer.strides[axis])
        offset.append(before.offset[axis] - pad * before.stride[axis])
    return ReceptiveField((size[0], size[1]), (stride[0], stride[1]), (offset[0], offset[1]))


def _same_padding(layer: Any, length: int | None, extent: int, stride: int) -> int:
    """Rows of padding before the first, as TensorFlow pads: what an odd total leaves over comes after the last."""
    if stride == 1:
        return (extent - 1) // 2
    if length is None:
        raise ValueError(
            f"layer {layer.name!r} pads 'same' with stride {stride}: its offset depends on the size of the "
            "picture; build the model with a fixed input size"
        )
    outputs = -(-length // stride)
    return max((outputs - 1) * stride + extent - length, 0) // 2


def _shifted(field: ReceptiveField, by: Pair) -> ReceptiveField:
    rows, columns = (o + s * b for o, s, b in zip(field.offset, field.stride, by, strict=True))
    return ReceptiveField(field.size, field.stride, (rows, columns))


def _joined(layer: Any, before: list[ReceptiveField]) -> ReceptiveField:
    """The smallest window that holds the windows of all branches."""
    if len({field.stride for field in before}) > 1:
        raise ValueError(
            f"layer {layer.name!r} joins branches of different stride {[field.stride for field in before]}"
        )
    first = [min(field.offset[axis] for field in before) for axis in (0, 1)]
    last = [max(field.offset[axis] + field.size[axis] for field in before) for axis in (0, 1)]
    return ReceptiveField((last[0] - first[0], last[1] - first[1]), before[0].stride, (first[0], first[1]))
