"""What an ascent moves: the pixels themselves, or numbers that a picture is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Tensor = Any


@dataclass(frozen=True)
class Parametrization:
    """A start of an ascent.

    Attributes:
        parameters: what is moved, float32, any shape.
        to_pictures: parameters -> pictures (N, H, W, 3), differentiable, written with keras.ops.
        pictures: the pictures that the ascent starts from, (N, H, W, 3).
    """

    parameters: npt.NDArray[np.float32]
    to_pictures: Callable[[Tensor], Tensor]
    pictures: npt.NDArray[np.float32]


def pixels(start: npt.ArrayLike) -> Parametrization:
    """The picture's own pixels.

    Args:
        start: (N, H, W, 3) or one picture (H, W, 3).

    Raises:
        ValueError: the shape is neither, or a value is not finite.
    """
    pictures = np.asarray(start, np.float32)
    if pictures.ndim == 3:
        pictures = pictures[np.newaxis]
    if pictures.ndim != 4 or pictures.shape[-1] != 3:
        raise ValueError(f"start must be (N, H, W, 3) or (H, W, 3), not {pictures.shape}")
    if not np.isfinite(pictures).all():
        raise ValueError("start has values that are not finite")
    return Parametrization(pictures, lambda parameters: parameters, pictures)


def fourier(
    start: npt.ArrayLike, *, decay: float = 1.0, colour_root: npt.ArrayLike | None = None
) -> Parametrization:
    """Pictures in [0, 1] made from their Fourier transform, low frequencies first.

    picture = sigmoid(C F^-1(s p)): the parameters p are the real and imaginary parts of the transform of each
    colour; s falls like 1 / f^decay, so that a step of plain gradient ascent moves low frequencies more, by s^2, as if
    preconditioned; the matrix C mixes the colours as natural pictures do. Olah et al. 2017, "Feature Visualization",
    section "Preconditioning and Parameterization" (code: Lucid). The root mean square of s is 1, so that rates
    compare with those of pixels. In `tfviz.ascend` take clip=None: it would clip the parameters.

    Args:
        start: (N, H, W, 3) or one picture (H, W, 3); values are taken into [1/512, 1 - 1/512], less than
            half a step of 8 bits from black and white, which the sigmoid reaches nowhere.
        decay: 0: all frequencies alike; 1: as in natural pictures.
        colour_root: (3, 3) invertible, such as `tfviz.measures.spectrum.colour_root()`; None: the colours move on
            their own.

    Returns:
        Parameters (2, N, 3, H, W // 2 + 1): real and imaginary parts at the frequencies of `numpy.fft.rfft2`.

    Raises:
        ValueError: the shape is neither, or a value is not finite.
    """
    pictures = np.clip(pixels(start).pictures.astype(np.float64), 1 / 512, 1 - 1 / 512)
    height, width = pictures.shape[1:3]
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width))
    # Frequency 0 counts as one cycle over the longer side.
    scale = np.maximum(frequency, 1 / max(height, width)) ** -decay
    scale = (scale / np.sqrt(np.mean(scale**2))).astype(np.float32)
    root = np.eye(3) if colour_root is None else np.asarray(colour_root, np.float64)
    mixing = root.T.astype(np.float32)

    unmixed = np.log(pictures / (1 - pictures)) @ np.linalg.inv(root).T
    transformed = np.fft.rfft2(np.moveaxis(unmixed, -1, 1), norm="ortho") / scale
    parameters = np.stack([transformed.real, transformed.imag]).astype(np.float32)
    ortho = np.float32(np.sqrt(width / height))  # fft below does not divide by its length, irfft does

    def to_pictures(p: Tensor) -> Tensor:
        from keras import ops

        real, imaginary = (ops.swapaxes(p[part] * (scale * ortho), 2, 3) for part in (0, 1))
        # The inverse transform is the forward one with real and imaginary parts exchanged before and after.
        imaginary, real = ops.fft((imaginary, real))
        halves = (ops.swapaxes(real, 2, 3), ops.swapaxes(imaginary, 2, 3))
        values = ops.transpose(ops.irfft(halves, fft_length=width), (0, 2, 3, 1))
        return ops.sigmoid(ops.matmul(values, mixing))

    return Parametrization(parameters, to_pictures, pictures.astype(np.float32))
