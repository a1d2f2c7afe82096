"""What is paid for it: penalties on the picture itself, positive costs to be subtracted from an objective.

``1000 * neuron("conv2", 0, at=(0, 0)) - l2()`` weighs a unit against the squared norm of the picture. All are sums
over a picture's pixels and colours, in the coordinates of the model's input, one number per picture.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy.typing as npt
from keras import ops

from tfviz.objectives import Goal, Reading, Tensor, Term

_EVERYTHING = (1, 2, 3)


def l2() -> Goal:
    """The squared L2 norm of the picture: the sum of its squares."""
    return _penalty("l2", lambda reading: ops.sum(ops.square(reading.pictures), axis=_EVERYTHING))


def total_variation() -> Goal:
    """The anisotropic total variation: the sum of |differences| between neighbours in a row and in a column.

    Rudin, Osher, Fatemi 1992, "Nonlinear total variation based noise removal algorithms".
    """

    def cost(reading: Reading) -> Tensor:
        x = reading.pictures
        rows = ops.sum(ops.abs(x[:, 1:] - x[:, :-1]), axis=_EVERYTHING)
        return rows + ops.sum(ops.abs(x[:, :, 1:] - x[:, :, :-1]), axis=_EVERYTHING)

    return _penalty("total_variation", cost)


def distance(picture: npt.ArrayLike) -> Goal:
    """The L2 norm, not squared, of the difference to a picture (H, W, 3) or to one for each (N, H, W, 3).

    Its gradient is the unit vector away from that picture; at the picture itself, where it has none, it is 0.
    """
    reference = ops.convert_to_tensor(picture, "float32")

    def cost(reading: Reading) -> Tensor:
        squares = ops.sum(ops.square(reading.pictures - reference), axis=_EVERYTHING)
        # The root's slope at 0 is infinite, and infinity times 0 is not a number: the root sees 1 there instead.
        moved = squares > 0
        return ops.where(moved, ops.sqrt(ops.where(moved, squares, 1.0)), 0.0)

    return _penalty("distance", cost)


def _penalty(name: str, cost: Callable[[Reading], Tensor]) -> Goal:
    return Goal(((1.0, Term(name, cost)),))
