"""What a layer costs: its weights, and the multiplications of a weight with a value for one picture.

Counted are the products that linear layers form, those with a padding's zeros included, as in the literature's
multiply-adds (He and Sun 2015, "Convolutional Neural Networks at Constrained Time Cost", equation 1). Pooling,
joins, activations and normalisations (which at inference fold into the layer before) count as none.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tfviz.models import graph

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]
Pair = tuple[int, int]

_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
_WEIGHTS = (*_KERNELS, "gamma", "alpha")
_BIASES = ("bias", "beta")
# Statistics and the like: part of a layer's state, not of what is learnt by gradient.
_STATE = ("moving_mean", "moving_variance", "mean", "variance", "count", "seed_generator_state")


@dataclass(frozen=True)
class Cost:
    """One layer's cost.

    Attributes:
        layer: its name; of a layer inside a nested model "model/layer".
        kind: its class.
        weights: how many, biases not included.
        biases: how many.
        multiplications: for one picture; of a layer that is called several times, all calls together.
    """

    layer: str
    kind: str
    weights: int
    biases: int
    multiplications: int


def layer_costs(model: keras.Model) -> tuple[Cost, ...]:
    """The cost of every layer on the way from the model's inputs to its outputs, in the model's order.

    Each entry of a kernel is used once at each position of the output (of a transposed convolution: of the input),
    whether the kernel is a convolution's, grouped or depthwise or not, or a dense layer's: the multiplications are
    positions times entries.

    Args:
        model: a functional or sequential model with a fixed input size.

    Raises:
        ValueError: a layer with weights whose cost is not known, a map of unknown size, or a model that is programmed,
            not drawn from layers.
    """
    if graph.functional(model) is None:
        raise ValueError(
            f"{model.name} is programmed ({type(model).__name__}), not drawn from layers: its cost is not known"
        )
    nodes = _nodes(model)
    costs: list[Cost] = []
    for layer in model.layers:
        calls = [node for node in nodes if node.operation is layer]
        if hasattr(layer, "layers"):
            costs += [
                Cost(
                    f"{layer.name}/{cost.layer}",
                    cost.kind,
                    cost.weights,
                    cost.biases,
                    cost.multiplications * len(calls),
                )
                for cost in layer_costs(layer)
            ]
        elif calls:
            costs.append(_cost(layer, calls))
    return tuple(costs)


def _nodes(model: keras.Model) -> list[Any]:
    """Every call of a layer on which the model's outputs depend, each once."""
    found: dict[int, Any] = {}
    waiting = list(model.outputs)
    while waiting:
        history = waiting.pop()._keras_history
        node = history.operation._inbound_nodes[history.node_index]
        if id(node) not in found:
            found[id(node)] = node
            waiting += node.input_tensors
    return list(found.values())


def _cost(layer: Any, calls: list[Any]) -> Cost:
    sizes = {variable.name: prod(variable.shape) for variable in getattr(layer, "weights", ())}
    unknown = set(sizes) - {*_WEIGHTS, *_BIASES, *_STATE}
    kernels = [size for name, size in sizes.items() if name in _KERNELS]
    if unknown or (kernels and not _is_linear(layer)):
        raise ValueError(
            f"the cost of layer {layer.name!r} ({type(layer).__name__}) is not known: only convolutions, dense "
            "layers and normalisations are among the layers with weights"
        )
    products = sum(_positions(layer, call) for call in calls) * sum(kernels) if kernels else 0
    return Cost(
        layer.name,
        type(layer).__name__,
        sum(size for name, size in sizes.items() if name in _WEIGHTS),
        sum(size for name, size in sizes.items() if name in _BIASES),
        products,
    )


def _is_linear(layer: Any) -> bool:
    from keras import layers

    from tfviz.models.layers import GroupedConv2D

    kinds = (
        layers.Dense,
        layers.Conv1D,
        layers.Conv2D,
        layers.Conv3D,
        layers.Conv1DTranspose,
        layers.Conv2DTranspose,
        layers.Conv3DTranspose,
        layers.DepthwiseConv1D,
        layers.DepthwiseConv2D,
        layers.SeparableConv1D,
        layers.SeparableConv2D,
        GroupedConv2D,
    )
    return isinstance(layer, kinds)


def _positions(layer: Any, call: Any) -> int:
    """At how many places one call applies the kernel to one picture."""
    tensor = (call.input_tensors if "Transpose" in type(layer).__name__ else call.output_tensors)[0]
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    places = tensor.shape[2:] if first else tensor.shape[1:-1]
    if None in places:
        raise ValueError(
            f"layer {layer.name!r} gives maps of unknown size: build the model with a fixed input size"
        )
    return prod(places)


def counted_convolution(
    maps: Array, kernel: Array, *, strides: Pair = (1, 1), dilation: Pair = (1, 1), groups: int = 1
) -> tuple[Array, int]:
    """A convolution without padding that counts the products which it forms.

    It shares nothing with `layer_costs`: the loops are the definition, and wherever a tap is multiplied with the pixels
    under it the count is raised by as many as these are.

    Args:
        maps: (H, W, channels).
        kernel: (rows, columns, channels / groups, filters).
        strides: step from one output to the next, (rows, columns).
        dilation: step from one tap to the next.
        groups: filter f sees group f // (filters / groups) of the channels only.

    Returns:
        The outputs (rows, columns, filters) in float64, and the number of products.
    """
    (tap_rows, tap_columns, depth, filters), (height, width) = kernel.shape, maps.shape[:2]
    rows = (height - (tap_rows - 1) * dilation[0] - 1) // strides[0] + 1
    columns = (width - (tap_columns - 1) * dilation[1] - 1) // strides[1] + 1
    output = np.zeros((rows, columns, filters))
    products = 0
    for number in range(filters):
        first = number // (filters // groups) * depth
        for i, j, channel in np.ndindex(tap_rows, tap_columns, depth):
            top, left = i * dilation[0], j * dilation[1]
            under = maps[
                top : top + (rows - 1) * strides[0] + 1 : strides[0],
                left : left + (columns - 1) * strides[1] + 1 : strides[1],
                first + channel,
            ]
            output[:, :, number] += kernel[i, j, channel, number] * under
            products += under.size
    return output, products
