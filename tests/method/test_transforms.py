import numpy as np
import pytest

from tests.tiny import linear_model
from tfviz.method.ascent import ascend
from tfviz.method.objectives import logit
from tfviz.method.transforms import affine

PICTURES = np.random.default_rng(0).random((2, 11, 16, 3)).astype(np.float32)


def apply(drawn, pictures=PICTURES):
    """What `affine` makes of pictures with (rows, columns, scale, radians)."""
    return np.asarray(affine().apply(pictures, np.array(drawn, np.float32)))


def test_nothing_drawn_changes_nothing():
    still = affine(shift=0, scale=0, degrees=0)
    drawn = still.draw(np.random.default_rng(0), 5)
    np.testing.assert_array_equal(drawn, np.zeros((5, 4)))
    np.testing.assert_allclose(
        np.asarray(still.apply(PICTURES, drawn[0].astype(np.float32))), PICTURES, atol=1e-5
    )


@pytest.mark.parametrize(("rows", "columns"), [(2, 0), (0, 3), (-1, -2), (3, -4)])
def test_whole_pixels_are_a_roll(rows, columns):
    """Row r shows row r + rows: away from the edges, what numpy's roll gives."""
    rolled = np.roll(PICTURES, (-rows, -columns), axis=(1, 2))
    inside = (slice(None), slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(apply([rows, columns, 0, 0])[inside], rolled[inside], atol=1e-4)


def test_what_comes_from_outside_is_the_mirror_image():
    moved = apply([0, 2, 0, 0])
    np.testing.assert_allclose(moved[:, :, -2:], PICTURES[:, :, :-3:-1], atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(9, 9), (9, 13), (12, 8)])
def test_half_a_turn_is_about_the_middle(height, width):
    pictures = np.random.default_rng(1).random((1, height, width, 3)).astype(np.float32)
    np.testing.assert_allclose(apply([0, 0, 0, np.pi], pictures), pictures[:, ::-1, ::-1], atol=1e-4)


def test_a_quarter_turn_of_a_square():
    pictures = PICTURES[:, :, :11]
    turned = apply([0, 0, 0, np.pi / 2], pictures)
    assert min(
        np.abs(turned - np.rot90(pictures, times, axes=(1, 2))).max() for times in (1, 3)
    ) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(("height", "width"), [(9, 13), (12, 7)])
def test_scaling_is_about_the_middle(height, width):
    """Colours that grow evenly along rows and columns: twice as large, they grow half as fast, from the same middle."""
    rows, columns = np.mgrid[:height, :width] - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    ramps = np.stack([rows, columns, rows - columns], axis=-1)[np.newaxis].astype(np.float32)
    np.testing.assert_allclose(apply([0, 0, 1.0, 0], ramps), ramps / 2, atol=1e-4)


def test_draws_are_even_on_both_sides_and_within_range():
    drawn = affine(shift=8, scale=0.1, degrees=10).draw(np.random.default_rng(0), 4000)
    largest = np.array([8, 8, 0.1, np.deg2rad(10)])
    assert drawn.shape == (4000, 4)
    assert (np.abs(drawn) <= largest).all()
    np.testing.assert_allclose(drawn.mean(axis=0) / largest, 0, atol=0.05)
    np.testing.assert_allclose(drawn.std(axis=0) / largest, 1 / np.sqrt(3), rtol=0.05)


def test_gradient_flows_and_the_seed_decides():
    model = linear_model(11, 16)

    turning = (affine(shift=2, scale=0.1, degrees=10),)

    def ascended(seed, transforms=turning):
        return ascend(
            model, logit(0), PICTURES[0], steps=3, rate=0.01, clip=None, transforms=transforms, seed=seed
        )

    first, again, other = ascended(0), ascended(0), ascended(1)
    np.testing.assert_array_equal(first.scores, again.scores)
    np.testing.assert_array_equal(first.picture, again.picture)
    assert (first.scores != other.scores).all()
    # Every pixel that the network sees moves, and not as it does without transforms.
    still = ascended(0, transforms=())
    moved = first.picture - PICTURES[0]
    assert (np.abs(moved[0, 3:-3, 3:-3]) > 0).all()
    assert np.abs(first.picture - still.picture).max() > 1e-3


def test_the_gradient_is_exact():
    """The change is linear in the pixels: its value at a picture is the picture's product with the gradient."""
    import tensorflow as tf

    random = np.random.default_rng(2)
    weights = random.normal(size=PICTURES.shape).astype(np.float32)
    for drawn in ([0.7, -1.3, 0.05, 0.1], [9.0, 0.0, -0.3, 0.0], [0.0, 0.0, 0.0, 1.0]):
        with tf.GradientTape() as tape:
            x = tf.constant(PICTURES)
            tape.watch(x)
            total = tf.reduce_sum(weights * affine().apply(x, tf.constant(drawn, tf.float32)))
        gradient = tape.gradient(total, x).numpy()
        for pictures in (PICTURES, random.random(PICTURES.shape).astype(np.float32)):
            expected = np.sum(weights * apply(drawn, pictures))
            assert np.sum(gradient * pictures) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"shift": -1.0},
        {"shift": np.inf},
        {"scale": 1.0},
        {"scale": np.nan},
        {"degrees": -3.0},
        {"degrees": np.inf},
    ],
)
def test_nonsense_is_refused(change):
    with pytest.raises(ValueError, match="must be 0 or more"):
        affine(**change)


def test_a_picture_of_one_pixel_is_its_own_mirror_image():
    pictures = PICTURES[:, :1, :1]
    np.testing.assert_allclose(apply([3, -2, 0.1, 0.3], pictures), pictures, atol=1e-6)


def test_a_smaller_size_sees_the_middle_and_what_comes_into_it():
    """As the whole picture moved, and its middle cut out; the margin takes the place of the mirrored border."""
    drawn = np.array([2, -3, 0, 0], np.float32)
    moved = np.asarray(affine(size=(5, 6)).apply(PICTURES, drawn))
    assert moved.shape == (2, 5, 6, 3)
    np.testing.assert_allclose(moved, PICTURES[:, 5:10, 2:8], atol=1e-5)
    turned = np.array([0.5, 0.25, 0.05, 0.1], np.float32)
    np.testing.assert_allclose(
        np.asarray(affine(size=(5, 6)).apply(PICTURES, turned)), apply(turned)[:, 3:8, 5:11], atol=1e-5
    )


def test_one_function_for_one_size():
    assert affine(size=(5, 6)).apply is affine(shift=1, size=(5, 6)).apply
    assert affine(size=(5, 6)).apply is not affine(size=(6, 5)).apply


@pytest.mark.parametrize("size", [3, (), (0, 3), (3.5, 3), (5, 7, 3), "ab"])
def test_a_size_that_makes_no_sense_is_said(size):
    with pytest.raises(ValueError, match="size"):
        affine(size=size)
