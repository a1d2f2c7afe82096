import keras
import numpy as np
import pytest
from keras import layers

from tfviz.measures.measured_field import averaging_copy, bounding_box, measured_field, unit_gradients
from tfviz.measures.receptive_field import ReceptiveField, receptive_field
from tfviz.models import alexnet, caffe_alexnet


def chain(*steps, shape=(24, 24, 1)):
    x = picture = keras.Input(shape)
    for step in steps:
        x = step(x)
    return keras.Model(picture, x)


def test_two_layers_by_hand():
    """Triangular: a pixel is reached on 1, 2, 3, 2, 1 paths each way, of 9 x 9 in all."""
    model = chain(layers.Conv2D(1, 3), layers.Conv2D(1, 3, name="last"))
    pictures = np.ones((1, 24, 24, 1), np.float32)
    gradient = unit_gradients(averaging_copy(model), "last", [(4, 7, 0)], pictures)[0, ..., 0]
    paths = np.array([1, 2, 3, 2, 1])
    expected = np.zeros((24, 24))
    expected[4:9, 7:12] = np.outer(paths, paths) / 81
    np.testing.assert_allclose(gradient, expected, atol=1e-7)


def test_nothing_is_lost_but_without_the_copy_a_maximum_hides_pixels():
    # Positive weights: with others, both channels may be 0 here, and nothing would be seen at all.
    kernel = layers.Conv2D(2, 3, kernel_initializer="ones")
    model = chain(kernel, layers.ReLU(), layers.MaxPooling2D(3, 2, name="last"))
    field = ReceptiveField((5, 5), (2, 2), (0, 0))
    assert measured_field(averaging_copy(model), "last", (3, 4), (24, 24)) == field
    assert measured_field(model, "last", (3, 4), (24, 24)) != field


def test_every_channel_of_a_join_counts():
    picture = keras.Input((24, 24, 1))
    small = layers.Conv2D(1, 1)(picture)
    large = layers.Conv2D(1, 5, padding="same")(picture)
    model = keras.Model(picture, layers.Concatenate(name="last")([small, large]))
    copy = averaging_copy(model)
    assert measured_field(copy, "last", (9, 9), (24, 24)) == ReceptiveField((5, 5), (1, 1), (-2, -2))
    pictures = np.ones((2, 24, 24, 1), np.float32)
    first, second = unit_gradients(copy, "last", [(9, 9, 0), (9, 9, 1)], pictures)
    assert bounding_box(first[..., 0]) == ((9, 9), (9, 9))
    assert bounding_box(second[..., 0]) == ((7, 11), (7, 11))


@pytest.mark.parametrize(
    ("layer", "size", "stride"),
    [
        ("conv1", 11, 4),
        ("conv2", 51, 8),
        ("conv3", 99, 16),
        ("conv4", 131, 16),
        ("conv5", 163, 16),
        ("pool5", 195, 32),
    ],
)
def test_alexnet_on_a_large_picture(layer, size, stride):
    model = alexnet.build_features((451, 451, 3), normalize=False)
    middle = model.get_layer(layer).output.shape[1] // 2
    measured = measured_field(averaging_copy(model), layer, (middle, middle), (451, 451))
    assert (measured.size, measured.stride) == ((size, size), (stride, stride))
    assert measured == receptive_field(model, layer)


def test_caffe_alexnet_with_groups_and_local_normalisation():
    model = caffe_alexnet.build()
    model = keras.Model(model.input, model.get_layer("conv3").output)
    measured = measured_field(averaging_copy(model), "conv3", (6, 6), (227, 227))
    assert measured == receptive_field(model, "conv3")
    assert measured.size == (99, 99)


def test_what_cannot_be_averaged_is_said():
    with pytest.raises(ValueError, match="Flatten"):
        averaging_copy(chain(layers.Flatten()))
    with pytest.raises(ValueError, match="no entry"):
        bounding_box(np.zeros((3, 3)))
