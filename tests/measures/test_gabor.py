"""Planted Gabor functions are found again, noise is not taken for one, the colour component is the SVD's."""

import itertools
import math

import numpy as np
import pytest

from tfviz.measures import gabor
from tfviz.measures.gabor import GaborFit

SHAPE = (11, 11)


def planted(theta=0.4, frequency=0.2, phase=0.7, sigma_x=2.0, sigma_y=2.5, x0=5.0, y0=5.0, amplitude=1.5):
    return GaborFit(amplitude, x0, y0, sigma_x, sigma_y, theta, frequency, phase, 1.0)


def apart(angle, other, period):
    return abs((angle - other + period / 2) % period - period / 2)


def assert_same(found, truth, tolerance):
    """The same parameters, or those of the same picture: theta turned by pi and the phase's sign changed."""
    for name in ("amplitude", "sigma_x", "sigma_y", "frequency", "n_x", "n_y"):
        assert getattr(found, name) == pytest.approx(getattr(truth, name), rel=tolerance), name
    assert found.x0 == pytest.approx(truth.x0, abs=5 * tolerance)
    assert found.y0 == pytest.approx(truth.y0, abs=5 * tolerance)
    assert apart(found.theta, truth.theta, math.pi) < 3 * tolerance
    turned = apart(found.theta, truth.theta, 2 * math.pi) > math.pi / 2
    assert apart(found.phase, -truth.phase if turned else truth.phase, 2 * math.pi) < 20 * tolerance


GRID = [
    {"theta": theta, "frequency": frequency, "phase": phase}
    for theta, frequency, phase in itertools.product((0.0, 0.5, 1.6, 2.6), (0.17, 0.3), (0.0, 1.5, 3.0, -1.0))
]
OTHERS = [
    {"sigma_x": 1.5, "sigma_y": 3.0},
    {"sigma_x": 3.0, "sigma_y": 1.5, "frequency": 0.12},
    {"x0": 3.2, "y0": 7.4},
    {"x0": 8.0, "y0": 2.5, "theta": 2.0},
    {"amplitude": 1e-4},
    {"amplitude": 1e4, "theta": 3.1},
    {"frequency": 0.42, "theta": 1.2},
]


@pytest.mark.parametrize("parameters", GRID + OTHERS)
def test_planted_gabor_is_recovered(parameters):
    truth = planted(**parameters)
    found = gabor.fit(truth.picture(SHAPE))
    assert_same(found, truth, 1e-3)
    assert found.variance_explained > 1 - 1e-6
    assert found.has_carrier
    assert found.at_bound == ()
    assert found.amplitude >= 0
    assert 0 <= found.theta <= math.pi


@pytest.mark.parametrize("parameters", GRID[::5])
def test_planted_gabor_is_recovered_from_noise(parameters):
    truth = planted(**parameters)
    clean = truth.picture(SHAPE)
    noise = np.random.default_rng(0).normal(size=SHAPE) * 0.2 * clean.std()
    found = gabor.fit(clean + noise)
    assert_same(found, truth, 0.1)
    assert 0.93 < found.variance_explained < 0.99  # 1 / (1 + 0.2^2) = 0.96


def test_picture_is_the_formula():
    g = planted(theta=0.3, x0=2.0, y0=3.0)
    x, y = 4, 1
    across = (x - 2) * math.cos(0.3) + (y - 3) * math.sin(0.3)
    along = -(x - 2) * math.sin(0.3) + (y - 3) * math.cos(0.3)
    envelope = math.exp(-(across**2) / (2 * 2.0**2) - along**2 / (2 * 2.5**2))
    expected = 1.5 * envelope * math.cos(2 * math.pi * 0.2 * across + 0.7)
    assert g.picture((5, 7)).shape == (5, 7)
    assert g.picture((5, 7))[y, x] == pytest.approx(expected)


def test_theta_zero_has_vertical_stripes_and_sigma_x_across_them():
    picture = planted(theta=0.0, phase=0.0, sigma_x=1.5, sigma_y=4.0).picture(SHAPE)
    assert np.all(np.diff(picture[5]) != 0)
    assert np.all(picture[:, 5] > 0)
    found = gabor.fit(picture)
    assert (found.n_x, found.n_y) == (pytest.approx(1.5 * 0.2), pytest.approx(4.0 * 0.2))


def test_component_need_not_be_square():
    truth = planted(x0=9.0, y0=3.0, sigma_x=1.6, sigma_y=2.0)
    found = gabor.fit(truth.picture((8, 15)))
    assert_same(found, truth, 1e-3)


def test_variance_explained_is_that_of_the_picture():
    component = np.random.default_rng(3).normal(size=SHAPE) + 0.5
    found = gabor.fit(component)
    residual = np.sum((component - found.picture(SHAPE)) ** 2)
    total = np.sum((component - component.mean()) ** 2)
    assert found.variance_explained == pytest.approx(1 - residual / total)


def test_derivative_matches_differences():
    truth = planted()
    # Kaufman's derivative is exact where the residual is 0, so it is checked there.
    target = truth.picture(SHAPE).ravel()
    at = np.array([truth.x0, truth.y0, truth.sigma_x, truth.sigma_y, truth.theta, truth.frequency])
    analytic = gabor._jacobian(at, target, SHAPE)
    for column in range(6):
        step = np.zeros(6)
        step[column] = 1e-6
        ahead, behind = (gabor._residual(at + sign * step, target, SHAPE) for sign in (1, -1))
        np.testing.assert_allclose(analytic[:, column], (ahead - behind) / 2e-6, atol=1e-7)


@pytest.mark.parametrize("block", range(4))
def test_white_noise_is_rejected(block):
    """Of 200 seeds the best explained reaches 0.294; a broken measure or bound would show far above."""
    for seed in range(10 * block, 10 * block + 10):
        found = gabor.fit(np.random.default_rng(seed).normal(size=SHAPE))
        assert found.variance_explained < 0.35


@pytest.mark.parametrize("phase", [0.0, math.pi / 2])
def test_blob_and_edge_have_no_carrier(phase):
    truth = planted(frequency=0.005, phase=phase)
    found = gabor.fit(truth.picture(SHAPE))
    assert found.variance_explained > 0.999
    assert found.n_x < gabor.HAS_CARRIER
    assert not found.has_carrier


def test_endless_stripes_are_flagged():
    row = np.cos(2 * np.pi * 0.2 * np.arange(11))
    found = gabor.fit(np.tile(row, (11, 1)))
    assert {"sigma_x", "sigma_y"} <= set(found.at_bound)
    assert found.frequency == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_component_has_nothing_to_explain(value):
    found = gabor.fit(np.full(SHAPE, value))
    assert found.variance_explained == 0
    assert found.amplitude == 0
    assert not found.picture(SHAPE).any()


@pytest.mark.parametrize("bad", [np.zeros(11), np.zeros((2, 11)), np.full(SHAPE, np.nan)])
def test_what_cannot_be_fitted_is_refused(bad):
    with pytest.raises(ValueError, match="3 x 3"):
        gabor.fit(bad)


def test_same_result_twice():
    component = np.random.default_rng(1).normal(size=SHAPE)
    assert gabor.fit(component) == gabor.fit(component)


def test_component_of_a_rank_one_kernel():
    pattern = planted().picture(SHAPE)
    colour = np.array([2.0, -1.0, 2.0]) / 3
    component, found, share = gabor.first_spatial_component(pattern[..., None] * colour)
    assert share == pytest.approx(1)
    np.testing.assert_allclose(found, colour)
    np.testing.assert_allclose(component, pattern, atol=1e-12)


def test_share_of_a_kernel_of_two_orthogonal_parts():
    """Red and green patterns without overlap: singular values 3 and 4, so the share is 16 / 25."""
    kernel = np.zeros((5, 4, 3))
    kernel[0, 0, 0] = 3.0
    kernel[1, 2, 1] = -4.0
    component, colour, share = gabor.first_spatial_component(kernel)
    assert share == pytest.approx(16 / 25)
    np.testing.assert_allclose(colour, [0, 1, 0], atol=1e-12)
    assert component[1, 2] == pytest.approx(-4)
    assert np.count_nonzero(np.abs(component) > 1e-12) == 1


def test_sign_follows_the_strongest_colour():
    """A red-green opponent: red at 0.6, green at -0.8 times the pattern; the strongest is made positive."""
    pattern = planted().picture(SHAPE)
    component, colour, _ = gabor.first_spatial_component(pattern[..., None] * np.array([0.6, -0.8, 0.0]))
    np.testing.assert_allclose(colour, [-0.6, 0.8, 0], atol=1e-12)
    np.testing.assert_allclose(component, -pattern, atol=1e-12)


def test_component_of_nothing():
    component, colour, share = gabor.first_spatial_component(np.zeros((11, 11, 3)))
    assert share == 0
    assert not component.any()
    assert np.linalg.norm(colour) == pytest.approx(1)
    with pytest.raises(ValueError, match="channels"):
        gabor.first_spatial_component(np.zeros(SHAPE))


def test_published_cells():
    edges, cells = gabor.macaque_simple_cells()
    np.testing.assert_allclose(edges, np.logspace(-1, 0.2, 6), atol=5e-5)
    assert cells.sum() == 79
    assert cells.sum(axis=1).tolist() == [3, 22, 42, 12, 0]  # by n_x
    assert cells.sum(axis=0).tolist() == [11, 11, 25, 25, 7]  # by n_y


def test_the_search_is_not_caught_in_the_first_valley():
    """Noise in which the best of 300 random starts explains 0.3082, and the best start of the grid alone 0.2404."""
    noise = np.random.default_rng(20).normal(size=(7, 9))
    assert gabor.fit(noise).variance_explained == pytest.approx(0.3082, abs=1e-4)


@pytest.mark.parametrize("kernel", [np.full((3, 3, 3), np.nan), np.zeros((3, 3)), np.zeros((0, 3, 3))])
def test_a_filter_that_is_none_has_no_component(kernel):
    with pytest.raises(ValueError, match="a finite filter of shape"):
        gabor.first_spatial_component(kernel)
