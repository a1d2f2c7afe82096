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


def test_the_weight_of_a_sum_is_that_of_each_of_what_is_added():
    x = pictures = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, padding="same", name="first")(x)
    y = L.BatchNormalization()(L.Conv2D(4, 3, padding="same", name="second")(x))
    one = L.ReLU()(L.Add()([x, y]))
    z = L.Conv2D(2, 3, padding="same", name="third")(one)
    # What nobody drew, and what a layer adds that mixes channels, take nothing from the others.
    two = L.Add()([one, L.Lambda(lambda maps: maps[..., ::-1])(x), one])
    model = keras.Model(pictures, [z, L.Conv2D(3, 1, name="fourth")(two)])
    found = of(model)
    assert set(found) == {
        ("first", "second"),
        *((a, b) for a in ("first", "second") for b in ("third", "fourth")),
    }
    for name, source in ((name, source) for name in ("third", "fourth") for source in ("first", "second")):
        kernel = np.asarray(model.get_layer(name).kernel, np.float64)
        np.testing.assert_allclose(
            found[source, name], signed_norm(kernel.reshape(-1, *kernel.shape[2:])), rtol=1e-6
        )


def test_nothing_is_said_where_channels_are_mixed_otherwise():
    x = pictures = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, padding="same", name="first")(x)
    y = L.Conv2D(4, 3, padding="same", name="second")(x)
    gate = L.Conv2D(1, 3, padding="same", name="gate")(x)
    ends = [
        L.Conv2D(2, 3, name=f"end{at}")(mixed)
        for at, mixed in enumerate(
            (L.Multiply()([x, y]), L.Maximum()([x, y]), L.Subtract()([x, y]), L.Add()([x, gate]))
        )
    ]
    assert set(of(keras.Model(pictures, ends))) == {("first", "second"), ("first", "gate")}


def test_groups_see_their_own_channels_only():
    x = pictures = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 1, name="first")(x)
    grouped = L.Conv2D(6, 3, groups=2, name="grouped")(x)
    depth = L.DepthwiseConv2D(3, depth_multiplier=2, name="depth")(x)
    model = keras.Model(pictures, [grouped, depth])
    found = of(model)
    kernel = np.asarray(found["first", "grouped"])
    assert (kernel[:2, 3:] == 0).all()
    assert (kernel[2:, :3] == 0).all()
    assert (kernel[:2, :3] != 0).all()
    assert (found["first", "depth"] != 0).astype(int).tolist() == np.repeat(
        np.eye(4, dtype=int), 2, 1
    ).tolist()
    kernels = (np.asarray(model.get_layer(name).kernel, np.float64) for name in ("grouped", "depth"))
    of_groups, of_depth = (kernel.reshape(9, *kernel.shape[2:]) for kernel in kernels)
    for channel, unit in np.ndindex(4, 6):
        if channel // 2 == unit // 3:
            assert kernel[channel, unit] == pytest.approx(signed_norm(of_groups[:, channel % 2, unit]))
    for unit in range(8):
        by_hand = signed_norm(of_depth[:, unit // 2, unit % 2])
        assert found["first", "depth"][unit // 2, unit] == pytest.approx(by_hand)


def test_the_strongest_come_first_with_their_signs():
    model = network()
    incoming, outgoing = strongest(connections(model, drawable(model, dense=True)), "a", 1, shown=3)
    weights = of(model)["c1", "a"][:, 1]
    order = np.argsort(-np.abs(weights))[:3]
    assert [(each["layer"], each["unit"]) for each in incoming] == [("c1", unit) for unit in order]
    assert [each["weight"] for each in incoming] == pytest.approx(weights[order])
    assert {each["layer"] for each in outgoing} == {"c2"}
