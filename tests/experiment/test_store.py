import json
from dataclasses import replace

import numpy as np
import pytest

from tfviz.errors import BadFileError
from tfviz.experiment.part import Number
from tfviz.experiment.store import SCHEMA, FigureFile, PartResult, Store, Written
from tfviz.files.hashes import array_sha256

MAP = np.arange(6, dtype=np.float32).reshape(2, 3)


def result():
    return PartResult(
        part="conv1_units",
        status="done",
        numbers={"activation_channel_0": Number(62.038, "", "alexnet"), "count": Number(4, "pictures")},
        facts={"window": [[106, 116], [106, 116]]},
        settings={"steps": 30},
        provenance={"seed": 0, "fingerprint": "abc"},
    )


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def stored(store):
    return store.save(result(), {"map": MAP})


def draw(folder):
    (folder / "pictures.svg").write_text("<svg/>")
    (folder / "pictures.live.json").write_text("{}")
    written = Written(
        folder / "pictures.svg", "A caption", "A text", "A finding.", folder / "pictures.live.json"
    )
    return [written], {"curves": "ValueError: no"}


def test_what_is_stored_comes_back(store, stored):
    assert store.load("conv1_units") == stored
    findings = store.findings(stored)
    np.testing.assert_array_equal(findings.arrays["map"], MAP)
    assert findings.numbers == result().numbers
    assert findings.facts == result().facts


def test_the_file_is_the_contract(store, stored, tmp_path):
    store.save_figures(stored, "key", draw)
    written = json.loads((tmp_path / "results" / "conv1_units.json").read_text())
    assert written["part"] == "conv1_units"
    assert written["status"] == "done"
    assert written["schema"] == SCHEMA
    assert written["numbers"]["activation_channel_0"] == {
        "value": 62.038,
        "unit": "",
        "network": "alexnet",
        "spread": None,
        "repeats": 1,
    }
    assert written["arrays"] == {"map": array_sha256(MAP)}
    (figure,) = written["figures"]
    assert figure["path"] == "figures/conv1_units/pictures.svg"
    assert (figure["caption"], figure["alt"]) == ("A caption", "A text")
    assert figure["finding"] == "A finding."
    assert figure["live"] == "figures/conv1_units/pictures.live.json"
    assert len(figure["sha256"]) == len(figure["live_sha256"]) == 64
    assert written["provenance"]["seed"] == 0


def test_a_figure_by_name(store, stored):
    drawn = store.save_figures(stored, "key", draw)
    assert drawn.figure("pictures").alt == "A text"
    assert drawn.figure("curves") == "ValueError: no"
    with pytest.raises(KeyError, match="only"):
        drawn.figure("picture")
    assert replace(drawn, not_drawn={"": "all lost"}).figure("picture") == "all lost"


def test_figures_that_changed_are_not_whole(store, stored, tmp_path):
    drawn = store.save_figures(stored, "key", draw)
    assert store.figures_are_whole(drawn)
    file = tmp_path / "figures" / "conv1_units" / "pictures.svg"
    file.write_text("<svg>other</svg>")
    assert not store.figures_are_whole(drawn)
    file.unlink()
    assert not store.figures_are_whole(drawn)


def test_what_a_browser_shows_in_a_figure_s_place_belongs_to_it(store, stored, tmp_path):
    drawn = store.save_figures(stored, "key", draw)
    assert store.figures_are_whole(drawn)
    (tmp_path / "figures" / "conv1_units" / "pictures.live.json").write_text('{"kind": "other"}')
    assert not store.figures_are_whole(drawn)


def test_a_result_is_current_with_its_fingerprint_and_its_own_arrays(store, stored, tmp_path):
    assert store.current("conv1_units", "abc") == stored
    assert store.current("conv1_units", "abd") is None
    np.savez(tmp_path / "arrays" / "conv1_units.npz", map=MAP + 1)
    assert store.current("conv1_units", "abc") is None
    with pytest.raises(BadFileError, match="not what conv1_units computed"):
        store.findings(stored)
    (tmp_path / "arrays" / "conv1_units.npz").write_bytes(b"no archive")
    assert store.current("conv1_units", "abc") is None
    with pytest.raises(BadFileError, match=r"conv1_units\.npz is missing or damaged"):
        store.findings(stored)


def test_what_cannot_be_stored_leaves_the_earlier_result_whole(store, stored):
    with pytest.raises(ValueError, match="JSON compliant"):
        store.save(replace(result(), facts={"bad": float("nan")}), {"map": MAP + 1})
    assert store.current("conv1_units", "abc") == stored


@pytest.mark.parametrize(("schema", "named"), [(None, "schema 1"), (SCHEMA + 1, f"schema {SCHEMA + 1}")])
def test_another_schema_is_refused_by_name(store, stored, tmp_path, schema, named):
    path = tmp_path / "results" / "conv1_units.json"
    written = json.loads(path.read_text())
    written["schema"] = schema
    if schema is None:
        del written["schema"], written["arrays"], written["drawn"], written["not_drawn"]
    path.write_text(json.dumps(written))
    with pytest.raises(BadFileError, match=rf"conv1_units\.json was stored by another version .*{named}"):
        store.load("conv1_units")
    assert named in store.load_all(["conv1_units"])["conv1_units"].reason
    assert store.current("conv1_units", "abc") is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(value):
    with pytest.raises(ValueError, match="finite"):
        Number(value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"part": "x", "schema": 2}',
        b"\xff\xfe",
        b'{"part": {}, "numbers": 3, "schema": 2}',
    ],
)
def test_a_damaged_result_names_its_file(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(BadFileError, match=r"broken\.json"):
        PartResult.load(path)


def test_manifest_lists_every_part_and_file(store, stored, tmp_path):
    drawn = store.save_figures(stored, "key", draw)
    (figure,) = drawn.figures
    assert isinstance(figure, FigureFile)
    store.write_manifest({"conv1_units": drawn}, ["conv1_units", "other"])
    parts = json.loads((tmp_path / "manifest.json").read_text())["parts"]
    assert parts[0]["status"] == "done"
    assert len(parts[0]["files"]) == 4
    for file in parts[0]["files"]:
        assert (tmp_path / file).is_file()
    assert parts[1] == {"part": "other", "status": "not run", "reason": "not asked for", "files": []}


def test_a_result_of_no_known_status_is_refused(store, stored, tmp_path):
    path = tmp_path / "results" / "conv1_units.json"
    path.write_text(path.read_text().replace('"status": "done"', '"status": "done<script>"'))
    with pytest.raises(
        BadFileError, match=r"conv1_units\.json is not a stored result .*no status 'done<script>'"
    ):
        store.load("conv1_units")
    assert store.load_all(["conv1_units"])["conv1_units"].status == "not run"
