import keras
import numpy as np
import pytest

from tfviz.training.evaluate import judge, logits_of


def test_judging():
    logits = np.array([[2.0, 0, 0], [0, 1.0, 0], [0, 0, 3.0]])
    logits = np.concatenate([logits, np.full((3, 7), -1e9)], axis=1)
    judged = judge(logits, np.array([0, 2, 2]))
    assert judged.accuracy == pytest.approx(2 / 3)
    terms = [np.log(np.exp(2) + 2) - 2, np.log(np.e + 2), np.log(np.exp(3) + 2) - 3]
    assert judged.loss == pytest.approx(np.mean(terms))
    assert judged.confusion.sum() == 3
    assert (judged.confusion[0, 0], judged.confusion[2, 1], judged.confusion[2, 2]) == (1, 1, 1)
    np.testing.assert_allclose(judged.probabilities.sum(axis=1), 1, rtol=1e-6)


def test_views():
    """On a linear network the mean over views is the network of the mean picture."""
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(inputs)))
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect") / 255

    def mean_of(*views):
        return np.asarray(model(sum(views) / len(views)))

    plain, up, down = padded[:, 1:33, 1:33], padded[:, :32, :32], padded[:, 2:, 2:]
    flips = [view[:, :, ::-1] for view in (plain, up, down)]
    for views, wanted in (
        ("one", mean_of(plain)),
        ("flip", mean_of(plain, flips[0])),
        ("flip and shift", mean_of(plain, plain, flips[0], flips[0], up, flips[1], down, flips[2])),
    ):
        np.testing.assert_allclose(logits_of(model, pictures, views), wanted, atol=1e-4)


def test_pictures_that_fill_no_whole_batch():
    """Each keeps its place: the logits of 1,003 pictures are those of one after another."""
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(inputs)))
    pictures = np.random.default_rng(1).integers(0, 256, (1003, 32, 32, 3), np.uint8)
    kernel, bias = (np.asarray(weight, np.float64) for weight in model.get_weights())
    wanted = pictures.reshape(1003, -1) / 255 @ kernel + bias
    made = logits_of(model, pictures, "one")
    assert (made.shape, made.dtype) == ((1003, 10), np.float32)
    np.testing.assert_allclose(made, wanted, atol=1e-4)
