"""A network tried on one picture before anything is asked of it, and what Keras says where it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from tfviz.models.description import Head

SIDE = 224
"""Rows and columns of the pictures of a network that takes any."""
_LARGEST = 50_000_000  # numbers of one picture: of 4,000 x 4,000 colours
_SUM = 1e-2  # by which probabilities in 16 bits may miss a sum of 1
_APART = 1e-3  # of the largest value, by which two runs may differ on a GPU


def refuse_shape(network: str, shape: tuple[int | None, ...]) -> None:
    """See that pictures (rows, columns, channels) or (rows, columns) are of a size that can be computed.

    Raises:
        ValueError: they are not.
    """
    if np.prod([size or SIDE for size in shape], dtype=float) > _LARGEST:
        raise ValueError(
            f"{network} takes pictures of {shape}, which are too large: at most {_LARGEST} numbers."
        )


def refuse_what_fails(network: str, model: Any, told: Head | None) -> None:
    """Run a network on a picture of noise, twice.

    Args:
        network: its name, for people.
        model: from pictures (N, rows, columns, channels) in [0, 1] to what the network itself returns.
        told: what a person said of the function behind its outputs, which its layers do not show; None: nothing.

    Raises:
        ValueError: it cannot be run, the values are not finite, differ between the two, or are not what was told.
    """
    shape = [size or SIDE for size in model.input_shape[1:]]
    picture = np.random.default_rng(0).random((1, *shape), np.float32)
    try:
        first, second = (np.asarray(model(picture, training=False), np.float64) for _ in range(2))
    except Exception as error:  # its layers raise what they like
        raise ValueError(
            f"{network} cannot be run on a picture of {tuple(shape)}: {one_line(error)}"
        ) from error
    if not np.isfinite(first).all():
        raise ValueError(f"{network} returns values that are not finite, for a picture of noise.")
    if abs(first - second).max(initial=0) > _APART * abs(first).max(initial=0):
        raise ValueError(
            f"{network} returns other values for the same picture each time: a layer of it draws at random, such as a "
            "Dropout that is called with training=True."
        )
    if told in ("softmax", "sigmoid") and (first.min() < 0 or first.max() > 1 + _SUM):
        raise ValueError(
            f"{network} returns values from {first.min():.3g} to {first.max():.3g}, which are no probabilities: "
            f"{told!r} cannot be."
        )
    total = first.sum(axis=-1)
    if told == "softmax" and abs(total - 1).max() > _SUM:
        raise ValueError(
            f"{network} returns values whose sum is {total.max():.3g}, not 1: 'softmax' cannot be."
        )
    if told == "logits" and first.min() >= 0 and abs(total - 1).max() <= _SUM / 10:
        raise ValueError(f"{network} returns probabilities, whose sum is 1: 'logits' cannot be.")


def check_model(model: object) -> None:
    """Refuse what is no model of Keras.

    Raises:
        ValueError: see above.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"the model must be one of Keras, from tfviz.load, tfviz.use or built by you, not {type(model).__name__}"
        )


@contextmanager
def in_one_line(network: str, shape: Sequence[int | None]) -> Iterator[None]:
    """Inside, what Keras says on many lines of pictures that a network's layers do not take is said on one.

    Raises:
        ValueError: it is.
    """
    try:
        yield
    except Exception as error:
        if "\n" not in str(error):
            raise
        raise ValueError(
            f"{network} cannot be called on pictures of {tuple(shape)}: {one_line(error)}"
        ) from error


def one_line(error: BaseException, limit: int = 300) -> str:
    """What Keras says of an error, on one line and without its colours; of what it wraps, the innermost."""
    text = str(error).rpartition("Exception encountered:")[2]
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    text = text or type(error).__name__
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
