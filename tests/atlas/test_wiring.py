import keras
import numpy as np
import pytest
from keras import layers as L

from tests.atlas.tiny import network
from tfviz.atlas.network import drawable
from tfviz.atlas.wiring import connections, strongest


def of(model):
    return {
        (each.source, each.target): each.weights for each in connections(model, drawable(model, dense=True))
    }


def signed_norm(kernel):
    """By hand, over the first axis."""
    return np.linalg.norm(kernel, axis=0) * np.where(kernel.sum(axis=0) < 0, -1, 1)


def test_weights_are_followed_through_concatenation_pool_and_flatten():
    model = network()
    found = of(model)
    assert set(found) == {("c1", "a"), ("c1", "b"), ("a", "c2"), ("b", "c2"), ("c2", "head")}
    kernel = np.asarray(model.get_layer("c2").kernel, np.float64).reshape(9, 5, 5)
    np.testing.assert_allclose(found["a", "c2"], signed_norm(kernel[:, :3]), rtol=1e-6)
    np.testing.assert_allclose(found["b", "c2"], signed_norm(kernel[:, 3:]), rtol=1e-6)
    dense = np.asarray(model.get_layer("head").kernel, np.float64)
    places = len(dense) // 5
    by_hand = signed_norm(np.stack([dense[place * 5 : place * 5 + 5] for place in range(places)]))
    np.testing.assert_allclose(found["c2", "head"], by_hand, rtol=1e-6)


def test_nothing_is_said_where_channels_are_added_up():
    x = pictures = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, padding="same", name="first")(x)
    y = L.Conv2D(4, 3, padding="same", name="second")(x)
    z = L.Conv2D(2, 3, name="third")(L.Add()([x, y]))
    assert set(of(keras.Model(pictures, z))) == {("first", "second")}


def test_groups_see_their_own_channels_only():
    x = pictures = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 1, name="first")(x)
    grouped = L.Conv2D(6, 3, groups=2, name="grouped")(x)
    depth = L.DepthwiseConv2D(3, depth_multiplier=2, name="depth")(x)
    found = of(keras.Model(pictures, [grouped, depth]))
    kernel = np.asarray(found["first", "grouped"])
    assert (kernel[:2, 3:] == 0).all()
    assert (kernel[2:, :3] == 0).all()
    assert (kernel[:2, :3] != 0).all()
    assert (found["first", "depth"] != 0).astype(int).tolist() == np.repeat(
        np.eye(4, dtype=int), 2, 1
    ).tolist()


def test_the_strongest_come_first_with_their_signs():
    model = network()
    incoming, outgoing = strongest(connections(model, drawable(model, dense=True)), "a", 1, shown=3)
    weights = of(model)["c1", "a"][:, 1]
    order = np.argsort(-np.abs(weights))[:3]
    assert [(each["layer"], each["unit"]) for each in incoming] == [("c1", unit) for unit in order]
    assert [each["weight"] for each in incoming] == pytest.approx(weights[order])
    assert {each["layer"] for each in outgoing} == {"c2"}
