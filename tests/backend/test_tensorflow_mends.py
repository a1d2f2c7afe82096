import numpy as np
import pytest

from tfviz import backend

pytestmark = pytest.mark.skipif(backend.name() != "tensorflow", reason="what TensorFlow computes wrongly")


def by_hand(pictures, kernel, strides, padding):
    """A convolution (N, H, W, 1) by its definition, in float64."""
    count, before = [], []
    for axis in (0, 1):
        length, size, step = pictures.shape[axis + 1], kernel.shape[axis], strides[axis]
        count.append(-(-length // step) if padding == "same" else (length - size) // step + 1)
        before.append(max((count[-1] - 1) * step + size - length, 0))
        before[-1] = (before[-1] // 2, before[-1] - before[-1] // 2) if padding == "same" else (0, 0)
    padded = np.pad(pictures.astype(np.float64), ((0, 0), *before, (0, 0)))
    (rows, columns), (down, across) = count, strides
    return sum(
        padded[:, top : top + down * (rows - 1) + 1 : down, left : left + across * (columns - 1) + 1 : across]
        * kernel[top, left, 0].astype(np.float64)
        for top in range(kernel.shape[0])
        for left in range(kernel.shape[1])
    )


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("size", "strides", "filters", "shape"),
    [
        ((1, 5), (3, 1), 4, (3, 96, 113, 1)),
        ((1, 3), (3, 1), 16, (2, 113, 113, 1)),
        ((1, 5), (2, 1), 1, (2, 97, 83, 1)),
        ((2, 2), 3, 3, (2, 40, 41, 1)),
    ],
)
def test_a_single_channel_of_which_strides_pass_rows_over(size, strides, filters, shape, padding):
    """Of these calls one in fifty, or every second one, is wrong with two threads and AVX-512, if not mended."""
    backend.load()
    backend.current()
    import keras
    import tensorflow as tf

    layer = keras.layers.Conv2D(filters, size, strides=strides, padding=padding, activation="relu")
    picture = keras.Input(shape[1:])
    model = keras.Model(picture, layer(picture))
    random = np.random.default_rng(3)
    pictures = random.normal(size=shape).astype(np.float32)
    kernel, bias = random.normal(size=(*size, 1, filters)), random.normal(size=filters)
    layer.set_weights([kernel, bias])
    convolved = by_hand(pictures, kernel.astype(np.float32), layer.strides, padding)
    expected = np.maximum(convolved + bias, 0)
    compiled = tf.function(lambda x: model(x, training=False)).get_concrete_function(
        tf.TensorSpec(shape, tf.float32)
    )
    channels = [each.inputs[0].shape[-1] for each in compiled.graph.get_operations() if each.type == "Conv2D"]
    assert channels == [2]
    for _ in range(40):
        np.testing.assert_allclose(compiled(tf.constant(pictures)), expected, atol=1e-4)
        np.testing.assert_allclose(model(pictures), expected, atol=1e-4)
