"""Small pictures as bytes, and back."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

from tfviz.data.pictures import as_bytes, as_floats

_SMALL = 32
"""Pixels a side up to which nothing is lost: lossy WebP halves the colours' resolution."""
DRAWN, PATCH = 90, 75
"""Of 100. A drawing of AlexNet's conv5 keeps 0.94 of its activation, in 9,000 bytes."""


def packed(picture: npt.NDArray[np.floating], quality: int = DRAWN) -> bytes:
    """A picture (H, W, channels) of one channel or three, in [0, 1] as WebP."""
    from PIL import Image

    shown = np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture
    target = io.BytesIO()
    lossless = max(shown.shape[:2]) <= _SMALL
    Image.fromarray(as_bytes(shown)).save(target, "WEBP", quality=quality, lossless=lossless, method=4)
    return target.getvalue()


def unpacked(content: bytes, channels: int = 3) -> npt.NDArray[np.float32]:
    """The picture (H, W, channels) again, of one channel or three."""
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=["WEBP"]) as image:
        picture = as_floats(image.convert("RGB"))
    return picture.mean(axis=-1, keepdims=True, dtype=np.float32) if channels == 1 else picture
