"""A network that only judges: its batch norms go into the weights of the convolutions before them."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from tfviz.models import graph
from tfviz.models.blank import blank, unset


class _Fold(NamedTuple):
    norm: graph.Call
    scale: npt.NDArray[np.float64]  # (channels,)
    shift: npt.NDArray[np.float64]


def folded(model: keras.Model) -> keras.Model:
    """The same function in fewer passes over the maps; the model stays as it is.

    By its moving moments a batch norm is ``scale * x + shift`` in each channel (Ioffe and Szegedy 2015, algorithm 2):
    after a convolution that nothing else reads, a convolution with other weights and a bias. So it is with a max-pool
    between them, where no scale is negative. Other norms stay.

    Args:
        model: functional, with one output.

    Returns:
        A model from the same pictures to the same output, but for rounding.

    Raises:
        ValueError: Keras does not know the model's graph: it is subclassed.
    """
    end = next(place.path for place in graph.places(model) if place.tensor is model.outputs[0])
    way = graph.way(model, end)
    folds = _folds(way)
    norms = {fold.norm for fold in folds.values()}
    values: dict[graph.Value, Any] = {}

    def given(value: Any) -> Any:
        return values[value] if isinstance(value, graph.Value) else value

    for call in way:
        if call.is_input:
            made: Any = keras.Input(call.outputs[0].shape[1:], dtype=model.inputs[0].dtype)
        elif call in norms:
            made = given(call.inputs[0])
        elif call in folds:
            made = _convolution(call.layer, folds[call], given(call.inputs[0]))
        else:
            args, kwargs = keras.tree.map_structure(given, call.arguments)
            made = call.layer(*args, **kwargs)
        values.update(zip(call.outputs, keras.tree.flatten(made), strict=True))
    return keras.Model(values[way[0].outputs[0]], values[way[-1].outputs[0]], name=model.name)


def _folds(way: tuple[graph.Call, ...]) -> dict[graph.Call, _Fold]:
    """By convolution."""
    maker = {value: call for call in way for value in call.outputs}
    read = Counter(value for call in way for value in call.inputs)
    called = Counter(id(call.layer) for call in way)
    found = {}
    for norm in way:
        if not isinstance(norm.layer, layers.BatchNormalization) or norm.layer.axis not in (-1, 3):
            continue
        before = maker[norm.inputs[0]]
        passed = [before]
        if pooled := isinstance(before.layer, layers.MaxPooling2D):
            before = maker[before.inputs[0]]
            passed.append(before)
        layer = before.layer
        if (
            not isinstance(layer, layers.Conv2D)
            or layer.activation is not keras.activations.linear
            or any(called[id(call.layer)] > 1 or read[call.outputs[0]] > 1 for call in passed)
        ):
            continue
        scale, shift = _line(norm.layer)
        if not (pooled and (scale < 0).any()):
            found[before] = _Fold(norm, scale, shift)
    return found


def _line(norm: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    mean, variance = (np.asarray(moment, np.float64) for moment in (norm.moving_mean, norm.moving_variance))
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale *= np.asarray(norm.gamma, np.float64)
    shift = -scale * mean
    return scale, shift + np.asarray(norm.beta, np.float64) if norm.center else shift


def _convolution(layer: Any, fold: _Fold, x: Any) -> Any:
    with blank():
        twin = type(layer).from_config({**unset(layer.get_config()), "use_bias": True})
        maps = twin(x)
    kernel, *bias = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    twin.set_weights([kernel * fold.scale, (bias[0] * fold.scale if bias else 0) + fold.shift])
    return maps
