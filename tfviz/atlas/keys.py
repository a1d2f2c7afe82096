"""What a chunk is known by: a hash of all that its rows depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tfviz import backend
from tfviz.atlas.network import Network
from tfviz.atlas.recipes import Recipe
from tfviz.atlas.survey import DataSet
from tfviz.backend import machine
from tfviz.experiment.fingerprint import NUMERIC, sources_of
from tfviz.files.hashes import file_sha256, json_sha256
from tfviz.files.program import PACKAGE


def versions() -> dict[str, str]:
    """Of what draws and stores."""
    return machine.versions(*backend.MODULES[backend.name()].packages, "keras", "numpy", "pillow", "pyarrow")


def _identity(network: Network) -> dict[str, Any]:
    return {"network": [network.name, network.sha256, network.pictures, network.head]}


def _program(module: str, function: str, network: Network) -> dict[str, Any]:
    """What the program and its libraries add to the hash of a task."""
    sources = sources_of(f"tfviz.atlas.{module}", function, network.modules)
    packages = {NUMERIC[name] for name in sources.libraries & NUMERIC.keys()}
    packages |= {*backend.MODULES[backend.name()].packages}
    return {
        "sources": sources.modules,
        "assets": {name: file_sha256(PACKAGE / "assets" / name) for name in sorted(sources.assets)},
        "versions": machine.versions(*sorted(packages)),
        "keras": [backend.name(), backend.floatx()],
    }


def survey_key(network: Network, path: str, data: DataSet, seed: int) -> str:
    """Of the rows that a pass over a data set gives of a layer."""
    what = {"layer": path, "data": [data.sha256, len(data.names)], "seed": seed}
    return json_sha256({**what, **_identity(network), "program": _program("survey", "survey", network)})


def chunk_key(
    network: Network, path: str, units: Sequence[int], recipe: Recipe, seed: int, surveyed: str, judge: str
) -> str:
    """Of some units of a layer.

    Args:
        network: the network.
        path: of the layer.
        units: of it.
        recipe: how they are drawn.
        seed: of the drawings.
        surveyed: key of the layer's survey; "": there is none.
        judge: sha256 of its weights; "": there is none.
    """
    what = {"layer": path, "units": list(units), "recipe": asdict(recipe), "seed": seed}
    data = {"survey": surveyed, "judge": judge}
    return json_sha256({**what, **data, **_identity(network), "program": _program("making", "draw", network)})
