"""What an ascent moves: the pixels themselves, or numbers that a picture is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tfviz.measures.pictures import as_pictures, whole

Tensor = Any


@dataclass(frozen=True)
class Parametrization:
    """A start of an ascent.

    Attributes:
        parameters: what is moved, float32, any shape.
        to_pictures: parameters -> pictures (N, H, W, channels), differentiable, written with keras.ops.
        pictures: the pictures that the ascent starts from, (N, H, W, channels).
        are_pixels: whether the parameters are the pixels themselves, which alone an ascent clips.
    """

    parameters: npt.NDArray[np.float32]
    to_pictures: Callable[[Tensor], Tensor]
    pictures: npt.NDArray[np.float32]
    are_pixels: bool = False


def pixels(start: npt.ArrayLike) -> Parametrization:
    """The picture's own pixels.

    Args:
        start: (N, H, W, channels) or one picture (H, W, channels), floats.

    Raises:
        ValueError: the shape is neither, values are whole numbers, or a value is not finite.
    """
    pictures = as_pictures(start, "start", ranks=(3, 4))
    if pictures.ndim == 3:
        pictures = pictures[np.newaxis]
    return Parametrization(pictures, _themselves, pictures, are_pixels=True)


def _themselves(parameters: Tensor) -> Tensor:
    return parameters


def fourier(
    start: npt.ArrayLike, *, decay: float = 1.0, colour_root: npt.ArrayLike | None = None
) -> Parametrization:
    """Pictures in [0, 1] made from their Fourier transform, low frequencies first.

    picture = sigmoid(C F^-1(s p)): the parameters p are the real and imaginary parts of the transform of each
    colour; s falls like 1 / f^decay, so that a step of plain gradient ascent moves low frequencies more, by s^2, as if
    preconditioned; the matrix C mixes the colours as natural pictures do. Olah et al. 2017, "Feature Visualization",
    section "Preconditioning and Parameterization" (code: Lucid). The root mean square of s is 1, so that rates
    compare with those of pixels.

    Args:
        start: (N, H, W, channels) or one picture (H, W, channels), floats in [0, 1]; values are taken into
            [1/512, 1 - 1/512], less than half a step of 8 bits from black and white, which the sigmoid reaches nowhere.
        decay: 0: all frequencies alike; 1: as in natural pictures.
        colour_root: (channels, channels) invertible, such as `tfviz.measures.spectrum.colour_root()`; None: the
            colours move on their own.

    Returns:
        Parameters (2, N, channels, H, W // 2 + 1): real and imaginary parts at the frequencies of `numpy.fft.rfft2`.

    Raises:
        ValueError: the shape is neither, values are whole numbers, not finite or not in [0, 1], or decay or colour_root
            make no sense.
    """
    pictures = as_pictures(start, "start", ranks=(3, 4), within=(0.0, 1.0)).astype(np.float64)
    pictures = np.clip(pictures if pictures.ndim == 4 else pictures[np.newaxis], 1 / 512, 1 - 1 / 512)
    if not np.isfinite(decay):
        raise ValueError(f"decay must be a finite number, not {decay}")
    height, width = pictures.shape[1:3]
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width))
    # Frequency 0 counts as one cycle over the longer side.
    scale = np.maximum(frequency, 1 / max(height, width)) ** -decay
    scale = (scale / np.sqrt(np.mean(scale**2))).astype(np.float32)
    channels = pictures.shape[-1]
    root = np.eye(channels) if colour_root is None else np.asarray(colour_root, np.float64)
    if root.shape != (channels, channels) or not np.isfinite(root).all() or np.linalg.cond(root) > 1e6:
        raise ValueError(f"colour_root must be an invertible matrix ({channels}, {channels})")
    mixing = root.T.astype(np.float32)

    unmixed = np.log(pictures / (1 - pictures)) @ np.linalg.inv(root).T
    transformed = np.fft.rfft2(np.moveaxis(unmixed, -1, 1), norm="ortho") / scale
    parameters = np.stack([transformed.real, transformed.imag]).astype(np.float32)
    to_pictures = _from_fourier(scale.tobytes(), mixing.tobytes(), height, width, channels)
    return Parametrization(parameters, to_pictures, pictures.astype(np.float32))


def phases(
    start: npt.ArrayLike, width: int, magnitude: npt.ArrayLike, colour_axes: npt.ArrayLike
) -> Parametrization:
    """Pictures in [0, 1] of which only the Fourier phases are moved: their magnitude stays that of natural pictures.

    picture = sigmoid(4 A^T F^-1(m exp(i p))): p are the phases, m the magnitudes along each colour axis, the rows of A;
    4 makes the sigmoid's slope 1 at middle grey, so that m is in the picture's own units. Fel et al. 2023, "Unlocking
    Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization" (MaCo).

    Args:
        start: phases (N, channels, H, W // 2 + 1), radians, at the frequencies of `numpy.fft.rfft2`.
        width: W.
        magnitude: (H, W // 2 + 1, channels), 0 or more, such as `tfviz.measures.spectrum.natural_magnitude`.
        colour_axes: (channels, channels), orthogonal, a colour a row, such as `tfviz.measures.spectrum.colour_axes`.

    Returns:
        The phases as parameters. A real picture has opposite phases at opposite frequencies, both of which lie in
        column 0 and in column W / 2: there the difference of the two counts.

    Raises:
        ValueError: the shapes do not fit, a value is not finite or a magnitude is negative.
    """
    width = whole(width, "width", 1)
    p, m, axes = (np.array(each, np.float32) for each in (start, magnitude, colour_axes))
    channels = m.shape[-1] if m.ndim == 3 else 0
    if not p.size or m.ndim != 3 or p.shape[1:] != (channels, m.shape[0], width // 2 + 1):
        raise ValueError(f"phases {p.shape} and magnitudes {m.shape} do not fit pictures {width} wide")
    if m.shape[1] != width // 2 + 1 or axes.shape != (channels, channels):
        raise ValueError(f"magnitudes {m.shape} do not fit pictures {width} wide, or axes {axes.shape}")
    if not all(np.isfinite(each).all() for each in (p, m, axes)) or m.min() < 0:
        raise ValueError("phases, magnitudes and axes must be finite, magnitudes 0 or more")
    to_pictures = _from_phases(m.tobytes(), axes.tobytes(), m.shape[0], width, channels)
    import keras

    pictures = np.asarray(keras.ops.convert_to_numpy(to_pictures(keras.ops.convert_to_tensor(p))))
    return Parametrization(p, to_pictures, pictures)


@lru_cache(maxsize=8)
def _from_phases(
    magnitude_bytes: bytes, axes_bytes: bytes, height: int, width: int, channels: int
) -> Callable[[Tensor], Tensor]:
    """Phases -> pictures; one function for one setting, so that what was compiled with it serves again."""
    magnitude = np.frombuffer(magnitude_bytes, np.float32).reshape(height, width // 2 + 1, channels)
    magnitude = np.ascontiguousarray(np.moveaxis(magnitude, -1, 0))
    axes = 4 * np.frombuffer(axes_bytes, np.float32).reshape(channels, channels)
    both = np.zeros((1, width // 2 + 1), np.float32)  # 1 where opposite frequencies lie in one column
    both[:, 0] = 1
    if width % 2 == 0:
        both[:, -1] = 1
    opposite = (-np.arange(height)) % height

    def to_pictures(p: Tensor) -> Tensor:
        from keras import ops

        p = p - both * ops.take(p, opposite, axis=2)
        halves = (magnitude * ops.cos(p), magnitude * ops.sin(p))
        return ops.sigmoid(ops.matmul(_inverse(halves, height, width), axes))

    return to_pictures


def _inverse(halves: tuple[Tensor, Tensor], height: int, width: int) -> Tensor:
    """Real and imaginary parts (N, channels, H, W // 2 + 1), orthonormal -> values (N, H, W, channels)."""
    from keras import ops

    ortho = np.float32(np.sqrt(width / height))  # fft below does not divide by its length, irfft does
    # The inverse transform is the forward one with real and imaginary parts exchanged before and after.
    real, imaginary = (ops.swapaxes(part * ortho, 2, 3) for part in halves)
    imaginary, real = ops.fft((imaginary, real))
    turned = (ops.swapaxes(real, 2, 3), ops.swapaxes(imaginary, 2, 3))
    return ops.transpose(ops.irfft(turned, fft_length=width), (0, 2, 3, 1))


@lru_cache(maxsize=8)
def _from_fourier(
    scale_bytes: bytes, mixing_bytes: bytes, height: int, width: int, channels: int
) -> Callable[[Tensor], Tensor]:
    """Parameters -> pictures; one function for one setting, so that what was compiled with it serves again."""
    scale = np.frombuffer(scale_bytes, np.float32).reshape(height, width // 2 + 1)
    mixing = np.frombuffer(mixing_bytes, np.float32).reshape(channels, channels)

    def to_pictures(p: Tensor) -> Tensor:
        from keras import ops

        values = _inverse((p[0] * scale, p[1] * scale), height, width)
        return ops.sigmoid(ops.matmul(values, mixing))

    return to_pictures
