"""Layers that the gradient of a picture need not compute whole: the same numbers from less work, on processors.

What stands behind a ReLU is mostly 0, and the ReLU stops the gradient there: a dense layer need not read the rows of
its weights that meet zeros, neither forwards nor backwards. A convolution has a faster gradient where its weights need
none, so has a normalisation across channels, and a mean colour is faster taken off whole rows of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import keras
from keras import activations, layers, ops

from tfviz import backend
from tfviz.backend.protocol import Operations
from tfviz.models import graph
from tfviz.models.layers import Convolution, GroupedConv2D, LocalResponseNormalization

Tensor = Any

_TAKEN = RLock()  # one thread at a time: another's shortcuts must not be taken for the layers' own, and stay
_LARGE = 2**20  # weights that no cache holds
_LARGE_KERNEL = 2**18  # of a convolution: TensorFlow would order it anew in every step
_FEW_CHANNELS = 4  # more: the blocks' kernel, a whole number of strides wide, has too many zeros


class Shortcuts:
    """The layers of a model that have one; none where the model's calls are not known, or the backend has none.

    Args:
        model: any.
    """

    def __init__(self, model: keras.Model) -> None:
        self._operations = backend.current().operations()
        self._layers: list[tuple[Any, str, Callable[..., Any]]] = []
        if self._operations is None:
            return
        try:
            calls = graph.calls(model)
        except ValueError:
            return
        maker = {value: call for call in calls for value in call.outputs}
        of_layer: dict[int, list[graph.Call]] = {}
        for call in calls:
            of_layer.setdefault(id(call.layer), []).append(call)
        for group in of_layer.values():
            layer = group[0].layer
            if _is_large_dense(layer) and all(_is_behind_relu(call, maker) for call in group):
                self._layers.append((layer, "call", _dense(layer, self._operations)))
            elif has_faster_gradient(layer):
                self._layers.append((layer, "convolution_op", _convolution(layer, self._operations)))
            elif _is_plain(layer, GroupedConv2D) and _is_large_kernel(layer):
                self._layers.append((layer, "call", _in_groups(layer, self._operations)))
            elif _is_plain(layer, LocalResponseNormalization):
                self._layers.append((layer, "call", _local_response(layer, self._operations)))
            elif _is_of_colours(layer):
                self._layers.append((layer, "call", _normalization(layer)))

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Inside, the layers take their shortcuts; no gradient of weights may be asked for."""
        with _TAKEN:
            before = [vars(layer).get(name) for layer, name, _ in self._layers]
            try:
                for layer, name, shorter in self._layers:
                    vars(layer)[name] = (
                        shorter  # past Keras' own attribute setting: this is no state of the layer
                    )
                yield
            finally:
                for (layer, name, _), own in zip(self._layers, before, strict=True):
                    if own is None:
                        vars(layer).pop(name, None)
                    else:
                        vars(layer)[name] = own


def _is_plain(layer: Any, kind: Any) -> bool:
    return (
        type(layer) is kind
        and layer.compute_dtype == "float32"
        and not getattr(layer, "quantization_mode", None)
        and not getattr(layer, "lora_enabled", False)
    )


def _is_large_dense(layer: Any) -> bool:
    return _is_plain(layer, layers.Dense) and layer.kernel.shape[0] * layer.kernel.shape[1] >= _LARGE


def _dense(layer: Any, operations: Operations) -> Callable[..., Tensor]:
    plain = layer.call

    def call(inputs: Tensor, training: bool | None = None) -> Tensor:
        if len(inputs.shape) != 2 or inputs.shape[0] is None:
            return plain(inputs, training=training)
        made = operations.product(inputs, ops.convert_to_tensor(layer.kernel))
        if layer.use_bias:
            made = ops.add(made, layer.bias)
        return made if layer.activation is None else layer.activation(made)

    return call


def _local_response(layer: LocalResponseNormalization, operations: Operations) -> Callable[[Tensor], Tensor]:
    def call(x: Tensor) -> Tensor:
        return operations.local_response_normalization(x, layer.size, layer.k, layer.alpha, layer.beta)

    return call


def _is_of_colours(layer: Any) -> bool:
    return (
        type(layer) is layers.Normalization
        and layer.compute_dtype == "float32"
        and not layer.invert
        and layer.axis in ((3,), (-1,))
        and len(layer.mean.shape) == 4
        and layer.mean.shape[-1] <= _FEW_CHANNELS
    )


def _normalization(layer: Any) -> Callable[[Tensor], Tensor]:
    """The layer's own arithmetic on whole rows of pixels: with three numbers at a time it took five times as long."""
    plain = layer.call

    def call(inputs: Tensor) -> Tensor:
        if None in inputs.shape:
            return plain(inputs)
        count, height, width, channels = inputs.shape
        mean, variance = (
            ops.tile(ops.reshape(each, (-1,)), (width,)) for each in (layer.mean, layer.variance)
        )
        rows = ops.subtract(ops.reshape(inputs, (count, height, width * channels)), mean)
        rows = ops.divide(rows, ops.maximum(ops.sqrt(variance), keras.config.epsilon()))
        return ops.reshape(rows, inputs.shape)

    return call


def has_faster_gradient(layer: Any) -> bool:
    """Whether it is a convolution for `frozen_convolution`, see `tfviz.backend.protocol.Operations`."""
    return (
        (_is_plain(layer, layers.Conv2D) or _is_plain(layer, Convolution))
        and layer.strides[0] == layer.strides[1]
        and min(layer.kernel_size) >= layer.strides[0]
        and layer.padding in ("same", "valid")
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.data_format == "channels_last"
        and (_is_large_kernel(layer) if layer.strides[0] == 1 else layer.kernel.shape[2] <= _FEW_CHANNELS)
    )


def _is_large_kernel(layer: Any) -> bool:
    return bool(math.prod(layer.kernel.shape) >= _LARGE_KERNEL)


def _convolution(layer: Any, operations: Operations) -> Callable[[Tensor, Any], Tensor]:
    def convolution_op(inputs: Tensor, kernel: Any) -> Tensor:
        if None in inputs.shape[1:]:
            return type(layer).convolution_op(layer, inputs, kernel)
        return operations.frozen_convolution(inputs, kernel, layer.strides[0], layer.padding, layer.groups)

    return convolution_op


def _in_groups(layer: GroupedConv2D, operations: Operations) -> Callable[[Tensor], Tensor]:
    plain = layer.call

    def call(inputs: Tensor) -> Tensor:
        if None in inputs.shape[1:]:
            return plain(inputs)
        made = operations.frozen_convolution(inputs, layer.kernel, 1, layer.padding, layer.groups)
        return ops.add(made, layer.bias)

    return call


_ZERO_WHERE_ALL_ARE = (
    *(layers.Flatten, layers.Reshape, layers.Dropout, layers.Identity, layers.MaxPooling2D),
    *(layers.AveragePooling2D, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D),
)
"""Layers that make a 0 of zeros alone, where what comes in is nowhere negative."""


def _is_behind_relu(call: graph.Call, maker: dict[graph.Value, graph.Call]) -> bool:
    """Whether what comes in is 0 only where the ReLU before it stops the gradient."""
    before = maker[call.inputs[0]]
    while type(before.layer) in _ZERO_WHERE_ALL_ARE:
        before = maker[before.inputs[0]]
    layer = before.layer
    if type(layer) is layers.ReLU:
        return not layer.negative_slope and not layer.threshold
    return not before.is_input and getattr(layer, "activation", None) is activations.relu
