import numpy as np
import pytest

from tfviz.measures import spectrum


def noise(exponent, height=227, width=227, seed=0):
    """Noise whose power falls like frequency ** exponent, on average."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    white = np.fft.rfft2(random.normal(size=(height, width, 3)), axes=(0, 1))
    return np.fft.irfft2(white * frequency[..., np.newaxis] ** (exponent / 2), s=(height, width), axes=(0, 1))


@pytest.mark.parametrize(("height", "width"), [(227, 227), (224, 224), (160, 301)])
@pytest.mark.parametrize("exponent", [0.0, -1.0, -2.0, -3.0])
def test_slope_of_noise_of_known_slope(exponent, height, width):
    slopes = [spectrum.slope(noise(exponent, height, width, seed)) for seed in range(3)]
    assert np.mean(slopes) == pytest.approx(exponent, abs=0.08)


def test_slope_ignores_brightness_contrast_and_orientation():
    picture = noise(-2.0, 128, 160)
    expected = spectrum.slope(picture)
    for other in (3 - 200 * picture, picture[::-1], np.swapaxes(picture, 0, 1)):
        assert spectrum.slope(other) == pytest.approx(expected, abs=1e-9)


def test_the_window_keeps_the_jump_between_edges_out():
    """A ramp across white noise: its jump, taken for a feature, has power of slope -2 on the axis."""
    ramp = noise(0.0) + 20 * np.linspace(0, 1, 227)[:, np.newaxis, np.newaxis]
    assert spectrum.slope(ramp) == pytest.approx(0, abs=0.3)


def test_radial_power_finds_a_wave():
    """A wave of 40 cycles over 200 pixels lies at 0.2 cycles per pixel."""
    wave = np.cos(2 * np.pi * 0.2 * np.arange(200))[np.newaxis, :, np.newaxis] * np.ones((100, 1, 3))
    power = spectrum.radial_power(wave, [0.05, 0.15, 0.25, 0.35])
    assert power[1] > 1e6 * power[[0, 2]].max()


def test_nothing_is_left_at_frequency_0_below_the_window():
    """The mean that is taken off is the window's own, not the picture's."""
    bright = noise(0.0, 64, 64) + 9 * np.linspace(-1, 1, 64)[:, np.newaxis, np.newaxis] ** 2
    at_0, others = spectrum.radial_power(bright, [0.0, 0.001, 0.5])
    assert at_0 < 1e-20 * others


def test_radial_power_of_a_band_without_frequencies():
    power = spectrum.radial_power(noise(0.0, 64, 64), [0.001, 0.002, 0.1])
    assert np.isnan(power[0])
    assert power[1] > 0


def test_total_variation():
    stripes = np.zeros((10, 12, 3))
    stripes[:, ::2] = 2.0  # every step to the right is 2, none down; standard deviation 1
    assert spectrum.total_variation(stripes) == pytest.approx(2.0)
    assert spectrum.total_variation(5 + 3 * stripes) == pytest.approx(2.0)
    white = np.random.default_rng(0).normal(size=(300, 200, 3))
    assert spectrum.total_variation(white) == pytest.approx(4 / np.sqrt(np.pi), rel=0.01)


def test_magnitude_keeps_the_norm():
    picture = np.random.default_rng(0).normal(size=(6, 9, 3))
    half = spectrum.magnitude(picture) ** 2
    assert half.shape == (6, 5, 3)
    assert half[:, 0].sum() + 2 * half[:, 1:].sum() == pytest.approx((picture**2).sum())


def test_periodic_part():
    """A tile that fits its neighbours stays as it is; of a slope from edge to edge, most goes."""
    angle = 2 * np.pi * np.arange(24) / 24
    tile = (np.cos(angle)[:, np.newaxis] + np.sin(2 * angle[:20] * 24 / 20))[..., np.newaxis]
    np.testing.assert_allclose(spectrum.periodic_part(np.zeros((4, 5, 3)) + 7), 7)
    slope = np.linspace(0, 1, 24)[:, np.newaxis, np.newaxis] * np.ones((24, 20, 1))
    kept = spectrum.periodic_part(tile + slope)
    assert kept.mean() == pytest.approx((tile + slope).mean())
    assert np.abs(kept[0] - kept[-1]).mean() < 0.2 * np.abs((tile + slope)[0] - (tile + slope)[-1]).mean()


@pytest.mark.parametrize(("height", "width"), [(224, 224), (227, 227), (100, 301)])
def test_natural_magnitude_falls_as_natural_spectra_do(height, width):
    magnitude = spectrum.natural_magnitude(height, width)
    assert magnitude.shape == (height, width // 2 + 1, 3)
    assert (magnitude[0, 0] == 0).all()
    assert (magnitude.reshape(-1, 3)[1:] > 0).all()
    frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width))
    # Light and dark have more of it than the hues; where those are sampled at half the rate in JPEG files, that ends.
    low = magnitude[frequency < 0.4]
    assert (low[:, 0] >= low[:, 1:].max(axis=1)).all()
    ring = [np.abs(frequency / f - 1) < 0.1 for f in (0.05, 0.2)]
    fall = np.log(magnitude[ring[1], 0].mean() / magnitude[ring[0], 0].mean()) / np.log(4)
    assert fall == pytest.approx(-1.2, abs=0.2)


def test_natural_magnitude_at_its_own_size_is_what_is_stored():
    stored = spectrum._asset()["magnitude"].astype(float)
    magnitude = spectrum.natural_magnitude(*(2 * [stored.shape[0]]))
    np.testing.assert_allclose(magnitude.reshape(-1, 3)[1:], stored.reshape(-1, 3)[1:], rtol=1e-9)


def test_natural_magnitude_is_the_same_at_the_same_frequency():
    """0.125 cycles per pixel: 32 of 256, 20 of 160."""
    large, small = spectrum.natural_magnitude(256, 256), spectrum.natural_magnitude(160, 160)
    np.testing.assert_allclose(small[20, 20], large[32, 32], rtol=1e-9)
    np.testing.assert_allclose(small[0, 20], large[0, 32], rtol=1e-9)
    np.testing.assert_allclose(small[-20, 10], large[-32, 16], rtol=1e-9)


def test_colours():
    axes, root = spectrum.colour_axes(), spectrum.colour_root()
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(axes[0], 1 / np.sqrt(3), atol=0.02)
    np.testing.assert_allclose(np.linalg.norm(root, axis=0).max(), 1)
    np.testing.assert_allclose(root / np.linalg.norm(root, axis=0), axes.T, atol=1e-6)


def test_the_photographs_behind_the_mean():
    slopes, variations = spectrum.natural_measures()
    assert slopes.shape == variations.shape == (1000,)
    assert -3 < np.median(slopes) < -2
    assert 0.1 < np.median(variations) < 0.5


def test_what_has_no_variation_is_refused():
    for constant in (np.zeros((64, 64, 3)), np.full((64, 70, 3), 0.7)):
        with pytest.raises(ValueError, match="no variation"):
            spectrum.slope(constant)
        with pytest.raises(ValueError, match="constant"):
            spectrum.total_variation(constant)
    with pytest.raises(ValueError, match="too small"):
        spectrum.slope(noise(0.0, 4, 4))
    with pytest.raises(ValueError, match="too small"):
        spectrum.total_variation(np.arange(15.0).reshape(1, 5, 3))


@pytest.mark.parametrize(
    "measure",
    [
        spectrum.magnitude,
        spectrum.periodic_part,
        spectrum.slope,
        spectrum.total_variation,
        lambda picture: spectrum.radial_power(picture, [0.1, 0.2]),
    ],
)
def test_what_is_no_picture_is_refused(measure):
    for picture in (np.full((64, 64, 3), np.nan), np.zeros((64, 64)), np.zeros((0, 64, 3))):
        with pytest.raises(ValueError, match=r"\(\.\.\., H, W, channels\) of finite numbers|too small"):
            measure(picture)


def test_sizes_and_edges_that_make_no_sense():
    with pytest.raises(ValueError, match="height must be 1 or more"):
        spectrum.natural_magnitude(0, 5)
    with pytest.raises(ValueError, match="rising"):
        spectrum.radial_power(noise(0.0, 64, 64), [0.2, 0.1])
    assert spectrum.natural_magnitude(1, 1).tolist() == [[[0, 0, 0]]]
