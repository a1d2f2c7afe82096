"""A goal bound to a model, and its gradient with respect to pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfviz import backend
from tfviz.method.objectives import Goal, Reading

Tensor = Any
_MODEL_OUTPUT = "(output)"  # not a name that a layer can have


class Probe:
    """A goal bound to a model: pictures in, score and terms out.

    Only the layers that the goal needs are computed.

    Raises:
        ValueError: the model has no layer of a name that the goal reads.
    """

    def __init__(self, model: keras.Model, goal: Goal) -> None:
        known = {layer.name for layer in model.layers}
        for name in goal.layers:
            if name not in known:
                raise ValueError(f"{model.name} has no layer {name!r}; it has {', '.join(sorted(known))}")
        self.goal = goal
        outputs = {name: model.get_layer(name).output for name in goal.layers}
        if goal.reads_logits:
            outputs[_MODEL_OUTPUT] = model.output
        self._model = keras.Model(model.inputs, outputs) if outputs else None

    def __call__(self, pictures: Tensor, seen: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Score (N,) and unweighted terms {name: (N,)} of pictures (N, H, W, 3).

        seen: what the network is shown in place of the pictures, where that differs.
        """
        seen = pictures if seen is None else seen
        layers = dict(self._model(seen, training=False)) if self._model is not None else {}
        logits = layers.pop(_MODEL_OUTPUT, None)
        return self.goal.evaluate(Reading(pictures, logits, layers))

    @property
    def variables(self) -> list[Any]:
        """The Keras variables that it reads."""
        return [] if self._model is None else list(self._model.variables)


def gradient_function(
    model: keras.Model, goal: Goal
) -> Callable[[np.ndarray], tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]]:
    """`value_and_gradient` of one model and one goal, to be called many times: it is compiled once per shape."""
    probe = Probe(model, goal)
    return backend.current().gradient_function(probe, probe.variables)


def value_and_gradient(
    model: keras.Model, goal: Goal, pictures: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """The goal and its gradient with respect to each picture.

    Args:
        model: takes (N, H, W, 3).
        goal: one score per picture.
        pictures: (N, H, W, 3).

    Returns:
        scores (N,), terms {name: (N,)}, gradient (N, H, W, 3); float32.

    Raises:
        ValueError: the model has no layer of a name that the goal reads.
    """
    return gradient_function(model, goal)(pictures)
