import pickle
from importlib import import_module

import h5py
import numpy as np
import pytest

from tests.models.test_layers import normal
from tfviz.errors import BadFileError
from tfviz.models import loading, squeezenet
from tfviz.weights import readers
from tfviz.weights.catalog import CATALOG


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    """SqueezeNet's file, with small numbers."""
    path = tmp_path_factory.mktemp("weights") / "squeezenet.h5"
    variables = {variable.path: variable for variable in squeezenet.build().weights}
    with h5py.File(path, "w") as file:
        for seed, row in enumerate(squeezenet.LAYOUTS[0].rows):
            file[row.source] = normal(*variables[row.variable].shape, scale=0.1, seed=seed)
    return path


def test_from_a_file_that_the_user_names(weights_file):
    model = loading.load("squeezenet", weights=weights_file)
    assert model.name == "squeezenet"
    assert model.input_shape == (None, 227, 227, 3)
    for seed, variable in enumerate(model.weights[:2]):
        np.testing.assert_array_equal(variable, normal(*variable.shape, scale=0.1, seed=seed))


def test_options_reach_the_builder(weights_file):
    model = loading.load("squeezenet", weights=str(weights_file), normalize=False, input_shape=(None, 64, 3))
    assert model.input_shape == (None, None, 64, 3)
    assert "normalize" not in {layer.name for layer in model.layers}


def test_from_what_fetch_finds(weights_file, monkeypatch):
    asked = {}

    class Found:
        path = weights_file

    def fetch(name, **options):
        asked[name] = options
        return Found

    monkeypatch.setattr(loading.fetch, "fetch", fetch)
    assert loading.load("squeezenet", offline=True, user_files={"alexnet": weights_file}).count_params()
    assert asked == {"squeezenet": {"offline": True, "user_files": {"alexnet": weights_file}}}


def test_an_unknown_name_is_answered_with_the_names():
    with pytest.raises(ValueError, match="'lenet'; there are alexnet, alexnet_features, caffe_alexnet"):
        loading.load("lenet")


def test_another_networks_weights_are_refused(weights_file):
    with pytest.raises(BadFileError, match="alexnet_features"):
        loading.load("alexnet_features", weights=weights_file)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadFileError, match=r"nothing\.h5"):
        loading.load("squeezenet", weights=tmp_path / "nothing.h5")


@pytest.mark.parametrize("name", loading.NETWORKS)
def test_every_network_has_published_weights_of_its_size(name):
    network = loading.NETWORKS[name]
    module = import_module(f"tfviz.models.{network.module}")
    model = getattr(module, network.build)()
    assert model.name == name
    assert model.count_params() == CATALOG[name].parameters
    variables = {variable.path for variable in model.weights}
    for layout in getattr(module, network.layouts):
        assert {row.variable for row in layout.rows} == variables


def resaved(path, source, change=0.0):
    """The tensors of a weight file, written as another pickle; the first kernel changed."""
    tree = {}
    for name, tensor in readers.read(source).items():
        *folders, leaf = name.split("/")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[leaf] = np.array(tensor)
    tree["AlexNet_0"]["Conv_0"]["kernel"][0, 0, 0, 0] += change
    path.write_bytes(pickle.dumps(tree, protocol=2))
    return path


@pytest.mark.weights
def test_the_published_tensors_are_recognised_in_another_file(real_weights, tmp_path):
    source = real_weights("alexnet_features").path
    same = resaved(tmp_path / "same.ckpt", source)
    assert same.read_bytes() != source.read_bytes()
    assert loading.holds_published("alexnet_features", same)
    assert not loading.holds_published(
        "alexnet_features", resaved(tmp_path / "other.ckpt", source, change=1e-3)
    )
    assert loading.holds_published("squeezenet", real_weights("squeezenet").path)
