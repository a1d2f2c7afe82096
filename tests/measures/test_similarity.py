import numpy as np
import pytest

from tfviz.measures.similarity import distances


@pytest.fixture
def pictures():
    return np.random.default_rng(0).random((2, 9, 12, 3)).astype(np.float32)


def ssim_by_definition(before, after):
    """The mean over all whole 7 x 7 windows and colours of Wang et al.'s equation 13, with sample variances."""
    c1, c2 = 0.01**2, 0.03**2
    values = []
    for row in range(before.shape[0] - 6):
        for column in range(before.shape[1] - 6):
            for colour in range(3):
                x, y = (
                    picture[row : row + 7, column : column + 7, colour].astype(np.float64).ravel()
                    for picture in (before, after)
                )
                (xx, xy), (_, yy) = np.cov(x, y)
                above = (2 * x.mean() * y.mean() + c1) * (2 * xy + c2)
                values.append(above / ((x.mean() ** 2 + y.mean() ** 2 + c1) * (xx + yy + c2)))
    return np.mean(values)


def test_a_picture_is_no_distance_from_itself(pictures):
    assert distances(pictures[0], pictures[0].copy()) == {"l2": 0.0, "linf": 0.0, "ssim": 1.0}


def test_norms_in_closed_form(pictures):
    """Two values changed, by 0.3 and -0.4."""
    before = np.clip(pictures[0], 0.4, 0.7).astype(np.float64)
    after = before.copy()
    after[1, 2, 0] += 0.3
    after[8, 11, 2] -= 0.4
    found = distances(before, after)
    assert found["l2"] == pytest.approx(0.5, rel=1e-12)
    assert found["linf"] == pytest.approx(0.4, rel=1e-12)
    assert 0 < found["ssim"] < 1


def test_ssim_of_two_even_pictures_in_closed_form():
    """Without any variance only the means are compared: (2 a b + c1) / (a^2 + b^2 + c1), c1 = 0.01^2."""
    before, after = np.full((8, 7, 3), 0.2), np.full((8, 7, 3), 0.6)
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert distances(before, after)["ssim"] == pytest.approx(expected, rel=1e-9)


def test_ssim_by_its_definition(pictures):
    near = np.clip(pictures[0] + 0.1 * (pictures[1] - 0.5), 0, 1)
    for after in (near, pictures[1]):
        expected = ssim_by_definition(pictures[0], after)
        assert distances(pictures[0], after)["ssim"] == pytest.approx(expected, abs=1e-5)


def test_neither_picture_comes_first(pictures):
    there, back = distances(*pictures), distances(*pictures[::-1])
    assert there == pytest.approx(back, rel=1e-6)
    assert there["ssim"] < 0.5


def test_the_difference_is_not_rounded_to_float32():
    before = np.full((7, 7, 3), 0.5, np.float32)
    after = before.copy()
    after[0, 0, 0] = np.nextafter(np.float32(0.5), np.float32(1))
    assert distances(before, after)["l2"] == distances(before, after)["linf"] == 2.0**-24
    nearly_black = np.full((7, 7, 3), 2.0**-30, np.float32)
    assert distances(nearly_black, np.ones((7, 7, 3), np.float32))["linf"] == 1 - 2.0**-30


@pytest.mark.parametrize("shape", [(6, 9, 3), (9, 6, 3)])
def test_pictures_smaller_than_a_window_are_refused(shape):
    with pytest.raises(ValueError, match="win_size"):
        distances(np.zeros(shape), np.zeros(shape))


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="shape"):
        distances(np.zeros((8, 9, 3)), np.zeros((9, 8, 3)))


def test_pictures_that_are_none_are_refused():
    good = np.full((8, 9, 3), 0.5)
    for other, says in (
        (np.full((8, 9, 3), 128, np.uint8), "the second picture holds whole numbers"),
        (np.full((8, 9, 3), np.nan), "not finite"),
        (np.full((8, 9, 3), 2.0), r"must be in \[0, 1\]"),
        (np.full((9, 8, 3), 0.5), "shape"),
        (np.full((8, 9), 0.5), "must be"),
    ):
        with pytest.raises(ValueError, match=says):
            distances(good, other)
