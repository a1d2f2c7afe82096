"""Compiled loops, kept with their model: another class or unit, other weights of a goal are data to the same loop."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from tfviz import backend
from tfviz.backend.protocol import Loop, Scores, Tensor
from tfviz.method.objectives import Goal, Shapes
from tfviz.method.parametrizations import Parametrization
from tfviz.method.probe import Probe, check_weights
from tfviz.method.shortcuts import Shortcuts
from tfviz.method.window import MIDDLE, Ways, Window
from tfviz.models import description

FINITE = "(finite)"
"""A term that is 1 where all parameters are finite; not a name that a goal's term has."""
_KEPT = 8  # loops of one model: each holds its compiled program
_ATTRIBUTE = "tfviz_loops"


class _Compiled(NamedTuple):
    loop: Loop
    shapes: Shapes


class _Loops:
    """What was compiled for one model, as it was then."""

    def __init__(self, model: keras.Model, state: list[Any]) -> None:
        self.state = state
        self.ways = Ways(model)
        self.compiled: OrderedDict[Hashable, _Compiled] = OrderedDict()
        self.incremental: OrderedDict[Hashable, Any] = OrderedDict()  # see the module of that name
        self.predict: Any = None  # Keras' own compiled function, if it was made from the model as it is


def bound(
    model: keras.Model,
    goal: Goal,
    start: Parametrization,
    clip: tuple[float, float] | None,
    changes: Sequence[Callable[[Tensor, Tensor], Tensor]],
    draws: Sequence[np.ndarray],
) -> tuple[Loop, list[np.ndarray]]:
    """The loop of an ascent, and the data that make it this goal's.

    It is compiled where the model has none for goals of this kind and pictures of this shape. Where the goal reads a
    few units of maps alone, only what they see is computed, see `tfviz.method.window`.

    Args:
        model: takes pictures (N, H, W, channels).
        goal: what is maximised.
        start: what is moved.
        clip: see `tfviz.ascend`.
        changes: the `apply` of each random transform.
        draws: what each of them draws, (steps, ...).

    Returns:
        The loop, whose terms are the goal's summands in their order and `FINITE`, and its data.

    Raises:
        ValueError: see `tfviz.method.probe.Probe`.
    """
    check_weights(goal)
    known = kept(model)
    count = start.pictures.shape[0]
    window = None
    if start.are_pixels and not changes:
        window = _window(known.ways, goal, start.pictures.shape[1:3])
    key = (
        goal.kind,
        start.parameters.shape,
        start.pictures.shape,
        start.to_pictures,
        clip if start.are_pixels else None,
        tuple(changes),
        tuple(drawn.shape[1:] for drawn in draws),
        description.of(model),
        window and window.kind,
    )
    found = known.compiled.get(key)
    if found is None:
        found = _compile(model, goal, start, clip, changes, draws, window)
        known.compiled[key] = found
        if len(known.compiled) > _KEPT:
            known.compiled.popitem(last=False)
    known.compiled.move_to_end(key)
    shapes = found.shapes if window is None else replace(found.shapes, parts=window.parts)
    return found.loop, [*goal.data(count, shapes), *_corner(window)]


def kept(model: keras.Model) -> _Loops:
    """What is kept with a model; nothing any more where the model's layers have changed since."""
    state = _state(model)
    known = vars(model).get(_ATTRIBUTE)
    if not isinstance(known, _Loops) or not _is_same(known.state, state):
        known = _Loops(model, state)
        vars(model)[_ATTRIBUTE] = (
            known  # past Keras' own attribute setting, which is for what is saved with it
        )
    return known


def _state(model: keras.Model) -> list[Any]:
    """All that decides what a model computes, but for the values of its variables, which are read at every call."""
    state: list[Any] = []
    for layer in model._flatten_layers():
        state.append(layer)
        for name, value in vars(layer).items():
            if name in _OF_KERAS:
                continue
            state.append(name)
            if isinstance(value, np.ndarray):
                state += [value.shape, value.tobytes()]
            elif isinstance(value, dict):
                state += [*value, *value.values()]
            elif isinstance(value, list | tuple | set):
                state += value
            else:
                state.append(value)
        state += [layer.dtype_policy, *layer._trainable_variables, *layer._non_trainable_variables]
    return state


_OF_KERAS = frozenset(
    (
        *vars(keras.layers.Layer(name="any")),
        *vars(keras.Sequential(name="any")),
        *("optimizer", "history", "tfviz_description", _ATTRIBUTE),
        # What Keras keeps on JAX and on TensorFlow once it has predicted.
        *(
            "_jax_state",
            "_self_unconditional_checkpoint_dependencies",
            "_self_unconditional_dependency_names",
        ),
    )
)
"""Attributes that every layer or model has: bookkeeping, but for those that `_state` asks for."""


def _is_same(before: Sequence[Any], now: Sequence[Any]) -> bool:
    def same(a: Any, b: Any) -> bool:
        if a is b or type(a) is not type(b):
            return a is b
        return _is_same(a, b) if isinstance(a, tuple) else isinstance(a, _VALUES) and bool(a == b)

    return len(before) == len(now) and all(same(a, b) for a, b in zip(before, now, strict=True))


_VALUES = (bool, int, float, str, bytes)


def _window(ways: Ways, goal: Goal, size: tuple[int, int]) -> Window | None:
    """What the units that the goal reads see; None: the whole network is to be computed."""
    places: dict[str, set[tuple[int, ...]]] = {}
    for _, term in goal.summands.values():
        if term.reads_output or (term.layers and term.at is None):
            return None
        for path in term.layers:
            places.setdefault(path, set()).update(term.at or [MIDDLE])
    return ways.window(places, size) if places else None


def _corner(window: Window | None) -> list[np.ndarray]:
    return [] if window is None else [np.array(window.corner, np.int32)]


def _compile(
    model: keras.Model,
    goal: Goal,
    start: Parametrization,
    clip: tuple[float, float] | None,
    changes: Sequence[Callable[[Tensor, Tensor], Tensor]],
    draws: Sequence[np.ndarray],
    window: Window | None,
) -> _Compiled:
    probe = Probe(model, goal, window)
    shortcuts = Shortcuts(model)
    to_pictures = start.to_pictures

    def score(x: Tensor, drawn: Sequence[Tensor], data: Sequence[Tensor]) -> Scores:
        pictures = to_pictures(x)
        seen = pictures
        for change, numbers in zip(changes, drawn, strict=True):
            seen = change(seen, numbers)
        corner = None if window is None else data[-1]
        with shortcuts.taken():
            scores, terms = probe(pictures, seen, data, corner)
        # A ReLU can turn NaN into 0: the score alone does not tell.
        finite = ops.cast(ops.all(ops.isfinite(x)), "float32")
        return scores, {**terms, FINITE: ops.ones_like(scores) * finite}

    loop = backend.current().ascent_loop(
        score,
        to_pictures,
        start.parameters.shape,
        [drawn.shape[1:] for drawn in draws],
        [*goal.data(start.pictures.shape[0], None), *_corner(window)],
        probe.variables,
        [*goal.summands, FINITE],
        clip if start.are_pixels else None,
    )
    assert probe.shapes is not None  # the loop is traced
    return _Compiled(loop, probe.shapes)
