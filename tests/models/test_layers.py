import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, softmax

from tfviz.models.layers import (
    BatchNormalization,
    CaffePicture,
    Convolution,
    GroupedConv2D,
    LocalResponseNormalization,
    LogProbabilities,
)


def normal(*shape, scale=1.0, seed=0):
    return scale * np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def lrn_by_loop(x, size, alpha, beta, k):
    """The definition, one number at a time, in float64."""
    result = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        *pixel, channel = place
        window = range(max(0, channel - size // 2), min(x.shape[-1], channel + size // 2 + 1))
        squares = sum(float(x[(*pixel, other)]) ** 2 for other in window)
        result[place] = x[place] / (k + alpha / size * squares) ** beta
    return result


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_lrn_is_its_definition_also_at_the_first_and_last_channels(channels, size):
    x = normal(2, 3, 2, channels, scale=50)
    layer = LocalResponseNormalization(size, alpha=0.01, beta=0.6, k=1.5)
    np.testing.assert_allclose(layer(x), lrn_by_loop(x, size, 0.01, 0.6, 1.5), rtol=1e-5)


def test_lrn_with_the_defaults_is_tensorflows_with_alpha_divided():
    x = normal(2, 7, 5, 96, scale=100)
    expected = tf.nn.local_response_normalization(x, depth_radius=2, alpha=2e-5, beta=0.75, bias=1.0)
    np.testing.assert_allclose(LocalResponseNormalization()(x), expected, rtol=1e-5)
    undivided = tf.nn.local_response_normalization(x, depth_radius=2, alpha=1e-4, beta=0.75, bias=1.0)
    assert not np.allclose(LocalResponseNormalization()(x), undivided, rtol=0.05)


def test_lrn_of_equal_channels_by_hand():
    # In the middle five squares of 100: 1 + 1e-4 / 5 * 50000 = 2; at the edges three, then four.
    measured = LocalResponseNormalization()(np.full((1, 1, 1, 6), 100, np.float32))
    expected = 100 / np.array([1.6, 1.8, 2, 2, 1.8, 1.6]) ** 0.75
    np.testing.assert_allclose(np.ravel(measured), expected, rtol=1e-6)


def test_lrn_needs_a_window_with_a_middle():
    with pytest.raises(ValueError, match="odd, not 4"):
        LocalResponseNormalization(4)


@pytest.mark.parametrize(
    ("groups", "kernel_size", "channels", "filters"),
    [(1, (3, 3), 4, 6), (2, (5, 5), 6, 8), (3, (3, 1), 6, 9)],
)
def test_grouped_convolution_is_that_of_keras(groups, kernel_size, channels, filters):
    x = normal(2, 9, 7, channels)
    ours = GroupedConv2D(filters, kernel_size, groups)
    theirs = keras.layers.Conv2D(filters, kernel_size, padding="same", groups=groups)
    ours.build(x.shape)
    theirs.build(x.shape)
    weights = [normal(*variable.shape, seed=1) for variable in ours.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-4)
    assert ours.compute_output_shape(x.shape) == (2, 9, 7, filters)


def test_a_group_sees_only_its_own_channels():
    layer = GroupedConv2D(4, (3, 3), groups=2)
    x = normal(1, 5, 5, 6)
    before = layer(x).numpy()
    x[..., 3:] += 1
    difference = np.abs(layer(x) - before).max(axis=(0, 1, 2))
    assert (difference[:2] == 0).all()
    assert (difference[2:] > 0).all()


def test_groups_must_divide():
    with pytest.raises(ValueError, match="5 filters cannot be split into 2"):
        GroupedConv2D(5, (3, 3), groups=2)
    with pytest.raises(ValueError, match="3 channels cannot be split into 2"):
        GroupedConv2D(4, (3, 3), groups=2).build((None, 5, 5, 3))


def test_caffe_picture_of_red():
    red = np.array([[[[1.0, 0.0, 0.0]]]], np.float32)
    np.testing.assert_allclose(np.ravel(CaffePicture((104, 117, 123))(red)), [-104, -117, 132])


@pytest.mark.parametrize(
    "options",
    [{}, {"strides": 2}, {"padding": "valid"}, {"dilation_rate": 2}, {"groups": 2}, {"use_bias": False}],
    ids=str,
)
def test_a_convolution_is_that_of_keras(options):
    x = normal(2, 9, 7, 4)
    ours, theirs = (
        kind(6, 3, **{"padding": "same"} | options) for kind in (Convolution, keras.layers.Conv2D)
    )
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_batch_normalisation_is_that_of_keras_and_so_are_its_moving_moments(trainable, training):
    x = 3 + normal(4, 5, 6, 2, scale=2)
    ours, theirs = (
        kind(momentum=0.75, epsilon=0.01, trainable=trainable)
        for kind in (BatchNormalization, keras.layers.BatchNormalization)
    )
    start = [np.array(each, np.float32) for each in ([2, 3], [0.5, -1], [1, 2], [4, 5])]
    for layer in (ours, theirs):
        layer.build(x.shape)
        layer.set_weights(start)
    made = [np.asarray(layer(x, training=training)) for layer in (ours, theirs)]
    np.testing.assert_allclose(*made, rtol=1e-4, atol=1e-5)
    for mine, keras_own, before in zip(ours.get_weights(), theirs.get_weights(), start, strict=True):
        np.testing.assert_allclose(mine, keras_own, rtol=1e-5)
        assert trainable or (mine == before).all()
    if trainable and training:
        np.testing.assert_allclose(ours.moving_mean, 0.75 * start[2] + 0.25 * x.mean((0, 1, 2)), rtol=1e-5)


def test_logits_of_probabilities_are_those_of_which_they_are_the_softmax_or_the_sigmoid():
    p = np.array([[0.5, 0.25, 0.125, 0.125], [1.0, 0.0, 0.0, 0.0]], np.float32)
    together, apart = (np.asarray(LogProbabilities(odds=odds)(p), np.float64) for odds in (False, True))
    np.testing.assert_allclose(softmax(together, axis=1), p, atol=1e-7)
    np.testing.assert_allclose(expit(apart), p, atol=1e-7)
    np.testing.assert_allclose(apart[0], np.log([1, 1 / 3, 1 / 7, 1 / 7]), atol=1e-6)
    assert np.isfinite([together, apart]).all()


@pytest.mark.parametrize(
    "layer",
    [
        CaffePicture((1, 2, 3)),
        LocalResponseNormalization(3, alpha=0.1, beta=0.5, k=2),
        GroupedConv2D(6, (3, 1), groups=3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_survive_saving(layer, tmp_path):
    inputs = keras.Input((4, 5, 3))
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = normal(2, 4, 5, 3)
    np.testing.assert_array_equal(again(x), model(x))
