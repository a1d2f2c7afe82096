"""Whole networks in files: read, or refused in one line."""

import json
import os
import zipfile

import keras
import numpy as np
import pytest
from keras import layers as L

import tfviz
from tests.models import networks
from tfviz import backend
from tfviz.errors import BadFileError
from tfviz.models import description
from tfviz.models.files import open_model, open_own
from tfviz.models.trial import SIDE

PICTURES = np.random.default_rng(0).random((2, 28, 28, 1), dtype=np.float32)


@pytest.fixture(scope="module")
def grey():
    return networks.grey()


@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_a_saved_network_comes_back(grey, tmp_path, name):
    grey.save(tmp_path / name)
    model = open_own(tmp_path / name, name="net", pictures="[0,1]", classes=list("0123456789"))
    about = description.of(model)
    assert (about.network, about.classes[3], about.output) == ("net", "3", "logits")
    np.testing.assert_allclose(about.probabilities(model(PICTURES)), grey(PICTURES), atol=1e-6)


@pytest.mark.skipif(backend.name() != "tensorflow", reason="only TensorFlow reads SavedModels")
def test_a_saved_model_is_a_program_and_run_in_code_alone(grey, tmp_path):
    grey.export(tmp_path / "net", verbose=False)
    with pytest.raises(BadFileError, match=r"net is a SavedModel, which is a program: .*tfviz\.use"):
        open_own(tmp_path / "net", name="net", pictures="[0,1]")
    theirs = L.TFSMLayer(str(tmp_path / "net"), call_endpoint="serve")
    model = tfviz.use(theirs, pictures="[0,1]", head="softmax")
    said = description.of(model).probabilities(model(PICTURES))
    np.testing.assert_allclose(said, grey(PICTURES), atol=1e-6)
    assert tfviz.occlusion_map(model, PICTURES[0], 1, patch=14, stride=14).shape == (2, 2)


def test_a_network_saved_here_comes_back(tmp_path):
    theirs = tfviz.load("cifar_resnet")
    theirs.save(tmp_path / "cifar.keras")
    model = open_own(tmp_path / "cifar.keras", name="cifar")
    pictures = np.random.default_rng(0).random((2, 32, 32, 3), dtype=np.float32)
    np.testing.assert_allclose(model(pictures), theirs(pictures), atol=1e-5)


def test_a_network_of_any_size_gets_the_usual_one(tmp_path):
    picture = keras.Input((None, None, 3))
    keras.Model(picture, L.Conv2D(2, 3)(picture)).save(tmp_path / "any.keras")
    assert open_own(tmp_path / "any.keras", name="any", pictures="[0,1]").input_shape == (None, SIDE, SIDE, 3)


class Own(L.Layer):
    def call(self, x):
        return x


def with_layer(layer):
    picture = keras.Input((8, 8, 3))
    return keras.Model(picture, L.Dense(2)(L.Flatten()(layer(picture))))


def a_lambda(path):
    with_layer(L.Lambda(lambda x: x * 2)).save(path)


def an_activation_of_code(path):
    with_layer(L.Dense(3, activation=lambda x: x * 2)).save(path)


def in_capitals(path):
    networks.grey().save(path.with_suffix(".keras"))
    path.with_suffix(".keras").rename(path)


def an_own_layer(path):
    with_layer(Own()).save(path)


def a_strange_member(path):
    networks.grey().save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("run_me.py", "")


def other_things(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"module": "os", "class_name": "system", "config": {}}))
        archive.writestr("metadata.json", "{}")


def filtered_weights(path):
    """HDF5's filters run code of the library's that ends the process on damaged data."""
    import h5py

    networks.grey().save(path)
    with h5py.File(path, "a") as file:
        file.create_dataset("more", data=np.zeros(64), chunks=(8,), compression="gzip")


def cut(path):
    networks.grey().save(path)
    path.write_bytes(path.read_bytes()[:-500])


BAD = {
    "lambda.keras": (a_lambda, "Lambda layer.* which is Python code and is not run"),
    "lambda.h5": (a_lambda, "Lambda layer.* which is Python code and is not run"),
    "own.keras": (an_own_layer, "has Own, which is not Keras' own: .*register_keras_serializable.*tfviz.use"),
    "own.h5": (an_own_layer, "has Own, which is not Keras' own: .*register_keras_serializable.*tfviz.use"),
    "strange.keras": (a_strange_member, "run_me.py"),
    "others.keras": (other_things, "Keras"),
    "filters.h5": (filtered_weights, "filters.h5 "),
    "cut.keras": (cut, "damaged or cut short"),
    "empty.keras": (lambda path: path.write_bytes(b""), "no file of a Keras network"),
    "net.weights.h5": (lambda path: networks.grey().save_weights(path), r"no network: .*save\('net.keras'\)"),
    "net.pth": (lambda path: path.write_bytes(b"PK\3\4"), "holds weights and no network"),
    "net.onnx": (lambda path: path.write_bytes(b"\b\n"), "no Keras network"),
    "missing.keras": (lambda path: None, "does not exist"),
    "net.KERAS": (in_capitals, "give it a name that ends in .keras"),
    "fifo.keras": (lambda path: os.mkfifo(path), "no regular file"),
    "code.keras": (an_activation_of_code, "Lambda layer.* which is Python code"),
    "folder": (lambda path: path.mkdir(), "is a folder: name a .keras file"),
}


@pytest.mark.parametrize(("name", "made"), BAD.items(), ids=BAD)
def test_refused_in_one_line_that_names_the_file(name, made, tmp_path, monkeypatch):
    make, why = made
    make(tmp_path / name)
    with pytest.raises(BadFileError, match=why) as caught:
        open_model(tmp_path / name)
    said = str(caught.value)
    assert name in said
    assert said.isprintable()
    assert len(said) < 700


def test_what_does_not_fit_names_the_file(grey, tmp_path):
    grey.save(tmp_path / "net.keras")
    with pytest.raises(
        BadFileError, match=r"net.keras: net has 10 classes; 1 names were given|10 classes; 1 names"
    ):
        open_own(tmp_path / "net.keras", name="net", pictures="[0,1]", classes=["one"])


def test_one_of_several_outputs_is_to_be_saved(tmp_path):
    photo = keras.Input((8, 8, 3))
    x = L.Flatten()(L.Rescaling(2.0, -1.0)(photo))
    two = keras.Model(photo, [L.Dense(2, name="age")(x), L.Dense(3, name="kind")(x)])
    two.save(tmp_path / "two.keras")
    with pytest.raises(
        BadFileError, match=r"two.keras: .* 2 outputs, age, kind, and .* save a part"
    ) as caught:
        open_own(tmp_path / "two.keras", name="two")
    assert "output_name" not in str(caught.value)
    keras.Model(two.inputs, two.outputs[0]).save(tmp_path / "one.keras")
    assert open_own(tmp_path / "one.keras", name="one").output_shape == (None, 2)


def test_a_range_that_is_not_shown_is_asked_for_with_the_option(grey, tmp_path):
    grey.save(tmp_path / "net.keras")
    with pytest.raises(BadFileError, match=r"net\.keras does not show .*--model-input, one of \[0,1\]"):
        open_own(tmp_path / "net.keras", name="net")
