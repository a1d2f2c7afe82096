"""Opens a whole network from a file: Keras' own, older HDF5 files, and TensorFlow's SavedModel."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import keras

from tfviz.errors import BadFileError
from tfviz.files.reading import absent, open_regular
from tfviz.models import layers  # noqa: F401  Keras is to know the layers of networks saved here
from tfviz.models.description import Head, Pictures
from tfviz.models.own import SeveralError, UnknownRangeError, use
from tfviz.models.trial import SIDE, one_line
from tfviz.weights import hdf5

_IN_CODE = "load it in a program of your own and hand it over there: tfviz.use(model)."
_MEMBERS = ("config.json", "metadata.json", "model.weights.h5")  # and what lies below assets/
_LARGEST_FILE = 4_000_000_000  # bytes
_LARGEST_TEXT = 50_000_000  # bytes of config.json; a network of a thousand layers has one
_OTHERS = {
    (".pt", ".pth", ".bin", ".safetensors", ".ckpt", ".npz"): "holds weights and no network",
    (".onnx", ".tflite", ".pb"): "holds no Keras network",
}


def open_own(
    path: Path,
    *,
    name: str,
    pictures: Pictures | None = None,
    head: Head | None = None,
    classes: Sequence[str] | None = None,
) -> keras.Model:
    """The user's network in a file, as `tfviz.use` makes it; where it takes pictures of any size, of `SIDE` squared.

    Args:
        path: as `open_model`.
        name: for people.
        pictures: as `tfviz.use`.
        head: likewise.
        classes: likewise.

    Raises:
        BadFileError: as `open_model`; it takes no pictures, or not as was said.
    """
    model = open_model(path)
    try:
        return use(model, pictures=pictures, head=head, classes=classes, name=name, shape=_shape(model))
    except UnknownRangeError as error:
        raise BadFileError(
            f"{path} does not show in which range it takes pictures: say it with --model-input, one of "
            f"{', '.join(get_args(Pictures))}."
        ) from error
    except SeveralError as error:
        raise BadFileError(
            f"{path}: {error.has}, and a file's network is to have one: save a part of it that has, such as "
            f"keras.Model(model.inputs, model.outputs[0]), or {_IN_CODE}"
        ) from error
    except ValueError as error:
        raise BadFileError(f"{path}: {error}") from error


def _shape(model: Any) -> tuple[int | None, ...] | None:
    """The shape of one picture, `SIDE` where it is open; None: the network says none, or has several inputs."""
    has = getattr(model, "input_shape", None)
    if (
        not isinstance(has, tuple)
        or len(has) not in (3, 4)
        or isinstance(has[0], tuple)
        or None not in has[1:]
    ):
        return None
    rows, columns, *channels = has[1:]
    return (rows or SIDE, columns or SIDE, *(each or 3 for each in channels))


def open_model(path: Path) -> keras.Model:
    """The network in a file, with its weights.

    Args:
        path: a `.keras` file or a whole model's `.h5`. A SavedModel is refused: it is a program of TensorFlow's
            operations, and a stranger's may write files.

    Raises:
        BadFileError: it cannot be read, is not a whole network, or holds Python code, which is not run.
    """
    try:
        with open_regular(path, _LARGEST_FILE) as file:
            start = file.read(8)
    except FileNotFoundError as error:
        raise BadFileError(f"{path} {absent(path)}") from error
    except IsADirectoryError as error:
        raise BadFileError(f"{path} {_folder(path)}") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadFileError(f"{path} cannot be read ({why}): name the file of a Keras network.") from error
    suffix = path.suffix.lower()
    if start == hdf5.SIGNATURE:
        if path.suffix not in (".h5", ".hdf5"):  # as Keras has it
            raise BadFileError(f"{path} is an HDF5 file: give it a name that ends in .h5.")
        if path.name.lower().endswith(".weights.h5"):
            raise BadFileError(
                f"{path} holds weights and no network: save the whole with model.save("
                f"'{path.name.partition('.')[0]}.keras')."
            )
        _check_hdf5(path, path.read_bytes())
    elif start[:4] == b"PK\x03\x04" and not any(suffix in suffixes for suffixes in _OTHERS):
        _check_zip(path)
        if path.suffix != ".keras":
            raise BadFileError(f"{path} is a network as Keras saves it: give it a name that ends in .keras.")
    else:
        what = next(
            (what for suffixes, what in _OTHERS.items() if suffix in suffixes),
            "is no file of a Keras network",
        )
        raise BadFileError(f"{path} {what}: name a .keras file or a whole model's .h5.")
    try:
        return _whole(path, keras.saving.load_model(path, compile=False, safe_mode=True))
    except BadFileError:
        raise
    except Exception as error:  # Keras raises what its layers do
        raise BadFileError(f"{path} {_why(error)}") from error


def _folder(path: Path) -> str:
    """Why a folder is not read."""
    if not (path / "saved_model.pb").is_file():
        return "is a folder: name a .keras file or a whole model's .h5."
    return (
        "is a SavedModel, which is a program: opening it runs it, and a stranger's may write files. It is not run from "
        "the command line; if you trust it, call tfviz.use(keras.layers.TFSMLayer(folder, call_endpoint='serve'), "
        "shape=…, pictures=…, head=…) in a program of your own."
    )


def _whole(path: Path, model: Any) -> keras.Model:
    if not isinstance(model, keras.layers.Layer):
        raise BadFileError(f"{path} holds a {type(model).__name__}, not a network.")
    return model


def _why(error: Exception) -> str:
    """What follows the file's name."""
    said = one_line(error)
    lower = said.lower()
    if "lambda" in lower or "identifier: {'value'" in lower:  # a layer, or an activation
        return (
            "has a lambda (Lambda layer, or activation), which is Python code and is not run; if you trust it, "
            f"{_IN_CODE}"
        )
    if "tfsmlayer" in lower:
        return f"holds a SavedModel, which is a program and is not run; if you trust it, {_IN_CODE}"
    if "could not locate" in lower or "unknown layer" in lower or "unknown object" in lower:
        named = re.search(r"(?:class|layer|function|object)\W+'([^']+)'", said)
        what = named[1] if named else said
        return (
            f"has {what}, which is not Keras' own: its code is not in the file. In a program of your own, import it "
            "(known there by @keras.saving.register_keras_serializable), model = keras.saving.load_model(file), and "
            "tfviz.use(model)."
        )
    return f"cannot be read as a Keras network: {said}"


def _check_zip(path: Path) -> None:
    """What is in a `.keras` file, before Keras unpacks any of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            strange = [name for name in members if name not in _MEMBERS and not name.startswith("assets/")]
            if strange or "config.json" not in members or ".." in "".join(members):
                raise BadFileError(
                    f"{path} is no file of a Keras network: it lacks config.json, or holds what none has "
                    f"({', '.join(sorted(strange)[:3]) or 'nothing else'})."
                )
            if members["config.json"].file_size > _LARGEST_TEXT:
                raise BadFileError(f"{path}: its config.json has {members['config.json'].file_size} bytes.")
            unpacked = sum(info.file_size for info in members.values())
            if unpacked > _LARGEST_FILE:
                raise BadFileError(f"{path} unpacks to {unpacked} bytes, at most {_LARGEST_FILE} are read.")
            if "model.weights.h5" in members:
                _check_hdf5(path, archive.read("model.weights.h5"))
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise BadFileError(f"{path} is damaged or cut short ({one_line(error)}): get it again.") from error


def _check_hdf5(path: Path, content: bytes) -> None:
    """The HDF5 library ends the process on some files: these are refused before it sees them."""
    try:
        hdf5.read(content)
    except hdf5.UnreadableError as error:
        raise BadFileError(f"{path} {error}") from error
