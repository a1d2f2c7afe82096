import keras
import numpy as np
import pytest

from tests.models.test_layers import normal
from tfviz.models import layouts, squeezenet


@pytest.fixture(scope="module")
def model():
    return squeezenet.build((None, None, 3))


def test_layers_and_parameters(model):
    assert model.count_params() == 1_235_496
    steps = ["squeeze1x1", "relu_squeeze1x1", "expand1x1", "expand3x3", "relu_expand1x1", "relu_expand3x3"]
    fires = [f"fire{number}_{step}" for number in range(2, 10) for step in [*steps, "concat"]]
    rest = ["normalize", "conv1", "relu1", "pool1", "pool3", "pool5", "conv10", "relu10", "mean"]
    names = [layer.name for layer in model.layers[1:]]
    assert sorted(names) == sorted(fires + rest)
    assert [layer.name for layer in squeezenet.build(normalize=False).layers[1:]] == names[1:]


def test_shapes_of_the_maps():
    shapes = {layer.name: layer.output.shape[1:] for layer in squeezenet.build().layers}
    assert shapes["conv1"] == (113, 113, 64)
    assert shapes["pool1"] == (56, 56, 64)
    assert shapes["fire3_concat"] == (56, 56, 128)
    assert shapes["pool3"] == (27, 27, 128)
    assert shapes["pool5"] == (13, 13, 256)
    assert shapes["fire9_concat"] == (13, 13, 512)
    assert shapes["relu10"] == (13, 13, 1000)
    assert shapes["mean"] == (1000,)


def test_any_size_from_31_on(model):
    assert model(np.zeros((2, 31, 50, 3), np.float32)).shape == (2, 1000)


def test_red_goes_in_as_the_last_channel(model):
    red = np.zeros((1, 31, 31, 3), np.float32)
    red[..., 0] = 1
    own = keras.Model(model.input, model.get_layer("normalize").output)(red)
    np.testing.assert_allclose(own[0, 0, 0], [-103.939, -116.779, 131.32], rtol=1e-6)


def test_a_fire_module_by_hand(model):
    squeeze, small, large = (
        model.get_layer(f"fire2_{part}") for part in ("squeeze1x1", "expand1x1", "expand3x3")
    )
    x = normal(1, 3, 3, 64)
    squeezed = np.maximum(x @ squeeze.kernel[0, 0] + squeeze.bias, 0)
    around = np.pad(squeezed, ((0, 0), (1, 1), (1, 1), (0, 0)))
    spread = sum(
        around[:, row : row + 3, column : column + 3] @ large.kernel[row, column].numpy()
        for row in range(3)
        for column in range(3)
    )
    expected = np.concatenate([squeezed @ small.kernel[0, 0] + small.bias, spread + large.bias], axis=-1)
    module = keras.Model(squeeze.input, model.get_layer("fire2_concat").output)
    np.testing.assert_allclose(module(x), np.maximum(expected, 0), rtol=1e-4, atol=1e-5)


def test_rows_name_the_tensors_of_the_file_and_every_variable_once(model):
    (layout,) = squeezenet.LAYOUTS
    assert len(layout.rows) == len(model.weights) == 52
    sources = {row.source for row in layout.rows}
    assert {"conv1/conv1_W:0", "fire2/expand1x1/fire2/expand1x1_W:0", "conv10/conv10_b:0"} <= sources
    shapes = {variable.path: variable.shape for variable in model.weights}
    tensors = {row.source: np.full(shapes[row.variable], i, "f4") for i, row in enumerate(layout.rows)}
    layouts.fill(model, squeezenet.LAYOUTS, tensors, path="squeezenet.h5")
    for i, row in enumerate(layout.rows):
        (variable,) = (variable for variable in model.weights if variable.path == row.variable)
        assert (variable.numpy() == i).all()
