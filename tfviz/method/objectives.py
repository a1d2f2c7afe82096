"""What is maximised: small values that add, subtract and scale into a goal.

``1000 * neuron("conv2", 0, at=(0, 0)) - 0.5 * channel("conv1", 3)`` is a goal: one score per picture, always
maximised. Goals are immutable; every operator makes a new one. The idea of objectives that compose by algebra is
Lucid's (Olah et al. 2017, "Feature Visualization").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import index
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from keras import ops

from tfviz.models.description import Description

Tensor = Any
Numbers = int | tuple[int, ...]
"""One number for all pictures of a batch, or one for each."""
Position = int | Sequence[int] | Sequence[Sequence[int]] | Literal["center"]


@dataclass(frozen=True)
class Shapes:
    """How large that is what a term looks at.

    Attributes:
        pictures: (N, H, W, channels).
        output: of what the model returns; None: nobody asked for it.
        layers: by path; of the whole map, also where only a part of it is computed.
        parts: first row and column, rows and columns of what is computed of a layer's map, where that is a part.
    """

    pictures: tuple[int, ...]
    output: tuple[int, ...] | None
    layers: Mapping[str, tuple[int, ...]]
    parts: Mapping[str, tuple[tuple[int, int], tuple[int, int]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """What a term may look at, for one batch.

    Attributes:
        pictures: (N, H, W, channels), in the model's input coordinates, before any random transform.
        output: what the model returns, float32; (N, classes) where a class is asked for.
        layers: outputs of the layers that the goal's terms asked for, by path; channels last, float32.
        model: what is known of the model: how its output becomes probabilities.
        chosen: (N,) int32, what the term's own `chosen` gave; None: it has none.
        arrays: the term's own `arrays`.
    """

    pictures: Tensor
    output: Tensor
    layers: Mapping[str, Tensor]
    model: Description
    chosen: Tensor | None = None
    arrays: tuple[Tensor, ...] = ()

    @property
    def shapes(self) -> Shapes:
        """Of these tensors."""
        return Shapes(
            tuple(self.pictures.shape),
            None if self.output is None else tuple(self.output.shape),
            {path: tuple(value.shape) for path, value in self.layers.items()},
        )


@dataclass(frozen=True)
class Term:
    """One named summand of a goal.

    Attributes:
        name: of the term in ``Trace.terms``.
        score: Reading -> (N,), written with keras.ops.
        layers: paths of the layers that it reads.
        reads_output: whether it reads the model's output.
        key: two terms of one name and key are the same; None: only a term with the same function is.
        kind: terms of one kind score alike, but for what `chosen` and `arrays` hand to them: what was compiled for one
            serves all. None: this term alone.
        chosen: of each picture, the number of one value: which class, which unit; raises a ValueError where the
            model has none.
        arrays: what else it looks for, such as another picture.
        at: the only units of its layer that it reads, as (row, column) each; (): the one in the middle; None: any.
    """

    name: str
    score: Callable[[Reading], Tensor]
    layers: tuple[str, ...] = ()
    reads_output: bool = False
    key: Hashable = None
    kind: Hashable = None
    chosen: Callable[[Shapes], Sequence[int]] | None = None
    arrays: tuple[npt.NDArray[Any], ...] = ()
    at: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True)
class Goal:
    """A weighted sum of terms.

    Raises:
        ValueError: a weight is not finite.
    """

    terms: tuple[tuple[float, Term], ...]

    __array_ufunc__ = None  # NumPy's numbers leave the multiplication to `__rmul__`

    def __post_init__(self) -> None:
        """See the class."""
        for weight, term in self.terms:
            if not math.isfinite(weight):
                raise ValueError(f"the weight of {term.name} must be a finite number, not {weight}")

    def __add__(self, other: Goal) -> Goal:
        return Goal(self.terms + other.terms) if isinstance(other, Goal) else NotImplemented

    def __neg__(self) -> Goal:
        return -1.0 * self

    def __sub__(self, other: Goal) -> Goal:
        return self + -other if isinstance(other, Goal) else NotImplemented

    def __mul__(self, factor: float) -> Goal:
        if not isinstance(factor, int | float | np.integer | np.floating):
            return NotImplemented
        return Goal(tuple((_as_float(factor) * weight, term) for weight, term in self.terms))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Goal:
        if not isinstance(divisor, int | float | np.integer | np.floating):
            return NotImplemented
        if divisor == 0:
            raise ValueError("a goal cannot be divided by 0")
        return self * (1.0 / _as_float(divisor))

    @property
    def layers(self) -> tuple[str, ...]:
        """Paths of the layers that the terms read, each once, in order."""
        return tuple(dict.fromkeys(name for _, term in self.terms for name in term.layers))

    @property
    def reads_output(self) -> bool:
        """Whether any term reads the model's output."""
        return any(term.reads_output for _, term in self.terms)

    @property
    def summands(self) -> dict[str, tuple[float, Term]]:
        """Weights and terms by the names that they have in ``Trace.terms``, in the order in which they were added.

        A term that stands twice in the goal is one summand, with the sum of both weights. Of different terms of one
        name the first keeps it, the others are "distance (2)", "distance (3)".
        """
        weights: dict[Hashable, float] = {}
        terms: dict[Hashable, Term] = {}
        same: Hashable
        for weight, term in self.terms:
            same = (term.name, term.score if term.key is None else term.key)
            weights[same] = weights.get(same, 0.0) + weight
            terms.setdefault(same, term)
        named: dict[str, tuple[float, Term]] = {}
        for same, term in terms.items():
            name, number = term.name, 1
            while name in named:
                number += 1
                name = f"{term.name} ({number})"
            named[name] = (weights[same], term)
        return named

    @property
    def kind(self) -> Hashable:
        """Goals of one kind score alike, but for their `data`."""
        return tuple(
            (term.name, term.score if term.key is None else term.key) if term.kind is None else (term.kind,)
            for _, term in self.summands.values()
        )

    def data(self, count: int, shapes: Shapes | None) -> list[npt.NDArray[Any]]:
        """In what goals of one kind differ: their weights, then what each term looks for.

        Args:
            count: of pictures.
            shapes: of what is looked at; None: not known yet, zeros stand for what depends on it.

        Raises:
            ValueError: the goal does not fit the model.
        """
        with np.errstate(over="ignore"):
            data = [np.array([weight for weight, _ in self.summands.values()], np.float32)]
        for _, term in self.summands.values():
            if term.chosen is not None:
                chosen = [0] * count if shapes is None else term.chosen(shapes)
                data.append(np.array(chosen, np.int32))
            data += term.arrays
        return data

    def evaluate(
        self, reading: Reading, data: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The score (N,) and every summand's own, unweighted value (N,) by name.

        Args:
            reading: of one batch.
            data: as `data` returns it, of any goal of this kind; None: this goal's own.

        Raises:
            ValueError: the goal does not fit the model.
        """
        values: dict[str, Tensor] = {}
        total: Tensor = 0.0
        weights, *rest = self.data(reading.pictures.shape[0], reading.shapes) if data is None else data
        for number, (name, (_, term)) in enumerate(self.summands.items()):
            chosen = None if term.chosen is None else rest.pop(0)
            arrays = tuple(rest.pop(0) for _ in term.arrays)
            values[name] = term.score(replace(reading, chosen=chosen, arrays=arrays))
            total = total + ops.multiply(weights[number], values[name])
        return total, values


def neuron(layer: str, channel: int | Sequence[int], at: Position = "center") -> Goal:
    """The output of one unit.

    Args:
        layer: path of a layer, "conv5" or, in a nested model, "base/conv5", whose output is a map (N, rows, columns,
            channels), a row of tokens (N, tokens, channels), or a dense layer's (N, units).
        channel: 0-based; several: one for each picture of the batch.
        at: (row, column), the number of a token, or "center": row rows // 2, column columns // 2; several: one for
            each picture. A dense layer has no positions.

    Raises:
        ValueError: layer is no string, channel or at are no whole numbers; or, when the goal is used, the layer has no
            such channel or position.
    """
    layer, channels, places = _path(layer), _numbers(channel, "a channel"), _places(at)

    each = places if places and isinstance(places[0], tuple) else (places,) if places else ()

    def chosen(shapes: Shapes) -> list[int]:
        shape, count = shapes.layers[layer], shapes.pictures[0]
        _check_channels(shape, layer, channels)
        sizes = shape[1:-1]
        of_each = each or (tuple(size // 2 for size in sizes),)
        for place in of_each:
            _check_place(layer, sizes, place)
        per_picture = of_each if places and isinstance(places[0], tuple) else of_each * count
        _check_count(f"neuron({layer})", count, channels, per_picture)
        corner, computed = shapes.parts.get(layer, ((0,) * len(sizes), sizes))
        return [
            (int(np.ravel_multi_index(tuple(np.subtract(place, corner)), computed)) if sizes else 0)
            * shape[-1]
            + number
            for place, number in zip(per_picture, _spread(channels, count), strict=True)
        ]

    def score(reading: Reading) -> Tensor:
        return _one_of_each(reading.layers[layer], reading.chosen)

    if not places:
        words = "center"
    elif places and isinstance(places[0], tuple):
        words = str([list(place) for place in places])
    else:
        words = ",".join(map(str, places))
    name = f"neuron({layer}, {_listed(channels)}, {words})"
    term = Term(name, score, layers=(layer,), key=name, kind=("neuron", layer), chosen=chosen, at=each)
    return Goal(((1.0, term),))


def channel(layer: str, c: int | Sequence[int]) -> Goal:
    """The mean output of one channel over all positions.

    Args:
        layer: path of a layer whose output has channels as its last axis.
        c: 0-based; several: one for each picture of the batch.

    Raises:
        ValueError: layer is no string, or c no whole number; or, when the goal is used, the layer has no such channel.
    """
    layer, channels = _path(layer), _numbers(c, "a channel")

    def chosen(shapes: Shapes) -> list[int]:
        _check_channels(shapes.layers[layer], layer, channels)
        _check_count(f"channel({layer})", shapes.pictures[0], channels)
        return _spread(channels, shapes.pictures[0])

    def score(reading: Reading) -> Tensor:
        output = reading.layers[layer]
        return _one_of_each(ops.mean(output, axis=tuple(range(1, len(output.shape) - 1))), reading.chosen)

    name = f"channel({layer}, {_listed(channels)})"
    term = Term(name, score, layers=(layer,), key=name, kind=("channel", layer), chosen=chosen)
    return Goal(((1.0, term),))


def logit(k: int | Sequence[int]) -> Goal:
    """The model's output for class k, before the softmax.

    Args:
        k: class index; several: one for each picture of the batch.

    Raises:
        ValueError: k is no whole number; or, when the goal is used, the model has no class k, its last layer takes the
            softmax itself (`tfviz.use` takes that off), or it cannot be found whether it does.
    """

    def logits(reading: Reading) -> Tensor:
        if reading.model.output is None:
            raise ValueError(
                f"whether {reading.model.network} returns logits cannot be found: say it with tfviz.use(model, "
                'head=…), one of "logits", "softmax", "sigmoid", "values".'
            )
        return reading.model.logits(reading.output)

    return _class_goal("logit", k, logits)


def probability(k: int | Sequence[int]) -> Goal:
    """The probability of class k, in [0, 1]: the softmax, unless the model returns probabilities already.

    Args:
        k: class index; several: one for each picture of the batch.

    Raises:
        ValueError: k is no whole number; or, when the goal is used, the model has no class k, or what its output means
            cannot be found.
    """
    return _class_goal("probability", k, lambda reading: reading.model.probabilities(reading.output))


def log_probability(k: int | Sequence[int]) -> Goal:
    """The natural logarithm of the probability of class k, at most 0.

    Its gradient does not vanish where the probability is tiny, as the probability's own does.

    Args:
        k: class index; several: one for each picture of the batch.

    Raises:
        ValueError: as `probability`.
    """
    return _class_goal("log_probability", k, lambda reading: reading.model.log_probabilities(reading.output))


def _class_goal(name: str, k: int | Sequence[int], of_classes: Callable[[Reading], Tensor]) -> Goal:
    classes = _numbers(k, "a class")

    words = f"{name}({_listed(classes)})"

    def chosen(shapes: Shapes) -> list[int]:
        shape = shapes.output
        if shape is None or len(shape) != 2:
            raise ValueError(f"{words} needs a model that returns (N, classes)")
        for number in (classes,) if isinstance(classes, int) else classes:
            if not 0 <= number < shape[1]:
                raise ValueError(f"the model has {shape[1]} classes: there is no class {number}")
        _check_count(name, shapes.pictures[0], classes)
        return _spread(classes, shapes.pictures[0])

    def score(reading: Reading) -> Tensor:
        return _one_of_each(of_classes(reading), reading.chosen)

    return Goal(((1.0, Term(words, score, reads_output=True, key=words, kind=name, chosen=chosen)),))


def _numbers(value: int | Sequence[int], what: str) -> Numbers:
    """One number, or one for each picture."""
    try:
        if isinstance(value, Sequence | np.ndarray) and np.ndim(value) == 1 and len(value):
            return tuple(_whole(number) for number in value)
        return _whole(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"{what} is a whole number, or a list of one for each picture, not {value!r}"
        ) from None


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return index(value)


def _places(at: Any) -> tuple[Any, ...]:
    """(): the middle; whole numbers; or a tuple of them for each picture."""
    if isinstance(at, str) and at == "center":
        return ()
    try:
        axes = -1 if isinstance(at, str) else np.ndim(at)
        if axes == 2:
            return tuple(tuple(_whole(number) for number in place) for place in at)
        if axes in (0, 1) and np.size(at):
            return tuple(_whole(number) for number in at) if axes else (_whole(at),)
    except (TypeError, ValueError):
        pass
    raise ValueError(f'at is "center" or (row, column), whole numbers, or a list of such pairs, not {at!r}')


def _path(layer: Any) -> str:
    if not isinstance(layer, str):
        raise ValueError(f"a layer is named by its path, such as 'conv1', not by {layer!r}")
    return layer


def _as_float(number: Any) -> float:
    """Infinite where it is a whole number too large."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _listed(numbers: Numbers) -> str:
    return str(numbers) if isinstance(numbers, int) else str(list(numbers))


def _spread(numbers: Numbers, count: int) -> list[int]:
    """One for each picture."""
    return [numbers] * count if isinstance(numbers, int) else list(numbers)


def _check_channels(shape: tuple[int, ...], layer: str, channels: Numbers) -> None:
    if len(shape) < 2:
        raise ValueError(f"layer {layer} returns {shape}, which has no channels")
    for number in (channels,) if isinstance(channels, int) else channels:
        if not 0 <= number < shape[-1]:
            raise ValueError(f"layer {layer} has {shape[-1]} channels: there is no channel {number}")


def _check_place(layer: str, sizes: tuple[int, ...], place: tuple[int, ...]) -> None:
    if not sizes and place:
        raise ValueError(f"layer {layer} has no positions: leave at={place} out")
    if len(place) != len(sizes) or not all(0 <= at < size for at, size in zip(place, sizes, strict=True)):
        raise ValueError(
            f"layer {layer} has {' x '.join(map(str, sizes))} positions: there is no unit at {place}"
        )


def _check_count(name: str, count: int, *lists: Any) -> None:
    for each in lists:
        if not isinstance(each, int) and len(each) != count:
            raise ValueError(f"{name} is for {len(each)} pictures, one each: the batch has {count}")


def _one_of_each(values: Tensor, chosen: Tensor) -> Tensor:
    """Of the values (N, ...) of each picture the one of that number: (N,)."""
    count = values.shape[0]
    flat = ops.reshape(values, (-1,))
    first = np.arange(count, dtype=np.int32) * (math.prod(values.shape[1:]))
    return ops.take(flat, first + chosen, axis=0)
