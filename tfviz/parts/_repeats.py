"""Repeats of one descent, for parts that ask how far rounding alone moves its end."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tfviz.method.ascent import last_bits
from tfviz.method.parametrizations import Parametrization

Tensor = Any


def rounded_apart(start: npt.ArrayLike, repeats: int, random: np.random.Generator) -> Parametrization:
    """The same start several times, each rounded in its own way: at the start, and again at every step.

    Starts from `last_bits` alone say too little where the first step adds hundreds to noise of a hundredth: its last
    bits are lost in that sum. Another machine rounds anew at every step. So what the network and the norm see of the
    second, third, ... picture is 1 + 2^-23, 1 + 2 * 2^-23, ... times it: some last bits more, at every step.

    Args:
        start: (H, W, 3).
        repeats: how many, 1 or more; the first is the start as it is, rounded as it would be alone.
        random: of the starts' last bits.

    Returns:
        A start for `tfviz.ascend`, a batch of (repeats, H, W, 3).
    """
    starts = last_bits(start, repeats, random)
    rounded = _rounded(repeats)
    # Pixels, but for rounding: as of any other start, only what a unit sees is computed.
    return Parametrization(starts, rounded, rounded(starts), are_pixels=True)


@cache
def _rounded(repeats: int) -> Callable[[Tensor], Tensor]:
    """One function for one number of repeats, so that what was compiled with it serves again."""
    factors = (1 + np.arange(repeats) * np.finfo(np.float32).eps).astype(np.float32).reshape(-1, 1, 1, 1)
    return lambda pictures: pictures * factors


def apart(pictures: npt.NDArray[np.floating]) -> float:
    """How far repeats ended from the first of them: the largest distance, relative to the first one's norm.

    Pictures of one norm that share nothing are sqrt(2) apart.

    Args:
        pictures: (repeats, ...).
    """
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    return float(np.linalg.norm(flat - flat[0], axis=1).max() / np.linalg.norm(flat[0]))
