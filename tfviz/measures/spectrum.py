"""How natural a picture looks, by its Fourier spectrum and its variation: measures, and the mean of natural pictures.

Spectra are orthonormal: the squared magnitudes of all frequencies of a picture add up to its squared L2 norm.
Frequencies are in cycles per pixel, 0 to 0.5 along rows and columns.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from tfviz.files.program import asset
from tfviz.measures.pictures import whole

Array = npt.NDArray[np.floating]

FIT_RANGE = (0.02, 0.35)
"""Cycles per pixel that `slope` fits: 5 to 79 cycles over 227 pixels. Below it a picture has too few frequencies to
average over and the window's own spectrum tells; above it resizing and JPEG have taken power from photographs."""
_NOTHING = 1e-14  # relative to what was there: what rounding leaves of something that cancels
BANDS = 16
"""Bands that `slope` divides that range into, equally wide on the logarithmic axis, so that all octaves count alike."""


def magnitude(pictures: npt.ArrayLike) -> Array:
    """Magnitude of the orthonormal Fourier transform of each colour.

    Args:
        pictures: (..., H, W, 3).

    Returns:
        (..., H, W // 2 + 1, 3): row frequencies in the order of `numpy.fft.fftfreq`, column frequencies of
        `numpy.fft.rfftfreq`; the other half is the mirror image.

    Raises:
        ValueError: a value is not finite, or there are fewer than three axes.
    """
    transformed: Array = np.abs(np.fft.rfft2(_finite(pictures), axes=(-3, -2), norm="ortho"))
    return transformed


def periodic_part(picture: npt.ArrayLike) -> Array:
    """A picture without the jump between its opposite edges, which the Fourier transform takes for a feature.

    Moisan 2011, "Periodic plus smooth image decomposition": the smooth part has the jump for its Laplacian's source;
    what remains looks the same and can be tiled. Without this the mean magnitude has a bright cross along both axes.

    Args:
        picture: (H, W, C).

    Returns:
        (H, W, C), with the same mean.

    Raises:
        ValueError: a value is not finite, or there are fewer than three axes.
    """
    x = _finite(picture)
    height, width = x.shape[:2]
    jump = np.zeros_like(x)
    jump[0] += x[0] - x[-1]
    jump[-1] -= x[0] - x[-1]
    jump[:, 0] += x[:, 0] - x[:, -1]
    jump[:, -1] -= x[:, 0] - x[:, -1]
    rows, columns = _frequencies(height, width)
    laplacian = 4 - 2 * np.cos(2 * np.pi * rows) - 2 * np.cos(2 * np.pi * columns)
    laplacian[0, 0] = 1  # the jump's sum is 0 anyway
    smooth = np.fft.rfft2(jump, axes=(0, 1)) / laplacian[..., np.newaxis]
    periodic: Array = x - np.fft.irfft2(smooth, s=(height, width), axes=(0, 1))
    return periodic


def natural_magnitude(height: int, width: int) -> Array:
    """The mean magnitude of natural pictures at each frequency, for pictures of any size.

    Natural spectra hardly change with scale: in orthonormal units their magnitude falls like 1 / f, f in cycles per
    pixel, whatever the size. So the stored mean is read off at the same cycles per pixel, and what is interpolated
    (bilinearly) is magnitude times f, which is nearly flat.

    Args:
        height: rows of the pictures.
        width: columns.

    Returns:
        (height, width // 2 + 1, 3) along the colour axes of `colour_axes`, for pictures in [0, 1]; 0 at frequency 0,
        where the mean colour would be.

    Raises:
        ValueError: a size is no whole number of 1 or more.
    """
    whole(height, "height", 1)
    whole(width, "width", 1)
    stored = _asset()["magnitude"].astype(float)
    size = stored.shape[0]
    rows, columns = _frequencies(size, size)
    flat = np.fft.fftshift(stored * np.hypot(rows, columns)[..., np.newaxis], axes=0)
    # The stored size is even: its frequency -0.5 is +0.5 as well.
    flat = np.concatenate([flat, flat[:1]])
    # Frequency 0 has no magnitude times f of its own: the mean of the four around it (one is another's mirror image).
    middle = size // 2
    flat[middle, 0] = (flat[middle - 1, 0] + flat[middle + 1, 0] + 2 * flat[middle, 1]) / 4
    rows, columns = _frequencies(height, width)
    flat = _interpolated(flat, (rows[:, 0] + 0.5) * size, axis=0)
    flat = _interpolated(flat, columns[0] * size, axis=1)
    frequency = np.hypot(rows, columns)[..., np.newaxis]
    found: Array = np.where(frequency > 0, flat / np.where(frequency > 0, frequency, 1.0), 0.0)
    return found


def colour_axes() -> Array:
    """The principal axes of the colours in natural pictures: light-dark first, then two of hue.

    Returns:
        (3, 3), one unit vector (R, G, B) a row, orthogonal.
    """
    axes: Array = _asset()["colour_axes"].astype(float)
    return axes


def colour_root() -> Array:
    """A root C of the colours' covariance in natural pictures (C C^T), scaled to a longest column of 1.

    C times three independent numbers is a colour as natural pictures mix them: mostly light and dark.

    Returns:
        (3, 3): the columns are `colour_axes` times their standard deviations.
    """
    deviations = _asset()["colour_std"].astype(float)
    root: Array = colour_axes().T * (deviations / deviations.max())
    return root


def natural_measures() -> tuple[Array, Array]:
    """What `slope` and `total_variation` give for each of the natural pictures behind the mean magnitude: two (n,)."""
    return _asset()["slope"].astype(float), _asset()["total_variation"].astype(float)


def band_edges() -> Array:
    """The (BANDS + 1,) frequencies between which `slope` averages, cycles per pixel."""
    return np.geomspace(*FIT_RANGE, BANDS + 1)


def radial_power(picture: npt.ArrayLike, edges: npt.ArrayLike) -> Array:
    """Mean power of a picture between circles of frequency.

    The mean of each colour is taken off and a Hann window laid on, since the jump between a picture's opposite
    edges would otherwise put power of slope -2 on the axes; the powers of the three colours are averaged.

    Args:
        picture: (H, W, 3).
        edges: (bands + 1,) rising frequencies, cycles per pixel.

    Returns:
        (bands,); NaN where a band holds no frequency of this size of picture.

    Raises:
        ValueError: a value is not finite, there are fewer than three axes, or the edges do not rise.
    """
    x, edges = _finite(picture), np.asarray(edges, float)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise ValueError("edges must be two or more rising frequencies")
    height, width = x.shape[:2]
    window = np.outer(_hann(height), _hann(width))[..., np.newaxis]
    x = x - (window * x).sum(axis=(0, 1)) / window.sum()
    power = np.mean(np.abs(np.fft.fft2(window * x, axes=(0, 1), norm="ortho")) ** 2, axis=2)
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.fftfreq(width))
    return _radial_mean(power, frequency, np.asarray(edges, float))


def natural_radial_power(edges: npt.ArrayLike) -> Array:
    """What `radial_power` would give, but for a factor, for a picture that has the mean magnitude of natural ones."""
    stored = _asset()["magnitude"].astype(float)
    rows, columns = _frequencies(stored.shape[0], stored.shape[0])
    return _radial_mean(np.sum(stored**2, axis=2), np.hypot(rows, columns), np.asarray(edges, float))


def slope(picture: npt.ArrayLike) -> float:
    """Slope of the logarithm of the radially averaged power over the logarithm of frequency.

    About -2 for natural pictures (Field 1987, "Relations between the statistics of natural images and the response
    properties of cortical cells"), 0 for white noise. Fitted over `FIT_RANGE` by least squares; it does not depend
    on the picture's brightness or contrast.

    Args:
        picture: (H, W, 3), not constant; below 64 pixels the lower bands hold no frequency, and the others count.

    Raises:
        ValueError: fewer than three bands hold a frequency, it has no variation, or a value is not finite.
    """
    edges = band_edges()
    power = radial_power(picture, edges)
    found = np.isfinite(power)
    if found.sum() < 3:
        raise ValueError(f"a picture {np.shape(picture)} is too small: its spectrum has no slope")
    if not (power[found] > _NOTHING * np.mean(np.square(picture))).all():
        raise ValueError("the picture has no variation at some scale: its spectrum has no slope")
    middle = np.sqrt(edges[1:] * edges[:-1])
    return float(np.polyfit(np.log(middle[found]), np.log(power[found]), 1)[0])


def total_variation(picture: npt.ArrayLike) -> float:
    """Anisotropic total variation per pixel and colour, in standard deviations of the picture.

    The mean of |difference to the right-hand neighbour| plus that of |difference to the neighbour below|, divided by
    the standard deviation of each colour about its mean, so that pictures of any contrast can be compared: white
    normal noise has 4 / sqrt(pi) = 2.26, natural pictures a tenth of it.

    Args:
        picture: (H, W, 3), not constant, of two rows and columns or more.

    Raises:
        ValueError: it is constant or smaller, or a value is not finite.
    """
    x = _finite(picture)
    deviation = float(np.sqrt(np.mean(np.var(x, axis=(0, 1)))))
    if min(x.shape[:2]) < 2 or not np.ptp(x, axis=(0, 1)).any():
        raise ValueError(
            f"the variation of a picture {x.shape} in its own deviations: it is constant, or too small"
        )
    variation = np.mean(np.abs(np.diff(x, axis=0))) + np.mean(np.abs(np.diff(x, axis=1)))
    return float(variation / deviation)


def _finite(pictures: npt.ArrayLike) -> Array:
    x = np.asarray(pictures, float)
    if x.ndim < 3 or not x.size or not np.isfinite(x).all():
        raise ValueError(f"pictures are (..., H, W, channels) of finite numbers; these are {x.shape}")
    return x


def _radial_mean(values: Array, frequency: Array, edges: Array) -> Array:
    band = np.digitize(frequency, edges) - 1
    inside = (band >= 0) & (band < len(edges) - 1)
    count = np.bincount(band[inside], minlength=len(edges) - 1)
    total = np.bincount(band[inside], values[inside], minlength=len(edges) - 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _frequencies(height: int, width: int) -> tuple[Array, Array]:
    return np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width)[np.newaxis]


def _hann(size: int) -> Array:
    # Without the zeros at both ends, which would waste two pixels.
    window: Array = np.hanning(size + 2)[1:-1]
    return window


def _interpolated(values: Array, positions: Array, axis: int) -> Array:
    """Values at fractional positions along an axis, linearly between neighbours."""
    low = np.clip(np.floor(positions).astype(int), 0, values.shape[axis] - 2)
    part = (positions - low).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    between: Array = (1 - part) * values.take(low, axis) + part * values.take(low + 1, axis)
    return between


@cache
def _asset() -> dict[str, Array]:
    with np.load(asset("mean_spectrum.npz")) as stored:
        return {name: stored[name] for name in stored.files}
