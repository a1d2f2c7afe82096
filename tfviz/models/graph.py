"""The layers of any Keras model by path, nested models included, and how they hang together.

A path is made of names and slashes: ``conv1``, ``base/conv5_block3``. A layer that a model calls more than once has one
path for each call, numbered in the order in which the calls were written: ``conv#0``, ``conv#1``, ``base#1/conv``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from tfviz.errors import some

Step = tuple[Any, int | None]
"""A layer, and at which of its calls inside its parent's one call it is met, in order of execution; None: not known."""

_NEAR = 12  # names like one that is not there


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor on the way through a model; a nested model that is called twice makes two of each of its own.

    Attributes:
        shape: with None for what the model's input leaves open.
    """

    shape: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of one layer that is not itself a model.

    Attributes:
        path: "#" and a number stand in it only where a layer is called more than once.
        layer: the Keras layer or operation.
        inputs: empty for an input of the model.
        outputs: usually one.
        arguments: positional and named ones, Values in place of tensors: for what is no layer, such as x * 2.
        steps: the layers that are called inside one another on the way to it, itself the last.
    """

    path: str
    layer: Any
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    steps: tuple[Step, ...]

    @property
    def is_input(self) -> bool:
        """Whether it is an input of the model."""
        return not self.inputs


@dataclass(frozen=True, eq=False)
class Place:
    """Where an output can be read.

    Attributes:
        path: as a `Call` has it.
        steps: likewise.
        call: that makes it; None: it lies inside a layer or model whose graph Keras does not know.
        tensor: Keras' symbolic tensor of it in the model's own graph; None: it lies inside a nested model, or there are
            several.
    """

    path: str
    steps: tuple[Step, ...]
    call: Call | None
    tensor: Any = None


def functional(layer: Any) -> Any | None:
    """The graph of a functional or sequential model; None: it has none that Keras knows."""
    inner = getattr(layer, "_functional", layer)  # a sequential model keeps one
    return inner if hasattr(inner, "_nodes_by_depth") else None


def nodes(graph: Any) -> list[Any]:
    """The calls of a functional model, inputs among them, in Keras' order of execution."""
    by_depth = graph._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth] if node.operation]


def calls(model: Any) -> tuple[Call, ...]:
    """Every call of a layer, those of nested models in their place, in an order in which they can be executed.

    Raises:
        ValueError: Keras does not know the model's graph: it is subclassed.
    """
    return tuple(place.call for place in _static(model) if place.call is not None and not _is_alias(place))


def find(model: Any, path: str) -> Call:
    """The call of that path; the last name alone will do where only one layer has it.

    Raises:
        ValueError: there is no such layer, it is called several times and the path does not say which is meant, or it
            lies inside a layer whose graph is not known.
    """
    place = locate(model, path)
    if place.call is None:
        raise ValueError(
            f"{place.path} lies inside a layer that is programmed, not drawn from layers: what it returns can be read, "
            "how it hangs together with the pictures is not known."
        )
    return place.call


def way(model: Any, path: str) -> tuple[Call, ...]:
    """The calls that lead to that path, in an order in which they can be executed; the last is its own.

    Raises:
        ValueError: as `find`.
    """
    path = find(model, path).path
    known = calls(model)
    maker = {value: call for call in known for value in call.outputs}
    end = next(call for call in known if call.path == path)
    needed, waiting = {end}, [end]
    while waiting:
        for value in waiting.pop().inputs:
            if (before := maker[value]) not in needed:
                needed.add(before)
                waiting.append(before)
    return tuple(call for call in known if call in needed)


def paths(model: Any) -> tuple[str, ...]:
    """Every path that can be asked for."""
    return tuple(place.path for place in places(model))


def locate(model: Any, path: str) -> Place:
    """Where the output of that path can be read.

    Raises:
        ValueError: there is no such layer, or it is called several times and the path does not say which is meant.
    """
    if not isinstance(path, str):
        raise ValueError(f"a layer is named by its path, such as 'conv1', not by {path!r}")
    every = places(model)
    asked = path.split("/")
    whole = [place for place in every if len(place.path.split("/")) == len(asked) and _means(asked, place)]
    found = whole or [place for place in every if _means(asked, place)]
    if len(found) == 1:
        return found[0]
    if found:
        what = some([place.path for place in found])
        raise ValueError(f"{path!r} may be any of {what} in {model.name}: name one of them.")
    if called := [place for place in every if _means([_bare(name) for name in asked], place)]:
        raise ValueError(f"{model.name} has no call {path!r}; there are {_listed(called)}.")
    last: dict[str, list[str]] = {}
    for place in every:
        for name in {place.path, place.path.rpartition("/")[2]}:
            last.setdefault(name, []).append(place.path)
    close = [
        *get_close_matches(path, last, _NEAR, 0.75),
        *(name for name in last if path.lower() in name.lower()),
    ]
    near = [*dict.fromkeys(each for name in close for each in last[name])]
    if near:
        raise ValueError(f"{model.name} has no layer {path!r}; names like it are {', '.join(near[:_NEAR])}.")
    raise ValueError(f"{model.name} has no layer {path!r}; it has {_listed(every)}.")


def _listed(places: Iterable[Place]) -> str:
    """Names in the order of their letters; of many the first."""
    return some(sorted({place.path for place in places}))


def _bare(name: str) -> str:
    return re.sub(r"#\d+$", "", name)


def _means(asked: list[str], place: Place) -> bool:
    """Whether a path's last names are these; a number that either of both leaves out may be any, or the only one."""
    has = place.path.split("/")[-len(asked) :]
    return len(has) == len(asked) and all(
        name == there or name == _bare(there) or (name == f"{there}#0")
        for name, there in zip(asked, has, strict=True)
    )


def _is_alias(place: Place) -> bool:
    """Whether a place is a nested model, whose output is that of the last layer in it."""
    return place.call is not None and place.path != place.call.path


def places(model: Any) -> list[Place]:
    """Where outputs can be read, in an order in which they can be computed."""
    if functional(model) is None:
        return list(_inside(model, "", ()))
    found = []
    for place in _static(model):
        found.append(place)
        if place.call is not None and not _is_alias(place) and functional(place.call.layer) is None:
            found += _inside(place.call.layer, f"{place.path}/", place.steps)
    return found


def _inside(layer: Any, prefix: str, steps: tuple[Step, ...], depth: int = 8) -> Iterator[Place]:
    """The layers that a programmed layer or model has made its own, and those of these."""
    if depth == 0 or not hasattr(layer, "_flatten_layers"):
        return
    graph = functional(layer)
    children = (
        graph.operations if graph is not None else layer._flatten_layers(include_self=False, recursive=False)
    )
    for child in children:
        if type(child).__name__ in ("InputLayer", "DTypePolicy"):
            continue
        there = (*steps, (child, None))
        yield Place(prefix + child.name, there, None)
        yield from _inside(child, f"{prefix}{child.name}/", there, depth - 1)


def _static(model: Any) -> list[Place]:
    graph = functional(model)
    if graph is None:
        raise ValueError(
            f"{model.name} is programmed ({type(model).__name__}), not drawn from layers: how its layers hang together "
            "is not known."
        )
    found: list[Place] = []
    inputs = [Value(tuple(tensor.shape)) for tensor in graph.inputs]
    _walk(graph, inputs, "", (), found, outermost=True)
    return found


def _walk(
    graph: Any,
    inputs: list[Value],
    prefix: str,
    steps: tuple[Step, ...],
    found: list[Place],
    *,
    outermost: bool = False,
) -> list[Value]:
    """Adds the places of one call of a model to those found; returns what it returns."""
    from keras import tree

    values = {id(tensor): value for tensor, value in zip(graph.inputs, inputs, strict=True)}
    every = nodes(graph)
    ranks = _ranks(every)
    for node in every:
        layer = node.operation
        rank, executed, count = ranks[id(node)]
        path = prefix + (layer.name if count == 1 else f"{layer.name}#{rank}")
        there = (*steps, (layer, executed))
        tensor = node.outputs[0] if outermost and len(node.outputs) == 1 else None
        if node.is_input:
            if outermost:
                given = tuple(values[id(tensor)] for tensor in node.outputs)
                call = Call(path, layer, (), given, ((), {}), there)
                found.append(Place(path, there, call, tensor))
            continue
        given = tuple(values[id(tensor)] for tensor in node.input_tensors)
        inner = functional(layer)
        if inner is not None and len(inner.inputs) == len(given):
            ends = _walk(inner, list(given), f"{path}/", there, found)
            made = {value: place.call for place in found if place.call for value in place.call.outputs}
            if len(ends) == 1 and ends[0] not in given:  # else it hands on what it was given
                found.append(Place(path, there, made[ends[0]], tensor))
        else:
            shaped = _with_values(node.arguments, values)
            ends = [Value(shape) for shape in _shapes(node, given, shaped)]
            call = Call(path, layer, given, tuple(ends), shaped, there)
            found.append(Place(path, there, call, tensor))
        values.update({id(tensor): value for tensor, value in zip(node.outputs, ends, strict=True)})
    return [values[id(tensor)] for tensor in tree.flatten(graph.outputs)]


def _ranks(every: list[Any]) -> dict[int, tuple[int, int, int]]:
    """Of each call: its number as the calls of its layer were written, and as they are executed; how many there are."""
    of_layer: dict[int, list[Any]] = {}
    for node in every:
        of_layer.setdefault(id(node.operation), []).append(node)
    ranks = {}
    for group in of_layer.values():
        written = sorted(group, key=lambda node: node.operation._inbound_nodes.index(node))
        for executed, node in enumerate(group):
            ranks[id(node)] = (written.index(node), executed, len(group))
    return ranks


def _with_values(arguments: Any, values: dict[int, Value]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A node's arguments with Values in place of tensors."""
    return filled(arguments, lambda tensor: values[id(tensor)])


def filled(arguments: Any, replaced: Callable[[Any], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A node's positional and named arguments, with something else in place of each tensor."""
    import keras

    def each(value: Any) -> Any:
        return replaced(value) if isinstance(value, keras.KerasTensor) else value

    return keras.tree.map_structure(each, (tuple(arguments.args), dict(arguments.kwargs)))  # type: ignore[no-any-return]


def _shapes(
    node: Any, given: tuple[Value, ...], arguments: tuple[tuple[Any, ...], dict[str, Any]]
) -> list[tuple[int | None, ...]]:
    """The shapes of a call's outputs; where more is known of its inputs than when it was written, Keras is asked."""
    known = [tuple(tensor.shape) for tensor in node.outputs]
    if all(
        value.shape == tuple(tensor.shape) for value, tensor in zip(given, node.input_tensors, strict=True)
    ):
        return known
    import keras

    dtypes = {value: tensor.dtype for value, tensor in zip(given, node.input_tensors, strict=True)}

    def symbolic(value: Any) -> Any:
        return keras.KerasTensor(value.shape, dtypes[value]) if isinstance(value, Value) else value

    args, kwargs = keras.tree.map_structure(symbolic, arguments)
    try:
        ends = keras.tree.flatten(node.operation.compute_output_spec(*args, **kwargs))
    except (ValueError, TypeError, NotImplementedError):
        return known
    return [tuple(end.shape) for end in ends] if len(ends) == len(known) else known
