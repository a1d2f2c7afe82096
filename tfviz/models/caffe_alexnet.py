"""AlexNet as BVLC trained it with Caffe, close to Krizhevsky, Sutskever and Hinton (2012).

conv2, conv4 and conv5 work in two groups, as the network of 2012 did on its two GPUs, and conv1 and conv2 are
followed by local response normalisation (LRN): convolution, ReLU, LRN, pool, in this order.
"""

import keras
from keras import layers

from tfviz.models.colours import CAFFE_MEAN_BGR
from tfviz.models.layers import CaffePicture, GroupedConv2D, LocalResponseNormalization
from tfviz.models.layouts import Layout
from tfviz.weights.port import Row, fc_after_flatten, oihw_to_hwio, transpose

_CONVOLUTIONS = ("conv1", "conv2", "conv3", "conv4", "conv5")
_DENSE = ("fc6", "fc7", "fc8")

# Caffe flattens before fc6 in the order channel, row, column, and the ONNX file keeps that.
_FROM_CAFFE = (
    dict.fromkeys(_CONVOLUTIONS, oihw_to_hwio)
    | {"fc6": fc_after_flatten(256, 6, 6)}
    | dict.fromkeys(("fc7", "fc8"), transpose)
)

LAYOUTS = (
    Layout(
        "bvlcalexnet-12.onnx",
        tuple(
            row
            for layer, transform in _FROM_CAFFE.items()
            for row in (
                Row(f"{layer}/kernel", f"{layer}_w_0", transform),
                Row(f"{layer}/bias", f"{layer}_b_0"),
            )
        ),
    ),
    # caffe-tensorflow wrote this one, and put everything in TensorFlow's order: kernels (rows, columns, in,
    # out), dense weights (in, out), and the rows of fc6 for a map flattened as row, column, channel.
    Layout(
        "bvlc_alexnet.npy",
        tuple(
            row
            for layer in (*_CONVOLUTIONS, *_DENSE)
            for row in (Row(f"{layer}/kernel", f"{layer}/0"), Row(f"{layer}/bias", f"{layer}/1"))
        ),
    ),
)
"""Files that hold the weights of `build`. Both have conv1 for blue, green, red, as Caffe reads pictures."""


def build(
    input_shape: tuple[int | None, int | None, int] = (227, 227, 3), *, normalize: bool = True
) -> keras.Model:
    """Builds the network, 60,965,224 parameters, with random weights.

    Dropout, which acts in training only, is left out. Caffe rounds a pool's size up where Keras rounds down:
    no difference at 227x227, where the maps are 55, 27, 13 and 6 rows high and nothing is left over.

    Args:
        input_shape: Must be (227, 227, 3): fc6 takes a 6x6 map.
        normalize: Whether the model makes Caffe's input from the pictures itself, as its first layer.

    Returns:
        A model from pictures (N, 227, 227, 3) RGB in [0, 1], or from the network's own input (BGR in 0..255,
        `CAFFE_MEAN_BGR` taken off) if not `normalize`, to logits (N, 1000).

    Raises:
        ValueError: The input shape is another.
    """
    if tuple(input_shape) != (227, 227, 3):
        raise ValueError(f"caffe_alexnet takes pictures of shape (227, 227, 3), not {tuple(input_shape)}.")
    x = inputs = keras.Input(input_shape, name="pictures")
    if normalize:
        x = CaffePicture(CAFFE_MEAN_BGR, name="normalize")(x)
    x = layers.ReLU(name="relu1")(layers.Conv2D(96, 11, strides=4, name="conv1")(x))
    x = LocalResponseNormalization(name="norm1")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    x = layers.ReLU(name="relu2")(GroupedConv2D(256, (5, 5), groups=2, name="conv2")(x))
    x = LocalResponseNormalization(name="norm2")(x)
    x = layers.MaxPooling2D(3, 2, name="pool2")(x)
    x = layers.ReLU(name="relu3")(layers.Conv2D(384, 3, padding="same", name="conv3")(x))
    x = layers.ReLU(name="relu4")(GroupedConv2D(384, (3, 3), groups=2, name="conv4")(x))
    x = layers.ReLU(name="relu5")(GroupedConv2D(256, (3, 3), groups=2, name="conv5")(x))
    x = layers.MaxPooling2D(3, 2, name="pool5")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.ReLU(name="relu6")(layers.Dense(4096, name="fc6")(x))
    x = layers.ReLU(name="relu7")(layers.Dense(4096, name="fc7")(x))
    return keras.Model(inputs, layers.Dense(1000, name="fc8")(x), name="caffe_alexnet")
