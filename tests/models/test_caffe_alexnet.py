import keras
import numpy as np
import pytest

from tests.golden.weights_from_seed import CAFFE_ALEXNET, weights
from tests.models.parity import differences
from tfviz.measures.receptive_field import receptive_field
from tfviz.models import caffe_alexnet, layouts
from tfviz.models.colours import CAFFE_MEAN_BGR
from tfviz.models.layers import GroupedConv2D

LAYERS = [
    *("conv1", "relu1", "norm1", "pool1", "conv2", "relu2", "norm2", "pool2"),
    *("conv3", "relu3", "conv4", "relu4", "conv5", "relu5", "pool5"),
    *("flatten", "fc6", "relu6", "fc7", "relu7", "fc8"),
]


@pytest.fixture(scope="module")
def tensors():
    return weights("caffe_alexnet")


@pytest.fixture(scope="module")
def model(tensors):
    model = caffe_alexnet.build()
    # As in the real file: the shape of the ONNX Reshape, and the ratio of a Dropout, are initialisers too.
    settings = {"OC2_DUMMY_1": np.array([1, 9216]), "17": np.array(0.5, np.float32)}
    layouts.fill(model, caffe_alexnet.LAYOUTS, tensors | settings, path="bvlcalexnet-12.onnx")
    return model


def test_layers_and_parameters(model):
    assert model.count_params() == 60_965_224
    assert [layer.name for layer in model.layers[1:]] == ["normalize", *LAYERS]
    grouped = [layer.name for layer in model.layers if isinstance(layer, GroupedConv2D)]
    assert grouped == ["conv2", "conv4", "conv5"]


def test_shapes_of_the_maps(model):
    shapes = {layer.name: layer.output.shape[1:] for layer in model.layers}
    assert shapes["conv1"] == (55, 55, 96)
    assert shapes["conv2"] == (27, 27, 256)
    assert shapes["conv5"] == (13, 13, 256)
    assert shapes["pool5"] == (6, 6, 256)
    assert shapes["fc8"] == (1000,)
    # 11 wide, then 8 more by pool1, 32 by conv2, 16 by pool2, 32 by each of conv3, conv4, conv5 and pool5.
    assert receptive_field(model, "pool5").size == (195, 195)


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match=r"\(227, 227, 3\), not \(224, 224, 3\)"):
        caffe_alexnet.build((224, 224, 3))


def test_like_pytorch(model):
    for what, difference in differences("caffe_alexnet", model).items():
        assert difference < 1e-4, what


@pytest.mark.parametrize(("attribute", "value"), [("alpha", 0.0), ("alpha", 5e-4), ("k", 2.0), ("size", 3)])
def test_the_comparison_notices_another_normalisation(model, monkeypatch, attribute, value):
    monkeypatch.setattr(model.get_layer("norm2"), attribute, value)
    assert differences("caffe_alexnet", model)["logits"] > 0.01


def test_red_goes_in_as_the_last_channel(model):
    red = np.zeros((1, 227, 227, 3), np.float32)
    red[..., 0] = 1
    own = keras.Model(model.input, model.get_layer("normalize").output)(red)
    np.testing.assert_allclose(own[0, 0, 0], [-104, -117, 132])


def test_without_normalize_the_networks_own_input_goes_in(model):
    bare = caffe_alexnet.build(normalize=False)
    assert [layer.name for layer in bare.layers[1:]] == LAYERS
    pictures = np.random.default_rng(0).random((2, 227, 227, 3), dtype=np.float32)
    own = 255 * pictures[..., ::-1] - np.float32(CAFFE_MEAN_BGR)
    expected = keras.Model(model.input, model.get_layer("conv1").output)(pictures)
    bare.get_layer("conv1").set_weights(model.get_layer("conv1").get_weights())
    measured = keras.Model(bare.input, bare.get_layer("conv1").output)(own)
    np.testing.assert_allclose(measured, expected, rtol=1e-3, atol=1e-3)


def test_fc6_takes_the_map_in_caffes_order(model, tensors):
    maps = np.random.default_rng(0).random((6, 6, 256), dtype=np.float32)
    expected = tensors["fc6_w_0"] @ maps.transpose(2, 0, 1).ravel() + tensors["fc6_b_0"]
    measured = model.get_layer("fc6")(model.get_layer("flatten")(maps[None]))
    np.testing.assert_allclose(measured[0], expected, rtol=1e-4, atol=1e-4)


def test_the_npy_file_gives_the_same_network(model, tensors):
    expected = model.get_weights()
    converted = {}
    for layer in CAFFE_ALEXNET:
        kernel = tensors[f"{layer}_w_0"]
        if layer == "fc6":
            kernel = kernel.reshape(4096, 256, 6, 6).transpose(2, 3, 1, 0).reshape(9216, 4096)
        else:
            kernel = kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T
        converted |= {f"{layer}/0": kernel, f"{layer}/1": tensors[f"{layer}_b_0"]}
    for variable in model.weights:
        variable.assign(0 * variable)
    layouts.fill(model, caffe_alexnet.LAYOUTS, converted, path="bvlc_alexnet.npy")
    for ours, same in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(ours, same)
