import keras
import numpy as np
import pytest

from tests.tiny import linear_model
from tfviz.measures import spectrum
from tfviz.method import priors
from tfviz.method.probe import value_and_gradient

SIZES = [(5, 7), (6, 8), (7, 6)]


def evaluate(goal, pictures):
    """Score and gradient of a penalty, which needs no network."""
    scores, _, gradient = value_and_gradient(linear_model(*pictures.shape[1:3]), goal, pictures)
    return scores, gradient


def numerical_gradient(cost, pictures, step=1e-6):
    """Central differences of a cost of float64 pictures."""
    gradient = np.zeros_like(pictures)
    for index in np.ndindex(pictures.shape):
        up, down = pictures.copy(), pictures.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (cost(up).sum() - cost(down).sum()) / (2 * step)
    return gradient


@pytest.fixture
def pictures():
    return np.random.default_rng(1).normal(0.3, 0.5, (2, 5, 7, 3)).astype(np.float32)


def test_l2(pictures):
    scores, gradient = evaluate(priors.l2(), pictures)
    np.testing.assert_allclose(scores, [np.sum(x**2) for x in pictures], rtol=1e-5)
    np.testing.assert_allclose(gradient, 2 * pictures, rtol=1e-6)


def test_total_variation_by_hand():
    picture = np.zeros((1, 5, 7, 3), np.float32)
    picture[0, 2, 3, 1] = 2.0  # four neighbours
    picture[0, 0, 0, 0] = -1.0  # two neighbours
    assert evaluate(priors.total_variation(), picture)[0] == pytest.approx(4 * 2.0 + 2 * 1.0)


def test_total_variation_counts_neighbours_not_edges(pictures):
    scores, gradient = evaluate(priors.total_variation(), pictures)
    rows = np.abs(np.diff(pictures, axis=1)).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(
        scores, rows + np.abs(np.diff(pictures, axis=2)).sum(axis=(1, 2, 3)), rtol=1e-5
    )
    # Where two neighbours are equal neither is pulled.
    flat = np.full((1, 4, 5, 3), 0.5, np.float32)
    assert not evaluate(priors.total_variation(), flat)[1].any()
    # A corner has one neighbour below and one to the right.
    corner = np.sign(pictures[:, 0, 0] - pictures[:, 1, 0]) + np.sign(pictures[:, 0, 0] - pictures[:, 0, 1])
    np.testing.assert_array_equal(gradient[:, 0, 0], corner)


def test_distance_and_its_unit_gradient(pictures):
    reference = np.full((5, 7, 3), 0.25, np.float32)
    scores, gradient = evaluate(priors.distance(reference), pictures)
    norms = np.sqrt(np.sum((pictures - reference) ** 2, axis=(1, 2, 3), keepdims=True))
    np.testing.assert_allclose(scores, norms[:, 0, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(gradient, (pictures - reference) / norms, rtol=1e-5)


def test_distance_at_the_picture_itself(pictures):
    """There the norm has a kink: the gradient is 0 and not NaN, also in a batch with a picture that has moved."""
    moved = pictures.copy()
    moved[1] += 1
    scores, gradient = evaluate(priors.distance(pictures), moved)
    assert scores[0] == 0
    assert not gradient[0].any()
    assert np.linalg.norm(gradient[1]) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("axes", [None, spectrum.colour_axes()], ids=["rgb", "natural axes"])
def test_spectrum_against_the_whole_transform(height, width, axes):
    """Value by numpy's full transform, both halves of it; gradient by central differences."""
    random = np.random.default_rng(2)
    pictures = random.normal(0.5, 0.3, (2, height, width, 3))
    mean = np.abs(np.fft.fft2(random.normal(size=(height, width, 3)), axes=(0, 1), norm="ortho"))
    turned = np.eye(3) if axes is None else axes

    def cost(x):
        magnitude = np.abs(np.fft.fft2(x @ turned.T, axes=(1, 2), norm="ortho"))
        squares = (magnitude - mean) ** 2
        squares[:, 0, 0] = 0
        return squares.sum(axis=(1, 2, 3))

    goal = priors.spectrum(mean[:, : width // 2 + 1], axes)
    scores, gradient = evaluate(goal, pictures)
    np.testing.assert_allclose(scores, cost(pictures), rtol=2e-5)
    np.testing.assert_allclose(gradient, numerical_gradient(cost, pictures), rtol=1e-3, atol=2e-5)


def test_spectrum_with_nothing_wanted_is_the_norm_about_the_mean_colour(pictures):
    """Parseval's theorem."""
    scores, gradient = evaluate(priors.spectrum(np.zeros((5, 4, 3))), pictures)
    about_mean = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(scores, (about_mean**2).sum(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(gradient, 2 * about_mean, atol=1e-5)


def test_spectrum_of_a_picture_with_those_magnitudes_is_free(pictures):
    magnitude = spectrum.magnitude(pictures[0])
    shifted = np.roll(pictures[:1], (2, 3), axis=(1, 2)) + 0.4
    scores, gradient = evaluate(priors.spectrum(magnitude), shifted)
    assert scores[0] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(gradient, 0, atol=1e-5)


def test_spectrum_of_nothing_has_a_gradient_of_zero():
    """|F| is 0 at every frequency: the cost is that of all magnitudes, the gradient 0 and not NaN."""
    mean = np.ones((5, 4, 3))
    scores, gradient = evaluate(priors.spectrum(mean), np.zeros((1, 5, 7, 3)))
    assert scores[0] == pytest.approx(3 * (5 * 7 - 1))
    np.testing.assert_array_equal(gradient, 0)


def test_spectrum_refuses_what_does_not_fit(pictures):
    with pytest.raises(ValueError, match=r"5 x 7 need magnitudes \(5, 4, 3\), not \(7, 3, 3\)"):
        evaluate(priors.spectrum(np.ones((7, 3, 3))), pictures)
    with pytest.raises(ValueError, match="orthogonal"):
        priors.spectrum(np.ones((5, 4, 3)), np.ones((3, 3)))
    for magnitude in (np.full((5, 4, 3), np.nan), -np.ones((5, 4, 3)), np.ones((5, 4))):
        with pytest.raises(ValueError, match="finite and not negative"):
            priors.spectrum(magnitude)


def test_spectrum_of_grey_pictures():
    """Parseval's theorem, with one channel and even sizes."""
    pictures = np.random.default_rng(3).normal(size=(2, 6, 8, 1)).astype(np.float32)
    grey = keras.Input((6, 8, 1))
    model = keras.Model(grey, keras.layers.Flatten()(grey))
    scores, _, _ = value_and_gradient(model, priors.spectrum(np.zeros((6, 5, 1))), pictures)
    about_mean = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(scores, (about_mean**2).sum(axis=(1, 2, 3)), rtol=1e-5)


def test_distance_refuses_what_is_no_picture_or_another_ones(pictures):
    for picture, says in (
        (np.full((5, 7, 3), np.nan), "not finite"),
        (np.zeros((5, 7, 3), int), "whole numbers"),
        (0.5, r"must be \(H, W, channels\)"),
    ):
        with pytest.raises(ValueError, match=says):
            priors.distance(picture)
    for shape in ((7, 5, 3), (5, 7, 1), (3, 5, 7, 3)):
        with pytest.raises(ValueError, match="does not fit pictures"):
            evaluate(priors.distance(np.zeros(shape)), pictures)


def test_a_penalty_stays_what_it_is_when_its_arrays_change():
    magnitude, axes = np.ones((5, 4, 3), np.float32), np.eye(3, dtype=np.float32)
    pictures = np.random.default_rng(0).random((1, 5, 7, 3)).astype(np.float32)
    cost = priors.spectrum(magnitude, axes)
    before = value_and_gradient(linear_model(), cost, pictures)[0]
    magnitude[...], axes[...] = 9, 0
    np.testing.assert_array_equal(value_and_gradient(linear_model(), cost, pictures)[0], before)


def test_a_magnitude_that_is_no_array_of_three_axes_is_said():
    with pytest.raises(ValueError, match=r"^mean_magnitude must be"):
        priors.spectrum(3.0)
