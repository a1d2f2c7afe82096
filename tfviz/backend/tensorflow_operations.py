"""What training needs of TensorFlow itself; imported only where Keras runs on TensorFlow.

Two operations have faster forms for CPUs here. Both compute what Keras' layers compute; how much faster they are is
measured by `bench.resnet_step`.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfviz.backend import machine

Tensor = Any


def convolution(pictures: Tensor, kernel: Tensor) -> Tensor:
    """A convolution with stride 1 and padding "same", whose gradient for its input is again a convolution.

    With stride 1 the gradient for the input is the convolution of the output's gradient with the kernel turned by 180
    degrees, its channels exchanged, under the mirrored padding. Computed so, it runs at the speed of the forward pass;
    TensorFlow 2.21's own Conv2DBackpropInput took 1.5 to 5 times as long on CPUs. How the gradient for the kernel is
    computed is decided by `_kernel_gradient`.

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
            return convolve(out, turned, after, before), _kernel_gradient(x, out, kernel.shape)

        return convolve(x, kernel, before, after), gradient

    # Tensors, not variables: a custom gradient would want to know about those.
    return run(tf.convert_to_tensor(pictures), tf.convert_to_tensor(kernel))


def _kernel_gradient(maps: Tensor, out: Tensor, shape: tf.TensorShape) -> Tensor:
    """The gradient (rows, columns, C, F) of a convolution's kernel, from its maps and the gradient of its output.

    Conv2DBackpropFilter is slow in two cases, which `bench.kernel_gradient` measures.
    """
    few_channels = shape[2] <= 4 and "avx512f" not in machine.processor_flags()
    small_maps = maps.shape[1] * maps.shape[2] <= 64 and shape[2] * shape[3] >= 2**15
    if few_channels:
        return kernel_gradient_by_convolution(maps, out, shape)
    if small_maps and maps.dtype == tf.bfloat16:
        return kernel_gradient_by_products(maps, out, shape)
    return tf.raw_ops.Conv2DBackpropFilter(
        input=maps, filter_sizes=shape, out_backprop=out, strides=[1, 1, 1, 1], padding="SAME"
    )


def _padded(maps: Tensor, shape: tf.TensorShape) -> Tensor:
    margins = [((size - 1) // 2, size // 2) for size in shape[:2]]
    return tf.pad(maps, [(0, 0), *margins, (0, 0)])


def kernel_gradient_by_convolution(maps: Tensor, out: Tensor, shape: tf.TensorShape) -> Tensor:
    """The gradient as a convolution of the maps with the output's gradient, where pictures play the part of channels.

    Args:
        maps: (N, H, W, C).
        out: (N, H, W, F).
        shape: of the kernel, (rows, columns, C, F).

    Returns:
        (rows, columns, C, F).
    """
    sums = tf.nn.conv2d(
        tf.transpose(_padded(maps, shape), (3, 1, 2, 0)), tf.transpose(out, (1, 2, 0, 3)), 1, "VALID"
    )
    return tf.transpose(sums, (1, 2, 0, 3))


def kernel_gradient_by_products(maps: Tensor, out: Tensor, shape: tf.TensorShape) -> Tensor:
    """The gradient as one product of matrices, (C, N H W) and (N H W, F), for each of the kernel's places.

    Arguments and result are those of `kernel_gradient_by_convolution`.
    """
    rows, columns, channels, filters = shape
    height, width = maps.shape[1:3]
    padded = _padded(maps, shape)
    flat = tf.reshape(out, (-1, filters))
    products = [
        tf.matmul(
            tf.reshape(padded[:, top : top + height, left : left + width], (-1, channels)),
            flat,
            transpose_a=True,
        )
        for top in range(rows)
        for left in range(columns)
    ]
    return tf.reshape(tf.stack(products), shape)


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
