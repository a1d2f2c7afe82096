"""Pictures in: any file that Pillow reads becomes RGB floats in [0, 1]."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tfviz.errors import BadFileError

if TYPE_CHECKING:
    from PIL import Image

Picture = npt.NDArray[np.float32]

SMALLEST_SIDE = 16
"""Pixels; a smaller picture shows no object once it is enlarged to a network's 224."""
LARGEST_AREA = 150_000_000
"""Pixels; beyond today's cameras. A decoded picture takes 3 bytes a pixel, and a tiny file can claim any size."""


def read_picture(path: Path, height: int, width: int) -> Picture:
    """Read a picture, turned the right way up, its middle cut to the shape asked for and resized.

    Grey becomes RGB; transparency is laid on white; 16-bit grey is scaled from 0..65535; colour palettes and CMYK are
    converted; of an animation the first frame is taken; the EXIF orientation is obeyed.

    Args:
        path: any format that Pillow reads.
        height: rows of the result.
        width: columns of the result.

    Returns:
        (height, width, 3) RGB float32 in [0, 1].

    Raises:
        BadFileError: missing, unreadable, not a picture, damaged, too small or too large.
    """
    from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

    # WeasyPrint switches this on for the whole process: half a picture would be read as if it were whole.
    tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            image = Image.open(path)
        with image:
            columns, rows = image.size
            if min(rows, columns) < SMALLEST_SIDE:
                raise BadFileError(
                    f"{path} is {columns} x {rows} pixels: take a picture of at least "
                    f"{SMALLEST_SIDE} x {SMALLEST_SIDE}."
                )
            if rows * columns > LARGEST_AREA:
                raise BadFileError(
                    f"{path} is {columns} x {rows} pixels: make it smaller, "
                    f"at most {LARGEST_AREA // 1_000_000} megapixels."
                )
            image.draft("RGB", (2 * width, 2 * height))  # a JPEG is decoded at a fraction of its size
            upright = ImageOps.exif_transpose(image)
            rgb = _as_rgb(upright)
            return as_floats(ImageOps.fit(rgb, (width, height), Image.Resampling.BICUBIC))
    except Image.DecompressionBombError as error:
        raise BadFileError(f"{path} claims an absurd size: make it smaller ({error}).") from error
    except UnidentifiedImageError as error:
        raise BadFileError(
            f"{path} is not a picture, or of no format known here: save it as PNG or JPEG."
        ) from error
    except FileNotFoundError as error:
        raise BadFileError(f"{path} does not exist.") from error
    except IsADirectoryError as error:
        raise BadFileError(f"{path} is a folder: name one picture.") from error
    except PermissionError as error:
        raise BadFileError(f"{path} may not be read: check its permissions.") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadFileError(f"{path} is damaged ({error}): save it again.") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerant


def as_floats(image: Image.Image) -> Picture:
    """An RGB image of 8 bits a colour as (H, W, 3) float32 in [0, 1]."""
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def as_bytes(picture: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """A picture in [0, 1] as 8-bit integers, rounded to the nearest, as a PNG holds it."""
    rounded: npt.NDArray[np.uint8] = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return rounded


def _as_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        # Pillow's 16-bit modes and its 32-bit "I", which 16-bit PNGs used to open as, hold 0..65535; floats 0..1.
        full = 1.0 if image.mode == "F" else 65535.0
        return Image.fromarray(as_bytes(values / full), "L").convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")
