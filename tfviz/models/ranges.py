"""In which range a network takes its pictures, as its own first layers show, which scale them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfviz.models import graph
from tfviz.models.description import Pictures
from tfviz.models.layers import CaffePicture

_UNCHANGED = (
    *("ZeroPadding2D", "Identity", "Cast", "Resizing", "CenterCrop", "GaussianNoise", "Dropout", "Reshape"),
    *("SpatialDropout2D", "GaussianDropout"),
)  # and augmentation, which is for training alone
_TAKEN: tuple[tuple[Pictures, float, float], ...] = (("[0,1]", 0, 1), ("[-1,1]", -1, 1), ("0..255", 0, 255))
_WANTED = ((0, 1), (-1, 1), (-0.5, 0.5), (0, 255), (-127.5, 127.5))
"""What networks are given: brightness as it is or about 0."""
_NEAR = 0.01  # of the range's width: who divides by 256 or 128 means these, too

Numbers = npt.NDArray[np.float64]


def shown(model: Any, input_name: str | None = None) -> Pictures | None:
    """The range from which a network's first layers bring pictures to a usual one; None: they do not show it.

    These are what scales and shifts by numbers: layers, or operations such as x / 127.5 - 1.

    Args:
        model: functional or sequential.
        input_name: the input that the pictures are, where there are several.
    """
    calls = graph.calls(model)
    first = [call for call in calls if call.is_input and input_name in (None, call.layer.name)]
    if len(first) != 1:
        return None
    value = first[0].outputs[0]
    scale, shift = np.ones(1), np.zeros(1)
    while len(after := [call for call in calls if value in call.inputs]) == 1 and len(after[0].outputs) == 1:
        call, kind = after[0], type(after[0].layer).__name__
        if isinstance(call.layer, CaffePicture):
            return None if _changed(scale, shift) else "[0,1]"
        step = (np.ones(1), np.zeros(1)) if _keeps(kind) else _affine(call)
        if step is None:
            break
        scale, shift = step[0] * scale, step[0] * shift + step[1]
        value = call.outputs[0]
    return _range(scale, shift) if _changed(scale, shift) else None


def _keeps(kind: str) -> bool:
    return kind in _UNCHANGED or kind.startswith(("Random", "Auto"))


def _changed(scale: Numbers, shift: Numbers) -> bool:
    return bool((scale != 1).any() or (shift != 0).any())


def _affine(call: graph.Call) -> tuple[Numbers, Numbers] | None:
    """By what a layer or an operation multiplies each channel, and what it adds then; None: it does anything else."""
    layer, kind = call.layer, type(call.layer).__name__
    if kind == "Rescaling":
        return _numbers(layer.scale, layer.offset)
    if kind == "Normalization":
        if layer.invert or layer.mean is None or layer.variance is None:
            return None
        found = _numbers(layer.mean, layer.variance)
        if found is None:
            return None
        deviation = np.maximum(np.sqrt(found[1]), 1e-7)  # Keras' epsilon
        return 1 / deviation, -found[0] / deviation
    operands = call.arguments[0]
    picture = [isinstance(each, graph.Value) for each in operands]
    if len(operands) != 2 or call.arguments[1] or sum(picture) != 1:
        return None
    found = _numbers(*(0.0 if isinstance(each, graph.Value) else each for each in operands))
    if found is None:
        return None
    number = found[1] if picture[0] else found[0]
    one, none = np.ones(1), np.zeros(1)
    if kind == "Add":
        return one, number
    if kind == "Subtract":
        return (one, -number) if picture[0] else (-one, number)
    if kind == "Multiply":
        return number, none
    if kind in ("Divide", "TrueDivide") and picture[0] and (number != 0).all():
        return 1 / number, none
    return None


def _numbers(*values: Any) -> tuple[Numbers, Numbers] | None:
    """Two numbers, or as many as there are channels, each."""
    try:
        found = [np.asarray(value, np.float64) for value in values]
    except (TypeError, ValueError, NotImplementedError):
        return None
    if any(each.size != each.shape[-1] for each in found if each.ndim):
        return None
    return found[0].reshape(-1), found[1].reshape(-1)


def _range(scale: Numbers, shift: Numbers) -> Pictures | None:
    """The only range that is brought to a usual one; else the first of which these can be the mean and the variance."""
    if not (scale > 0).all():
        return None
    brought = [name for name, low, high in _TAKEN if _is_wanted(scale * low + shift, scale * high + shift)]
    if len(brought) == 1 or not shift.any():
        return brought[0] if len(brought) == 1 else None
    mean, variance = -shift / scale, 1 / scale**2
    for name, low, high in _TAKEN:
        # Bhatia and Davis, "A better bound on the variance" (2000).
        if ((mean > low) & (mean < high) & (variance <= (high - mean) * (mean - low))).all():
            return name
    return None


def _is_wanted(low: Numbers, high: Numbers) -> bool:
    def near(ends: Sequence[float]) -> bool:
        room = _NEAR * (ends[1] - ends[0])
        return bool((abs(low - ends[0]) <= room).all() and (abs(high - ends[1]) <= room).all())

    return any(near(ends) for ends in _WANTED)
