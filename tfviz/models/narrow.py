"""A one-hidden-layer ReLU network of one number as a deep network with three units in each hidden layer.

The plan, one running sum that is carried beside the input, is that of Hanin and Sellke 2017, "Approximating Continuous
Functions by ReLU Nets of Minimal Width". With the units in some order, p = x + L and z_k = w_k x + b_k, hidden layer
k holds

    p,   t_k = relu(w_k p + b_k - w_k L) = relu(z_k),   s_k = relu(s_(k-1) + a_(k-1) t_(k-1) + c_k - c_(k-1)),

and the output is s_n + a_n t_n - c_n. On |x| <= L, p is not negative, and c_k is chosen so that
s_k = c_k + sum of a_i t_i over i < k is not negative either: no ReLU but that of t_k changes anything.
"""

from __future__ import annotations

from typing import Literal

import keras
import numpy as np
import numpy.typing as npt

from tfviz.models.blank import blank

Array = npt.NDArray[np.float64]

WIDTH = 3


def shallow(a: npt.ArrayLike, w: npt.ArrayLike, b: npt.ArrayLike, x: npt.ArrayLike) -> Array:
    """f(x) = sum of a_i relu(w_i x + b_i) in float64.

    Args:
        a: (units,).
        w: (units,).
        b: (units,).
        x: (points,).

    Returns:
        (points,).

    Raises:
        ValueError: a, w and b are not finite, or not of one length.
    """
    a, w, b = _checked(a, w, b)
    return np.asarray(np.maximum(np.outer(np.asarray(x), w) + b, 0) @ a)


def build(
    a: npt.ArrayLike,
    w: npt.ArrayLike,
    b: npt.ArrayLike,
    bound: float,
    *,
    dtype: Literal["float64", "float32"] = "float64",
) -> keras.Model:
    """The deep network that equals f(x) = sum of a_i relu(w_i x + b_i) on |x| <= bound.

    Args:
        a: (units,).
        w: (units,).
        b: (units,).
        bound: L, positive; outside of it the model is another function.
        dtype: of all weights and of the arithmetic.

    Returns:
        A model from (N, 1) to (N, 1): as many hidden layers as there are units, each a `Dense` of three units with a
        ReLU, and a linear output.

    Raises:
        ValueError: a, w and b are not finite or not of one length, there is no unit, or bound is not positive.
    """
    a, w, b = _checked(a, w, b)
    model = empty(a.size, dtype=dtype)
    fill(model, a, w, b, bound)
    return model


def empty(units: int, *, dtype: Literal["float64", "float32"] = "float64") -> keras.Model:
    """The network for so many units, all weights 0: to make Keras' layers costs far more than to fill them."""
    start = hidden = keras.Input((1,), dtype=dtype, name="x")
    with blank():
        for index in range(units):
            layer = keras.layers.Dense(
                WIDTH, activation="relu", kernel_initializer="zeros", dtype=dtype, name=f"hidden{index + 1}"
            )
            hidden = layer(hidden)
        end = keras.layers.Dense(1, kernel_initializer="zeros", dtype=dtype, name="sum")(hidden)
    return keras.Model(start, end, name=f"narrow{units}")


def fill(model: keras.Model, a: npt.ArrayLike, w: npt.ArrayLike, b: npt.ArrayLike, bound: float) -> None:
    """Set the weights of a network from `empty` to those of a function with as many units.

    Raises:
        ValueError: as for `build`, or the model has another number of hidden layers.
    """
    a, w, b = _checked(a, w, b)
    if not (np.isfinite(bound) and bound > 0):
        raise ValueError(f"bound is the half width of an interval: positive, not {bound}.")
    *hidden, last = model.layers[1:]
    if len(hidden) != a.size:
        raise ValueError(
            f"{model.name} has {len(hidden)} hidden layers, but the function has {a.size} units."
        )
    order = quiet_order(a, w, b, bound)
    a, w, b = a[order], w[order], b[order]
    targets = shifts(a, w, b, bound)

    # The shift is summed up as the layers round it, so that the last layer takes away exactly what was added.
    number = np.dtype(last.kernel.dtype).type
    shift = 0.0
    for k, layer in enumerate(hidden):
        if k == 0:
            kernel, bias = [[1.0, w[0], 0.0]], [bound, b[0], 0.0]
        else:
            added = float(number(targets[k] - shift))
            shift += added
            # Columns: the units of this layer; rows: p, the last term and the sum before it.
            kernel = [[1.0, w[k], 0.0], [0.0, 0.0, a[k - 1]], [0.0, 0.0, 1.0]]
            bias = [0.0, b[k] - w[k] * bound, added]
        layer.set_weights([np.array(kernel, number), np.array(bias, number)])
    last.set_weights([np.array([[0.0], [a[-1]], [1.0]], number), np.array([-shift], number)])


def shifts(a: Array, w: Array, b: Array, bound: float) -> Array:
    """The smallest c_k >= 0 for which c_k + the sum of the terms before term k is never negative on |x| <= bound.

    A partial sum is linear between the points where a unit bends, so its minimum lies at one of those or at an end.

    Args:
        a: (units,); w, b likewise.
        w: slopes.
        b: offsets.
        bound: L.

    Returns:
        (units,), the first of them 0.
    """
    terms = _terms_at_bends(a, w, b, bound)[:, :-1]
    return np.concatenate([[0.0], np.maximum(-np.cumsum(terms, axis=1).min(axis=0), 0)])


def quiet_order(a: Array, w: Array, b: Array, bound: float) -> npt.NDArray[np.intp]:
    """An order of the units in which the partial sums stay small: what is not added cannot be lost to rounding.

    Greedy: next comes the unit after which the sum's range on |x| <= bound is smallest. The error is then a third to
    a tenth of what it is with the units sorted by a.

    Args:
        a: (units,); w, b likewise.
        w: slopes.
        b: offsets.
        bound: L.

    Returns:
        (units,) indices.
    """
    terms = _terms_at_bends(a, w, b, bound)
    total = np.zeros(len(terms))
    left = np.arange(a.size)
    order = []
    while left.size:
        sums = total[:, None] + terms[:, left]
        best = int(np.argmin(np.ptp(sums, axis=0)))
        order.append(left[best])
        total = sums[:, best]
        left = np.delete(left, best)
    return np.array(order, dtype=np.intp)


def _terms_at_bends(a: Array, w: Array, b: Array, bound: float) -> Array:
    """Each a_i relu(w_i x + b_i) at the ends and wherever a unit bends between them: (points, units)."""
    sloped = w != 0
    with np.errstate(over="ignore"):  # a bend at infinity is outside
        bends = -b[sloped] / w[sloped]
    points = np.concatenate([[-bound, bound], bends[np.abs(bends) < bound]])
    return np.asarray(a * np.maximum(np.outer(points, w) + b, 0))


def _checked(a: npt.ArrayLike, w: npt.ArrayLike, b: npt.ArrayLike) -> tuple[Array, Array, Array]:
    a, w, b = (np.asarray(values, dtype=np.float64) for values in (a, w, b))
    if not (a.ndim == 1 and a.size and a.shape == w.shape == b.shape):
        raise ValueError(
            f"a, w and b are lists of one length, at least 1, not {a.shape}, {w.shape}, {b.shape}."
        )
    if not all(np.isfinite(values).all() for values in (a, w, b)):
        raise ValueError("a, w and b must be finite.")
    return a, w, b
