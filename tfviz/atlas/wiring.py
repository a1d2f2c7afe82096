"""Which units of other layers weigh most in a unit, and in which it weighs most.

Between two layers a channel is followed as long as it stays that channel: through ReLUs and other functions of each
value, pools, padding, batch normalisation, concatenation and flattening. Where maps are added up, as at the end of a
residual block, each has the weight of the sum; where channels are mixed otherwise nothing is said. The weight of one
unit in another is the norm of its kernel over the places, with the sign of its sum.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tfviz.models import graph

Array = npt.NDArray[np.floating]
_SHOWN = 9


@dataclass(frozen=True)
class Connection:
    """What units of one layer weigh in those of another.

    Attributes:
        source: path of the layer that hands on.
        target: path of the layer that takes.
        weights: (source's units, target's units).
    """

    source: str
    target: str
    weights: Array


def connections(model: Any, paths: Collection[str]) -> list[Connection]:
    """The connections between drawn layers, as far as channels can be followed.

    Args:
        model: the network.
        paths: of the layers, see `tfviz.atlas.network.drawable`.
    """
    calls = graph.calls(model)
    makers = {value: call for call in calls for value in call.outputs}
    drawn = {call.path: call for call in calls if call.path in paths}
    found = []
    for path, call in drawn.items():
        matrix = _matrix(call)
        if matrix is None:
            continue
        sources = _channels(call.inputs[0], makers, drawn, {})
        if sources is None or len(sources) != len(matrix):
            continue
        for source in dict.fromkeys(path for each in sources for path, _ in each):
            units = int(drawn[source].outputs[0].shape[-1] or 0)
            squares, sums = np.zeros((2, units, matrix.shape[-1]))
            pairs = [
                (at, channel) for at, each in enumerate(sources) for path, channel in each if path == source
            ]
            which, channels = (list(each) for each in zip(*pairs, strict=True))
            np.add.at(squares, channels, np.sum(matrix[which] ** 2, axis=1))
            np.add.at(sums, channels, matrix[which].sum(axis=1))
            found.append(Connection(source, path, np.sqrt(squares) * np.where(sums < 0, -1, 1)))
    return found


def _matrix(call: graph.Call) -> Array | None:
    """The weights (channels in, places, units) of a layer; None: it is none that is known here."""
    from keras import layers

    from tfviz.models.layers import GroupedConv2D

    layer = call.layer
    if isinstance(layer, layers.Dense):
        return np.asarray(layer.kernel, np.float64)[:, np.newaxis]
    if isinstance(layer, layers.DepthwiseConv2D):
        kernel = np.asarray(layer.kernel, np.float64)
        rows, columns, taken, each = kernel.shape
        whole = np.zeros((taken, rows * columns, taken * each))
        for channel in range(taken):
            whole[channel, :, channel * each : (channel + 1) * each] = kernel[:, :, channel].reshape(-1, each)
        return whole
    if isinstance(layer, layers.SeparableConv2D) or not isinstance(layer, layers.Conv2D | GroupedConv2D):
        return None
    kernel = np.asarray(layer.kernel, np.float64)
    *_, of_group, units = kernel.shape
    groups = layer.groups
    whole = np.zeros((of_group * groups, kernel.shape[0] * kernel.shape[1], units))
    for group in range(groups):
        made = slice(group * units // groups, (group + 1) * units // groups)
        taken_part = slice(group * of_group, (group + 1) * of_group)
        whole[taken_part, :, made] = np.moveaxis(kernel[..., made], 2, 0).reshape(
            of_group, -1, units // groups
        )
    return whole


Sources = list[tuple[tuple[str, int], ...]]
"""Of each channel: the layers that make it, of which it is the sum, and its number in each."""


def _channels(
    value: graph.Value, makers: dict[graph.Value, graph.Call], drawn: dict[str, Any], known: dict[Any, Any]
) -> Sources | None:
    """Where the channels of a value come from; None: that cannot be followed."""
    if value in known:
        return known[value]  # type: ignore[no-any-return]
    call = makers[value]
    count = value.shape[-1]
    found: Sources | None = None
    if call.path in drawn:
        found = [((call.path, channel),) for channel in range(count or 0)]
    elif not call.is_input:
        found = _handed_on(call, makers, drawn, known)
    known[value] = found
    return found


def _handed_on(
    call: graph.Call, makers: dict[graph.Value, graph.Call], drawn: dict[str, Any], known: dict[Any, Any]
) -> Sources | None:
    from keras import layers

    kind, given = type(call.layer).__name__, call.inputs
    if kind == "Concatenate" and call.layer.axis in (-1, len(given[0].shape) - 1):
        parts = [_channels(value, makers, drawn, known) for value in given]
        empty: list[Sources] = [[()] * int(value.shape[-1] or 0) for value in given]
        return [
            each for part, none in zip(parts, empty, strict=True) for each in (none if part is None else part)
        ]
    if kind == "Add" and len({value.shape[-1] for value in given}) == 1 < len(given):
        summands = [part for value in given if (part := _channels(value, makers, drawn, known)) is not None]
        return [
            tuple(dict.fromkeys(one for each in every for one in each))
            for every in zip(*summands, strict=True)
        ] or None
    if len(given) != 1 or kind not in _ALONE:
        return None
    before = _channels(given[0], makers, drawn, known)
    if before is None or not isinstance(call.layer, layers.Flatten | layers.Reshape):
        return before
    made, had = call.outputs[0].shape[-1], given[0].shape
    if isinstance(call.layer, layers.Reshape) and made != len(before):
        return None
    # The channel is the last axis, which runs fastest.
    return before * (int(made or 0) // len(before)) if len(had) == 4 else before


_ALONE = {
    *("ReLU", "LeakyReLU", "PReLU", "ELU", "Activation", "BatchNormalization", "Dropout", "SpatialDropout2D"),
    *(
        "Identity",
        "ZeroPadding2D",
        "Cropping2D",
        "MaxPooling2D",
        "AveragePooling2D",
        "GlobalAveragePooling2D",
    ),
    *(
        "GlobalMaxPooling2D",
        "Flatten",
        "Reshape",
        "GaussianNoise",
        "Relu",
        "Relu6",
        "Silu",
        "Gelu",
        "Elu",
        "Sigmoid",
    ),
    *("HardSilu", "HardSigmoid", "Tanh", "LocalResponseNormalization"),
}
"""Layers and operations that make each channel of the same channel (the last but for a divisor)."""


def strongest(
    found: list[Connection], layer: str, unit: int, shown: int = _SHOWN
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The strongest weights into a unit and out of it, as `tfviz.atlas.table.schema` has them."""

    def first(every: list[tuple[float, str, int]]) -> list[dict[str, Any]]:
        every.sort(key=lambda each: -abs(each[0]))
        return [
            {"layer": path, "unit": number, "weight": weight}
            for weight, path, number in every[:shown]
            if weight
        ]

    incoming = [
        (float(weight), each.source, number)
        for each in found
        if each.target == layer
        for number, weight in enumerate(each.weights[:, unit])
    ]
    outgoing = [
        (float(weight), each.target, number)
        for each in found
        if each.source == layer
        for number, weight in enumerate(each.weights[unit])
    ]
    return first(incoming), first(outgoing)
