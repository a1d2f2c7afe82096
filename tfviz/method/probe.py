"""A goal bound to a model, and its gradient with respect to pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from tfviz import backend
from tfviz.method.objectives import Goal, Reading, Shapes
from tfviz.method.shortcuts import Shortcuts
from tfviz.method.window import Window
from tfviz.models import description, graph, trial
from tfviz.models.reading import Reader

Tensor = Any


class Probe:
    """A goal bound to a model: pictures in, score and terms out.

    Args:
        model: takes pictures (N, H, W, channels).
        goal: what is read.
        window: how the units that the goal reads are computed, where that is not by the whole network.

    Attributes:
        shapes: of what the goal looked at when the probe was last called; None: it was not.

    Raises:
        ValueError: the model has no layer of a path that the goal reads, the path fits several calls, the goal has no
            term whose weight is not 0, or the model takes several inputs
            or, where a class is asked for, has several outputs.
    """

    def __init__(self, model: keras.Model, goal: Goal, window: Window | None = None) -> None:
        check_weights(goal)
        self.goal = goal
        self.shapes: Shapes | None = None
        self._window = window
        self._known = description.of(model)
        self._reader = None
        if goal.layers or goal.reads_output:
            check_one_input(model)
            if goal.reads_output:
                _check_one_output(model, self._known)
            self._reader = Reader(model, goal.layers, output=goal.reads_output)
        self._first = frozenset(path for path in goal.layers if channels_are_first(model, path))

    def __call__(
        self,
        pictures: Tensor,
        seen: Tensor | None = None,
        data: Sequence[Tensor] | None = None,
        corner: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Score (N,) and unweighted terms {name: (N,)} of pictures (N, H, W, channels), float32.

        Args:
            pictures: see above.
            seen: what the network is shown in place of the pictures, where that differs.
            data: of any goal of this kind, see `Goal.data`; None: this goal's own.
            corner: (2,) int32, of any window of this kind; None: this window's own.

        Raises:
            ValueError: the model takes pictures of another shape, or the goal does not fit its layers.
        """
        layers: dict[str, Tensor] = {}
        output = None
        if self._reader is not None:
            check_shape(self._known, tuple(pictures.shape))
            given = pictures if seen is None else seen
            with trial.in_one_line(self._known.network, given.shape[1:]):
                if self._window is not None:
                    layers = self._window(self._window.cut(pictures, corner))
                else:
                    layers, output = self._reader(given)
            if self._window is None:
                for path in self._first:
                    layers[path] = ops.moveaxis(layers[path], 1, -1)
        reading = Reading(pictures, output, layers, self._known)
        shapes = reading.shapes
        if self._window is not None:
            whole = {
                path: (shapes.pictures[0], *self._window.lengths[path], shape[-1])
                for path, shape in shapes.layers.items()
            }
            shapes = replace(shapes, layers=whole, parts=self._window.parts)
        self.shapes = shapes
        own = self.goal.data(shapes.pictures[0], shapes) if data is None else data
        return self.goal.evaluate(reading, own)

    @property
    def variables(self) -> list[Any]:
        """The Keras variables that it reads."""
        if self._window is not None:
            return self._window.variables
        return [] if self._reader is None else list(self._reader.variables)


def check_weights(goal: Goal) -> None:
    """Refuse a goal that is the same whatever the picture.

    Raises:
        ValueError: all its weights are 0, or it is no goal.
    """
    if not isinstance(goal, Goal):
        raise ValueError(
            f"the goal must be made by tfviz.objectives or tfviz.priors, such as logit(3), not {type(goal).__name__}"
        )
    if not any(weight for weight, _ in goal.summands.values()):
        raise ValueError("the goal is constant, since all its weights are 0: there is nothing to maximise")


def check_one_input(model: keras.Model) -> None:
    """Refuse a model that takes more than pictures.

    Raises:
        ValueError: it has several inputs.
    """
    inner = graph.functional(model)
    if inner is not None and len(inner.inputs) != 1:
        names = ", ".join(tensor.name for tensor in inner.inputs)
        raise ValueError(f"{model.name} takes {len(inner.inputs)} inputs ({names}), not pictures alone")


def _check_one_output(model: keras.Model, known: description.Description) -> None:
    inner = graph.functional(model)
    if inner is None and known.output is None:
        raise ValueError(
            f"{model.name} is programmed, and what it returns cannot be found: say it with tfviz.use(model, head=…)"
        )
    if inner is not None and len(inner.outputs) != 1:
        raise ValueError(
            f"{model.name} has {len(inner.outputs)} outputs: a goal of a class needs a model of one"
        )


def check_shape(known: description.Description, shape: tuple[int | None, ...]) -> None:
    """Refuse pictures that a model does not take.

    Args:
        known: of the model.
        shape: of the pictures, (N, H, W, channels).

    Raises:
        ValueError: their rows, columns or channels are not the model's.
    """
    takes, has = known.shape, shape[1:]
    if len(takes) == len(has) - 1 and has[-1] == 1:  # grey pictures without an axis of channels
        has = has[:-1]
    fits = len(takes) == len(has) and all(
        size in (None, there) for size, there in zip(takes, has, strict=True)
    )
    if takes and not fits:
        raise ValueError(f"{known.network} takes pictures of shape {takes}, not {has}")


def channels_are_first(model: keras.Model, path: str) -> bool:
    """Whether the map of a layer is (N, channels, rows, columns).

    Raises:
        ValueError: channels-first layers and others follow one another, so that it is not known.
    """
    place = graph.locate(model, path)
    if place.call is None:
        return getattr(place.steps[-1][0], "data_format", None) == "channels_first"
    way = graph.way(model, place.path)
    if len(way[-1].outputs[0].shape) != 4 or not any(
        getattr(call.layer, "data_format", None) == "channels_first" for call in way
    ):
        return False
    maker = {value: call for call in way for value in call.outputs}
    call = way[-1]
    while not call.is_input:
        if found := getattr(call.layer, "data_format", None):
            return bool(found == "channels_first")
        if type(call.layer).__name__ in ("Permute", "Transpose", "Reshape", "Moveaxis", "Lambda"):
            break
        call = maker[call.inputs[0]]
    raise ValueError(
        f"which axis of layer {path!r} holds the channels is not known: some layers have them first"
    )


def gradient_function(
    model: keras.Model, goal: Goal
) -> Callable[[np.ndarray], tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]]:
    """`value_and_gradient` of one model and one goal, to be called many times: it is compiled once per shape."""
    probe, shortcuts = Probe(model, goal), Shortcuts(model)

    def score(pictures: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        with shortcuts.taken():
            return probe(pictures)

    return backend.current().gradient_function(score, probe.variables)


def value_and_gradient(
    model: keras.Model, goal: Goal, pictures: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """The goal and its gradient with respect to each picture.

    Args:
        model: takes (N, H, W, channels).
        goal: one score per picture.
        pictures: (N, H, W, channels).

    Returns:
        scores (N,), terms {name: (N,)}, gradient (N, H, W, channels); float32.

    Raises:
        ValueError: as `Probe`; the goal does not depend on the pictures.
    """
    return gradient_function(model, goal)(pictures)
