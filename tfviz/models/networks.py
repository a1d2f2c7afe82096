"""Where each network with published weights is built. A table: it imports no framework."""

from __future__ import annotations

from typing import NamedTuple


class Network(NamedTuple):
    """Names in a module of this folder.

    Attributes:
        module: the module's name.
        build: its function that builds the network.
        layouts: its tuple of the kinds of files that hold the weights.
    """

    module: str
    build: str = "build"
    layouts: str = "LAYOUTS"


NETWORKS = {
    "alexnet": Network("alexnet"),
    "alexnet_features": Network("alexnet", "build_features", "FEATURES_LAYOUTS"),
    "caffe_alexnet": Network("caffe_alexnet"),
    "squeezenet": Network("squeezenet"),
}
"""Every network with published weights."""

TRAINED_HERE = ("cifar_cnn", "cifar_resnet")
"""Networks whose weights come with the program; `tfviz.models.cifar` builds and loads them."""

OWN = "own"
"""The user's own network, in place of one of these."""
