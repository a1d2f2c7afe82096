"""How far one picture is from another."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]


def distances(before: Array, after: Array) -> dict[str, float]:
    """Distances between two pictures (H, W, 3) in [0, 1].

    Returns:
        "l2" and "linf": norms of the difference of the values; "ssim": structural similarity (Wang et al. 2004, "Image
        Quality Assessment: From Error Visibility to Structural Similarity"), 1 for the same picture.

    Raises:
        ValueError: the shapes differ, or a side is shorter than SSIM's window of 7 pixels.
    """
    from skimage.metrics import structural_similarity

    difference = after.astype(np.float64) - before
    return {
        "l2": float(np.linalg.norm(difference)),
        "linf": float(np.abs(difference).max()),
        "ssim": float(structural_similarity(before, after, channel_axis=2, data_range=1.0)),
    }
