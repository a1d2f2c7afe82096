"""What is asked of an array that is said to hold pictures, before anything is computed from it."""

from __future__ import annotations

import math
from collections.abc import Collection
from operator import index

import numpy as np
import numpy.typing as npt

RANGES = {"[0,1]": (0.0, 1.0), "[-1,1]": (-1.0, 1.0), "0..255": (0.0, 255.0)}
"""Smallest and largest value of pictures, by what a description of a model says of them."""
_ROUNDING = 1e-6  # what arithmetic in float32 may leave outside a range


def as_pictures(
    values: npt.ArrayLike,
    what: str,
    *,
    ranks: Collection[int] = (3,),
    within: tuple[float, float] | None = None,
) -> npt.NDArray[np.float32]:
    """The values as float32.

    Args:
        values: (H, W, channels), or (N, H, W, channels) where ranks allow it.
        what: their name in messages.
        ranks: how many axes they may have, of 3 and 4.
        within: the range in which they must lie; None: any.

    Returns:
        An array of the same shape, inside the range.

    Raises:
        ValueError: they are no numbers, whole numbers, not finite, out of range, of another rank, or none at all.
    """
    try:
        given = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{what} is no array: its rows differ in length") from error
    words = " or ".join("(H, W, channels)" if rank == 3 else "(N, H, W, channels)" for rank in sorted(ranks))
    if given.dtype.kind in "iub":
        raise ValueError(
            f"{what} holds whole numbers ({given.dtype}), which do not tell the range that the network takes: give "
            "floats in that range (8-bit values divided by 255 where it is [0, 1], as tfviz.use(model, pictures=…) "
            "makes it)"
        )
    if given.dtype.kind not in "fV":
        raise ValueError(f"{what} holds no real numbers ({given.dtype})")
    if given.ndim not in ranks or not given.size:
        raise ValueError(f"{what} must be {words}, not {given.shape}")
    with np.errstate(over="ignore"):
        pictures = given.astype(np.float32)
    if not np.isfinite(pictures).all():
        raise ValueError(f"{what} has values that are not finite")
    if within is None:
        return pictures
    low, high = within
    if pictures.min() < low - _ROUNDING or pictures.max() > high + _ROUNDING:
        raise ValueError(
            f"{what} has values from {pictures.min():.4g} to {pictures.max():.4g}: they must be in [{low:g}, {high:g}]"
        )
    return np.clip(pictures, low, high)


def whole(value: object, what: str, least: float) -> int:
    """The value as an integer.

    Raises:
        ValueError: it is no whole number, or less than the least.
    """
    try:
        number = None if isinstance(value, bool) else index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or number < least:
        least_words = f"{least} or more" if math.isfinite(least) else "a whole number"
        raise ValueError(f"{what} must be {least_words}, not {value!r}")
    return number
