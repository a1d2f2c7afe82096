"""What is maximised: small values that add, subtract and scale into a goal.

``1000 * neuron("conv2", 0, at=(0, 0)) - 0.5 * channel("conv1", 3)`` is a goal: one score per picture, always
maximised. Goals are immutable; every operator makes a new one. The idea of objectives that compose by algebra is
Lucid's (Olah et al. 2017, "Feature Visualization").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from keras import ops

Tensor = Any
Position = tuple[int, int] | Literal["center"]


@dataclass(frozen=True)
class Reading:
    """What a term may look at, for one batch.

    Attributes:
        pictures: (N, H, W, 3), in the model's input coordinates, before any random transform.
        logits: (N, classes), or whatever else the model returns.
        layers: outputs of the layers that the goal's terms asked for, by name.
    """

    pictures: Tensor
    logits: Tensor
    layers: Mapping[str, Tensor]


@dataclass(frozen=True)
class Term:
    """One named summand of a goal.

    Attributes:
        name: key of the term in ``Trace.terms``.
        score: Reading -> (N,), written with keras.ops.
        layers: names of the layers that it reads.
        reads_logits: whether it reads the model's output.
    """

    name: str
    score: Callable[[Reading], Tensor]
    layers: tuple[str, ...] = ()
    reads_logits: bool = False


@dataclass(frozen=True)
class Goal:
    """A weighted sum of terms."""

    terms: tuple[tuple[float, Term], ...]

    def __add__(self, other: Goal) -> Goal:
        return Goal(self.terms + other.terms) if isinstance(other, Goal) else NotImplemented

    def __neg__(self) -> Goal:
        return -1.0 * self

    def __sub__(self, other: Goal) -> Goal:
        return self + -other if isinstance(other, Goal) else NotImplemented

    def __mul__(self, factor: float) -> Goal:
        if not isinstance(factor, int | float):
            return NotImplemented
        return Goal(tuple((factor * weight, term) for weight, term in self.terms))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Goal:
        return self * (1.0 / divisor)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that the terms read, each once, in order."""
        return tuple(dict.fromkeys(name for _, term in self.terms for name in term.layers))

    @property
    def reads_logits(self) -> bool:
        """Whether any term reads the model's output."""
        return any(term.reads_logits for _, term in self.terms)

    def evaluate(self, reading: Reading) -> tuple[Tensor, dict[str, Tensor]]:
        """The score (N,) and every term's own, unweighted value (N,) by name.

        A term that stands twice in the goal is reported once and counted with both weights.
        """
        values: dict[str, Tensor] = {}
        total: Tensor = 0.0
        for weight, term in self.terms:
            if term.name not in values:
                values[term.name] = term.score(reading)
            total = total + weight * values[term.name]
        return total, values


def neuron(layer: str, channel: int, at: Position = "center") -> Goal:
    """The output of one unit.

    Args:
        layer: name of a layer whose output is a map (N, rows, columns, channels).
        channel: 0-based.
        at: (row, column), or "center": row rows // 2, column columns // 2.

    Raises:
        ValueError: when the goal is used, if the layer has no such channel or position.
    """

    def score(reading: Reading) -> Tensor:
        output = reading.layers[layer]
        _check_map(output, layer, channel)
        rows, columns = output.shape[1:3]
        row, column = (rows // 2, columns // 2) if at == "center" else at
        if not (0 <= row < rows and 0 <= column < columns):
            raise ValueError(f"layer {layer} has {rows} x {columns} positions: there is no unit at {at}")
        return output[:, row, column, channel]

    place = "center" if at == "center" else f"{at[0]},{at[1]}"
    return Goal(((1.0, Term(f"neuron({layer}, {channel}, {place})", score, layers=(layer,))),))


def channel(layer: str, c: int) -> Goal:
    """The mean output of one channel over all positions.

    Raises:
        ValueError: when the goal is used, if the layer has no such channel.
    """

    def score(reading: Reading) -> Tensor:
        output = reading.layers[layer]
        _check_map(output, layer, c)
        return ops.mean(output[..., c], axis=(1, 2))

    return Goal(((1.0, Term(f"channel({layer}, {c})", score, layers=(layer,))),))


def logit(k: int) -> Goal:
    """The model's output for class k, before the softmax.

    Raises:
        ValueError: when the goal is used, if the model has no class k.
    """
    return _class_goal("logit", k, lambda logits: logits)


def probability(k: int) -> Goal:
    """The softmax probability of class k, in [0, 1].

    Raises:
        ValueError: when the goal is used, if the model has no class k.
    """
    return _class_goal("probability", k, ops.softmax)


def log_probability(k: int) -> Goal:
    """The natural logarithm of the softmax probability of class k, at most 0.

    Its gradient does not vanish where the probability is tiny, as the probability's own does.

    Raises:
        ValueError: when the goal is used, if the model has no class k.
    """
    return _class_goal("log_probability", k, ops.log_softmax)


def _class_goal(name: str, k: int, transform: Callable[[Tensor], Tensor]) -> Goal:
    def score(reading: Reading) -> Tensor:
        if len(reading.logits.shape) != 2:
            raise ValueError(f"{name}({k}) needs a model that returns (N, classes)")
        classes = reading.logits.shape[1]
        if not 0 <= k < classes:
            raise ValueError(f"the model has {classes} classes: there is no class {k}")
        return transform(reading.logits)[:, k]

    return Goal(((1.0, Term(f"{name}({k})", score, reads_logits=True)),))


def _check_map(output: Tensor, layer: str, channel: int) -> None:
    if len(output.shape) != 4:
        raise ValueError(
            f"layer {layer} returns {tuple(output.shape)}, not a map (N, rows, columns, channels)"
        )
    if not 0 <= channel < output.shape[3]:
        raise ValueError(f"layer {layer} has {output.shape[3]} channels: there is no channel {channel}")
