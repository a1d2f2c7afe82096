"""Random changes that a picture must survive: the network sees another one at every step.

Olah et al. 2017, "Feature Visualization", section "The enemy of feature visualization".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Tensor = Any


@dataclass(frozen=True)
class Transform:
    """A random change of a batch of pictures, the same for the whole batch, another at every step.

    Attributes:
        draw: (random, steps) -> the random numbers of each step, (steps, ...): drawn before the loop, so that a
            seed gives the same pictures on every machine.
        apply: (pictures (N, H, W, 3), one step's numbers) -> pictures of the same shape, by keras.ops.
    """

    draw: Callable[[np.random.Generator, int], npt.NDArray[np.floating]]
    apply: Callable[[Tensor, Tensor], Tensor]


def affine(*, shift: float = 8.0, scale: float = 0.1, degrees: float = 10.0) -> Transform:
    """Shifts, scales and turns about the middle, each drawn evenly from both sides of "unchanged".

    Args:
        shift: largest shift along rows and along columns, pixels.
        scale: largest relative change of size: 0.1 is 0.9 to 1.1.
        degrees: largest turn.

    Returns:
        A transform; what comes into the picture from outside is its mirror image.
    """

    def draw(random: np.random.Generator, steps: int) -> npt.NDArray[np.floating]:
        largest: npt.NDArray[np.floating] = np.array([shift, shift, scale, np.deg2rad(degrees)])
        return random.uniform(-largest, largest, (steps, 4))

    def apply(pictures: Tensor, drawn: Tensor) -> Tensor:
        from keras import ops

        rows, columns = (pictures.shape[1] - 1) / 2, (pictures.shape[2] - 1) / 2
        cos, sin = (f(drawn[3]) / (1 + drawn[2]) for f in (ops.cos, ops.sin))
        # Output pixel (x, y) shows input pixel (cos x - sin y + a, sin x + cos y + b), about the middle.
        a = columns - cos * columns + sin * rows + drawn[1]
        b = rows - sin * columns - cos * rows + drawn[0]
        zero = ops.zeros_like(a)
        matrix = ops.stack([cos, -sin, a, sin, cos, b, zero, zero])
        return ops.image.affine_transform(
            pictures, ops.broadcast_to(matrix, (ops.shape(pictures)[0], 8)), "bilinear", "reflect"
        )

    return Transform(draw, apply)
