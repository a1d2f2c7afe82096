"""How a network does on pictures whose labels are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from tfviz.data.cifar10 import CLASSES
from tfviz.training.augment import with_margins
from tfviz.training.presets import Views

Array = npt.NDArray[Any]
_BATCH = 500


@dataclass(frozen=True)
class Evaluation:
    """How a network does on pictures whose labels are known.

    Attributes:
        probabilities: (N, 10).
        loss: mean cross-entropy, nats.
        accuracy: share of pictures whose likeliest class is theirs.
        confusion: (10, 10) counts; rows: the label; columns: what the network says.
    """

    probabilities: Array
    loss: float
    accuracy: float
    confusion: Array


def logits_of(model: keras.Model, pictures: Array, views: Views) -> Array:
    """The mean of a network's logits (N, 10) over views of pictures (N, 32, 32, 3) uint8.

    "flip": the picture and its mirror image. "flip and shift": half of that, and half the same for the picture shifted
    by one pixel up and left, and down and right.
    """

    def of(batch: Array) -> Array:
        # Not by `predict`, which takes up to a quarter of the time for handing pictures on (`bench.judging`).
        parts = np.split(batch, range(_BATCH, len(batch), _BATCH))
        said = [model.predict_on_batch(part.astype(np.float32) / 255)[: len(part)] for part in parts]
        return np.concatenate(said).astype(np.float32)

    def both(batch: Array) -> Array:
        return (of(batch) + of(batch[:, :, ::-1])) / 2

    if views == "one":
        return of(pictures)
    if views == "flip":
        return both(pictures)
    padded = with_margins(pictures, 1)
    size = pictures.shape[1]
    shifted = [both(padded[:, start : start + size, start : start + size]) for start in (0, 2)]
    return both(pictures) / 2 + sum(shifted) / 4


def evaluate(model: keras.Model, pictures: Array, labels: Array, views: Views) -> Evaluation:
    """Judge a network on pictures (N, 32, 32, 3) uint8 with labels (N,)."""
    return judge(logits_of(model, pictures, views), labels)


def judge(logits: Array, labels: Array) -> Evaluation:
    """Loss, accuracy and confusion from logits (N, 10) and labels (N,)."""
    log_probabilities = log_softmax(logits.astype(np.float64), axis=1)
    said = logits.argmax(axis=1)
    confusion = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(confusion, (labels, said), 1)
    return Evaluation(
        probabilities=np.exp(log_probabilities).astype(np.float32),
        loss=float(-log_probabilities[np.arange(len(labels)), labels].mean()),
        accuracy=float((said == labels).mean()),
        confusion=confusion,
    )
