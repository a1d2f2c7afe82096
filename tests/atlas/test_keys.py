"""Whatever decides the rows decides their keys, and nothing else does."""

from dataclasses import replace
from pathlib import Path

import pytest

from tfviz.atlas import keys
from tfviz.atlas.network import Network
from tfviz.atlas.recipes import QUICK, RECIPES
from tfviz.atlas.survey import DataSet
from tfviz.backend import machine

NETWORK = Network("squeezenet", "squeezenet", Path("a.h5"), "ab" * 32)
OWN = Network("own", "mine", Path("mine.keras"), "cd" * 32, "[0,1]", "softmax")
DATA = DataSet("pictures", Path("pictures"), ("a.png", "b.png"), "ef" * 32)
SURVEY = {"network": NETWORK, "path": "conv1", "data": DATA, "seed": 0}
CHUNK = {
    "network": NETWORK, "path": "conv1", "units": (0, 1), "recipe": RECIPES["fourier"], "seed": 0, "surveyed": "",
    "judge": "",
}  # fmt: skip


def different(function, usual, changes):
    """Whether there are as many keys as ways to ask, the usual one among them."""
    found = [function(**usual), *(function(**usual | change) for change in changes)]
    assert all(len(key) == 64 for key in found)
    return len(set(found)) == len(changes) + 1


NETWORKS = [
    {"network": replace(NETWORK, sha256="00" * 32)},
    {"network": replace(NETWORK, name="alexnet_features")},
]


def test_a_survey_hangs_on_network_layer_pictures_and_seed():
    changes = [
        *NETWORKS,
        {"path": "conv2"},
        {"data": replace(DATA, sha256="00" * 32)},
        {"data": replace(DATA, names=("a.png",))},  # of CIFAR-10 the hash is that of all
        {"seed": 1},
    ]
    assert different(keys.survey_key, SURVEY, changes)


def test_a_chunk_hangs_on_all_that_it_is_drawn_and_judged_with():
    changes = [
        *NETWORKS,
        {"path": "conv2"},
        {"units": (0, 2)},
        {"units": (1, 0)},
        {"recipe": RECIPES["phases"]},
        {"recipe": QUICK["fourier"]},
        {"seed": 1},
        {"surveyed": "a"},
        {"judge": "a"},
    ]
    assert different(keys.chunk_key, CHUNK, changes)


@pytest.mark.parametrize(("function", "usual"), [(keys.survey_key, SURVEY), (keys.chunk_key, CHUNK)])
def test_a_network_of_ones_own_hangs_on_what_was_said_of_it(function, usual):
    changes = [
        {"network": replace(OWN, pictures="0..255")},
        {"network": replace(OWN, head="sigmoid")},
        {"network": replace(OWN, sha256="00" * 32)},
    ]
    assert different(function, usual | {"network": OWN}, changes)
    elsewhere = replace(OWN, path=Path("elsewhere.keras"), label="another name")
    assert function(**usual | {"network": elsewhere}) == function(**usual | {"network": OWN})


@pytest.mark.parametrize(("function", "usual"), [(keys.survey_key, SURVEY), (keys.chunk_key, CHUNK)])
def test_another_program_or_library_makes_other_rows(function, usual, monkeypatch):
    before = function(**usual)
    sources = keys.sources_of
    with monkeypatch.context() as other:
        other.setattr(machine, "versions", lambda *packages: dict.fromkeys(packages, "0"))
        versions = function(**usual)
    with monkeypatch.context() as other:
        other.setattr(keys, "sources_of", lambda *what: replace(sources(*what), modules={}))
        modules = function(**usual)
    assert len({before, versions, modules}) == 3
    assert function(**usual) == before
