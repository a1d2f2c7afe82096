import numpy as np
import pytest

from tfviz.data import drawings


@pytest.mark.parametrize(("height", "width"), [(224, 224), (31, 57), (1, 1)])
def test_shape_type_and_range(height, width):
    picture, body = drawings.jellyfish(height, width)
    ship = drawings.ship(height, width)
    for drawn in (picture, ship):
        assert drawn.shape == (height, width, 3)
        assert drawn.dtype == np.float32
        assert drawn.min() >= 0
        assert drawn.max() <= 1
    assert body.shape == (height, width)
    assert body.dtype == bool


def test_the_same_each_time():
    np.testing.assert_array_equal(drawings.jellyfish(60, 80)[0], drawings.jellyfish(60, 80)[0])
    np.testing.assert_array_equal(drawings.ship(60, 80), drawings.ship(60, 80))


def test_the_body_is_the_warm_part_of_the_picture():
    """Bell and arms are orange, the water blue: inside red leads, outside blue does, but for the thin tentacles."""
    picture, body = drawings.jellyfish(227, 227)
    warm = picture[..., 0] > picture[..., 2]
    assert warm[body].mean() > 0.99
    assert warm[~body].mean() < 0.06
    assert 0.15 < body.mean() < 0.30
    assert body[60, 113]  # bell
    assert body[120, 88]  # the left arm
    assert not body[150, 30]  # water
    assert not body[:, :40].any()


def test_enlarging_the_mask_agrees_with_drawing_it_larger():
    _, small = drawings.jellyfish(100, 100)
    _, large = drawings.jellyfish(300, 300)
    assert (np.kron(small, np.ones((3, 3), bool)) != large).mean() < 0.02


def test_the_ship_floats_on_the_sea():
    picture = drawings.ship(100, 100)
    assert picture[10, 10] @ np.ones(3) > 2  # bright sky
    assert picture[85, 50] @ np.ones(3) < 1  # dark sea
    np.testing.assert_allclose(picture[30, 51], (0.80, 0.20, 0.14), atol=1e-6)  # the red funnel


@pytest.mark.weights
@pytest.mark.parametrize(("size", "least"), [(227, 0.99), (224, 0.97)])
def test_squeezenet_sees_a_jellyfish(context_on, size, least):
    import keras

    from tfviz.data.pictures import as_bytes
    from tfviz.models import squeezenet

    model = squeezenet.build((None, None, 3))
    model.set_weights(context_on("squeezenet").model().get_weights())
    picture, _ = drawings.jellyfish(size, size)
    both = np.stack([picture, as_bytes(picture) / np.float32(255)])
    probabilities = np.asarray(keras.ops.softmax(model(both)))
    assert probabilities[:, 107].min() >= least
