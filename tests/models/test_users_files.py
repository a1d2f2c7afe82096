"""Weights in the forms that users have: what Keras saves of this program's networks, torchvision's checkpoints."""

import io
import json
import zipfile

import keras
import numpy as np
import pytest

import tfviz
from tests.weights.test_readers import Tensor, entry, safetensors, torch_zip
from tfviz.errors import BadFileError
from tfviz.models import alexnet, cifar, squeezenet
from tfviz.weights import port

CHANGED = 0.125


@pytest.fixture(scope="module", params=["squeezenet", "cifar_cnn", "cifar_resnet"])
def network(request):
    """One of the networks with weights that no other file has."""
    model = squeezenet.build() if request.param == "squeezenet" else tfviz.load(request.param)
    random = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(random.normal(size=variable.shape, scale=CHANGED).astype(np.float32))
    return model


@pytest.mark.parametrize("file", ["a.weights.h5", "a.keras", "whole.h5"])
def test_own_networks(network, tmp_path, file):
    path = tmp_path / file
    (network.save_weights if file == "a.weights.h5" else network.save)(path)
    again = tfviz.load(network.name, weights=path)
    assert [variable.path for variable in again.weights] == [variable.path for variable in network.weights]
    for mine, theirs in zip(again.weights, network.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_with_the_state_of_an_optimiser(tmp_path):
    model = tfviz.load("cifar_cnn")
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "a.keras")
    again = tfviz.load("cifar_cnn", weights=tmp_path / "a.keras")
    np.testing.assert_array_equal(again.weights[0], model.weights[0])


def test_of_another_network(tmp_path):
    tfviz.load("cifar_cnn").save(tmp_path / "a.keras")
    for name in ("cifar_resnet", "squeezenet"):
        with pytest.raises(BadFileError, match=f"does not fit the network {name}"):
            tfviz.load(name, weights=tmp_path / "a.keras")


def test_names_are_those_that_keras_writes(tmp_path):
    """Of layers with several variables, in the order of its own file."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.SeparableConv2D(4, 3),
            keras.layers.BatchNormalization(),
            keras.layers.PReLU(),
            keras.layers.SeparableConv2D(2, 3, use_bias=False),
        ]
    )
    model.save_weights(tmp_path / "a.weights.h5")
    from tfviz.weights import hdf5

    tensors = hdf5.read((tmp_path / "a.weights.h5").read_bytes())
    rows = port.rows_of_keras(model)[0]
    assert {row.source for row in rows} == set(tensors)
    for row, variable in zip(rows, model.weights, strict=True):
        np.testing.assert_array_equal(tensors[row.source], variable)


@pytest.fixture(scope="module")
def state():
    """A state dict of torchvision's AlexNet, up to its last convolution, and the network that it is of."""
    model = alexnet.build_features()
    state = {}
    for layer, number in alexnet._CONVOLUTIONS.items():
        kernel, bias = (np.asarray(variable) for variable in model.get_layer(layer).weights)
        state[f"features.{number}.weight"] = kernel.transpose(3, 2, 0, 1)  # (out, in, rows, columns)
        state[f"features.{number}.bias"] = bias
    return state, model


def check(again, model):
    for mine, theirs in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_checkpoint_of_a_training(tmp_path, state):
    state, model = state
    tensors = {}
    for key, (name, values) in enumerate(state.items()):
        strides = [step // 4 for step in np.ascontiguousarray(values).strides]
        tensors[f"module.{name}"] = Tensor(str(key), "Float", values.size, 0, values.shape, tuple(strides))
    storages = {str(key): values.tobytes() for key, values in enumerate(state.values())}
    momentum = Tensor("0", "Float", next(iter(state.values())).size, 0, (1,), (1,))
    optimizer = {"state": {0: {"momentum_buffer": momentum}}, "param_groups": [{"lr": 0.1}]}
    path = torch_zip(
        tmp_path / "a.pth", {"epoch": 3, "state_dict": tensors, "optimizer": optimizer}, storages
    )
    check(tfviz.load("alexnet_features", weights=path), model)


def test_safetensors_of_torchvision(tmp_path, state):
    state, model = state
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, values in state.items():
        header[name] = entry("F32", list(values.shape), len(data), len(data) + values.nbytes)
        data += values.tobytes()
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors(header, data))
    check(tfviz.load("alexnet_features", weights=path), model)
    header["features.0.bias"] = header["features.0.bias"] | {"dtype": "I32"}
    path.write_bytes(safetensors(header, data))
    with pytest.raises(BadFileError, match=r"holds features\.0\.bias as int32"):
        tfviz.load("alexnet_features", weights=path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(tmp_path, value):
    model = tfviz.load("cifar_cnn")
    model.weights[0].assign(np.full(model.weights[0].shape, value))
    model.save(tmp_path / "a.keras")
    with pytest.raises(BadFileError, match="has values that are not finite"):
        tfviz.load("cifar_cnn", weights=tmp_path / "a.keras")
    with np.load(cifar.BUNDLED["cifar_cnn"]) as stored:
        parts = dict(stored)
    name = next(name for name in parts if name.endswith("kernel"))
    parts[name] = np.full_like(parts[name], value)
    np.savez(tmp_path / "a.npz", **parts)
    with pytest.raises(BadFileError, match=f"{name} has values that are not finite"):
        tfviz.load("cifar_cnn", weights=tmp_path / "a.npz")


def test_a_file_that_claims_a_huge_network(tmp_path):
    with np.load(cifar.BUNDLED["cifar_resnet"]) as stored:
        parts = dict(stored)
    about = json.loads(str(parts["about"]))
    for change in (
        {"widths": [1 << 20, 1 << 20]},
        {"blocks": [10**9, 1, 1]},
        {"kernel": 10**6},
        {"stem_width": 10**8},
    ):
        about_huge = about | {"architecture": about["architecture"] | change}
        np.savez(tmp_path / "a.npz", **{**parts, "about": np.array(json.dumps(about_huge))})
        with pytest.raises(BadFileError, match="far larger than its weights"):
            tfviz.load("cifar_resnet", weights=tmp_path / "a.npz")


def test_an_array_that_claims_to_be_huge(tmp_path):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        content, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", content.getvalue())
    with pytest.raises(BadFileError, match="header that does not fit"):
        tfviz.load("cifar_cnn", weights=tmp_path / "a.npz")
