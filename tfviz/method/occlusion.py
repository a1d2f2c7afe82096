"""What a network still sees when a block of the picture is hidden.

Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2: hide one block after
another and watch the probability of the right class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, get_args

import keras
import numpy as np
import numpy.typing as npt

from tfviz import backend
from tfviz.measures.pictures import RANGES, as_pictures, whole
from tfviz.method.incremental import incremental
from tfviz.method.loops import kept
from tfviz.method.probe import check_one_input, check_shape
from tfviz.models import description, trial
from tfviz.models.blank import blank, unset

Array = npt.NDArray[Any]
Precision = Literal["float32", "bfloat16"]
_BATCH = 32
_PREDICTING = Lock()  # on JAX Keras hands the variables over to what it compiled until that is done


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
        model: takes pictures (N, H, W, channels), returns (N, classes): logits, or probabilities where its last layer
            shows that, or `tfviz.use` was told.
        picture: (H, W, channels), floats in the model's input coordinates.
        class_index: 0-based.
        patch: rows and columns of the block, pixels.
        stride: pixels from one block to the next.
        fill: what the block is filled with: a number, or a colour (channels,), in the model's input coordinates.
        precision: as for `occluded_probabilities`.

    Returns:
        (rows, columns) float32 in [0, 1]: entry (r, c) is for the block of rows r * stride .. r * stride + patch - 1,
        likewise columns; rows = (H - patch) // stride + 1.

    Raises:
        ValueError: the model has no such class, or as `occluded_probabilities`.
    """
    known = whole(class_index, "class_index", -math.inf)
    asked = _asked(model, picture, patch, stride, fill, precision, _BATCH)
    if not 0 <= known < asked.classes:
        raise ValueError(f"the model has {asked.classes} classes: there is no class {class_index}")
    probabilities = np.empty(asked.rows * asked.columns, np.float32)
    for numbers, said in asked.answers():  # of all other classes there is never more than a batch
        probabilities[numbers] = said[:, known]
    return probabilities.reshape(asked.rows, asked.columns)


def occluded_probabilities(
    model: keras.Model,
    picture: npt.ArrayLike,
    *,
    patch: int,
    stride: int,
    fill: npt.ArrayLike = 0.0,
    precision: Precision = "float32",
    batch: int = _BATCH,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """The probabilities of all classes with one block of the picture after another hidden.

    Args:
        model: takes pictures (N, H, W, channels), returns (N, classes): logits, or probabilities where its last layer
            shows that, or `tfviz.use` was told.
        picture: (H, W, channels), floats in the model's input coordinates.
        patch: rows and columns of the block, pixels.
        stride: pixels from one block to the next.
        fill: what the block is filled with: a number, or a colour (channels,).
        precision: "float32", or "bfloat16": a copy of the model, whose layers Keras must be able to clone, computes
            with 8 significant bits; variables and softmax stay float32. Where a block moves the probability most, it
            is off by some hundredths.
        batch: blocks that are hidden at once: only so many pictures, or what takes their place, are in memory.
        progress: called with blocks done and blocks in all.

    Returns:
        (rows, columns, classes) float32; blocks as in `occlusion_map`. Each (r, c) sums to 1, unless the model's
        classes are independent of each other (sigmoids).

    Raises:
        ValueError: the picture holds whole numbers or values that are not finite, or lies outside the range of the
            model's pictures where that is known; the model takes other pictures, does not return (N, classes), or it
            cannot be found whether these are probabilities; the block does not fit.
    """
    asked = _asked(model, picture, patch, stride, fill, precision, batch)
    probabilities = np.empty((asked.rows * asked.columns, asked.classes), np.float32)
    done = 0
    for numbers, said in asked.answers():
        probabilities[numbers] = said
        done += len(numbers)
        if progress is not None:
            progress(done, len(probabilities))
    return probabilities.reshape(asked.rows, asked.columns, -1)


@dataclass(frozen=True)
class _Asked:
    """A question that makes sense.

    Attributes:
        rows: of blocks.
        columns: of blocks.
        classes: of the model.
        answers: numbers (n,) of blocks, row * columns + column, and probabilities (n, classes), until all are there.
    """

    rows: int
    columns: int
    classes: int
    answers: Callable[[], Iterator[tuple[Array, Array]]]


def _asked(
    model: keras.Model,
    picture: npt.ArrayLike,
    patch: int,
    stride: int,
    fill: npt.ArrayLike,
    precision: Precision,
    batch: int,
) -> _Asked:
    """See `occluded_probabilities`.

    What a block leaves as it is is not computed again where `tfviz.method.incremental` knows how, in float32.
    """
    trial.check_model(model)
    known = description.of(model)
    check_one_input(model)
    within = RANGES.get(known.pictures or "")
    shown = as_pictures(picture, "the picture", within=within)
    check_shape(known, (None, *shown.shape))
    patch, stride = whole(patch, "patch", -math.inf), whole(stride, "stride", 1)
    corners = block_corners(shown.shape, patch, stride)
    colour = _colour(fill, shown.shape[2], within)
    classes = _classes(model, shown)
    whole(batch, "batch", 1)
    if precision not in get_args(Precision):
        raise ValueError(f"precision must be one of {', '.join(get_args(Precision))}, not {precision!r}")

    def outputs() -> Iterator[tuple[Array, Array]]:
        if precision == "bfloat16":
            return _outputs(_in_bfloat16(model), shown, patch, corners, colour, batch)
        with trial.in_one_line(model.name, shown.shape):
            shorter = incremental(model, shown, patch, corners, batch)
        if shorter is None:
            return _outputs(model, shown, patch, corners, colour, batch)
        return shorter.outputs(shown, colour)

    def answers() -> Iterator[tuple[Array, Array]]:
        probabilities = backend.current().at_once(known.probabilities)
        for numbers, said in outputs():
            if not np.isfinite(said).all():
                raise ValueError(f"{known.network} returns values that are not finite for this picture")
            yield numbers, probabilities(said)

    return _Asked(len(corners[0]), len(corners[1]), classes, answers)


def _outputs(
    model: keras.Model,
    picture: Array,
    patch: int,
    corners: tuple[range, range],
    colour: Array,
    batch: int,
) -> Iterator[tuple[Array, Array]]:
    """Numbers of blocks (n,), and what the model returns for whole pictures in which they are hidden (n, classes)."""
    blocks = [(top, left) for top in corners[0] for left in corners[1]]
    # One buffer: every batch has the same shape, so that the model is compiled once. A short last batch leaves
    # pictures at its end that nothing is hidden in, and that are not read.
    pictures = np.repeat(picture[None], min(batch, len(blocks)), axis=0)
    for first in range(0, len(blocks), batch):
        here = blocks[first : first + batch]
        pictures[:] = picture
        for hidden, (top, left) in zip(pictures, here, strict=False):
            hidden[top : top + patch, left : left + patch] = colour
        said = np.asarray(_predicted(model, pictures), dtype=np.float32)[: len(here)]
        yield np.arange(first, first + len(here)), said


def _predicted(model: keras.Model, pictures: Array) -> Any:
    """What the model returns, as its layers are now.

    Keras keeps what it compiled when an activation or another setting of a layer is changed afterwards.
    """
    with _PREDICTING, trial.in_one_line(model.name, pictures.shape[1:]):
        known = kept(model)
        if model.predict_function is not known.predict:
            model.predict_function = None
        said = model.predict_on_batch(pictures)
        known.predict = model.predict_function
    return said


def block_corners(shape: tuple[int, ...], patch: int, stride: int) -> tuple[range, range]:
    """First row and first column of the blocks that lie wholly inside a picture.

    Args:
        shape: (H, W, ...) of the picture.
        patch: rows and columns of a block.
        stride: pixels from one block to the next.

    Returns:
        First rows, and first columns.

    Raises:
        ValueError: no block fits, stride is below 1, or one of them is no whole number.
    """
    stride, patch = whole(stride, "stride", 1), whole(patch, "patch", -math.inf)
    if patch < 1 or patch > min(shape[:2]):
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


def _classes(model: keras.Model, picture: npt.ArrayLike) -> int:
    shape = getattr(model, "output_shape", None)
    if shape is None:  # a programmed model says it by what it returns
        said = _predicted(model, as_pictures(picture, "the picture")[np.newaxis])
        shape = getattr(said, "shape", None)
    if not isinstance(shape, tuple) or len(shape) != 2:
        raise ValueError(f"{model.name} returns {shape}, not (N, classes)")
    return int(shape[1])


def _colour(
    fill: npt.ArrayLike, channels: int, within: tuple[float, float] | None
) -> npt.NDArray[np.float32]:
    colour = np.asarray(fill, dtype=np.float32)
    if colour.shape not in ((), (channels,)):
        raise ValueError(f"fill must be a number or {channels} colours, not of shape {colour.shape}")
    if not np.isfinite(colour).all():
        raise ValueError(f"fill must be finite, not {fill!r}")
    if within is not None and (colour.min() < within[0] or colour.max() > within[1]):
        raise ValueError(
            f"fill must be in [{within[0]:g}, {within[1]:g}], the range of the pictures, not {fill!r}"
        )
    return colour


def _in_bfloat16(model: keras.Model) -> keras.Model:
    """A copy whose layers compute in bfloat16; the variables stay float32."""

    def in_bfloat16(layer: Any) -> Any:
        return layer.__class__.from_config({**unset(layer.get_config()), "dtype": "mixed_bfloat16"})

    with blank():
        copy = keras.models.clone_model(model, clone_function=in_bfloat16, recursive=True)
    copy.set_weights(model.get_weights())
    return copy
