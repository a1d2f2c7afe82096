"""Layers that Keras does not have, or has only in a slow form."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tfviz import backend


@keras.saving.register_keras_serializable(package="tfviz")
class CaffePicture(keras.layers.Layer):
    """Turns pictures (N, H, W, 3) RGB in [0, 1] into what Caffe's networks take: BGR in 0..255 less a mean.

    Args:
        mean: The mean colour, in the order blue, green, red, on the scale 0..255.
        **kwargs: Passed on to `keras.layers.Layer`.
    """

    pointwise = True  # read by `tfviz.receptive_field`

    def __init__(self, mean: tuple[float, float, float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mean = tuple(mean)

    def call(self, x: Any) -> Any:
        """Returns the pictures in BGR, about -124..151."""
        return 255.0 * ops.flip(x, axis=-1) - ops.convert_to_tensor(self.mean, x.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape does not change."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to make this layer again."""
        return {**super().get_config(), "mean": self.mean}


@keras.saving.register_keras_serializable(package="tfviz")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each value by a power of the sum of squares of its neighbours among the channels.

    `y[c] = x[c] / (k + alpha / size * sum of x[j]**2 for |j - c| <= size // 2) ** beta`, channels beyond the
    first and the last counting as 0. So do Caffe, PyTorch and ONNX count alpha; Krizhevsky et al. (2012,
    section 3.3) and TensorFlow do not divide it by the size.

    Args:
        size: How many neighbouring channels are summed, an odd number.
        alpha: The weight of the mean of squares.
        beta: The power.
        k: What is added before the power is taken.
        **kwargs: Passed on to `keras.layers.Layer`.
    """

    pointwise = True  # across the channels, but not across the picture

    def __init__(
        self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if size < 1 or size % 2 == 0:
            raise ValueError(f"size is the number of channels in a window with a middle: odd, not {size}.")
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def call(self, x: Any) -> Any:
        """Returns the normalised maps, the same shape (N, H, W, channels)."""
        channels, reach = x.shape[-1], self.size // 2
        squares = ops.pad(ops.square(x), ((0, 0), (0, 0), (0, 0), (reach, reach)))
        total = squares[..., :channels]
        for first in range(1, self.size):
            total = total + squares[..., first : first + channels]
        return x * ops.power(self.k + self.alpha / self.size * total, -self.beta)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape does not change."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to make this layer again."""
        settings = {"size": self.size, "alpha": self.alpha, "beta": self.beta, "k": self.k}
        return {**super().get_config(), **settings}


@keras.saving.register_keras_serializable(package="tfviz")
class GroupedConv2D(keras.layers.Layer):
    """A convolution in groups: each group of output channels sees only its own group of input channels.

    The same numbers as `keras.layers.Conv2D(..., padding="same", groups=groups)` from the same variables, but
    computed as ordinary convolutions side by side: on a CPU, forwards takes as long, but the gradient of
    Keras' grouped convolution took 5 to 15 times as long (Keras 3.15, TensorFlow 2.21, BVLC's three layers).

    Args:
        filters: Output channels, all groups together.
        kernel_size: Rows and columns of the kernel.
        groups: How many groups; divides the input channels and the filters.
        **kwargs: Passed on to `keras.layers.Layer`.

    Attributes:
        kernel: Shape (rows, columns, input channels / groups, filters).
        bias: Shape (filters,).
    """

    def __init__(self, filters: int, kernel_size: tuple[int, int], groups: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if filters % groups:
            raise ValueError(f"{filters} filters cannot be split into {groups} equal groups.")
        self.filters = filters
        self.kernel_size = tuple(kernel_size)
        self.groups = groups
        # Fixed, but named as in Conv2D: whoever walks the network's geometry reads them.
        self.strides = (1, 1)
        self.dilation_rate = (1, 1)
        self.padding = "same"

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the variables for maps of this shape."""
        channels = input_shape[-1]
        if channels is None or channels % self.groups:
            raise ValueError(f"{channels} channels cannot be split into {self.groups} equal groups.")
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.add_weight(shape=shape, initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, x: Any) -> Any:
        """Returns maps (N, H, W, filters) from maps (N, H, W, channels)."""
        maps = [
            ops.conv(part, kernel, strides=1, padding="same", data_format="channels_last")
            for part, kernel in zip(
                ops.split(x, self.groups, axis=-1),
                ops.split(ops.convert_to_tensor(self.kernel), self.groups, axis=-1),
                strict=True,
            )
        ]
        return ops.concatenate(maps, axis=-1) + self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Rows and columns stay; the channels become the filters."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to make this layer again."""
        settings = {"filters": self.filters, "kernel_size": self.kernel_size, "groups": self.groups}
        return {**super().get_config(), **settings}


@keras.saving.register_keras_serializable(package="tfviz")
class Convolution(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, with a faster gradient where the backend has one (`tfviz.backend.protocol.Operations`)."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Returns the convolution of the maps, without the bias."""
        plain = self.strides == (1, 1) and self.padding == "same" and self.dilation_rate == (1, 1)
        operations = backend.current().operations()
        if not plain or self.groups != 1 or operations is None:
            return super().convolution_op(inputs, kernel)
        return operations.convolution(inputs, ops.convert_to_tensor(kernel))


@keras.saving.register_keras_serializable(package="tfviz")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` of maps (N, H, W, C), faster in training where the backend knows how."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Returns the normalised maps; in training by their own moments, which the moving ones then follow."""
        plain = (
            len(inputs.shape) == 4 and self.axis in (-1, 3) and self.center and self.scale and mask is None
        )
        operations = backend.current().operations()
        if not training or not self.trainable or not plain or operations is None:
            return super().call(inputs, training=training, mask=mask)
        normalised, mean, variance = operations.batch_normalization(
            inputs,
            ops.cast(self.gamma, "float32"),
            ops.cast(self.beta, "float32"),
            self.epsilon,
        )
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1 - self.momentum))
        return normalised


@keras.saving.register_keras_serializable(package="tfviz")
class Held(keras.layers.Layer):
    """The same value for each picture of a batch, whatever the picture is: for the other inputs of a network.

    Args:
        value: Of one picture.
        **kwargs: Passed on to `keras.layers.Layer`.
    """

    def __init__(self, value: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = np.asarray(value)

    def call(self, pictures: Any) -> Any:
        """Returns (N, ...) for N pictures."""
        value = ops.convert_to_tensor(self.value)[None]
        return ops.repeat(value, ops.shape(pictures)[0], axis=0)

    def compute_output_spec(self, pictures: Any) -> Any:
        """Its own type and shape, which are not the pictures'."""
        return keras.KerasTensor((pictures.shape[0], *self.value.shape), str(self.value.dtype))

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to make this layer again."""
        return {**super().get_config(), "value": self.value.tolist()}


@keras.saving.register_keras_serializable(package="tfviz")
class TwoClasses(keras.layers.Layer):
    """The logits (0, z) of two classes from the logit z of one: their softmax is (1 - sigmoid(z), sigmoid(z))."""

    def call(self, x: Any) -> Any:
        """Returns (N, 2) from (N, 1)."""
        return ops.concatenate([ops.zeros_like(x), x], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Twice the columns."""
        return (*input_shape[:-1], 2)


@keras.saving.register_keras_serializable(package="tfviz")
class LogProbabilities(keras.layers.Layer):
    """Logits from probabilities: log p, of which the softmax is p again, or the log-odds, of which the sigmoid is.

    A probability below 1e-30, and for the log-odds one nearer to 1 than float32 tells apart, counts as that.

    Args:
        odds: Whether each class is by itself.
        **kwargs: Passed on to `keras.layers.Layer`.
    """

    def __init__(self, odds: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.odds = odds

    def call(self, p: Any) -> Any:
        """Returns the logits (N, classes)."""
        logarithm = ops.log(ops.maximum(p, 1e-30))
        return logarithm - ops.log(ops.maximum(1 - p, 2.0**-25)) if self.odds else logarithm

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape does not change."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to make this layer again."""
        return {**super().get_config(), "odds": self.odds}
