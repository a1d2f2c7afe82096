"""What an ascent moves: the pixels themselves, or numbers that a picture is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Tensor = Any


@dataclass(frozen=True)
class Parametrization:
    """A start of an ascent.

    Attributes:
        parameters: what is moved, float32, any shape.
        to_pictures: parameters -> pictures (N, H, W, 3), differentiable, written with keras.ops.
        pictures: the pictures that the ascent starts from, (N, H, W, 3).
    """

    parameters: npt.NDArray[np.float32]
    to_pictures: Callable[[Tensor], Tensor]
    pictures: npt.NDArray[np.float32]


def pixels(start: npt.ArrayLike) -> Parametrization:
    """The picture's own pixels.

    Args:
        start: (N, H, W, 3) or one picture (H, W, 3).

    Raises:
        ValueError: the shape is neither, or a value is not finite.
    """
    pictures = np.asarray(start, np.float32)
    if pictures.ndim == 3:
        pictures = pictures[np.newaxis]
    if pictures.ndim != 4 or pictures.shape[-1] != 3:
        raise ValueError(f"start must be (N, H, W, 3) or (H, W, 3), not {pictures.shape}")
    if not np.isfinite(pictures).all():
        raise ValueError("start has values that are not finite")
    return Parametrization(pictures, lambda parameters: parameters, pictures)
