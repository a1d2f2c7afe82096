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


def test_the_fleet_s_shape_type_and_range():
    for height, width in ((32, 32), (31, 57), (1, 1)):
        fleet = drawings.fleet(6, height, width, np.random.default_rng(0))
        assert fleet.shape == (6, height, width, 3)
        assert fleet.dtype == np.float32
        assert fleet.min() >= 0
        assert fleet.max() <= 1
    assert drawings.fleet(0, 32, 32, np.random.default_rng(0)).shape == (0, 32, 32, 3)


def test_the_same_random_numbers_give_the_same_fleet_and_others_another():
    first, again, other = (drawings.fleet(5, 32, 32, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (np.abs(first - other).mean(axis=(1, 2, 3)) > 0.01).all()
    # A longer one begins with the same ships.
    np.testing.assert_array_equal(drawings.fleet(7, 32, 32, np.random.default_rng(3))[:5], first)


def test_no_two_ships_of_a_fleet_are_alike():
    fleet = drawings.fleet(10, 32, 32, np.random.default_rng(0))
    for index, ship in enumerate(fleet):
        assert (np.abs(fleet[index + 1 :] - ship).mean(axis=(1, 2, 3)) > 0.04).all()


@pytest.mark.parametrize("name", ["cifar_resnet", "cifar_cnn"])
def test_networks_that_learnt_from_photographs_see_ships(name):
    """At 32 x 32, by the project's own CIFAR-10 networks."""
    from tfviz.data.cifar10 import CLASSES
    from tfviz.models import cifar

    model = cifar.load(name, cifar.BUNDLED[name])
    fleets = [drawings.fleet(5, 32, 32, np.random.default_rng(seed)) for seed in range(8)]
    seen = np.asarray(model(np.concatenate(fleets))).argmax(axis=1) == CLASSES.index("ship")
    assert seen.mean() >= 0.9
    assert (seen.reshape(8, 5).sum(axis=0) >= 6).all()  # of each kind


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
