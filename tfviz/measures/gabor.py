"""Gabor functions fitted to convolution filters, in the terms used for simple cells of primary visual cortex.

The model and its conventions are those of Ringach (2002), "Spatial structure and symmetry of simple-cell
receptive fields in macaque primary visual cortex", J. Neurophysiol. 88:455-463:

    g(x, y) = amplitude * exp(-x'^2 / (2 sigma_x^2) - y'^2 / (2 sigma_y^2)) * cos(2 pi frequency x' + phase)
    x' =  (x - x0) cos(theta) + (y - y0) sin(theta)       across the stripes
    y' = -(x - x0) sin(theta) + (y - y0) cos(theta)       along the stripes

x counts columns to the right and y rows downwards, in pixels from the centre of the top-left pixel. There is
no constant term. n_x = sigma_x * frequency and n_y = sigma_y * frequency say how many cycles the envelope
holds across and along the stripes, whatever the size of the filter in pixels.
"""

import csv
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from tfviz.files.program import asset

Array = npt.NDArray[np.float64]

HAS_CARRIER = 0.1
"""Least n_x at which a fit's frequency means something.

In an 11 x 11 window (sigma 2 pixels) an envelope alone, a blob or its slope, explains at least 0.9996 of a
Gabor of this n_x, whatever its phase; at n_x = 0.2 still 0.975 of an even one and 0.999 of an odd one.
"""

SIGMA_MIN = 0.5  # pixels: a narrower envelope is one pixel, and its width cannot be told from the samples
FREQUENCY_MIN = 1e-3  # cycles / pixel: no cycle in any window here, yet amplitude and phase stay finite
FREQUENCY_MAX = 0.5  # cycles / pixel: Nyquist
_STARTS = 12  # 150 random starts gain at most 0.0012 of variance on any filter of AlexNet's first layer
_FIRST, _FINALISTS, _MOST = 8, 4, 200
"""Evaluations from each start, how many then go on, and for how long at most. With all twelve to the end no fit of a
fourth of what the report fits (filters and controls) is better by 1e-5 of its variance."""
_NAMES = ("x0", "y0", "sigma_x", "sigma_y", "theta", "frequency")


@dataclass(frozen=True)
class GaborFit:
    """One fitted Gabor function (see the module's formula).

    Several sets of parameters draw the same picture; the one given has amplitude >= 0, theta in [0, pi] and
    phase in [-pi, pi].

    Where the envelope holds much less than a cycle, the carrier cannot be told from the envelope: an even fit
    is a blob, an odd one the slope of a blob (an edge). Frequency, n_x and n_y are then only known to be
    small, and amplitude, which grows as frequency falls, is no height: see has_carrier. At the other end, for
    stripes that do not fade inside the window, a sigma and its n are only known to be large: see at_bound.

    Attributes:
        amplitude: Height of the envelope, in the units of the component.
        x0: Column of the centre, pixels from the centre of the top-left pixel.
        y0: Row of the centre, likewise.
        sigma_x: Standard deviation of the envelope across the stripes, pixels.
        sigma_y: Standard deviation of the envelope along the stripes, pixels.
        theta: Direction in which the carrier varies, radians from the columns' axis towards the rows'
            (clockwise on a screen): 0 has vertical stripes.
        frequency: Cycles per pixel.
        phase: Of the cosine at the centre, radians: 0 or pi even, +-pi/2 odd.
        variance_explained: 1 - residual sum of squares / sum of squares about the component's mean. The model
            has no constant, so this is the strict one of the two usual measures (about zero is never lower):
            a filter gets no credit for its constant part. It may be negative.
        at_bound: Names of the parameters that ended at a limit of the search: these are not estimates.
    """

    amplitude: float
    x0: float
    y0: float
    sigma_x: float
    sigma_y: float
    theta: float
    frequency: float
    phase: float
    variance_explained: float
    at_bound: tuple[str, ...] = ()

    @property
    def n_x(self) -> float:
        """Width of the envelope across the stripes, in cycles (Ringach 2002)."""
        return self.sigma_x * self.frequency

    @property
    def n_y(self) -> float:
        """Length of the envelope along the stripes, in cycles (Ringach 2002)."""
        return self.sigma_y * self.frequency

    @property
    def has_carrier(self) -> bool:
        """Whether n_x is at least HAS_CARRIER; otherwise n_x and n_y say "blob or edge" and nothing finer."""
        return self.n_x >= HAS_CARRIER

    def picture(self, shape: tuple[int, int]) -> Array:
        """The function at every pixel of a window of `shape` (rows, columns)."""
        parameters = np.array([getattr(self, name) for name in _NAMES])
        envelope, angle, _, _ = _terms(parameters, shape)
        flat: Array = self.amplitude * envelope * np.cos(angle + self.phase)
        return flat.reshape(shape)


def first_spatial_component(kernel: npt.ArrayLike) -> tuple[Array, Array, float]:
    """The best single spatial pattern of a colour filter: kernel ~ component x colour (Eckart, Young 1936).

    Args:
        kernel: One filter (h, w, channels), a slice [..., i] of a Keras kernel. No mean is taken off.

    Returns:
        The component (h, w) in the weights' units; the colour (channels,) of length 1, its largest entry in
        magnitude positive (this fixes the sign of both); and the share of the kernel's sum of squares that
        their product holds, s1^2 / sum s^2, or 0 for a kernel of zeros.

    Raises:
        ValueError: If the kernel is no finite array of three axes.
    """
    weights = np.asarray(kernel, dtype=np.float64)
    if weights.ndim != 3 or not weights.size or not np.isfinite(weights).all():
        raise ValueError(f"a finite filter of shape (h, w, channels) is needed; shape {weights.shape}")
    left, strengths, right = np.linalg.svd(weights.reshape(-1, weights.shape[2]), full_matrices=False)
    sign = 1.0 if right[0, np.argmax(np.abs(right[0]))] > 0 else -1.0
    energy = float(np.sum(strengths**2))
    share = float(strengths[0] ** 2) / energy if energy > 0 else 0.0
    return sign * strengths[0] * left[:, 0].reshape(weights.shape[:2]), sign * right[0], share


def fit(component: npt.ArrayLike) -> GaborFit:
    """Fits a Gabor function by least squares.

    For a given envelope and carrier, amplitude and phase are linear (a cosine and a sine part), so they are
    solved for and six parameters are searched (variable projection: Golub and Pereyra 1973, with Kaufman's
    derivative, 1975). The sum of squares has many minima: the search starts from those carriers of a fixed
    coarse grid (a windowed Fourier transform) that alone explain most, and after a few evaluations the best
    of these go on. Nothing is random. The grid is kept, at 0.2 MB per pixel of the window.

    The centre stays inside the window, each sigma between SIGMA_MIN and the window's longer side, the
    frequency between FREQUENCY_MIN and FREQUENCY_MAX.

    Args:
        component: A spatial pattern (h, w), not necessarily square.

    Returns:
        The best fit found. A constant component has no variance to explain: its fit has amplitude 0 and
        variance explained 0.

    Raises:
        ValueError: If the component is not a finite matrix of at least 3 x 3 (the model has 8 parameters).
    """
    pattern = np.asarray(component, dtype=np.float64)
    if pattern.ndim != 2 or min(pattern.shape) < 3 or not np.isfinite(pattern).all():
        raise ValueError(f"a finite component (h, w) of 3 x 3 or more is needed; shape {pattern.shape}")
    shape = (pattern.shape[0], pattern.shape[1])
    scale = float(np.linalg.norm(pattern - pattern.mean()))
    if scale <= 1e-12 * float(np.abs(pattern).max()):
        middle = ((shape[1] - 1) / 2, (shape[0] - 1) / 2)
        return GaborFit(0.0, *middle, 1.0, 1.0, 0.0, FREQUENCY_MIN, 0.0, 0.0)
    target = pattern.ravel() / scale  # residual sum of squares = 1 - variance explained
    lower, upper = _bounds(shape)

    def search(start: Array, evaluations: int) -> Any:
        return least_squares(
            _residual,
            start,
            _jacobian,
            bounds=(lower, upper),
            x_scale=(1.0, 1.0, 1.0, 1.0, 0.3, 0.05),  # what moves the picture alike
            args=(target, shape),
            max_nfev=evaluations,
        )

    def cost(found: Any) -> float:
        return float(found.cost)

    begun = sorted((search(start, _FIRST) for start in _starts(target, shape)), key=cost)
    best = min((search(found.x, _MOST) for found in begun[:_FINALISTS]), key=cost)
    near = np.minimum(best.x - lower, upper - best.x) < 1e-3 * np.minimum(upper - lower, 1.0)
    (even, odd), _, _ = _project(best.x, target, shape)
    x0, y0, sigma_x, sigma_y, theta, frequency = (float(value) for value in best.x)
    phase = math.atan2(-odd, even)
    turns = math.floor(theta / math.pi)
    if turns % 2:  # half a turn of the axes mirrors the carrier
        phase = -phase
    return GaborFit(
        amplitude=scale * math.hypot(even, odd),
        x0=x0,
        y0=y0,
        sigma_x=sigma_x,
        sigma_y=sigma_y,
        theta=theta - turns * math.pi,
        frequency=frequency,
        phase=phase,
        variance_explained=1.0 - 2.0 * float(best.cost),
        at_bound=tuple(name for name, flag in zip(_NAMES, near, strict=True) if flag),
    )


def macaque_simple_cells() -> tuple[Array, npt.NDArray[np.int_]]:
    """How many simple cells of macaque primary visual cortex have which (n_x, n_y): Ringach (2002), binned.

    The cells one by one could not be had. This is their joint histogram as tabulated in the code of VOneNet
    (Dapello et al. 2020, NeurIPS): see the README beside the file.

    Returns:
        The edges (6,) of the bins, the same for both axes, and the cells (5, 5): rows n_x, columns n_y.
    """
    with asset("ringach2002.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(line for line in file if not line.startswith("#")))
    lows = sorted({float(row["n_x_from"]) for row in table})
    edges = np.array([*lows, max(float(row["n_x_to"]) for row in table)])
    cells = np.zeros((len(lows), len(lows)), dtype=int)
    for row in table:
        cells[lows.index(float(row["n_x_from"])), lows.index(float(row["n_y_from"]))] = int(row["cells"])
    return edges, cells


def _bounds(shape: tuple[int, int]) -> tuple[Array, Array]:
    rows, columns = shape
    size = float(max(shape))
    lower = np.array([-0.5, -0.5, SIGMA_MIN, SIGMA_MIN, -np.inf, FREQUENCY_MIN])
    upper = np.array([columns - 0.5, rows - 0.5, size, size, np.inf, FREQUENCY_MAX])
    return lower, upper


@cache
def _places(shape: tuple[int, int]) -> Array:
    """Row and column (2, pixels) of each pixel."""
    return np.indices(shape, dtype=np.float64).reshape(2, -1)


def _terms(parameters: Array, shape: tuple[int, int]) -> tuple[Array, Array, Array, Array]:
    """Envelope, angle of the carrier (radians, less the phase), x' and y', each flattened over the window."""
    x0, y0, sigma_x, sigma_y, theta, frequency = parameters
    rows, columns = _places(shape)
    across = (columns - x0) * np.cos(theta) + (rows - y0) * np.sin(theta)
    along = (rows - y0) * np.cos(theta) - (columns - x0) * np.sin(theta)
    envelope = np.exp(-0.5 * ((across / sigma_x) ** 2 + (along / sigma_y) ** 2))
    return envelope, 2 * np.pi * frequency * across, across, along


def _project(parameters: Array, target: Array, shape: tuple[int, int]) -> tuple[Array, Array, Array]:
    """Best cosine and sine parts (2,), their orthonormal basis (pixels, 2), and the residual (pixels,)."""
    envelope, angle, _, _ = _terms(parameters, shape)
    basis, triangle = np.linalg.qr(np.stack([envelope * np.cos(angle), envelope * np.sin(angle)], axis=1))
    seen = basis.T @ target
    return np.linalg.lstsq(triangle, seen)[0], basis, target - basis @ seen


def _residual(parameters: Array, target: Array, shape: tuple[int, int]) -> Array:
    return _project(parameters, target, shape)[2]


def _jacobian(parameters: Array, target: Array, shape: tuple[int, int]) -> Array:
    """Derivative (pixels, 6) of the residual: that of the picture, linear parts held, projected."""
    (even, odd), basis, _ = _project(parameters, target, shape)
    envelope, angle, across, along = _terms(parameters, shape)
    _, _, sigma_x, sigma_y, theta, frequency = parameters
    picture = envelope * (even * np.cos(angle) + odd * np.sin(angle))
    slope = envelope * (odd * np.cos(angle) - even * np.sin(angle))  # by the angle
    by_across = 2 * np.pi * frequency * slope - picture * across / sigma_x**2
    by_along = -picture * along / sigma_y**2
    derivative = np.stack(
        [
            by_along * np.sin(theta) - by_across * np.cos(theta),
            -by_across * np.sin(theta) - by_along * np.cos(theta),
            picture * across**2 / sigma_x**3,
            picture * along**2 / sigma_y**3,
            by_across * along - by_along * across,
            2 * np.pi * across * slope,
        ],
        axis=1,
    )
    result: Array = basis @ (basis.T @ derivative) - derivative
    return result


@cache
def _grid(shape: tuple[int, int]) -> tuple[Array, Array]:
    """A coarse search: parameters (carriers, envelopes, 6), orthonormal pairs (..., 2, pixels)."""
    rows, columns = shape
    places = [0.1, 0.3, 0.5, 0.7, 0.9]
    sigmas = [max(SIGMA_MIN, part * max(shape)) for part in (0.1, 0.2, 0.4)]
    angles = np.arange(8) * np.pi / 8
    frequencies = np.array([0.02, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4])
    axes = (
        angles,
        frequencies,
        [part * (columns - 1) for part in places],
        [part * (rows - 1) for part in places],
        sigmas,
        sigmas,
    )
    theta, frequency, x0, y0, sigma_x, sigma_y = np.meshgrid(*axes, indexing="ij")
    parameters = np.stack([x0, y0, sigma_x, sigma_y, theta, frequency], axis=-1)
    parameters = parameters.reshape(len(angles) * len(frequencies), -1, 6)
    envelope, angle, _, _ = _terms(np.moveaxis(parameters, -1, 0)[..., None], shape)
    even, odd = envelope * np.cos(angle), envelope * np.sin(angle)
    even /= np.linalg.norm(even, axis=-1, keepdims=True)
    odd -= np.sum(even * odd, axis=-1, keepdims=True) * even
    odd /= np.linalg.norm(odd, axis=-1, keepdims=True)
    return parameters, np.stack([even, odd], axis=-2)


def _starts(target: Array, shape: tuple[int, int]) -> Array:
    """Parameters (_STARTS, 6) to search from: the carriers that explain most, each with its best envelope."""
    parameters, pairs = _grid(shape)
    explained = np.sum((pairs @ target) ** 2, axis=-1)
    envelope = explained.argmax(axis=1)
    carriers = explained.max(axis=1).argsort()[::-1][:_STARTS]
    starts: Array = parameters[carriers, envelope[carriers]]
    return starts
