"""Reads what the layers of a model return, also of those inside nested and programmed models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import keras
from keras import ops

from tfviz.models import graph

Tensor = Any
_RECORDING = RLock()  # one thread at a time: what it puts into the layers must not stay there
_MODEL_OUTPUT = "/"  # not a name that a layer can have


class Reader:
    """Pictures in; the outputs of some layers, and of the model, out.

    Only what they need is computed where Keras knows the outer model's graph and the layers are its own. For a layer
    inside a nested model, or one that is programmed, the model is run as it is, and the layers on the way say what they
    return.

    Args:
        model: any Keras model that takes pictures.
        paths: of the layers, see `tfviz.models.graph`.
        output: whether the model's own output is wanted, too.

    Raises:
        ValueError: see `tfviz.models.graph.locate`; a layer returns several tensors.
    """

    def __init__(self, model: keras.Model, paths: Iterable[str], *, output: bool = False) -> None:
        self._places = {path: graph.locate(model, path) for path in paths}
        self._output = output
        self._model = model
        self._whole = True
        for path, place in self._places.items():
            if place.call is not None and len(place.call.outputs) != 1:
                raise ValueError(f"{path} returns {len(place.call.outputs)} tensors, not one map.")
        tensors = {path: place.tensor for path, place in self._places.items()}
        if all(tensor is not None for tensor in tensors.values()):
            self._whole = False
            if output:
                tensors[_MODEL_OUTPUT] = model.outputs[0]  # a Sequential has no `output` until it is called
            self._model = keras.Model(_inputs(model), tensors) if tensors else None

    def __call__(self, pictures: Tensor) -> tuple[dict[str, Tensor], Tensor | None]:
        """The outputs of the layers, by path as it was asked for, and of the model (None if it was not wanted).

        Raises:
            ValueError: a layer was not reached, or a programmed one was called several times.
        """
        if not self._whole:
            found = dict(self._model(pictures, training=False)) if self._model is not None else {}
            found = {path: _as_float32(value) for path, value in found.items()}
            return found, found.pop(_MODEL_OUTPUT, None)
        with _recording([place.steps for place in self._places.values()]) as heard:
            output = self._model(pictures, training=False)
        found = {path: _as_float32(_heard(heard, place)) for path, place in self._places.items()}
        return found, _as_float32(output) if self._output else None

    @property
    def variables(self) -> list[Any]:
        """The Keras variables that it reads."""
        return [] if self._model is None else list(self._model.variables)


def _inputs(model: keras.Model) -> Any:
    """One input as it is: of a list of one, Keras says at every call that it was given no list."""
    return model.inputs[0] if len(model.inputs) == 1 else model.inputs


def _as_float32(value: Tensor) -> Tensor:
    return ops.cast(value, "float32")


Frames = tuple[tuple[int, int], ...]
"""Layers, by identity, that are being called inside one another, each with the number of its call."""


@contextmanager
def _recording(wanted: list[tuple[graph.Step, ...]]) -> Iterator[dict[Frames, Tensor]]:
    """Inside, the layers on these ways keep what they return."""
    heard: dict[Frames, Tensor] = {}
    counts: Counter[tuple[Frames, int]] = Counter()
    here: list[tuple[int, int]] = []

    def listening(layer: Any, call: Callable[..., Any]) -> Callable[..., Any]:
        def listened(*args: Any, **kwargs: Any) -> Any:
            around = tuple(here)
            frame = (id(layer), counts[around, id(layer)])
            counts[around, id(layer)] += 1
            here.append(frame)
            try:
                returned = call(*args, **kwargs)
            finally:
                here.pop()
            heard[(*around, frame)] = returned
            return returned

        return listened

    layers = {id(layer): layer for steps in wanted for layer, _ in steps}
    with _RECORDING:
        before = {key: vars(layer).get("call") for key, layer in layers.items()}
        try:
            for layer in layers.values():
                # Past Keras' own attribute setting: this is no state of the layer.
                vars(layer)["call"] = listening(layer, layer.call)
            yield heard
        finally:
            for key, layer in layers.items():
                if before[key] is None:
                    vars(layer).pop("call", None)
                else:
                    vars(layer)["call"] = before[key]


def _heard(heard: dict[Frames, Tensor], place: graph.Place) -> Tensor:
    def fits(frames: Frames) -> bool:
        return len(frames) == len(place.steps) and all(
            frame[0] == id(layer) and number in (None, frame[1])
            for frame, (layer, number) in zip(frames, place.steps, strict=True)
        )

    found = [value for frames, value in heard.items() if fits(frames)]
    if not found:
        raise ValueError(
            f"{place.path} was not reached when the model was called: what it returns is not known."
        )
    if len(found) > 1:
        raise ValueError(
            f"{place.path} is called {len(found)} times inside a layer that is programmed: it is refused."
        )
    if isinstance(found[0], tuple | list | dict):
        raise ValueError(f"{place.path} returns {len(found[0])} tensors, not one map.")
    return found[0]
