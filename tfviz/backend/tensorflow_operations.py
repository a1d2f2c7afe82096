"""Operations that have faster forms for CPUs here; imported only where Keras runs on TensorFlow.

All compute what Keras' layers compute. Two serve training, `bench.resnet_step` measures them; two serve the gradient of
pictures, of whose weights none is taken: `bench.ascent`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


def product(values: Tensor, kernel: Tensor) -> Tensor:
    """The product of matrices, where most of the values are what a ReLU left at 0.

    Rows of the kernel that meet zeros alone are not read: those that count are gathered once, for the product and for
    its gradient, wherever they are few enough for that to take less time than reading the whole kernel twice.

    Args:
        values: (N, rows), a ReLU's output, or of maxima or means of that.
        kernel: (rows, columns); no gradient is taken of it.

    Returns:
        (N, columns). Its gradient for the values is 0 where all pictures have a 0, as the ReLU's would make it.
    """
    rows, columns = kernel.shape
    count = values.shape[0]

    @tf.custom_gradient
    def run(x: Tensor) -> Any:
        active = tf.where(tf.reduce_any(tf.not_equal(x, 0), axis=0))
        few = tf.size(active) <= int(_FEW_ROWS * rows)
        part = tf.cond(few, lambda: tf.gather_nd(kernel, active), lambda: tf.zeros((0, columns), x.dtype))
        made = tf.cond(
            few,
            lambda: tf.matmul(tf.gather(x, active[:, 0], axis=1), part),
            lambda: tf.matmul(x, kernel),
        )

        def gradient(out: Tensor) -> Tensor:
            def gathered() -> Tensor:
                products = tf.matmul(part, out, transpose_b=True)
                return tf.transpose(tf.scatter_nd(active, products, (rows, count)))

            return tf.cond(few, gathered, lambda: tf.matmul(out, kernel, transpose_b=True))

        return made, gradient

    kernel = tf.convert_to_tensor(kernel)
    return run(values)


_FEW_ROWS = 0.45  # a gathered row is read, written and read twice: at half of them nothing is gained


def strided_convolution(pictures: Tensor, kernel: Tensor, stride: int, padding: str) -> Tensor:
    """A convolution with stride of pictures of few channels, whose gradient for them is a convolution without.

    In blocks of stride x stride pixels, each block's pixels taken for channels, it is a convolution with stride 1: its
    gradient is the convolution with the turned kernel, as in `convolution`. TensorFlow 2.21's Conv2DBackpropInput took
    3 times as long for AlexNet's first layer, and 10 times for 16 pictures.

    Args:
        pictures: (N, H, W, C).
        kernel: (rows, columns, C, F); no gradient is taken of it.
        stride: of rows and columns.
        padding: "same" or "valid".

    Returns:
        (N, rows, columns, F).
    """
    kernel = tf.convert_to_tensor(kernel)
    rows, columns, channels, filters = kernel.shape

    @tf.custom_gradient
    def run(x: Tensor) -> Any:
        made = tf.nn.conv2d(x, kernel, stride, padding.upper())

        def gradient(out: Tensor) -> Tensor:
            blocks = [-(-size // stride) for size in (rows, columns)]
            whole = tf.pad(
                kernel, [(0, blocks[0] * stride - rows), (0, blocks[1] * stride - columns), (0, 0), (0, 0)]
            )
            whole = tf.reshape(whole, (blocks[0], stride, blocks[1], stride, channels, filters))
            whole = tf.transpose(whole, (0, 2, 5, 1, 3, 4))
            turned = tf.reshape(tf.reverse(whole, [0, 1]), (*blocks, filters, stride * stride * channels))
            margins = [(size - 1, size - 1) for size in blocks]
            found = tf.nn.depth_to_space(tf.nn.conv2d(out, turned, 1, [(0, 0), *margins, (0, 0)]), stride)
            for axis, (length, size) in enumerate(zip(x.shape[1:3], (rows, columns), strict=True), start=1):
                padded = max((out.shape[axis] - 1) * stride + size - length, 0) if padding == "same" else 0
                before = padded // 2
                found = tf.gather(found, tf.range(before, min(found.shape[axis], before + length)), axis=axis)
                missing = [(0, 0)] * 4
                missing[axis] = (0, length - found.shape[axis])
                found = tf.pad(found, missing)
            return found

        return made, gradient

    return run(pictures)


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


def compiled(compute: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function once, when it is first called, whatever the number of pictures, rows and columns.

    Args:
        compute: takes lists of tensors, as many in each at every call; floats keep their last axis, the channels.

    Returns:
        A function of lists of arrays or tensors.
    """
    run = None

    def call(*lists: Sequence[Any]) -> Any:
        nonlocal run
        tensors = [[tf.convert_to_tensor(each) for each in some] for some in lists]
        if run is None:
            run = tf.function(
                compute, autograph=False, input_signature=tf.nest.map_structure(_of_any_size, tensors)
            )
        return run(*tensors)

    return call


def _of_any_size(tensor: Tensor) -> tf.TensorSpec:
    last = tensor.shape[-1] if tensor.dtype.is_floating else None
    return tf.TensorSpec([*[None] * (len(tensor.shape) - 1), last], tensor.dtype)
