"""What a person sees in a filter, as numbers; and pictures that are filters of nothing, to compare with.

A filter is (h, w, channels), its first spatial component (h, w): see `tfviz.measures.gabor.first_spatial_component`.
"""

import math
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

Array = npt.NDArray[np.float64]

_FREQUENCIES = np.arange(1, 51) / 100  # cycles / pixel, up to Nyquist
_ANGLES = np.arange(72) * math.pi / 72
_WIDTHS = (0.07, 0.12, 0.2, 0.35)  # of a blob's centre where a search starts, by the window's longer side


def orientation_selectivity(component: npt.ArrayLike) -> tuple[float, float]:
    """How much a filter prefers one orientation: 1 less the circular variance of its orientation tuning.

    The measure for cells of visual cortex is that of Ringach, Shapley and Hawken (2002), "Orientation selectivity in
    macaque V1: diversity and laminar dependence", J. Neurosci. 22:5639-5651: with the response R to gratings of each
    orientation theta at the best spatial frequency, the circular variance is 1 - |sum R exp(2 i theta)| / sum R. A
    linear filter's response to a drifting grating has the magnitude of its Fourier transform there, which is what
    R is; outside its window the filter is 0.

    Args:
        component: A spatial pattern (h, w). No mean is taken off.

    Returns:
        The selectivity in [0, 1]: 0 for a round pattern, 1/3 for an edge (the derivative of a round Gaussian, in a
        window that does not cut it off), 1 for endless stripes; and the best spatial frequency, in cycles per pixel,
        0.01 to 0.5. A component of zeros has 0 and the lowest frequency.

    Raises:
        ValueError: it is no finite matrix.
    """
    pattern = _finite(component, 2)
    responses = np.abs(_gratings(pattern.shape) @ pattern.ravel())
    best = int(responses.max(axis=1).argmax())
    tuning = responses[best]
    total = float(tuning.sum())
    resultant = abs(np.sum(tuning * np.exp(2j * _ANGLES)))
    return float(resultant) / total if total > 0 else 0.0, float(_FREQUENCIES[best])


def share_off_grey(kernel: npt.ArrayLike) -> float:
    """The share of a colour filter's sum of squares that is not in the mean of its colours.

    Each pixel's three weights are split into their mean (grey) and the rest. Where the three have one sign, the rest
    holds at most 2/3 of the squares, all of which a pixel of one colour alone reaches: a filter with more than 2/3
    weighs colours against each other.

    Args:
        kernel: One filter (h, w, 3).

    Returns:
        0 for a filter of grey pictures, 1 for one that no grey picture drives; 0 for a filter of zeros.

    Raises:
        ValueError: it is not finite, or not (h, w, channels).
    """
    weights = _finite(kernel, 3)
    total = float(np.sum(weights**2))
    rest = weights - weights.mean(axis=-1, keepdims=True)
    return float(np.sum(rest**2)) / total if total > 0 else 0.0


def explained_by_round_blob(component: npt.ArrayLike) -> float:
    """The variance that the best round blob explains: a Gaussian, or a difference of two about one centre.

    Least squares; the two heights are linear and solved for, place and widths are searched, the centre inside the
    window and each standard deviation between half a pixel and the window's longer side. The measure is that of the
    Gabor fits: 1 - residual sum of squares / sum of squares about the component's mean, without a constant term.

    Args:
        component: A spatial pattern (h, w).

    Returns:
        1 at most; 0 for a constant component, which has nothing to explain.

    Raises:
        ValueError: it is no finite matrix.
    """
    pattern = _finite(component, 2)
    scale = float(np.linalg.norm(pattern - pattern.mean()))
    if scale <= 1e-12 * float(np.abs(pattern).max()):
        return 0.0
    target = pattern.ravel() / scale
    height, width = pattern.shape
    size = float(max(height, width))

    def residual(parameters: Array) -> Array:
        x, y, centre, ratio = parameters
        both = np.stack(
            [_gaussian(pattern.shape, x, y, sigma).ravel() for sigma in (centre, centre * ratio)], 1
        )
        basis = np.linalg.qr(both)[0]
        return np.asarray(target - basis @ (basis.T @ target))

    lower, upper = (-0.5, -0.5, 0.5, 1.05), (width - 0.5, height - 0.5, size, size)
    peaks = np.unravel_index([int(pattern.argmax()), int(pattern.argmin())], pattern.shape)
    starts = [
        np.array([column, row, max(0.51, part * size), 2.0])
        for row, column in zip(*peaks, strict=True)
        for part in _WIDTHS
    ]
    starts.sort(key=lambda start: float(np.linalg.norm(residual(start))))
    costs = [least_squares(residual, start, bounds=(lower, upper)).cost for start in starts[:4]]
    return 1.0 - 2.0 * float(min(costs))


def phase_scrambled(component: npt.ArrayLike, random: np.random.Generator) -> Array:
    """A pattern (h, w) with a component's Fourier magnitudes and mean, and the phases of white noise."""
    pattern = _finite(component, 2)
    noise = np.fft.fft2(random.normal(size=pattern.shape))
    turned = np.fft.fft2(pattern) * noise / np.abs(noise)
    turned[0, 0] = pattern.sum()
    return np.asarray(np.fft.ifft2(turned).real)


def round_blob(
    shape: tuple[int, int], x: float, y: float, sigma: float, ratio: float, surround: float
) -> Array:
    """A difference of two round Gaussians about one centre; the unoriented field of a cell before the cortex.

    Args:
        shape: Of the window, (rows, columns).
        x: Column of the centre, pixels from the centre of the top-left pixel.
        y: Row of the centre, likewise.
        sigma: Standard deviation of the centre, pixels; its height is 1.
        ratio: The surround's standard deviation in units of the centre's.
        surround: The surround's volume in units of the centre's: 0 is a single Gaussian, 1 balances it.
    """
    return _gaussian(shape, x, y, sigma) - surround / ratio**2 * _gaussian(shape, x, y, sigma * ratio)


def _finite(values: npt.ArrayLike, axes: int) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != axes or not array.size or not np.isfinite(array).all():
        raise ValueError(f"a finite array of {axes} axes is needed; shape {array.shape}")
    return array


@cache
def _gratings(shape: tuple[int, ...]) -> npt.NDArray[np.complex128]:
    """Complex gratings (frequencies, orientations, pixels); 7 MB for 11 x 11 pixels."""
    rows, columns = np.indices(shape).reshape(2, -1)
    along = np.cos(_ANGLES)[:, None] * columns + np.sin(_ANGLES)[:, None] * rows
    return np.asarray(np.exp(-2j * np.pi * _FREQUENCIES[:, None, None] * along))


def _gaussian(shape: tuple[int, ...], x: float, y: float, sigma: float) -> Array:
    rows, columns = np.indices(shape, dtype=np.float64)
    return np.asarray(np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2)))
