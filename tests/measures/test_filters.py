"""The measures of a filter's looks on hand-made filters whose answers are known."""

import math

import numpy as np
import pytest
from scipy.special import iv

from tfviz.measures import filters
from tfviz.measures.gabor import GaborFit

SHAPE = (11, 11)
ROWS, COLUMNS = np.indices(SHAPE) - 5.0


def gabor(theta=0.4, frequency=0.2, phase=0.7, sigma=2.0):
    return GaborFit(1.0, 5.0, 5.0, sigma, sigma, theta, frequency, phase, 1.0).picture(SHAPE)


def edge(theta, size=31, sigma=3.0):
    """The derivative of a round Gaussian, in a window that does not cut it off."""
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    across = columns * math.cos(theta) + rows * math.sin(theta)
    return across * np.exp(-(rows**2 + columns**2) / (2 * sigma**2))


@pytest.mark.parametrize("theta", [0.0, 0.5, 1.2, 2.9])
def test_selectivity_of_an_edge_is_a_third(theta):
    """Its response to a grating goes with |cos|, whose second harmonic is a third of its mean."""
    found, frequency = filters.orientation_selectivity(edge(theta))
    assert found == pytest.approx(1 / 3, abs=0.003)
    # Where f exp(-2 (pi sigma f)^2) is largest.
    assert frequency == pytest.approx(1 / (2 * math.pi * 3.0), abs=0.006)


@pytest.mark.parametrize("theta", [0.0, 0.7, 2.2])
def test_selectivity_of_a_gabor_by_its_formula(theta):
    """An even one responds with cosh(k cos(angle)), and the selectivity is a ratio of Bessel functions."""
    sigma, frequency = 3.0, 0.2
    picture = GaborFit(1.0, 15.0, 15.0, sigma, sigma, theta, frequency, 0.0, 1.0).picture((31, 31))
    found, best = filters.orientation_selectivity(picture)
    assert best == pytest.approx(frequency, abs=0.011)
    k = (2 * math.pi * sigma * best) * (2 * math.pi * sigma * frequency)
    # The zeroth and second harmonics of cosh(k cos) are I0 and I2.
    assert found == pytest.approx(iv(2, k) / iv(0, k), abs=1e-3)


@pytest.mark.parametrize(("sigma", "surround"), [(0.8, 0.0), (1.5, 1.0), (2.0, 0.5), (2.5, 1.0)])
def test_a_round_blob_has_no_orientation(sigma, surround):
    found, _ = filters.orientation_selectivity(filters.round_blob(SHAPE, 5.7, 4.1, sigma, 1.8, surround))
    assert found < 0.05


def test_selectivity_does_not_depend_on_scale_sign_or_place():
    picture = gabor()
    found, frequency = filters.orientation_selectivity(picture)
    assert found > 0.6
    for same in (-3 * picture, 1e-6 * picture, np.pad(picture, ((0, 4), (3, 0)))):
        assert filters.orientation_selectivity(same) == (pytest.approx(found), frequency)
    turned, _ = filters.orientation_selectivity(picture.T[::-1])
    assert turned == pytest.approx(found, abs=1e-9)


def test_selectivity_of_nothing():
    assert filters.orientation_selectivity(np.zeros(SHAPE)) == (0.0, 0.01)


@pytest.mark.parametrize(
    ("colour", "share"),
    [
        ((1, 1, 1), 0),
        ((-2, -2, -2), 0),
        ((1, 0, 0), 2 / 3),  # the most that weights of one sign can reach
        ((1, 1, 0), 1 / 3),
        ((1, -1, 0), 1),
        ((1, 1, -2), 1),
        ((1, -0.1, 0), 1 - 0.81 / 3.03),
    ],
)
def test_share_off_grey(colour, share):
    assert filters.share_off_grey(gabor()[..., None] * np.array(colour, float)) == pytest.approx(
        share, abs=1e-12
    )


def test_weights_of_one_sign_never_reach_more_than_two_thirds():
    random = np.random.default_rng(0)
    for _ in range(50):
        kernel = random.exponential(size=(3, 3, 3)) ** 3 * random.choice([-1, 1], size=(3, 3, 1))
        assert filters.share_off_grey(kernel) <= 2 / 3
    assert filters.share_off_grey(np.zeros((3, 3, 3))) == 0


@pytest.mark.parametrize("surround", [0.0, 0.6, 1.0])
@pytest.mark.parametrize(("x", "y", "sigma"), [(5, 5, 1.0), (2.3, 7.6, 1.5), (6.5, 4.0, 2.6)])
def test_planted_blob_is_explained(x, y, sigma, surround):
    assert filters.explained_by_round_blob(-2 * filters.round_blob(SHAPE, x, y, sigma, 1.7, surround)) > 0.999


@pytest.mark.parametrize("picture", [gabor(), gabor(1.5, 0.3, 0.0), edge(0.3, 11, 2.0)])
def test_stripes_and_edges_are_no_blobs(picture):
    assert filters.explained_by_round_blob(picture) < 0.65  # one lobe of an edge is round


def test_a_blob_in_noise_is_explained_as_far_as_it_goes():
    clean = filters.round_blob(SHAPE, 4, 6, 1.6, 2.0, 0.8)
    noise = np.random.default_rng(0).normal(size=SHAPE) * 0.5 * clean.std()
    assert filters.explained_by_round_blob(clean + noise) == pytest.approx(1 / 1.25, abs=0.06)
    assert filters.explained_by_round_blob(noise) < 0.3
    assert filters.explained_by_round_blob(np.full(SHAPE, 3.0)) == 0


def test_scrambling_keeps_magnitudes_and_mean_and_nothing_else():
    picture = gabor() + 0.3
    scrambled = filters.phase_scrambled(picture, np.random.default_rng(1))
    np.testing.assert_allclose(np.abs(np.fft.fft2(scrambled)), np.abs(np.fft.fft2(picture)), atol=1e-10)
    assert scrambled.mean() == pytest.approx(picture.mean())
    assert abs(np.corrcoef(scrambled.ravel(), picture.ravel())[0, 1]) < 0.5
    np.testing.assert_array_equal(scrambled, filters.phase_scrambled(picture, np.random.default_rng(1)))
    assert not np.allclose(scrambled, filters.phase_scrambled(picture, np.random.default_rng(2)))


def test_round_blob_is_the_formula():
    blob = filters.round_blob((4, 6), 2.0, 1.0, 1.5, 2.0, 0.8)
    assert blob.shape == (4, 6)
    assert blob[1, 2] == pytest.approx(1 - 0.8 / 4)
    distance = 3**2 + 2**2  # row 3, column 5
    expected = math.exp(-distance / (2 * 1.5**2)) - 0.2 * math.exp(-distance / (2 * 3.0**2))
    assert blob[3, 5] == pytest.approx(expected)
    balanced = filters.round_blob((61, 61), 30, 30, 2.0, 1.8, 1.0)
    assert balanced.sum() == pytest.approx(0, abs=1e-6)


def test_what_is_no_filter_is_refused():
    random = np.random.default_rng(0)
    for broken in (np.full((5, 5), np.nan), np.zeros((5, 5, 3)), np.zeros((0, 5))):
        for measure in (
            filters.orientation_selectivity,
            filters.explained_by_round_blob,
            lambda component: filters.phase_scrambled(component, random),
        ):
            with pytest.raises(ValueError, match="a finite array of 2 axes"):
                measure(broken)
    with pytest.raises(ValueError, match="a finite array of 3 axes"):
        filters.share_off_grey(np.full((5, 5, 3), np.inf))
