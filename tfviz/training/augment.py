"""What a CIFAR-10 network is trained on: the split, its moments, and augmented epochs."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfviz.data.cifar10 import CLASSES, Batch
from tfviz.models import cifar
from tfviz.training.presets import Preset, Recipe

Array = npt.NDArray[Any]


class Augmented(keras.utils.PyDataset):
    """One epoch of augmented pictures, decided by the seed and the epoch's number alone.

    `padded` (N, 32 + 2 shift, 32 + 2 shift, 3) are the pictures with their mirrored margins (see `with_margins`);
    `colour` (3,), in [0, 1], fills what cutout blanks.

    Item i: pictures (batch, 32, 32, 3) float32 in [0, 1] and labels (batch, 10), one-hot, or averages of two such where
    the recipe mixes pictures. What does not fill a batch is left out of this epoch.
    """

    def __init__(
        self, padded: Array, labels: Array, recipe: Recipe, seed: int, epoch: int, colour: Array
    ) -> None:
        # With one worker Keras leaves the threads to tf.data, whose tuner makes the end of an epoch wait for it, up to
        # 12 s (Keras 3.15, TensorFlow 2.21). With two they come in the same order.
        super().__init__(workers=2, max_queue_size=4)
        self.batch, self.labels = recipe.batch, labels
        self.cutout, self.colour = recipe.cutout, np.round(255 * np.asarray(colour)).astype(np.uint8)
        self.padded = padded
        random = np.random.default_rng((seed, epoch))
        count = len(padded)
        self.order = random.permutation(count)
        self.down, self.right = random.integers(0, 2 * recipe.shift + 1, (2, count))
        always = np.random.default_rng((seed,)).random(count) < 0.5
        self.mirrored = (
            always ^ (epoch % 2 == 1) if recipe.flip == "alternate" else random.random(count) < 0.5
        )
        self.top, self.left = random.integers(0, cifar.SIDE - recipe.cutout + 1, (2, count))
        # Last, so that what is drawn before is the same whether pictures are mixed or not.
        self.shares = random.beta(recipe.mixup, recipe.mixup, count) if recipe.mixup else None

    def __len__(self) -> int:
        return len(self.order) // self.batch

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        chosen = self.order[index * self.batch : (index + 1) * self.batch]
        windows = np.lib.stride_tricks.sliding_window_view(self.padded, (cifar.SIDE, cifar.SIDE), axis=(1, 2))
        pictures = windows[chosen, self.down[chosen], self.right[chosen]].transpose(0, 2, 3, 1)
        mirrored = self.mirrored[chosen, None, None, None]
        pictures = np.where(mirrored, pictures[:, :, ::-1], pictures)
        if self.cutout:
            rows = _within(self.top[chosen], self.cutout)[:, :, None, None]
            columns = _within(self.left[chosen], self.cutout)[:, None, :, None]
            pictures = np.where(rows & columns, self.colour, pictures)
        pictures, labels = pictures.astype(np.float32) / 255, one_hot(self.labels[chosen])
        if self.shares is not None:
            shares = self.shares[chosen].astype(np.float32)[:, None]
            # The order is random, and so is the neighbour.
            labels = _averaged(labels, shares)
            pictures = _averaged(pictures, shares[:, :, None, None])
        return pictures, labels


def _averaged(values: Array, shares: Array) -> Array:
    """Each of a batch's values averaged with the one before it, of which it takes what its share leaves."""
    averaged: Array = shares * values + (1 - shares) * np.roll(values, 1, axis=0)
    return averaged


def with_margins(pictures: Array, width: int) -> Array:
    """Pictures (N, H, W, C) with margins of `width` pixels in which they are mirrored."""
    return np.pad(pictures, ((0, 0), (width, width), (width, width), (0, 0)), mode="reflect")


def _within(first: Array, length: int) -> Array:
    """(N, 32): which pixels of a row lie in the stretch that begins at `first` (N,)."""
    place = np.arange(cifar.SIDE)
    return (place >= first[:, None]) & (place < first[:, None] + length)


def one_hot(labels: Array) -> Array:
    """(N,) indices as (N, 10) float32."""
    return np.eye(len(CLASSES), dtype=np.float32)[labels]


def split(data: Batch, preset: Preset) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """The pictures and labels to train on, and those kept apart: the same ones for every seed of training."""
    order = np.random.default_rng(0).permutation(len(data.labels))[: preset.pictures]
    kept, used = np.split(order, [preset.recipe.validation])
    return (data.pictures[used], data.labels[used]), (data.pictures[kept], data.labels[kept])


def moments(pictures: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (3,) of the colours of pictures (N, H, W, 3) uint8, on the scale [0, 1].

    From how often each value occurs: exact, and without a copy of the data set in larger numbers.
    """
    counts = np.zeros((3, 256), np.int64)
    for start in range(0, len(pictures), 1000):
        colours = pictures[start : start + 1000].reshape(-1, 3).T
        counts += [np.bincount(values, minlength=256) for values in colours]
    values = np.arange(256) / 255
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ values
    return mean, np.sqrt((shares * (values - mean[:, None]) ** 2).sum(axis=1))


def whitening_kernels(pictures: Array, mean: Array, std: Array, size: int, filters: int) -> Array:
    """Kernels (size, size, 3, n) whose outputs on standardised pictures are uncorrelated and of variance about 1.

    The principal axes of the patches, largest variance first, each divided by its standard deviation, and then their
    negatives, n = 2 * min(filters // 2, 3 * size**2) in all. A small constant keeps the noisy axes small.
    """
    floats = (pictures[:5000] / 255 - mean) / std
    patches = np.lib.stride_tricks.sliding_window_view(floats, (size, size), axis=(1, 2))[:, ::3, ::3]
    patches = patches.transpose(0, 1, 2, 4, 5, 3).reshape(-1, size * size * 3)
    variances, axes = np.linalg.eigh(np.cov(patches.T))
    axes = (axes / np.sqrt(variances + 0.01))[:, ::-1][:, : filters // 2]
    return np.concatenate([axes, -axes], axis=1).reshape(size, size, 3, -1)
