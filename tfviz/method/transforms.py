"""Random changes that a picture must survive: the network sees another one at every step.

Olah et al. 2017, "Feature Visualization", section "The enemy of feature visualization".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tfviz.measures.pictures import whole

Tensor = Any


@dataclass(frozen=True)
class Transform:
    """A random change of a batch of pictures, the same for the whole batch, another at every step.

    Attributes:
        draw: (random, steps) -> the random numbers of each step, (steps, ...): drawn before the loop, so that a
            seed gives the same pictures on every machine.
        apply: (pictures (N, H, W, channels), one step's numbers) -> pictures of the same shape, or of another size that
            the transform has, by keras.ops.
    """

    draw: Callable[[np.random.Generator, int], npt.NDArray[np.floating]]
    apply: Callable[[Tensor, Tensor], Tensor]


def affine(
    *, shift: float = 8.0, scale: float = 0.1, degrees: float = 10.0, size: tuple[int, int] | None = None
) -> Transform:
    """Shifts, scales and turns about the middle, each drawn evenly from both sides of "unchanged".

    Args:
        shift: largest shift along rows and along columns, pixels.
        scale: largest relative change of size: 0.1 is 0.9 to 1.1.
        degrees: largest turn.
        size: rows and columns of what is seen of the picture, about its middle; None: all of it. A picture that is
            larger has a margin from which its changes come.

    Returns:
        A transform; what comes into the picture from outside is its mirror image.

    Raises:
        ValueError: one of the three is negative or not finite, scale is 1 or more, or size no two whole numbers.
    """
    if size is not None:
        if np.shape(size) != (2,):
            raise ValueError(f"size must be (rows, columns), not {size!r}")
        size = (whole(size[0], "rows of size", 1), whole(size[1], "columns of size", 1))
    if not (0 <= shift < math.inf and 0 <= scale < 1 and 0 <= degrees < math.inf):
        raise ValueError(
            f"shift and degrees must be 0 or more, scale in [0, 1), not {shift}, {degrees} and {scale}"
        )

    def draw(random: np.random.Generator, steps: int) -> npt.NDArray[np.floating]:
        largest: npt.NDArray[np.floating] = np.array([shift, shift, scale, np.deg2rad(degrees)])
        return random.uniform(-largest, largest, (steps, 4))

    return Transform(draw, _moved if size is None else _middle_moved(size))


@cache
def _middle_moved(size: tuple[int, int]) -> Callable[[Tensor, Tensor], Tensor]:
    """One function for one size, so that what was compiled with it serves again."""

    def moved(pictures: Tensor, drawn: Tensor) -> Tensor:
        return _moved(pictures, drawn, size)

    return moved


def _moved(pictures: Tensor, drawn: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Pictures shifted, scaled and turned by (rows, columns, scale, radians), and of that size."""
    from keras import ops

    # Not ops.image.affine_transform: its gradient is that of the inverse change, not exact, and wrong at the edges.
    count, height, width, colours = pictures.shape
    rows, columns = size or (height, width)
    cos, sin = (f(drawn[3]) / (1 + drawn[2]) for f in (ops.cos, ops.sin))
    y = ops.reshape(ops.arange(rows, dtype="float32"), (-1, 1)) - (rows - 1) / 2
    x = ops.reshape(ops.arange(columns, dtype="float32"), (1, -1)) - (columns - 1) / 2
    # Output pixel (x, y), from the middle, shows the input at (cos x - sin y, sin x + cos y) plus the shift.
    row = sin * x + cos * y + drawn[0] + (height - 1) / 2
    column = cos * x - sin * y + drawn[1] + (width - 1) / 2
    top, left = ops.floor(row), ops.floor(column)
    flat = ops.reshape(ops.transpose(pictures, (1, 2, 0, 3)), (height * width, count * colours))
    seen: Tensor = 0.0
    for down, row_weight in ((0, 1 - (row - top)), (1, row - top)):
        for right, column_weight in ((0, 1 - (column - left)), (1, column - left)):
            index = _mirrored(top + down, height) * width + _mirrored(left + right, width)
            weight = ops.reshape(row_weight * column_weight, (-1, 1))
            seen = seen + weight * ops.take(flat, ops.reshape(index, (-1,)), axis=0)
    return ops.transpose(ops.reshape(seen, (rows, columns, count, colours)), (2, 0, 1, 3))


def _mirrored(position: Tensor, size: int) -> Tensor:
    """Whole positions outside 0 .. size - 1, mirrored at the edges until they lie inside."""
    from keras import ops

    inside = ops.mod(ops.cast(position, "int32"), 2 * size)
    return ops.minimum(inside, 2 * size - 1 - inside)
