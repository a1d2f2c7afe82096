"""Training a network of three nodes, on the instances by which Blum and Rivest proved it NP-complete.

Blum and Rivest 1992, "Training a 3-Node Neural Network is NP-Complete", Neural Networks 5(1), 117-127: two threshold
units that see n binary inputs, and an AND of the two. An instance comes from set splitting (Garey and Johnson 1979,
SP4): divide n elements into two parts such that none of the given sets lies within one part. The training examples
are the origin (positive), each element's unit vector (negative) and each set's indicator vector (positive). Weights
that get all of them right exist if, and only if, the sets can be split.

Gradient descent sees the smooth form of the network: sigmoids for the thresholds, their product for the AND.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[np.float64]
Masks = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Instances:
    """Set-splitting instances that can be split, as exhaustive search found.

    Attributes:
        elements: n.
        sets: (instances, sets) bit masks; bit i stands for element i.
        split: (instances,) bit masks: one part of one split.
        splits: (instances,) how many splits there are, a part and its complement counted once.
        tried: how many instances were searched to find these.
    """

    elements: int
    sets: Masks
    split: Masks
    splits: npt.NDArray[np.int64]
    tried: int


def find_splits(sets: Masks, elements: int) -> Masks:
    """Every split of the elements that divides every set: exhaustive search.

    Args:
        sets: (sets,) bit masks.
        elements: n, at most 32.

    Returns:
        One part of each split, that without the last element; empty if there is none.
    """
    parts = np.arange(2 ** (elements - 1), dtype=np.uint32)
    for members in sets:
        inside = parts & members
        parts = parts[(inside != 0) & (inside != members)]
    return parts


def draw(elements: int, sets: int, instances: int, random: np.random.Generator) -> Instances:
    """Instances of so many different sets of three elements, drawn uniformly from those that can be split."""
    triples = np.array(
        [sum(1 << element for element in triple) for triple in combinations(range(elements), 3)], np.uint32
    )
    found: list[tuple[Masks, Masks]] = []
    tried = 0
    while len(found) < instances:
        chosen = random.choice(triples, sets, replace=False)
        splits = find_splits(chosen, elements)
        tried += 1
        if splits.size:
            found.append((chosen, splits))
    return Instances(
        elements,
        np.stack([chosen for chosen, _ in found]),
        np.array([splits[0] for _, splits in found], np.uint32),
        np.array([splits.size for _, splits in found]),
        tried,
    )


def examples(sets: Masks, elements: int) -> tuple[Array, npt.NDArray[np.bool_]]:
    """The training examples of Blum and Rivest.

    Args:
        sets: (instances, sets) bit masks.
        elements: n.

    Returns:
        Inputs (instances, 1 + n + sets, n + 1), the last of which is always 1 and carries the threshold; labels
        (1 + n + sets,), the same for every instance.
    """
    count, many = sets.shape
    inputs = np.zeros((count, 1 + elements + many, elements + 1))
    inputs[:, 1 : 1 + elements, :elements] = np.eye(elements)
    inputs[:, 1 + elements :, :elements] = sets[:, :, None] >> np.arange(elements, dtype=np.uint32) & 1
    inputs[:, :, -1] = 1
    labels = np.ones(1 + elements + many, bool)
    labels[1 : 1 + elements] = False
    return inputs, labels


def weights_of(split: Masks, elements: int) -> Array:
    """The weights that a split gives: -1 for the elements of a unit's own part, n for the others, threshold 1/2.

    Args:
        split: (instances,) bit masks.
        elements: n.

    Returns:
        (instances, n + 1, 2).
    """
    first = (split[:, None] >> np.arange(elements, dtype=np.uint32) & 1).astype(bool)
    weights = np.full((len(split), elements + 1, 2), 0.5)
    weights[:, :-1, 0] = np.where(first, -1, elements)
    weights[:, :-1, 1] = np.where(first, elements, -1)
    return weights


def wrong(weights: Array, inputs: Array, labels: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How many examples the threshold network gets wrong, for each instance: (instances,)."""
    return _wrong(inputs @ weights, labels)


def loss_and_gradient(
    weights: Array, inputs: Array, labels: npt.NDArray[np.bool_]
) -> tuple[Array, Array, Array]:
    """Mean cross-entropy of the smooth network, its gradient, and what the two units compute.

    With q_j = sigmoid(-z_j), the network's output is p = (1 - q_1)(1 - q_2) and 1 - p = q_1 + q_2 - q_1 q_2, in
    which nothing cancels.

    Args:
        weights: (instances, n + 1, 2).
        inputs: (instances, examples, n + 1).
        labels: (examples,).

    Returns:
        Loss (instances,), gradient with respect to the weights (instances, n + 1, 2), z (instances, examples, 2).
    """
    z = inputs @ weights
    slope, of_labels = _slope(z, labels)
    return -np.log(of_labels).mean(axis=1), np.swapaxes(inputs, 1, 2) @ slope, z


def _slope(z: Array, labels: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """Derivative of the loss by z (instances, examples, 2), and the labels' probabilities (instances, examples)."""
    tiny, negative = np.finfo(np.float64).tiny, ~labels
    small = np.exp(-np.abs(z))
    above = z > 0
    larger = 1 / (1 + small)
    q = np.where(above, small, 1.0) * larger
    of_labels = _product(np.where(above, 1.0, small) * larger)
    of_negative = q[:, negative]
    other = of_negative[..., 0] + of_negative[..., 1] - _product(of_negative)
    other = np.maximum(other, tiny)  # 1 - p
    factor = np.full(z.shape[:2], -1.0)
    factor[:, negative] = np.maximum(of_labels[:, negative], tiny) / other
    of_labels[:, negative] = other
    return factor[:, :, None] * q / len(labels), np.maximum(of_labels, tiny)


@dataclass(frozen=True)
class Training:
    """What gradient descent did.

    Attributes:
        solved_at: (instances,) the first step at which the threshold network got every example right; -1: never.
        slope: (instances,) norm of the gradient after the last step; NaN for the solved, which stop early.
        weights: (instances, n + 1, 2) after the last step; of the solved, those that solved it.
    """

    solved_at: npt.NDArray[np.int64]
    slope: Array
    weights: Array


def descend(
    weights: Array, inputs: Array, labels: npt.NDArray[np.bool_], *, steps: int, rate: float
) -> Training:
    """Plain gradient descent on every instance by itself, until all its examples are right or the steps are over.

    Args:
        weights: (instances, n + 1, 2), the start.
        inputs: (instances, examples, n + 1).
        labels: (examples,).
        steps: the most updates.
        rate: of each update.
    """
    count, many, width = inputs.shape
    ended = weights.copy()
    solved_at = np.full(count, -1)
    slope = np.full(count, np.nan)
    going = np.arange(count)
    forwards, backwards = _sparse(inputs)
    now = weights.reshape(-1, 2).copy()
    for step in range(steps + 1):
        z = (forwards @ now).reshape(-1, many, 2)
        done = _wrong(z, labels) == 0
        if done.any():
            solved_at[going[done]] = step
            ended[going[done]] = now.reshape(-1, width, 2)[done]
            going, z = going[~done], z[~done]
            now = now.reshape(-1, width, 2)[~done].reshape(-1, 2)
            forwards, backwards = _sparse(inputs[going])
        if not going.size:
            break
        gradient = backwards @ _slope(z, labels)[0].reshape(-1, 2)
        if step < steps:
            now -= rate * gradient
    if going.size:
        ended[going] = now.reshape(-1, width, 2)
        slope[going] = np.linalg.norm(gradient.reshape(-1, width, 2), axis=(1, 2))
    return Training(solved_at, slope, ended)


def _sparse(inputs: Array) -> tuple[sparse.csr_array, sparse.csr_array]:
    """All instances' inputs as the blocks of one matrix (examples, weights), and its transpose: few are not 0."""
    count, many, width = inputs.shape
    instance, example, element = np.nonzero(inputs)
    blocks = sparse.csr_array(
        (inputs[instance, example, element], (instance * many + example, instance * width + element)),
        shape=(count * many, count * width),
    )
    return blocks, blocks.T.tocsr()


def _wrong(z: Array, labels: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    above = z > 0
    return np.asarray(np.count_nonzero((above[..., 0] & above[..., 1]) != labels, axis=1))


def _product(of_units: Array) -> Array:
    """Of the two units; NumPy's own takes ten times as long along an axis of two."""
    return np.asarray(of_units[..., 0] * of_units[..., 1])
