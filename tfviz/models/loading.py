"""Networks by name, with their published weights."""

import hashlib
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import keras
import numpy as np

from tfviz.models import description, layouts, trial
from tfviz.models.blank import blank
from tfviz.models.networks import NETWORKS, TRAINED_HERE
from tfviz.weights import fetch, readers
from tfviz.weights.catalog import CATALOG


def load(
    name: str,
    *,
    weights: str | os.PathLike[str] | None = None,
    normalize: bool = True,
    offline: bool = False,
    user_files: Mapping[str, Path] | None = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
) -> keras.Model:
    """Builds a network and puts its trained weights in.

    Args:
        name: "alexnet", "alexnet_features", "caffe_alexnet", "squeezenet", "cifar_cnn" or "cifar_resnet".
        weights: A file of weights, in any layout that the network's module lists, or what Keras saved of the network;
            for the CIFAR-10 networks also one that a training here wrote. None: the published weights, downloaded
            unless they are in the cache; for the CIFAR-10 networks those that come with the program.
        normalize: Whether preprocessing is the first layer. If not, the network's own input goes in.
        offline: Whether to make do with what is in the cache.
        user_files: Files that the user has, by network, to take in place of a download.
        input_shape: Rows, columns and colours, where the network allows another than its own; None for a
            number of rows or columns: any.

    Returns:
        A model named `name`, from pictures (N, H, W, 3) RGB float32 in [0, 1] to logits (N, 1000);
        "alexnet_features": to its last pooled map, (N, 6, 6, 256) for pictures of 224x224; the CIFAR-10 networks:
        from pictures (N, 32, 32, 3) to logits (N, 10).

    Raises:
        ValueError: There is no network of this name, or it does not take this input shape.
        BadFileError: The file of weights is missing, damaged, or another network's.
        WeightsUnavailableError: The weights are not in the cache and could not be downloaded.
    """
    if name in TRAINED_HERE:
        cifar = import_module("tfviz.models.cifar")
        if input_shape not in (None, (cifar.SIDE, cifar.SIDE, 3)):
            raise ValueError(f"{name} takes pictures of {cifar.SIDE} x {cifar.SIDE}.")
        model: keras.Model = cifar.load(
            name, Path(weights) if weights else cifar.BUNDLED[name], normalize=normalize
        )
        return _described(model, normalize)
    if name not in NETWORKS:
        known = ", ".join(sorted([*NETWORKS, *TRAINED_HERE]))
        raise ValueError(f"There is no network {name!r}; there are {known}.")
    network = NETWORKS[name]
    shape = {} if input_shape is None else {"input_shape": input_shape}
    module = import_module(f"tfviz.models.{network.module}")
    with trial.in_one_line(name, input_shape or ()), blank():
        model = getattr(module, network.build)(**shape, normalize=normalize)
    path = Path(weights) if weights else fetch.fetch(name, offline=offline, user_files=user_files or {}).path
    layouts.fill(model, getattr(module, network.layouts), readers.read(path), path=path)
    return _described(model, normalize)


def _described(model: keras.Model, normalize: bool) -> keras.Model:
    """A network of this program, with what is known of it: it ends before its softmax."""
    output: description.Output = "logits" if len(model.output_shape) == 2 else "maps"
    pictures = "[0,1]" if normalize else None
    said = description.Description(model.name, model.input_shape[1:], pictures, output=output, head="softmax")
    return description.describe(model, said)


def variables_sha256(model: keras.Model) -> str:
    """Hash of a model's variables: their names, shapes and float32 values, in the model's order."""
    digest = hashlib.sha256()
    for variable in model.weights:
        values = np.ascontiguousarray(variable, dtype="<f4")
        digest.update(f"{variable.name} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def holds_published(name: str, path: Path) -> bool:
    """Whether a file, whatever its layout, holds the very weights of the catalogue; False where that is not known.

    Raises:
        BadFileError: The file is not the network's.
    """
    known = CATALOG[name].variables_sha256
    return bool(known) and variables_sha256(load(name, weights=path)) == known
