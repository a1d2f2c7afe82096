import keras
import numpy as np
import pytest
from keras import layers, ops

from tfviz.measures.receptive_field import ReceptiveField, receptive_field
from tfviz.method.objectives import neuron
from tfviz.method.probe import value_and_gradient


def chain(*steps, size=(41, 37), channels=3):
    picture = keras.Input((*size, channels))
    x = picture
    for step in steps:
        x = step(x)
    return keras.Model(picture, x)


def positive(model):
    """Positive weights: no contribution to the gradient cancels another."""
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    return model


def seen(model, layer, at):
    """The pixels with a non-zero gradient: first and last row, first and last column."""
    pictures = np.ones((1, *model.input.shape[1:]), np.float32)
    _, _, gradient = value_and_gradient(model, neuron(layer, 0, at=at), pictures)
    rows, columns = np.nonzero(np.abs(gradient[0]).sum(axis=-1))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def joined():
    picture = keras.Input((41, 37, 3))
    left = layers.Conv2D(2, 5, strides=2, padding="same", name="left")(picture)
    right = layers.AveragePooling2D(2, padding="same")(layers.Conv2D(2, (1, 3), padding="same")(picture))
    return keras.Model(picture, layers.Add(name="last")([left, right]))


def broadcast(x):
    """Whole columns, added to three by three."""
    return layers.Add()([layers.Conv2D(2, 3, padding="same")(x), layers.Conv2D(2, (41, 1))(x)])


def cross(x):
    """Five columns and three rows: neither branch sees what the other does."""
    return layers.Add()(
        [layers.Conv2D(2, (1, 5), padding="same")(x), layers.Conv2D(2, (3, 1), padding="same")(x)]
    )


MODELS = {
    "three by three twice": lambda: chain(layers.Conv2D(1, 3), layers.Conv2D(1, 3, name="last")),
    "alexnet's start": lambda: chain(
        layers.ZeroPadding2D(2),
        layers.Conv2D(2, 11, strides=4),
        layers.AveragePooling2D(3, 2),
        layers.Conv2D(2, 5, padding="same", name="last"),
        size=(95, 87),
    ),
    "same, even kernel, stride": lambda: chain(
        layers.Conv2D(2, 4, strides=2, padding="same"),
        layers.Conv2D(1, 2, strides=3, padding="same", name="last"),
    ),
    "dilated, not square": lambda: chain(
        layers.Conv2D(1, (2, 5), dilation_rate=(3, 2)), layers.DepthwiseConv2D((4, 1), name="last")
    ),
    "cropped and padded": lambda: chain(
        layers.Cropping2D(((3, 1), (0, 2))),
        layers.ZeroPadding2D(((0, 1), (2, 1))),
        layers.Conv2D(1, 3, strides=2, name="last"),
    ),
    "branches": joined,
    "branches that cross": lambda: chain(cross, layers.Identity(name="last")),
    "separable, with a stride": lambda: chain(
        layers.SeparableConv2D(2, (3, 4), strides=2, padding="same", name="last")
    ),
    "broadcast along the rows": lambda: chain(broadcast, layers.Identity(name="last")),
}


@pytest.mark.parametrize("name", MODELS)
def test_formula_is_the_set_of_pixels_with_a_gradient(name):
    model = positive(MODELS[name]())
    field = receptive_field(model, "last")
    rows, columns = model.get_layer("last").output.shape[1:3]
    for at in ((rows // 2, columns // 2), (0, 0), (rows - 1, columns - 1)):
        window = field.window(*at, model.input.shape[1:3])
        assert seen(model, "last", at) == (
            window[0].start,
            window[0].stop,
            window[1].start,
            window[1].stop,
        )


def test_by_hand():
    model = chain(
        layers.ZeroPadding2D(2), layers.Conv2D(1, 11, strides=4), layers.MaxPooling2D(3, 2, name="last")
    )
    assert receptive_field(model, "last") == ReceptiveField((19, 19), (8, 8), (-2, -2))


POINTWISE = {
    "Rescaling": lambda: layers.Rescaling(2.0),
    "BatchNormalization": lambda: layers.BatchNormalization(),
    "ReLU": lambda: layers.ReLU(),
    "PReLU": lambda: layers.PReLU(),
    "ELU": lambda: layers.ELU(),
    "LeakyReLU": lambda: layers.LeakyReLU(),
    "LayerNormalization": lambda: layers.LayerNormalization(),
    "UnitNormalization": lambda: layers.UnitNormalization(),
    "Softmax": lambda: layers.Softmax(),
    "Dense": lambda: layers.Dense(3, activation="gelu"),
    "Dropout": lambda: layers.Dropout(0.5),
    "SpatialDropout2D": lambda: layers.SpatialDropout2D(0.5),
    "GaussianNoise": lambda: layers.GaussianNoise(1.0),
    "Activation": lambda: layers.Activation("tanh"),
    "an operation as an activation": lambda: layers.Activation(ops.silu),
    "a layer as an activation": lambda: layers.Conv2D(2, 1, activation=layers.LeakyReLU()),
    "x * 2": lambda: lambda x: x * 2,
    "3 - x / 2": lambda: lambda x: 3 - x / 2,
    "ops": lambda: lambda x: ops.relu(ops.tanh(x) ** 2),
    "weights by place": lambda: lambda x: x * np.ones((39, 1, 1), np.float32),
    "less the mean of the channels": lambda: lambda x: x - ops.mean(x, axis=-1, keepdims=True),
}


@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_layers_change_nothing(name):
    model = chain(layers.Conv2D(2, 3, name="conv"), POINTWISE[name](), layers.Identity(name="last"))
    assert (
        receptive_field(model, "last")
        == receptive_field(model, "conv")
        == ReceptiveField((3, 3), (1, 1), (0, 0))
    )


def squeeze_and_excite(x):
    weights = layers.Dense(2, "relu")(layers.GlobalAveragePooling2D()(x))
    return layers.Multiply()([x, layers.Reshape((1, 1, 2))(layers.Dense(2, "sigmoid")(weights))])


def squeezed_by_operations(x):
    return x * ops.sigmoid(ops.mean(x, axis=(1, 2), keepdims=True))


WHOLE = {
    "squeeze and excite": squeeze_and_excite,
    "by operations": squeezed_by_operations,
    "GlobalMaxPooling2D": layers.GlobalMaxPooling2D(),
    "kept dimensions": layers.GlobalAveragePooling2D(keepdims=True),
    "GroupNormalization": layers.GroupNormalization(2),
    "LayerNormalization of the map": layers.LayerNormalization(axis=(1, 2, 3)),
    "all positions, then anything": lambda x: layers.Dense(4)(
        layers.Flatten()(layers.Conv2D(3, (39, 35))(x))
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_units_that_see_the_whole_picture(name):
    model = chain(layers.Conv2D(2, 3), WHOLE[name], layers.Identity(name="last"))
    field = receptive_field(model, "last")
    assert field == ReceptiveField((41, 37), (0, 0), (0, 0))
    assert field.window(5, 7, (41, 37)) == (slice(0, 41), slice(0, 37))


def test_a_convolution_behind_squeeze_and_excite_sees_the_whole_picture_too():
    model = chain(
        layers.Conv2D(2, 3, strides=2), squeeze_and_excite, layers.Conv2D(1, 3, strides=2, name="last")
    )
    assert receptive_field(model, "last") == ReceptiveField((41, 37), (0, 0), (0, 0))


def test_channels_first_have_the_fields_of_channels_last():
    fields = []
    for first in (True, False):
        how = {"data_format": "channels_first" if first else "channels_last", "padding": "same"}
        picture = keras.Input((3, 32, 40) if first else (32, 40, 3))
        x = layers.ReLU()(
            layers.BatchNormalization(axis=1 if first else -1)(layers.Conv2D(4, 3, 2, **how)(picture))
        )
        x = layers.Concatenate(axis=1 if first else -1)([x, layers.Conv2D(4, (3, 5), **how)(x)])
        fields.append(
            receptive_field(keras.Model(picture, layers.MaxPooling2D(3, 2, name="last", **how)(x)), "last")
        )
    # Rows: 3, then 3 of stride 2, then 3 of stride 2; columns: 5 in the middle.
    assert fields == [ReceptiveField((11, 15), (4, 4), (-2, -4))] * 2


def test_windows_in_the_padding_are_empty():
    model = chain(layers.ZeroPadding2D(((3, 2), (4, 1))), layers.Conv2D(2, 1, name="last"), size=(30, 20))
    field = receptive_field(model, "last")
    for at, seen in {
        (0, 0): (slice(0, 0), slice(0, 0)),
        (2, 3): (slice(0, 0), slice(0, 0)),
        (3, 4): (slice(0, 1), slice(0, 1)),
        (32, 23): (slice(29, 30), slice(19, 20)),
        (33, 24): (slice(30, 30), slice(20, 20)),
        (34, 5): (slice(30, 30), slice(1, 2)),
    }.items():
        assert field.window(*at, (30, 20)) == seen


@pytest.mark.parametrize("at", [(-1, 0), (0, 0.5), (None, 0)])
def test_there_is_no_such_unit(at):
    with pytest.raises(ValueError, match="counted from 0 in whole numbers"):
        ReceptiveField((3, 3), (1, 1), (0, 0)).window(*at, (9, 9))


def test_layers_by_path_and_by_call():
    base = chain(layers.Conv2D(2, 3, name="conv"), layers.MaxPooling2D(2, name="pool"), size=(43, 39))
    base.name = "base"
    shared = layers.Conv2D(2, 5, name="shared")
    picture = keras.Input((41, 37, 3))
    model = keras.Model(picture, shared(shared(layers.Conv2D(2, 1)(base(layers.ZeroPadding2D(1)(picture))))))
    assert receptive_field(model, "base/conv") == ReceptiveField((3, 3), (1, 1), (-1, -1))
    assert receptive_field(model, "pool") == ReceptiveField((4, 4), (2, 2), (-1, -1))
    assert receptive_field(model, "base") == ReceptiveField((4, 4), (2, 2), (-1, -1))
    assert receptive_field(model, "shared#0") == ReceptiveField((12, 12), (2, 2), (-1, -1))
    assert receptive_field(model, "shared#1") == ReceptiveField((20, 20), (2, 2), (-1, -1))
    with pytest.raises(ValueError, match="shared#0, shared#1"):
        receptive_field(model, "shared")
    with pytest.raises(ValueError, match="no layer 'base/convv'; names like it are base/conv"):
        receptive_field(model, "base/convv")


def test_two_inputs_are_refused_but_a_layer_that_sees_one_is_not():
    first, second = keras.Input((9, 9, 1), name="first"), keras.Input((9, 9, 1), name="second")
    conv = layers.Conv2D(1, 3, padding="same", name="conv")(first)
    model = keras.Model([first, second], layers.Add(name="last")([conv, second]))
    assert receptive_field(model, "conv") == ReceptiveField((3, 3), (1, 1), (-1, -1))
    with pytest.raises(ValueError, match=r"sees 2 inputs \(first and second\)"):
        receptive_field(model, "last")


def test_six_hundred_layers():
    steps = [layers.Conv2D(1, 3, padding="same"), *(layers.Activation("tanh") for _ in range(600))]
    model = chain(*steps, layers.Conv2D(1, 3, padding="same", name="last"), size=(9, 9), channels=1)
    assert receptive_field(model, "last") == ReceptiveField((5, 5), (1, 1), (-2, -2))


class Padded(layers.Conv2D):
    """A convolution that pads by itself: what its attributes say is not all."""

    def call(self, x):
        return super().call(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.filters)


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ((layers.Conv2DTranspose(1, 3, name="last"),), "Conv2DTranspose"),
        ((layers.Flatten(name="last"),), "Flatten"),
        ((layers.Conv2DTranspose(1, 3, strides=2, name="last"),), "Conv2DTranspose"),
        ((layers.UpSampling2D(2, name="last"),), "UpSampling2D"),
        ((layers.Reshape((37, 41, 3), name="last"),), "Reshape"),
        ((layers.Permute((2, 1, 3), name="last"),), "Permute"),
        ((layers.Lambda(lambda x: x, name="last"),), "Lambda"),
        ((lambda x: layers.MultiHeadAttention(1, 2, name="last")(x, x),), "MultiHeadAttention"),
        ((layers.Softmax(axis=1, name="last"),), "Softmax"),
        ((layers.LayerNormalization(axis=2, name="last"),), "LayerNormalization"),
        ((layers.Activation(lambda x: ops.cumsum(x, axis=1), name="last"),), "Activation"),
        ((layers.Conv2D(1, 3, activation=lambda x: ops.cumsum(x, axis=1), name="last"),), "Conv2D"),
        ((Padded(1, 3, name="last"),), "makes 41 of 41 rows or columns"),
        ((lambda x: ops.concatenate([x, x], axis=1), layers.Identity(name="last")), "Concatenate"),
        ((lambda x: layers.Concatenate(axis=2)([x, x]), layers.Identity(name="last")), "Concatenate"),
        ((lambda x: ops.roll(x, 1, axis=1), layers.Identity(name="last")), "Roll"),
        ((lambda x: x[:, ::2], layers.Identity(name="last")), "GetItem"),
        ((lambda x: x - ops.mean(x, axis=1, keepdims=True), layers.Identity(name="last")), "Mean"),
        ((lambda x: x - ops.mean(x), layers.Identity(name="last")), "Mean"),
        (
            (layers.Conv2D(5, 3), layers.Conv2D(1, 3, data_format="channels_first", name="last")),
            "channels first, others last",
        ),
    ],
)
def test_what_is_not_known_is_said(steps, says):
    with pytest.raises(ValueError, match=says):
        receptive_field(chain(*steps), "last")


def test_branches_of_different_stride_are_refused():
    picture = keras.Input((8, 8, 3))
    small = layers.Conv2D(1, 1, strides=2)(picture)
    large = layers.Conv2D(1, 5)(picture)
    model = keras.Model(picture, layers.Add(name="last")([small, large]))
    with pytest.raises(ValueError, match="different stride"):
        receptive_field(model, "last")


def test_same_padding_with_stride_needs_a_size():
    model = chain(layers.Conv2D(1, 3, strides=2, padding="same", name="last"), size=(None, None))
    with pytest.raises(ValueError, match="fixed input size"):
        receptive_field(model, "last")


def test_a_window_that_rests_on_a_part_of_the_picture_and_one_that_moves_are_refused():
    picture = keras.Input((8, 8, 3))
    resting = layers.Conv2D(3, (7, 8))(layers.Cropping2D(((1, 0), (0, 0)))(picture))
    model = keras.Model(picture, layers.Add(name="last")([picture, resting]))
    with pytest.raises(ValueError, match="different stride"):
        receptive_field(model, "last")


def test_the_whole_picture_needs_a_size():
    model = chain(layers.GlobalAveragePooling2D(name="last"), size=(None, None))
    with pytest.raises(ValueError, match="build the model with a fixed input size"):
        receptive_field(model, "last")


def test_other_inputs_than_pictures_are_refused():
    row = keras.Input((9, 3))
    with pytest.raises(ValueError, match=r"not pictures \(N, H, W, channels\)"):
        receptive_field(keras.Model(row, layers.Dense(2, name="last")(row)), "last")


def test_maps_of_unknown_size_that_are_joined_along_their_rows_are_refused():
    model = chain(
        lambda x: layers.Concatenate(axis=1)([x, x]), layers.Identity(name="last"), size=(None, None)
    )
    with pytest.raises(ValueError, match="Concatenate"):
        receptive_field(model, "last")


@pytest.mark.parametrize("asked", [("alexnet", "conv1"), (None, "conv1")])
def test_what_is_no_model_is_said(asked):
    with pytest.raises(ValueError, match=r"^the model must be one of Keras"):
        receptive_field(*asked)
