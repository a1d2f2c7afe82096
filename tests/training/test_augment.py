from dataclasses import replace

import keras
import numpy as np

from tests.training.made_up import RECIPE, TINY, pictures_of
from tfviz.training.augment import Augmented, moments, split, whitening_kernels, with_margins

MEAN = np.array([0.5, 0.4, 0.3])


def test_an_epoch_shows_every_picture_once_shifted_and_mirrored():
    data = pictures_of(60)
    recipe = replace(RECIPE, shift=3)
    padded = with_margins(data.pictures, 3)
    np.testing.assert_array_equal(padded[:, :3, 3:-3], data.pictures[:, 3:0:-1])
    epoch = Augmented(padded, data.labels, recipe, seed=5, epoch=1, colour=MEAN)
    assert len(epoch) == 3
    seen = []
    for number in range(3):
        batch, labels = epoch[number]
        assert batch.dtype == np.float32
        for picture, label in zip(batch, labels, strict=True):
            index = epoch.order[len(seen)]
            top, left = epoch.down[index], epoch.right[index]
            wanted = padded[index, top : top + 32, left : left + 32]
            wanted = wanted[:, ::-1] if epoch.mirrored[index] else wanted
            np.testing.assert_array_equal(picture, wanted.astype(np.float32) / 255)
            assert label.tolist() == np.eye(10)[data.labels[index]].tolist()
            seen.append(index)
    assert sorted(seen) == list(range(60))
    assert {0, 6} <= set(epoch.down.tolist())
    again = Augmented(padded, data.labels, recipe, seed=5, epoch=1, colour=MEAN)
    np.testing.assert_array_equal(again[0][0], epoch[0][0])
    other = Augmented(padded, data.labels, recipe, seed=5, epoch=2, colour=MEAN)
    np.testing.assert_array_equal(other.mirrored, ~epoch.mirrored)  # alternate
    assert other.order.tolist() != epoch.order.tolist()


def test_cutout_blanks_one_square_of_every_picture():
    data = pictures_of(60)
    data.pictures[:] = 255
    padded = with_margins(data.pictures, RECIPE.shift)
    epoch = Augmented(padded, data.labels, replace(RECIPE, cutout=9), seed=5, epoch=1, colour=MEAN)
    seen = set()
    for number in range(3):
        for picture in epoch[number][0]:
            rows, columns = np.nonzero((picture != 1).any(axis=-1))
            assert len(rows) == 81
            assert np.ptp(rows) == np.ptp(columns) == 8
            blank = picture[rows, columns]
            np.testing.assert_allclose(blank, np.broadcast_to(MEAN, blank.shape), atol=0.5 / 255 + 1e-6)
            seen |= {rows.min(), rows.max()}
    assert {0, 31} <= seen, "squares reach the edges"


def test_mixed_pictures_are_averages_of_two_and_their_labels_likewise():
    data = pictures_of(60)
    padded = with_margins(data.pictures, RECIPE.shift)
    usual = Augmented(padded, data.labels, RECIPE, seed=5, epoch=1, colour=MEAN)
    mixed = Augmented(padded, data.labels, replace(RECIPE, mixup=0.4), seed=5, epoch=1, colour=MEAN)
    shares = []
    for number in range(3):
        pictures, labels = usual[number]
        averages, both = mixed[number]
        assert averages.dtype == both.dtype == np.float32
        for place in range(20):
            share = mixed.shares[mixed.order[20 * number + place]]
            other = place - 1  # the one before; before the first the last
            wanted = share * pictures[place] + (1 - share) * pictures[other]
            np.testing.assert_allclose(averages[place], wanted, atol=1e-6)
            wanted = share * labels[place] + (1 - share) * labels[other]
            np.testing.assert_allclose(both[place], wanted, atol=1e-6)
            shares.append(share)
        np.testing.assert_allclose(both.sum(axis=1), 1, atol=1e-6)
    assert min(shares) < 0.1 < 0.9 < max(shares)


def test_shares_are_of_the_beta_distribution():
    """Its variance is 1 / (4 (2 alpha + 1))."""
    labels, padded = np.zeros(40_000, int), np.zeros((40_000, 1, 1, 3), np.uint8)
    for alpha in (0.2, 1.0, 5.0):
        recipe = replace(RECIPE, mixup=alpha)
        shares = Augmented(padded, labels, recipe, seed=0, epoch=0, colour=MEAN).shares
        assert abs(shares.mean() - 0.5) < 0.01
        assert abs(shares.var() * 4 * (2 * alpha + 1) - 1) < 0.03


def test_the_pictures_kept_apart():
    data = pictures_of(200)
    (used, _), (kept, labels) = split(data, TINY)
    assert len(used) == 100
    assert len(kept) == len(labels) == 40
    assert not {picture.tobytes() for picture in used} & {picture.tobytes() for picture in kept}
    np.testing.assert_array_equal(split(data, TINY)[1][0], kept)


def test_moments():
    pictures = np.random.default_rng(0).integers(0, 200, (1007, 32, 32, 3), np.uint8)
    mean, std = moments(pictures)
    np.testing.assert_allclose(mean, (pictures / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, (pictures / 255).std((0, 1, 2)), rtol=1e-12)


def test_whitening_kernels():
    pictures = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), np.uint8)
    pictures = (pictures // 2 + np.roll(pictures, 1, axis=2) // 2).astype(np.uint8)  # neighbours alike
    mean, std = pictures.mean((0, 1, 2)) / 255, pictures.std((0, 1, 2)) / 255
    kernels = whitening_kernels(pictures, mean, std, 3, 24)
    assert kernels.shape == (3, 3, 3, 24)
    np.testing.assert_array_equal(kernels[..., :12], -kernels[..., 12:])
    floats = ((pictures / 255 - mean) / std).astype(np.float32)
    maps = keras.ops.conv(floats, kernels[..., :12].astype(np.float32), padding="valid")
    covariance = np.cov(np.asarray(maps).reshape(-1, 12).T)
    np.testing.assert_allclose(covariance, np.eye(12), atol=0.05)
    assert whitening_kernels(pictures, mean, std, 2, 64).shape == (2, 2, 3, 24)
