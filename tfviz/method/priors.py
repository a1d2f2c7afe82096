"""What is paid for it: penalties on the picture itself, positive costs to be subtracted from an objective.

``1000 * neuron("conv2", 0, at=(0, 0)) - l2()`` weighs a unit against the squared norm of the picture. All are sums
over a picture's pixels and colours, in the coordinates of the model's input, one number per picture.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
from keras import ops

from tfviz.measures.pictures import as_pictures
from tfviz.method.objectives import Goal, Reading, Tensor, Term

_EVERYTHING = (1, 2, 3)


def l2() -> Goal:
    """The squared L2 norm of the picture: the sum of its squares."""
    return _penalty("l2", lambda reading: _squares(reading.pictures), "l2")


def total_variation() -> Goal:
    """The anisotropic total variation: the sum of |differences| between neighbours in a row and in a column.

    Rudin, Osher, Fatemi 1992, "Nonlinear total variation based noise removal algorithms".
    """

    def cost(reading: Reading) -> Tensor:
        height, width, channels = reading.pictures.shape[1:]
        # As whole rows of pixels: where only three numbers lie side by side, the gradient of a slice took four times as
        # long.
        x = ops.reshape(reading.pictures, (-1, height, width * channels))
        return _magnitudes(x[:, 1:] - x[:, :-1]) + _magnitudes(x[:, :, channels:] - x[:, :, :-channels])

    return _penalty("total_variation", cost, "total_variation")


def distance(picture: npt.ArrayLike) -> Goal:
    """The L2 norm, not squared, of the difference to a picture (H, W, channels) or to one for each (N, H, W, channels).

    Its gradient is the unit vector away from that picture; at the picture itself, where it has none, it is 0.

    Raises:
        ValueError: the picture is no picture of finite floats; or, when the goal is used, those that are moved have
            another shape.
    """
    wanted = as_pictures(picture, "the picture of distance()", ranks=(3, 4))

    def cost(reading: Reading) -> Tensor:
        shape = tuple(reading.pictures.shape)
        if wanted.shape not in (shape, shape[1:], (1, *shape[1:])):
            raise ValueError(f"distance() to pictures of shape {wanted.shape} does not fit pictures {shape}")
        squares = _squares(reading.pictures - reading.arrays[0])
        # The root's slope at 0 is infinite, and infinity times 0 is not a number: the root sees 1 there instead.
        moved = squares > 0
        return ops.where(moved, ops.sqrt(ops.where(moved, squares, 1.0)), 0.0)

    return _penalty("distance", cost, (wanted.shape, wanted.tobytes()), (wanted,))


def spectrum(mean_magnitude: npt.ArrayLike, colour_axes: npt.ArrayLike | None = None) -> Goal:
    """The squared L2 distance of the picture's Fourier magnitudes to given ones.

    The sum of (|F| - mean_magnitude)^2 over all frequencies but 0 and over the colour axes, F being the
    orthonormal transform along each: with a mean of 0 everywhere it is the squared norm of the picture less its
    mean colour. Frequency 0, the mean colour, costs nothing, since it depends on where the coordinates have their 0.
    The phases, which say where things are, are free. Where |F| is 0 and its gradient undefined, the gradient is 0.

    A mean over natural pictures: `tfviz.measures.spectrum.natural_magnitude`. Fel et al. 2023, "Unlocking Feature
    Visualization for Deeper Networks with MAgnitude Constrained Optimization" (MaCo), fix the magnitude instead; the
    penalty comes to that as its weight grows.

    Args:
        mean_magnitude: (H, W // 2 + 1, channels) for pictures (H, W), at the frequencies of `numpy.fft.rfft2`, in the
            units of the model's input, along each of the axes.
        colour_axes: (channels, channels), an orthogonal unit vector a row; None: each channel by itself. Red, green
            and blue of natural pictures rise and fall together, which their magnitudes one by one cannot say: along
            `tfviz.measures.spectrum.colour_axes` the two axes of hue have less to spend than that of light and dark.

    Raises:
        ValueError: a magnitude is negative or not finite, or colour_axes are not orthogonal unit vectors; or, when the
            goal is used, the magnitudes are for pictures of another size.
    """
    wanted = np.array(mean_magnitude, np.float32)  # copies: the goal stays what it is when the arrays change
    wanted = np.moveaxis(wanted, -1, 0) if wanted.ndim == 3 else wanted
    if wanted.ndim != 3 or not np.isfinite(wanted).all() or (wanted < 0).any():
        raise ValueError("mean_magnitude must be (H, W // 2 + 1, channels), finite and not negative")
    channels = len(wanted)
    axes = np.eye(channels, dtype=np.float32) if colour_axes is None else np.array(colour_axes, np.float32)
    if axes.shape != (channels, channels) or not np.allclose(axes @ axes.T, np.eye(channels), atol=1e-3):
        raise ValueError(f"colour_axes must be {channels} orthogonal unit vectors")

    def cost(reading: Reading) -> Tensor:
        wanted, axes = reading.arrays
        height, width, colours = reading.pictures.shape[1:]
        if tuple(wanted.shape) != (colours, height, width // 2 + 1):
            raise ValueError(
                f"pictures of {height} x {width} need magnitudes ({height}, {width // 2 + 1}, {colours}), "
                f"not {(*wanted.shape[1:], wanted.shape[0])}"
            )
        # What rfft leaves out is the mirror image of what it gives, but for column frequencies 0 and, if even, 1/2.
        weight = np.full((height, width // 2 + 1), 2.0, np.float32)
        weight[:, 0] = 1
        if width % 2 == 0:
            weight[:, -1] = 1
        weight[0, 0] = 0
        real, imaginary = _transform(ops.matmul(reading.pictures, ops.transpose(axes)))
        squares = (ops.square(real) + ops.square(imaginary)) / (height * width)
        there = squares > 0
        magnitude = ops.where(there, ops.sqrt(ops.where(there, squares, 1.0)), 0.0)
        return ops.sum(weight * ops.square(magnitude - wanted), axis=_EVERYTHING)

    return _penalty("spectrum", cost, (wanted.shape, wanted.tobytes(), axes.tobytes()), (wanted, axes))


def _squares(x: Tensor) -> Tensor:
    """The sum of squares (N,) of each picture (N, H, W, channels).

    Its gradient, 2 x, is written down: TensorFlow's took six times as long, most of it to repeat a 1 for every value.
    """

    @ops.custom_gradient
    def sums(x: Tensor) -> Any:
        def gradient(*args: Tensor, upstream: Tensor = None) -> Tensor:
            out = args[0] if upstream is None else upstream
            return ops.multiply(ops.multiply(2.0, x), ops.reshape(out, (-1, 1, 1, 1)))

        return ops.sum(ops.square(x), axis=_EVERYTHING), gradient

    return sums(x)


def _magnitudes(x: Tensor) -> Tensor:
    """The sum of magnitudes (N,) of values (N, rows, columns); the gradient at 0 is 0.

    By ReLUs: TensorFlow's gradient of a magnitude, the sign, took ten times as long.
    """
    return ops.sum(ops.relu(x) + ops.relu(-x), axis=(1, 2))


def _transform(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of numpy.fft.rfft2 of each colour, (N, channels, H, W // 2 + 1)."""
    along_rows = ops.rfft(ops.transpose(pictures, (0, 3, 1, 2)))
    both = ops.fft(tuple(ops.swapaxes(part, 2, 3) for part in along_rows))
    return ops.swapaxes(both[0], 2, 3), ops.swapaxes(both[1], 2, 3)


def _penalty(
    name: str,
    cost: Callable[[Reading], Tensor],
    key: Hashable,
    arrays: tuple[npt.NDArray[np.float32], ...] = (),
) -> Goal:
    return Goal(((1.0, Term(name, cost, key=key, kind=(name, *(a.shape for a in arrays)), arrays=arrays)),))
