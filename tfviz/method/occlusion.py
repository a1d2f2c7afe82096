"""What a network still sees when a block of the picture is hidden.

Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2: hide one block after
another and watch the probability of the right class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

Precision = Literal["float32", "bfloat16"]


def occlusion_map(
    model: keras.Model,
    picture: npt.ArrayLike,
    class_index: int,
    *,
    patch: int,
    stride: int,
    fill: npt.ArrayLike = 0.0,
    precision: Precision = "float32",
) -> np.ndarray:
    """The probability of one class with one block of the picture after another hidden.

    Args:
        model: takes pictures (N, H, W, 3), returns logits (N, classes).
        picture: (H, W, 3), in the model's input coordinates.
        class_index: 0-based.
        patch: rows and columns of the block, pixels.
        stride: pixels from one block to the next.
        fill: what the block is filled with: a number, or a colour (3,), in the model's input coordinates.
        precision: as for `occluded_probabilities`.

    Returns:
        (rows, columns) float32 in [0, 1]: entry (r, c) is for the block of rows r * stride .. r * stride + patch - 1,
        likewise columns; rows = (H - patch) // stride + 1.

    Raises:
        ValueError: the model has no such class, or as `occluded_probabilities`.
    """
    classes = _classes(model)
    if not 0 <= class_index < classes:
        raise ValueError(f"the model has {classes} classes: there is no class {class_index}")
    probabilities = occluded_probabilities(
        model, picture, patch=patch, stride=stride, fill=fill, precision=precision
    )
    return probabilities[..., class_index]


def occluded_probabilities(
    model: keras.Model,
    picture: npt.ArrayLike,
    *,
    patch: int,
    stride: int,
    fill: npt.ArrayLike = 0.0,
    precision: Precision = "float32",
    batch: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """The probabilities of all classes with one block of the picture after another hidden.

    Args:
        model: takes pictures (N, H, W, 3), returns logits (N, classes).
        picture: (H, W, 3), in the model's input coordinates.
        patch: rows and columns of the block, pixels.
        stride: pixels from one block to the next.
        fill: what the block is filled with: a number, or a colour (3,).
        precision: "float32", or "bfloat16": a copy of the model, whose layers Keras must be able to clone, computes
            with 8 significant bits; variables and softmax stay float32. Where a block moves the probability most, it
            is off by some hundredths.
        batch: pictures that the model gets at once; only so many are in memory.
        progress: called with blocks done and blocks in all.

    Returns:
        (rows, columns, classes) float32, each (r, c) summing to 1; blocks as in `occlusion_map`.

    Raises:
        ValueError: the model takes other pictures, does not return (N, classes), or the block does not fit.
    """
    picture = np.asarray(picture, dtype=np.float32)
    if picture.ndim != 3:
        raise ValueError(f"a picture is (H, W, colours), not {picture.shape}")
    expected = model.input_shape[1:]
    if any(size not in (None, has) for size, has in zip(expected, picture.shape, strict=True)):
        raise ValueError(f"{model.name} takes pictures of shape {expected}, not {picture.shape}")
    corners = block_corners(picture.shape, patch, stride)
    classes = _classes(model)
    colour = np.asarray(fill, dtype=np.float32)
    if colour.shape not in ((), (picture.shape[2],)):
        raise ValueError(f"fill must be a number or {picture.shape[2]} colours, not of shape {colour.shape}")
    if batch < 1:
        raise ValueError(f"batch must be 1 or more, not {batch}")
    if precision not in get_args(Precision):
        raise ValueError(f"precision must be one of {', '.join(get_args(Precision))}, not {precision!r}")
    if precision == "bfloat16":
        model = _in_bfloat16(model)

    blocks = [(top, left) for top in corners[0] for left in corners[1]]
    probabilities = np.empty((len(blocks), classes), np.float32)
    # One buffer: every batch has the same shape, so that the model is compiled once. A short last batch leaves
    # pictures at its end that nothing is hidden in, and that are not read.
    pictures = np.repeat(picture[None], min(batch, len(blocks)), axis=0)
    for first in range(0, len(blocks), batch):
        here = blocks[first : first + batch]
        pictures[:] = picture
        for hidden, (top, left) in zip(pictures, here, strict=False):
            hidden[top : top + patch, left : left + patch] = colour
        logits = np.asarray(model.predict_on_batch(pictures), dtype=np.float32)[: len(here)]
        probabilities[first : first + len(here)] = ops.convert_to_numpy(ops.softmax(logits))
        if progress is not None:
            progress(first + len(here), len(blocks))
    return probabilities.reshape(len(corners[0]), len(corners[1]), -1)


def block_corners(shape: tuple[int, ...], patch: int, stride: int) -> tuple[range, range]:
    """First row and first column of the blocks that lie wholly inside a picture.

    Args:
        shape: (H, W, ...) of the picture.
        patch: rows and columns of a block.
        stride: pixels from one block to the next.

    Returns:
        First rows, and first columns.

    Raises:
        ValueError: no block fits, or stride is below 1.
    """
    if stride < 1:
        raise ValueError(f"stride must be 1 or more, not {stride}")
    if not 1 <= patch <= min(shape[:2]):
        raise ValueError(
            f"a block of {patch} x {patch} pixels does not fit into {shape[0]} x {shape[1]} pixels"
        )
    return range(0, shape[0] - patch + 1, stride), range(0, shape[1] - patch + 1, stride)


def block_sums(values: np.ndarray, patch: int, stride: int) -> np.ndarray:
    """The sum over each block.

    Args:
        values: (H, W).
        patch: rows and columns of a block.
        stride: pixels from one block to the next.

    Returns:
        (rows, columns) float64, blocks as in `occlusion_map`.

    Raises:
        ValueError: as `block_corners`.
    """
    tops, lefts = block_corners(values.shape, patch, stride)
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(values, np.float64), (patch, patch))
    sums: np.ndarray = windows[:: tops.step, :: lefts.step].sum((2, 3))
    return sums


def _classes(model: keras.Model) -> int:
    if len(model.output_shape) != 2:
        raise ValueError(f"{model.name} returns {model.output_shape}, not (N, classes)")
    return int(model.output_shape[1])


def _in_bfloat16(model: keras.Model) -> keras.Model:
    """A copy whose layers compute in bfloat16; the variables stay float32."""

    def in_bfloat16(layer: Any) -> Any:
        return layer.__class__.from_config({**layer.get_config(), "dtype": "mixed_bfloat16"})

    copy = keras.models.clone_model(model, clone_function=in_bfloat16, recursive=True)
    copy.set_weights(model.get_weights())
    return copy
