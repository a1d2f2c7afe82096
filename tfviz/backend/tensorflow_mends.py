"""What TensorFlow computes wrongly, asked of it in another way."""

from __future__ import annotations

from functools import cache
from typing import Any

import tensorflow as tf
from keras import ops
from keras.src.backend.tensorflow import nn


@cache
def convolve_one_channel_beside_zeros() -> None:
    """Have Keras' convolutions of a single channel whose strides pass rows over be right, in this process from now on.

    For these oneDNN's kernel for AVX-512 (`brg_conv_fwd`, in TensorFlow 2.21) lets one thread read what another has not
    written yet: with two threads up to every call gave other numbers, whole rows of them wrong. Beside a channel of
    zeros the same sums are made by a kernel that does not.
    """
    plain = nn.conv

    def conv(
        inputs: Any,
        kernel: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
    ) -> Any:
        if inputs.shape[-1] == 1 and len(inputs.shape) == 4 and _rows(strides) > kernel.shape[0]:
            inputs, kernel = ops.convert_to_tensor(inputs), ops.convert_to_tensor(kernel)
            inputs = tf.concat([inputs, tf.zeros_like(inputs)], 3)
            kernel = tf.concat([kernel, tf.zeros_like(kernel)], 2)
        return plain(inputs, kernel, strides, padding, data_format, dilation_rate)

    nn.conv = conv


def _rows(strides: Any) -> int:
    return int(strides if isinstance(strides, int) else strides[0])
