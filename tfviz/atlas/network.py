"""The network that an atlas is of: found by name or file, built in each process that draws, its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfviz import backend
from tfviz.errors import BadFileError, TfvizError, printable, some
from tfviz.files.hashes import file_sha256
from tfviz.models.networks import NETWORKS, OWN, TRAINED_HERE
from tfviz.weights import fetch

if TYPE_CHECKING:
    import keras

    from tfviz.models.description import Head, Pictures


class NoSuchLayerError(TfvizError):
    """The network has no such layer, or none whose units can be drawn."""


@dataclass(frozen=True)
class Network:
    """What must be known to build it, on any machine.

    Attributes:
        name: of `tfviz.load`, or `OWN`.
        label: for people.
        path: of the file of weights, or of the user's network.
        sha256: of that file.
        pictures: the range that a user's network takes, as `tfviz.use` has it; None: as it shows itself.
        head: likewise, what its last layer returns.
    """

    name: str
    label: str
    path: Path
    sha256: str
    pictures: Pictures | None = None
    head: Head | None = None

    @property
    def modules(self) -> list[str]:
        """Of the program: those that build it, and that nothing imports by name."""
        if self.name == OWN:
            return ["tfviz.models.files"]
        module = "cifar" if self.name in TRAINED_HERE else NETWORKS[self.name].module
        return ["tfviz.models.loading", f"tfviz.models.{module}"]

    def load(self) -> keras.Model:
        """The network; built once a process.

        Raises:
            BadFileError: the file is not the one that was meant, or does not fit.
        """
        return _load(self)


@lru_cache(maxsize=1)
def _load(network: Network) -> keras.Model:
    backend.load()
    path = network.path
    if (found := file_sha256(path)) != network.sha256:
        raise BadFileError(
            f"{path} has sha256 {found[:12]}…, not {network.sha256[:12]}…: give this machine the same file."
        )
    if network.name == OWN:
        from tfviz.models.files import open_own

        return open_own(path, name=network.label, pictures=network.pictures, head=network.head)
    from tfviz.models.loading import load

    return load(network.name, weights=path)


def _file(name: str, files: Mapping[str, Path], *, offline: bool) -> tuple[Path, bool]:
    """The file of weights of a network, and whether it is the user's."""
    if name in files:
        return files[name], True
    if name in TRAINED_HERE:
        backend.load()
        from tfviz.models import cifar

        return cifar.BUNDLED[name], False
    found = fetch.fetch(name, offline=offline)
    return found.path, not found.published


def published(name: str, files: Mapping[str, Path], *, offline: bool = False) -> Network:
    """A network by name, its weights fetched.

    Args:
        name: of `tfviz.load`.
        files: the user's own files of weights, by network.
        offline: whether nothing is downloaded.

    Raises:
        BadFileError: there is no network of this name, or its file cannot be read.
        WeightsUnavailableError: the weights are not to be had.
    """
    if name not in (*NETWORKS, *TRAINED_HERE):
        known = ", ".join(sorted((*NETWORKS, *TRAINED_HERE)))
        raise BadFileError(
            f"There is no network {name!r}; there are {known}. A file of your own: --model FILE."
        )
    path, users = _file(name, files, offline=offline)
    return Network(name, f"{name} (user's file)" if users else name, path.resolve(), file_sha256(path))


def own(path: Path, pictures: Pictures | None = None, head: Head | None = None) -> Network:
    """The user's network in a file; it is opened by `Network.load`.

    Raises:
        BadFileError: there is no such file.
    """
    if not path.is_file():
        raise BadFileError(f"{path} is not a file: name the .keras file of a network.")
    label = printable(path.resolve().stem)[:60]
    return Network(OWN, label, path.resolve(), file_sha256(path), pictures, head)


def drawable(model: keras.Model, *, dense: bool = False) -> dict[str, Any]:
    """The layers whose units are drawn, by path, in the network's order: convolutions, and dense ones if asked for.

    Raises:
        NoSuchLayerError: how the network's layers hang together is not known.
    """
    from keras import layers

    from tfviz.models import graph
    from tfviz.models.layers import GroupedConv2D

    kinds: tuple[Any, ...] = (
        layers.Conv2D,
        layers.Conv2DTranspose,
        layers.DepthwiseConv2D,
        layers.SeparableConv2D,
        GroupedConv2D,
    )
    kinds += (layers.Dense,) if dense else ()
    try:
        calls = graph.calls(model)
    except ValueError as error:
        raise NoSuchLayerError(f"{error} Its units cannot be drawn.") from error
    return {
        call.path: call
        for call in calls
        if isinstance(call.layer, kinds)
        and getattr(call.layer, "data_format", "channels_last") == "channels_last"
        and len(call.outputs) == 1
        and len(call.outputs[0].shape) in (2, 4)
    }


def chosen(model: keras.Model, asked: Sequence[str] | None) -> dict[str, Any]:
    """The calls of the layers that were asked for, in the network's order; None: all convolutions.

    Raises:
        NoSuchLayerError: there is no such layer, or its units cannot be drawn.
    """
    from tfviz.models import description, graph

    known = drawable(model, dense=True)
    if asked is None:
        if found := drawable(model):
            return found
        name = description.of(model).network
        if known:
            raise NoSuchLayerError(
                f"{name} has no 2-D convolutions: name dense layers with --layers, any of {some(known)}."
            )
        raise NoSuchLayerError(
            f"{name} has neither 2-D convolutions nor dense layers: none of its units is drawn."
        )
    paths = set()
    for name in asked:
        try:
            call = graph.find(model, name)
        except ValueError as error:
            raise NoSuchLayerError(f"--layers: {error}") from error
        if call.path not in known:
            raise NoSuchLayerError(
                f"--layers: {name} is a {type(call.layer).__name__} layer that returns {call.outputs[0].shape}: units "
                "are drawn of 2-D convolutions, and of dense layers with a vector or a map for each picture. Name any "
                f"of {some(known)}."
            )
        paths.add(call.path)
    return {path: call for path, call in known.items() if path in paths}
