"""What training needs of TensorFlow itself; imported only where Keras runs on TensorFlow.

Two operations have faster forms for CPUs here. Both compute what Keras' layers compute; how much faster they are is
measured by `bench.resnet_step`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import tensorflow as tf

Tensor = Any
_FEW_CHANNELS = 4


def on_gpu() -> bool:
    """Whether TensorFlow has a GPU, where its own kernels are the fast ones."""
    return bool(tf.config.list_physical_devices("GPU"))


def distribution() -> AbstractContextManager[Any]:
    """The block in which a model is to be made: on several GPUs each gets a copy and its share of every batch."""
    if len(devices := tf.config.list_logical_devices("GPU")) < 2:
        return nullcontext()
    return tf.distribute.MirroredStrategy([device.name for device in devices]).scope()  # type: ignore[no-any-return]


def convolution(pictures: Tensor, kernel: Tensor) -> Tensor:
    """A convolution with stride 1 and padding "same", whose gradient for its input is again a convolution.

    With stride 1 the gradient for the input is the convolution of the output's gradient with the kernel turned by 180
    degrees, its channels exchanged, under the mirrored padding. Computed so, it runs at the speed of the forward pass;
    TensorFlow 2.21's own Conv2DBackpropInput took 1.5 to 5 times as long on CPUs. The gradient for the kernel is a
    convolution too, of the maps with the output's gradient, where pictures play the part of channels; for maps of few
    channels, such as pictures, it takes half as long as Conv2DBackpropFilter, for many it is no faster.

    Args:
        pictures: (N, H, W, C).
        kernel: (rows, columns, C, F).

    Returns:
        (N, H, W, F), of the same type.
    """
    before = [(size - 1) // 2 for size in kernel.shape[:2]]
    after = [size // 2 for size in kernel.shape[:2]]

    def convolve(x: Tensor, kernel: Tensor, before: list[int], after: list[int]) -> Tensor:
        if before == after:
            return tf.nn.conv2d(x, kernel, 1, "SAME")
        return tf.nn.conv2d(x, kernel, 1, [[0, 0], *zip(before, after, strict=True), [0, 0]])

    @tf.custom_gradient
    def run(x: Tensor, kernel: Tensor) -> Any:
        def gradient(out: Tensor) -> tuple[Tensor, Tensor]:
            turned = tf.transpose(tf.reverse(kernel, [0, 1]), (0, 1, 3, 2))
            if kernel.shape[2] <= _FEW_CHANNELS:
                margins = [[0, 0], *zip(before, after, strict=True), [0, 0]]
                sums = tf.nn.conv2d(
                    tf.transpose(x, (3, 1, 2, 0)), tf.transpose(out, (1, 2, 0, 3)), 1, margins
                )
                of_kernel = tf.transpose(sums, (1, 2, 0, 3))
            else:
                of_kernel = tf.raw_ops.Conv2DBackpropFilter(
                    input=x, filter_sizes=kernel.shape, out_backprop=out, strides=[1, 1, 1, 1], padding="SAME"
                )
            return convolve(out, turned, after, before), of_kernel

        return convolve(x, kernel, before, after), gradient

    # Tensors, not variables: a custom gradient would want to know about those.
    return run(tf.convert_to_tensor(pictures), tf.convert_to_tensor(kernel))


def batch_normalization(
    maps: Tensor, scale: Tensor, offset: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalisation by the batch's own moments, as one operation each way.

    Keras composes it of a dozen, and casts bfloat16 to float32 for them; this one reads bfloat16 as it is.

    Args:
        maps: (N, H, W, C), float32 or bfloat16.
        scale: (C,) float32.
        offset: (C,) float32.
        epsilon: added to the variance.

    Returns:
        The normalised maps, of the same type, and the batch's mean and (biased) variance, (C,) float32.
    """
    normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=maps, scale=scale, offset=offset, mean=[], variance=[], epsilon=epsilon, is_training=True
    )
    count = tf.cast(tf.reduce_prod(tf.shape(maps)[:3]), tf.float32)
    return normalised, mean, variance * (count - 1) / count  # the operation returns the unbiased one
