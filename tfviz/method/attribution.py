"""Which part of a picture a class score rests on, from one gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from scipy.ndimage import map_coordinates

from tfviz import backend
from tfviz.measures.pictures import as_pictures
from tfviz.measures.receptive_field import receptive_field
from tfviz.method.objectives import Reading, logit
from tfviz.method.probe import channels_are_first, check_one_input, check_shape
from tfviz.models import description, graph
from tfviz.models.reading import Reader

Array = npt.NDArray[Any]
Tensor = Any


def grad_cam(model: keras.Model, layer: str, picture: npt.ArrayLike, class_index: int) -> Array:
    """Grad-CAM (Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks", equations 1 and 2).

    Each channel of a layer is weighted with the mean gradient of the class's logit with respect to it; of the sum
    over channels the positive part counts.

    Args:
        model: takes pictures (N, H, W, channels), returns logits (N, classes).
        layer: path of a layer whose output is a map, through which all of the logits' computation goes.
        picture: (H, W, channels), floats.
        class_index: 0-based.

    Returns:
        (H, W): interpolated linearly between the middles of what the units see, not stretched to the picture.

    Raises:
        ValueError: as `tfviz.receptive_field`; the layer returns no map of several positions, or some of the
            computation goes past it; the picture or the class make no sense.
    """
    check_one_input(model)
    known = description.of(model)
    picture = as_pictures(picture, "the picture")
    check_shape(known, (None, *picture.shape))
    field = receptive_field(model, layer)
    if 0 in field.stride or channels_are_first(model, layer):
        raise ValueError(
            f"layer {layer!r} of {known.network} is no map (N, rows, columns, channels) of what lies where"
        )
    reader = Reader(model, [layer])
    read = backend.current().at_once(lambda pictures: reader(pictures)[0][layer], reader.variables)
    maps = read(picture[np.newaxis])
    behind = _behind(model, layer)
    goal = logit(class_index)

    def score(x: Tensor) -> Any:
        return goal.evaluate(Reading(x, behind(x), {}, known))

    _, _, gradient = backend.current().gradient_function(score, model.variables)(maps)
    cam = np.maximum((gradient.mean(axis=(1, 2), keepdims=True) * maps).sum(axis=-1)[0], 0)
    at = [
        (np.arange(length) - offset - (size - 1) / 2) / stride
        for length, offset, size, stride in zip(
            picture.shape[:2], field.offset, field.size, field.stride, strict=True
        )
    ]
    placed: Array = map_coordinates(cam, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest")
    return placed


def _behind(model: keras.Model, layer: str) -> Callable[[Tensor], Tensor]:
    """The rest of a model, from the output of a layer on.

    Raises:
        ValueError: some of its computation goes past that layer.
    """
    path, calls = graph.find(model, layer).path, graph.calls(model)
    at = next(call for call in calls if call.path == path)
    used = {value for call in calls for value in call.inputs}
    (end,) = (value for call in calls for value in call.outputs if value not in used)
    maker = {value: call for call in calls for value in call.outputs}
    needed, waiting = set(), [end]
    while waiting:
        call = maker[waiting.pop()]
        if call.is_input:
            raise ValueError(f"some of what {model.name} computes goes past layer {layer!r}")
        if call is not at and call not in needed:
            needed.add(call)
            waiting += call.inputs
    rest = [call for call in calls if call in needed]

    def run(maps: Tensor) -> Tensor:
        values = dict.fromkeys(at.outputs, maps)
        for call in rest:
            args, kwargs = keras.tree.map_structure(
                lambda given: values[given] if isinstance(given, graph.Value) else given, call.arguments
            )
            if "training" in kwargs:
                kwargs["training"] = False
            made = keras.tree.flatten(call.layer(*args, **kwargs))
            values.update(zip(call.outputs, made, strict=True))
        return ops.cast(values[end], "float32")

    return run
