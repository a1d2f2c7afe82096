import keras
import numpy as np
import pytest

from tests.tiny import linear_model
from tfviz.data.pictures import as_bytes
from tfviz.measures import spectrum
from tfviz.method.ascent import ascend
from tfviz.method.objectives import logit
from tfviz.method.parametrizations import fourier, phases, pixels
from tfviz.method.priors import distance

SIZES = [(8, 8), (5, 7), (6, 9), (9, 6), (7, 7)]
ROOTS = pytest.mark.parametrize("root", [None, spectrum.colour_root()], ids=["rgb", "natural colours"])


def natural(height, width, seed=0):
    """A picture in [0, 1], black and white included."""
    picture = np.random.default_rng(seed).random((height, width, 3)).cumsum(axis=0).cumsum(axis=1)
    return (picture - picture.min()) / (picture.max() - picture.min())


@ROOTS
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_picture_comes_back(height, width, root):
    pictures = np.stack([natural(height, width, seed) for seed in (0, 1)])
    start = fourier(pictures, colour_root=root)
    assert start.parameters.shape == (2, 2, 3, height, width // 2 + 1)
    back = np.asarray(start.to_pictures(start.parameters))
    np.testing.assert_allclose(back, start.pictures, atol=1e-6)
    np.testing.assert_allclose(back, pictures, atol=1 / 512 + 1e-6)
    np.testing.assert_array_equal(as_bytes(back), as_bytes(pictures))


def test_against_numpys_inverse_transform():
    random = np.random.default_rng(0)
    start = fourier(np.full((6, 9, 3), 0.5))
    parameters = random.normal(size=start.parameters.shape).astype(np.float32)
    frequency = np.maximum(np.hypot(np.fft.fftfreq(6)[:, np.newaxis], np.fft.rfftfreq(9)), 1 / 9)
    scale = 1 / frequency / np.sqrt(np.mean(frequency**-2))
    values = np.fft.irfft2((parameters[0] + 1j * parameters[1]) * scale, s=(6, 9), norm="ortho")
    expected = 1 / (1 + np.exp(-np.moveaxis(values, 1, -1)))
    np.testing.assert_allclose(np.asarray(start.to_pictures(parameters)), expected, atol=1e-6)


@ROOTS
def test_gradient_against_finite_differences(root):
    """One small step of ascent moves the parameters by rate times the gradient: seen through to_pictures."""
    model = linear_model(6, 9)
    start = fourier(natural(6, 9), colour_root=root)
    weights = np.random.default_rng(1).normal(size=start.pictures.shape)

    def value(parameters):
        return float(
            np.sum(weights * np.asarray(start.to_pictures(parameters.astype(np.float32)), np.float64))
        )

    import tensorflow as tf

    parameters = tf.constant(start.parameters)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        total = tf.reduce_sum(start.to_pictures(parameters) * tf.constant(weights, tf.float32))
    gradient = tape.gradient(total, parameters).numpy()
    assert np.isfinite(gradient).all()
    step = 0.05
    for index in np.random.default_rng(2).permutation(list(np.ndindex(start.parameters.shape)))[:25]:
        up, down = start.parameters.copy(), start.parameters.copy()
        up[tuple(index)] += step
        down[tuple(index)] -= step
        expected = (value(up) - value(down)) / (2 * step)
        assert gradient[tuple(index)] == pytest.approx(expected, rel=0.02, abs=2e-3)
    assert ascend(model, logit(0), start, steps=1, rate=0.0, clip=None).picture == pytest.approx(
        start.pictures, abs=1e-6
    )


@ROOTS
def test_a_photograph_is_fitted_by_ascent(root):
    """From grey, by nothing but the distance to it; heights and widths are not exchanged."""
    target = 0.1 + 0.8 * natural(12, 17)
    trace = ascend(
        linear_model(12, 17),
        -10.0 * distance(target),
        fourier(np.full((12, 17, 3), 0.5), colour_root=root),
        steps=600,
        rate=lambda step: 0.3 * (1 - step / 600),
        clip=None,
    )
    assert trace.scores[0, 0] < -30
    assert np.abs(trace.picture[0] - target).max() < 0.02


def test_low_frequencies_move_first():
    """After one step towards noise, the decaying picture has less of its high frequencies than the even one."""
    model = linear_model(32, 32)
    target = np.random.default_rng(0).random((32, 32, 3))
    slopes = []
    for decay in (0.0, 1.0):
        start = fourier(np.full((32, 32, 3), 0.5), decay=decay)
        moved = ascend(model, -1.0 * distance(target), start, steps=1, rate=0.1, clip=None).picture[0] - 0.5
        power = spectrum.magnitude(moved) ** 2
        slopes.append(power[12:20, 12:].mean() / power[1:4, 1:4].mean())
    assert slopes[0] == pytest.approx(1, rel=0.6)
    assert slopes[1] < 0.01 * slopes[0]


@pytest.mark.parametrize("make", [pixels, fourier])
@pytest.mark.parametrize(
    ("start", "says"),
    [
        (np.zeros((5, 7)), "start must be"),
        (np.full((5, 7, 3), np.inf), "not finite"),
        (np.zeros((5, 7, 3), np.uint8), "whole numbers"),
        (np.zeros((0, 7, 3)), "start must be"),
    ],
)
def test_nonsense_is_refused(make, start, says):
    with pytest.raises(ValueError, match=says):
        make(start)


@pytest.mark.parametrize("shape", [(8, 8, 3), (7, 9, 1), (9, 6, 4), (1, 1, 3), (1, 6, 2), (5, 1, 3)])
def test_a_start_stays_put_at_a_rate_of_nearly_nothing(shape):
    """With the default clip, which acts on pixels and not on the transform's numbers."""
    picture = keras.Input(shape)
    model = keras.Model(picture, keras.layers.Dense(2)(keras.layers.Flatten()(picture)))
    start = 0.05 + 0.9 * np.random.default_rng(4).random(shape)
    trace = ascend(model, logit(0), fourier(start), steps=1, rate=1e-9)
    np.testing.assert_allclose(trace.picture[0], start, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"start": np.full((5, 7, 3), 1.5)}, r"must be in \[0, 1\]"),
        ({"start": np.full((5, 7, 3), -0.5)}, r"must be in \[0, 1\]"),
        ({"decay": np.nan}, "decay"),
        ({"colour_root": np.ones((3, 3))}, "invertible"),
        ({"colour_root": np.eye(4)}, r"invertible matrix \(3, 3\)"),
    ],
)
def test_fourier_refuses_nonsense(change, says):
    with pytest.raises(ValueError, match=says):
        fourier(**({"start": np.full((5, 7, 3), 0.5)} | change))


@pytest.mark.parametrize("size", [(8, 6), (9, 7), (8, 7), (7, 8)])
def test_phases_keep_the_magnitude_exactly(size):
    """Behind the sigmoid's slope of 4 the picture's Fourier magnitude along the colour axes is what was given."""
    height, width = size
    given = spectrum.natural_magnitude(height, width)
    axes = spectrum.colour_axes()
    start = np.random.default_rng(2).uniform(-4, 4, (2, 3, height, width // 2 + 1))
    pictures = phases(start, width, given, axes).pictures.astype(np.float64)
    values = np.log(pictures / (1 - pictures)) / 4 @ axes.T
    for picture in values:
        assert spectrum.magnitude(picture) == pytest.approx(given, abs=1e-5)
    assert np.abs(pictures[0] - pictures[1]).max() > 0.01


def test_phases_of_one_frequency_move_a_wave():
    """One frequency k along the columns: sigmoid(4 * 2 m cos(2 pi k x / W + p) / sqrt(H W)), by hand."""
    magnitude = np.zeros((4, 5, 1))
    magnitude[0, 2] = 0.6
    start = np.full((1, 1, 4, 5), 0.7)
    wave = 2 * 0.6 * np.cos(2 * np.pi * 2 * np.arange(8) / 8 + 0.7) / np.sqrt(32)
    found = phases(start, 8, magnitude, [[1.0]]).pictures[0, ..., 0]
    assert found == pytest.approx(np.tile(1 / (1 + np.exp(-4 * wave)), (4, 1)), abs=1e-6)


@pytest.mark.parametrize(
    ("start", "magnitude", "axes"),
    [
        (np.zeros((1, 3, 4, 4)), np.ones((4, 3, 3)), np.eye(3)),
        (np.zeros((1, 3, 4, 3)), -np.ones((4, 3, 3)), np.eye(3)),
        (np.full((1, 3, 4, 3), np.nan), np.ones((4, 3, 3)), np.eye(3)),
        (np.zeros((1, 3, 4, 3)), np.ones((4, 3, 3)), np.eye(2)),
    ],
)
def test_phases_that_do_not_fit_are_refused(start, magnitude, axes):
    with pytest.raises(ValueError, match=r"fit pictures|finite"):
        phases(start, 4, magnitude, axes)


def test_colours_of_noise_are_mixed_as_in_natural_pictures():
    """White noise has, before the sigmoid, the covariance C C^T, which was computed from photographs."""
    root = spectrum.colour_root()
    grey = np.full((4, 32, 32, 3), 0.5)
    made = fourier(grey, decay=0.0, colour_root=root)
    noise = np.random.default_rng(0).normal(0, 0.05, made.parameters.shape).astype(np.float32)
    pictures = np.asarray(made.to_pictures(noise), np.float64)
    found = np.cov(np.log(pictures / (1 - pictures)).reshape(-1, 3), rowvar=False)
    axes, deviations = spectrum.colour_axes(), np.linalg.norm(root, axis=0)
    expected = axes.T @ np.diag(deviations**2) @ axes
    assert found / np.trace(found) == pytest.approx(expected / np.trace(expected), abs=0.01)
    assert np.linalg.norm(axes @ root - np.diag(deviations)) < 1e-6


def test_phases_are_copied_and_none_at_all_are_refused():
    given = np.zeros((1, 3, 5, 4), np.float32)
    start = phases(given, 7, np.ones((5, 4, 3)), np.eye(3))
    given[...] = 1
    assert (start.parameters == 0).all()
    for wrong in ((given[:0], 7, np.ones((5, 4, 3))), (given, 7, 3.0), (given, "7", np.ones((5, 4, 3)))):
        with pytest.raises(ValueError, match=r"do not fit|width must be"):
            phases(*wrong, np.eye(3))
