"""How far one picture is from another."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tfviz.measures.pictures import as_pictures

Array = npt.NDArray[np.floating[Any]]


def distances(before: Array, after: Array) -> dict[str, float]:
    """Distances between two pictures (H, W, channels) in [0, 1].

    Returns:
        "l2" and "linf": norms of the difference of the values; "ssim": structural similarity (Wang et al. 2004, "Image
        Quality Assessment: From Error Visibility to Structural Similarity"), 1 for the same picture.

    Raises:
        ValueError: the shapes differ, a side is shorter than SSIM's window of 7 pixels, or one is no picture of floats
            in [0, 1].
    """
    from skimage.metrics import structural_similarity

    for picture, what in ((before, "the first picture"), (after, "the second picture")):
        as_pictures(picture, what, within=(0.0, 1.0))
    if before.shape != after.shape:
        raise ValueError(f"pictures of one shape can be compared, not {before.shape} and {after.shape}")
    difference = after.astype(np.float64) - before
    return {
        "l2": float(np.linalg.norm(difference)),
        "linf": float(np.abs(difference).max()),
        "ssim": float(structural_similarity(before, after, channel_axis=2, data_range=1.0)),
    }
