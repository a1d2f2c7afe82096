import keras
import numpy as np
import pytest
from keras import layers

import tfviz
from tests.tiny import linear_model
from tfviz.measures.random_networks import random_network
from tfviz.method import incremental as module
from tfviz.method import loops
from tfviz.method.incremental import Incremental, changed, incremental
from tfviz.method.occlusion import _outputs, block_corners, occluded_probabilities, occlusion_map
from tfviz.method.window import slide_of
from tfviz.models import alexnet, graph, squeezenet

NETWORKS = 24


@pytest.fixture
def always(monkeypatch):
    """Whatever saves a multiplication is computed incrementally, however small the network is."""
    monkeypatch.setattr(module, "_CALL", 0)
    monkeypatch.setattr(module, "_COMPILING", 0)


def both_ways(model, picture, patch, stride, fill=0.0, batch=7):
    """What the model returns for each block, incrementally and from whole pictures; None: there is no such way."""
    corners = block_corners(picture.shape, patch, stride)
    shorter = incremental(model, picture, patch, corners, batch)
    if shorter is None:
        return None
    colour = np.asarray(fill, np.float32)
    found = []
    for answers in (
        shorter.outputs(picture, colour),
        _outputs(model, picture, patch, corners, colour, batch),
    ):
        made = np.full((len(corners[0]) * len(corners[1]), model.output_shape[1]), np.nan, np.float32)
        for numbers, said in answers:
            assert np.isnan(made[numbers]).all()  # each block once
            made[numbers] = said
        found.append(made)
    return found


def with_head(model, random):
    """Classes behind its last maps; sometimes behind a weight for each channel, which sees the whole map."""
    x = model.output
    if random.integers(3) == 0:
        mean = layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = layers.Multiply()([x, layers.Dense(x.shape[-1], "sigmoid")(mean)])
        x = layers.Conv2D(3, 1)(x)
    x = layers.Flatten()(x) if random.integers(2) else layers.GlobalMaxPooling2D()(x)
    return keras.Model(model.input, layers.Dense(5)(x))


def test_random_networks_say_what_they_say_of_whole_pictures(always):
    """Blocks of any size and place, also at the border; branches, strides, dilations, padding, nested models."""
    random = np.random.default_rng(11)
    keras.utils.set_random_seed(11)
    compared = seen = 0
    while compared < NETWORKS:
        try:
            model = with_head(random_network(random), random)
        except ValueError:
            continue
        picture = random.normal(size=model.input_shape[1:]).astype(np.float32)
        found = both_ways(
            model, picture, int(random.integers(1, 20)), int(random.integers(5, 20)), random.normal()
        )
        if found is None:
            continue
        compared += 1
        made, whole = found
        np.testing.assert_allclose(made, whole, rtol=1e-5, atol=1e-5 * np.abs(whole).max())
        seen += np.ptp(whole, axis=0).max() > 1e-3 * np.abs(whole).max()
    assert seen > NETWORKS / 2  # of some the largest value lies elsewhere, or is a ReLU's 0


@pytest.mark.parametrize(
    ("build", "patch", "stride", "fill"),
    [
        (alexnet.build, 32, 48, (1.0, 0.5, 0.0)),
        (alexnet.build, 50, 87, 0.2),
        (lambda: squeezenet.build((101, 150, 3)), 32, 23, 0.0),
    ],
)
def test_networks_that_come_with_the_program(always, build, patch, stride, fill):
    keras.utils.set_random_seed(3)
    model = build()
    picture = np.random.default_rng(3).random(model.input_shape[1:]).astype(np.float32)
    made, whole = both_ways(model, picture, patch, stride, fill)
    assert np.abs(made - whole).max() <= 1e-6 * np.abs(whole).max()
    assert np.ptp(whole, axis=0).max() > 1e-4 * np.abs(whole).max()


def test_ones_own_network_in_grey(always):
    given = keras.Input((40, 31, 1))
    x = layers.Conv2D(4, 5, strides=2, padding="same", activation="relu")(given)
    x = layers.BatchNormalization()(layers.MaxPooling2D(2)(x))
    x = layers.Dense(3, activation="softmax")(layers.Flatten()(x))
    model = tfviz.use(keras.Model(given, x), pictures="0..255")
    picture = np.random.default_rng(0).random((40, 31, 1))
    measured = occluded_probabilities(model, picture, patch=6, stride=5, fill=0.5)
    shorter = incremental(
        model, picture.astype(np.float32), 6, block_corners(picture.shape, 6, 5), module_batch()
    )
    assert isinstance(shorter, Incremental)
    hidden = picture.copy()
    hidden[5:11, 10:16] = 0.5
    expected = keras.ops.softmax(model(hidden[np.newaxis].astype(np.float32)))
    np.testing.assert_allclose(measured[1, 2], np.asarray(expected)[0], atol=1e-6)


@pytest.mark.parametrize(
    "layer", [layers.ZeroPadding2D(((0, 5), (0, 3))), layers.Cropping2D(((0, 1), (0, 2)))]
)
def test_what_is_padded_or_cropped_at_the_end_alone(always, layer):
    """Windows that the lower border moves up: by more in the shorter of two maps."""
    given = keras.Input((33, 30, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same")(given)
    x = layers.Conv2D(4, 3)(layer(layers.Conv2D(4, 5, padding="same")(x)))
    model = keras.Model(given, layers.Dense(3)(layers.Flatten()(x)))
    picture = np.random.default_rng(8).random((33, 30, 3)).astype(np.float32)
    made, whole = both_ways(model, picture, 3, 2, batch=64)
    np.testing.assert_allclose(made, whole, atol=1e-5)


def module_batch():
    """The batch of `occluded_probabilities`."""
    return occluded_probabilities.__kwdefaults__["batch"]


def test_what_a_block_changes_by_hand():
    """Rows 4 to 6 are hidden; a row of conv sees 2r - 1 .. 2r + 1, one of pool 2r .. 2r + 2 of that."""
    given = keras.Input((13, 13, 3))
    x = layers.Conv2D(2, 3, strides=2, padding="same", name="conv")(given)  # 7 rows
    model = keras.Model(given, layers.MaxPooling2D(3, 2, name="pool")(x))  # 3 rows
    source, *calls = graph.calls(model)
    slides, lengths = {}, (13, 13)
    for call in calls:
        slides[call.path] = slide_of(call, [lengths])
        lengths = slides[call.path].outputs
    corners = (range(4, 5), range(0, 13, 12))
    spans = changed(calls, slides, source.outputs[0], 3, corners)
    (rows, columns), (pooled, _) = (spans[call.outputs[0]] for call in calls)
    assert [each.tolist() for each in rows] == [[2], [4]]
    assert [each.tolist() for each in columns] == [[0, 6], [2, 7]]
    assert [each.tolist() for each in pooled] == [[0], [2]]


def test_large_networks_are_computed_incrementally_and_small_ones_whole():
    corners = block_corners((224, 224), 32, 16)
    picture = np.zeros((224, 224, 3), np.float32)
    assert isinstance(incremental(alexnet.build(), picture, 32, corners, 32), Incremental)
    assert incremental(alexnet.build(), picture, 224, (range(1), range(1)), 32) is None
    tiny = np.zeros((13, 10, 3), np.float32)
    assert incremental(linear_model(13, 10), tiny, 3, block_corners(tiny.shape, 3, 1), 32) is None


class Programmed(keras.Model):
    def call(self, x):
        return 2 * super().call(x)


@pytest.mark.parametrize(
    "make",
    [
        lambda given, maps, end: Programmed(given, end),
        lambda given, maps, end: keras.Model(
            given, layers.Dense(3)(layers.Flatten()(layers.BatchNormalization()(maps, training=True)))
        ),
        lambda given, maps, end: keras.Model(given, [end, maps]),
        lambda given, maps, end: keras.Model([given, keras.Input((3,), name="other")], end),
    ],
    ids=["its own call", "in training", "two outputs", "two inputs"],
)
def test_what_its_graph_does_not_show_is_computed_whole(always, make):
    given = keras.Input((20, 20, 3))
    maps = layers.Conv2D(2, 3)(given)
    model = make(given, maps, layers.Dense(3)(layers.Flatten()(maps)))
    picture = np.zeros((20, 20, 3), np.float32)
    assert incremental(model, picture, 3, block_corners(picture.shape, 3, 3), 8) is None


def test_it_is_compiled_once_and_sees_new_weights_and_layers(always):
    model = linear_model(30, 26)
    random = np.random.default_rng(5)
    pictures = random.random((2, 30, 26, 3)).astype(np.float32)
    corners = block_corners(pictures.shape[1:], 4, 6)
    first = incremental(model, pictures[0], 4, corners, 32)
    assert incremental(model, pictures[1], 4, corners, 32) is first

    def is_right(picture):
        made, whole = both_ways(model, picture, 4, 6, batch=32)
        np.testing.assert_allclose(made, whole, rtol=1e-5, atol=1e-5)
        return made

    said = [is_right(picture) for picture in pictures]
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    assert np.abs(is_right(pictures[1]) - said[1]).max() > 0.1
    model.get_layer("conv1").activation = keras.activations.tanh
    model.predict_function = None  # Keras does not look at its layers again
    is_right(pictures[1])
    assert incremental(model, pictures[0], 4, corners, 32) is not first


def test_what_was_made_for_one_question_does_not_answer_another(always):
    given = keras.Input((None, None, 3))
    x = layers.GlobalMaxPooling2D()(layers.Conv2D(4, 5, strides=2, padding="same")(given))
    model = keras.Model(given, layers.Dense(3)(x))
    random = np.random.default_rng(4)
    questions = [(30, 3, 32), (30, 3, 7), (30, 5, 7), (31, 5, 7)]
    for rows, stride, batch in questions:
        picture = random.random((rows, 26, 3)).astype(np.float32)
        for patch in (4, 5):
            made, whole = both_ways(model, picture, patch, stride, batch=batch)
            np.testing.assert_allclose(made, whole, rtol=1e-5, atol=1e-6)
            shorter = incremental(model, picture, patch, block_corners((rows, 26), patch, stride), batch)
            assert max(map(len, shorter._batches)) <= batch
    assert len(loops.kept(model).incremental) == module._KEPT == 4


def test_the_map_of_a_class_is_that_of_all(always):
    model = linear_model(30, 26)
    picture = np.random.default_rng(6).random((30, 26, 3))
    every = occluded_probabilities(model, picture, patch=4, stride=1)
    np.testing.assert_array_equal(occlusion_map(model, picture, 2, patch=4, stride=1), every[..., 2])
    np.testing.assert_allclose(every.sum(axis=-1), 1, atol=1e-6)
