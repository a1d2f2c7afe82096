"""Operations that have faster forms for CPUs here; imported only where Keras runs on TensorFlow.

All compute what Keras' layers compute. Two serve training, `bench.resnet_step` measures them; two serve the gradient of
pictures, where none is taken of weights: `bench.ascent`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
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
                if count in _A_FEW_PICTURES:
                    products = tf.transpose(tf.matmul(out, part, transpose_b=True))
                else:
                    products = tf.matmul(part, out, transpose_b=True)
                return tf.transpose(tf.scatter_nd(active, products, (rows, count)))

            def plain() -> Tensor:
                if count < _MANY_PICTURES:
                    return tf.matmul(out, kernel, transpose_b=True)
                return tf.transpose(tf.matmul(kernel, out, transpose_b=True))

            return tf.cond(few, gathered, plain)

        return made, gradient

    kernel = tf.convert_to_tensor(kernel)
    return run(values)


_A_FEW_PICTURES = (2, 3)  # for these the first form took half as long as the second, for others never less
_MANY_PICTURES = 8  # for so many the first form took 1.3 times as long as the second, for 4 the second did
_FEW_ROWS = 0.45  # a gathered row is read, written and read twice: at half of them nothing is gained


def frozen_convolution(pictures: Tensor, kernel: Any, stride: int, padding: str, groups: int = 1) -> Tensor:
    """A convolution, whose gradient for the pictures is a convolution with stride 1, at the speed of the forward pass.

    With stride 1 that is the one of `convolution`. With a larger stride, in blocks of stride x stride pixels, each
    block's pixels taken for channels, it is a convolution with stride 1, too. TensorFlow 2.21's Conv2DBackpropInput
    took 3 times as long for AlexNet's first layer, and 10 times for 16 pictures; 1.1 to 1.8 times for its others on
    one picture. The kernel is turned before a loop, not in its steps, see `before_steps`.

    Args:
        pictures: (N, H, W, C); with a stride it pays for few channels only.
        kernel: (rows, columns, C / groups, F), or the variable; no gradient is taken of it.
        stride: of rows and columns, at most the kernel's.
        padding: "same" or "valid".
        groups: of channels, each of which makes its own F / groups.

    Returns:
        (N, rows, columns, F).
    """

    def prepare() -> list[tuple[Tensor, Tensor]]:
        whole = tf.convert_to_tensor(kernel)
        return [(part, _turned(part, stride)) for part in _split(whole, groups)]

    made = [
        _frozen(part, own, turned, stride, padding)
        for part, (own, turned) in zip(_split(pictures, groups), _once(prepare), strict=True)
    ]
    return made[0] if groups == 1 else tf.concat(made, axis=3)


def _split(value: Tensor, groups: int) -> list[Tensor]:
    return [value] if groups == 1 else list(tf.split(value, groups, axis=3))


def _turned(kernel: Tensor, stride: int) -> Tensor:
    """The kernel (rows, columns, F, stride stride C) of the gradient, in blocks."""
    rows, columns, channels, filters = kernel.shape
    blocks = [-(-size // stride) for size in (rows, columns)]
    margins = [(0, count * stride - size) for count, size in zip(blocks, (rows, columns), strict=True)]
    whole = tf.pad(kernel, [*margins, (0, 0), (0, 0)])
    whole = tf.reshape(whole, (blocks[0], stride, blocks[1], stride, channels, filters))
    whole = tf.reverse(tf.transpose(whole, (0, 2, 5, 1, 3, 4)), [0, 1])
    return tf.reshape(whole, (*blocks, filters, stride * stride * channels))


def _frozen(pictures: Tensor, kernel: Tensor, turned: Tensor, stride: int, padding: str) -> Tensor:
    @tf.custom_gradient
    def run(x: Tensor) -> Any:
        made = tf.nn.conv2d(x, kernel, stride, padding.upper())

        def gradient(out: Tensor) -> Tensor:
            cut, margins = [], []
            for axis in (1, 2):
                length, size, reach = x.shape[axis], kernel.shape[axis - 1], turned.shape[axis - 1]
                padded = max((out.shape[axis] - 1) * stride + size - length, 0) if padding == "same" else 0
                # What was padding is left out: whole blocks by the convolution, the rest afterwards.
                before, after = padded // 2 // stride, (padded - padded // 2) // stride
                cut.append(padded // 2 - before * stride)
                margins.append((reach - 1 - before, reach - 1 - after))
            found = tf.nn.conv2d(out, turned, 1, [(0, 0), *margins, (0, 0)])
            return _part(found if stride == 1 else tf.nn.depth_to_space(found, stride), cut, x.shape[1:3])

        return made, gradient

    return run(pictures)


def _part(maps: Tensor, first: Sequence[int], lengths: Sequence[int]) -> Tensor:
    """Rows and columns of maps from the first ones on; zeros where there are no more."""
    channels = maps.shape[3]
    stops = [
        min(begin + size, there) for begin, size, there in zip(first, lengths, maps.shape[1:3], strict=True)
    ]
    if (list(first), stops) != ([0, 0], list(maps.shape[1:3])):
        # Out of whole rows: a slice of few channels takes ten times as long.
        whole = tf.reshape(maps, (-1, maps.shape[1], maps.shape[2] * channels))
        whole = whole[:, first[0] : stops[0], first[1] * channels : stops[1] * channels]
        maps = tf.reshape(whole, (-1, stops[0] - first[0], stops[1] - first[1], channels))
    missing = [(0, begin + size - stop) for begin, size, stop in zip(first, lengths, stops, strict=True)]
    return tf.pad(maps, [(0, 0), *missing, (0, 0)]) if missing != [(0, 0), (0, 0)] else maps


def local_response_normalization(maps: Tensor, size: int, bias: float, alpha: float, beta: float) -> Tensor:
    """A map over (bias + alpha / size times the sum of squares over `size` neighbouring channels) ^ beta.

    The sums are products with a band matrix, and the gradient is written down: the slices of a plain sum, of which each
    has a gradient as large as the map, took ten times as long.

    Args:
        maps: (N, H, W, C).
        size: of channels that count, half of them on either side: an odd number.
        bias: what is added.
        alpha: of the sum.
        beta: the power.

    Returns:
        (N, H, W, C).
    """
    channels = np.arange(maps.shape[3])
    near = tf.constant(np.abs(np.subtract.outer(channels, channels)) <= size // 2, maps.dtype)
    factor = alpha / size

    def sums(values: Tensor) -> Tensor:
        return tf.reshape(tf.matmul(tf.reshape(values, (-1, len(channels))), near), tf.shape(values))

    @tf.custom_gradient
    def run(x: Tensor) -> Any:
        total = bias + factor * sums(tf.square(x))
        power = tf.exp(-beta * tf.math.log(total))  # a fifth of the time of tf.pow

        def gradient(out: Tensor) -> Tensor:
            by_power = out * power
            return by_power - 2 * beta * factor * x * sums(by_power * x / total)

        return x * power, gradient

    return run(maps)


_GRAPH: ContextVar[Any] = ContextVar("graph", default=None)


@contextmanager
def before_steps(graph: Any) -> Iterator[None]:
    """Inside, what is made of weights alone goes into this graph: that of a loop, not of its steps."""
    token = _GRAPH.set(graph)
    try:
        yield
    finally:
        _GRAPH.reset(token)


def _once(prepare: Callable[[], Any]) -> Any:
    graph = _GRAPH.get()
    if graph is None:
        return prepare()
    with graph.as_default():
        return prepare()


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
