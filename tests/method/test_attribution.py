import keras
import numpy as np
import pytest

from tests.tiny import linear_model
from tfviz.method.attribution import grad_cam


def test_grad_cam_by_hand():
    """The logit is linear in the maps: the weight of a channel is the mean of its dense weights."""
    model = linear_model(9, 7)
    picture = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)
    kernel, _ = model.get_layer("logits").get_weights()
    maps = np.asarray(keras.Model(model.input, model.get_layer("relu1").output)(picture[None]))[0]
    weights = kernel.reshape(7, 5, 2, 4).mean(axis=(0, 1))
    mixed = maps @ weights  # (7, 5, classes)
    k = int((mixed > 0).sum(axis=(0, 1)).argmax())  # a class of which the ReLU leaves something
    expected = np.maximum(mixed[..., k], 0)
    assert expected.max() > 0
    cam = grad_cam(model, "relu1", picture, k)
    assert cam.shape == (9, 7)
    # A 3 x 3 kernel without padding: unit (i, j) looks at pixel (i + 1, j + 1); beyond the last, the last counts.
    np.testing.assert_allclose(cam[1:-1, 1:-1], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(cam, np.pad(expected, 1, mode="edge"), rtol=1e-5, atol=1e-6)


def test_grad_cam_is_placed_by_the_receptive_field():
    """Units 4 pixels apart, the first sees rows 0 to 2: their middles are 1, 5, 9, with straight lines between."""
    picture = keras.Input((11, 11, 1))
    x = keras.layers.Conv2D(1, 3, strides=4, use_bias=False, kernel_initializer="ones", name="conv")(picture)
    logits = keras.layers.Dense(2, kernel_initializer="ones")(keras.layers.Flatten()(x))
    model = keras.Model(picture, logits)
    rows = np.repeat(np.arange(11.0, dtype=np.float32)[:, None, None], 11, axis=1)
    cam = grad_cam(model, "conv", rows, 0)
    # A unit's output is 9 times its middle row, the weight 1.
    np.testing.assert_allclose(cam, 9 * np.clip(rows[..., 0], 1, 9), rtol=1e-5)


def test_grad_cam_of_a_layer_in_a_nested_model_is_that_of_the_layer_itself():
    base = linear_model(9, 7)
    picture = keras.Input((9, 7, 3))
    nested = keras.Model(picture, base(picture))
    x = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)
    np.testing.assert_allclose(
        grad_cam(nested, "tiny/relu1", x, 1), grad_cam(base, "relu1", x, 1), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"layer": "logits"}, "receptive field"),
        ({"layer": "relu9"}, "no layer 'relu9'"),
        ({"class_index": 4}, "no class 4"),
        ({"picture": np.full((9, 7, 3), np.nan)}, "not finite"),
        ({"picture": np.full((9, 7, 3), 1)}, "whole numbers"),
        ({"picture": np.zeros((7, 9, 3))}, "takes pictures of shape"),
    ],
)
def test_nonsense_is_refused(change, says):
    arguments = {"layer": "relu1", "picture": np.zeros((9, 7, 3)), "class_index": 0} | change
    with pytest.raises(ValueError, match=says):
        grad_cam(linear_model(9, 7), **arguments)


def test_what_goes_past_a_layer_is_refused():
    picture = keras.Input((9, 7, 3))
    x = keras.layers.Conv2D(3, 3, padding="same", name="conv")(picture)
    logits = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(keras.layers.Add()([x, picture])))
    with pytest.raises(ValueError, match="goes past layer 'conv'"):
        grad_cam(keras.Model(picture, logits), "conv", np.zeros((9, 7, 3)), 0)
