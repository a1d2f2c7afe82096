import numpy as np
import pytest

from tfviz.measures.pictures import as_pictures, whole


def test_pictures_come_back_as_float32():
    pictures = np.random.default_rng(0).random((2, 4, 5, 3))
    given = as_pictures(pictures, "it", ranks=(3, 4))
    assert given.dtype == np.float32
    np.testing.assert_array_equal(given, pictures.astype(np.float32))


def test_what_rounding_leaves_outside_a_range_is_taken_into_it():
    pictures = np.array([[[1 + 5e-7, -5e-7, 0.5]]])
    assert as_pictures(pictures, "it", within=(0, 1)).tolist() == [[[1, 0, 0.5]]]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros((4, 5, 3), np.uint8), "it holds whole numbers"),
        (np.zeros((4, 5, 3), bool), "it holds whole numbers"),
        (np.zeros((4, 5, 3), complex), "no real numbers"),
        ("picture.png", "no real numbers"),
        (None, "no real numbers"),
        (np.zeros((1, 4, 5, 3)), r"must be \(H, W, channels\), not \(1, 4, 5, 3\)"),
        (np.zeros((4, 0, 3)), "must be"),
        (np.full((4, 5, 3), 1e39), "not finite"),
        (np.full((4, 5, 3), -0.1), r"from -0.1 to -0.1: they must be in \[0, 1\]"),
    ],
)
def test_what_is_no_picture_is_said(values, says):
    with pytest.raises(ValueError, match=says) as caught:
        as_pictures(values, "it", within=(0, 1))
    assert "\n" not in str(caught.value)


def test_whole_numbers():
    assert whole(np.int16(7), "it", 0) == 7
    for value in (1.0, "1", None, True, -1):
        with pytest.raises(ValueError, match="it must be 0 or more, not"):
            whole(value, "it", 0)
