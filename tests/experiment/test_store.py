import json
import os
from dataclasses import replace

import numpy as np
import pytest

from tests.forged import forge
from tfviz.errors import BadFileError, BusyError
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
    assert not store.altered_figures(drawn)
    file = tmp_path / "figures" / "conv1_units" / "pictures.svg"
    file.write_text("<svg>other</svg>")
    assert store.altered_figures(drawn)
    file.unlink()
    assert store.altered_figures(drawn)


def test_what_a_browser_shows_in_a_figure_s_place_belongs_to_it(store, stored, tmp_path):
    drawn = store.save_figures(stored, "key", draw)
    assert not store.altered_figures(drawn)
    (tmp_path / "figures" / "conv1_units" / "pictures.live.json").write_text('{"kind": "other"}')
    assert store.altered_figures(drawn)


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


def test_a_good_result_waits_beside_failed_ones_until_another_is_stored(store, stored, tmp_path):
    for _ in range(2):
        store.save_failure("conv1_units", "failed", "it broke", {})
    assert store.load("conv1_units").reason == "it broke"
    assert store.current("conv1_units", "abd") is None
    assert store.current("conv1_units", "abc") == stored == store.load("conv1_units")
    store.save_failure("conv1_units", "not run", "no weights", {})
    store.save(replace(result(), provenance={"fingerprint": "abd"}), {"map": MAP})
    assert store.current("conv1_units", "abc") is None
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["conv1_units.json"]


def test_what_cannot_be_stored_leaves_the_earlier_result_whole(store, stored):
    with pytest.raises(ValueError, match="JSON compliant"):
        store.save(replace(result(), facts={"bad": float("nan")}), {"map": MAP + 1})
    assert store.current("conv1_units", "abc") == stored


@pytest.mark.parametrize(
    ("schema", "named"), [(None, "schema 1"), (2, "schema 2"), (SCHEMA + 1, f"schema {SCHEMA + 1}")]
)
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


def put(*keys, value):
    """A change that puts a value at a place within a result."""

    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("status", value="done<script>"), "no status 'done<script>'"),
        (put("status", value=["done"]), r"no status \['done'\]"),
        (put("part", value="../other"), r"no part '\.\./other'"),
        (put("part", value=3), "no part 3"),
        (put("\x1b[2J", value=3), r"a result has no '\\x1b\[2J'"),
        (put("facts", value=[]), "its facts"),
        (put("settings", value="x"), "its settings"),
        (put("reason", value=1), "its reason"),
        (put("arrays", value=["map"]), "AttributeError"),
        (put("arrays", "map", value=1), "arrays: 'map' is 1"),
        (put("not_drawn", value={"a": None}), "not_drawn: 'a' is None"),
        (put("numbers", value=3), "AttributeError"),
        (put("numbers", "count", value=4), "AttributeError|TypeError"),
        (put("numbers", "count", "value", value="4"), "the number 'count': value is '4'"),
        (put("numbers", "count", "value", value=True), "the number 'count': value is True"),
        (put("numbers", "count", "network", value=[]), "network"),
        (put("numbers", "count", "\x1b", value=1), r"the number 'count' has no '\\x1b'"),
        (put("numbers", "count", "spread", value=[1, 2, 3]), "too many values"),
        (put("numbers", "count", "spread", value=["a", "b"]), "spread is 'a'"),
        (put("numbers", "count", "spread", value=[5, 6]), "4 does not lie within"),
        (put("figures", 0, "path", value=1), "a figure's path is 1"),
        (put("figures", 0, "path", value="/etc/passwd"), "'/etc/passwd' is not in figures/conv1_units/"),
        (
            put("figures", 0, "path", value="figures/conv1_units/../../x.svg"),
            "is not in figures/conv1_units/",
        ),
        (put("figures", 0, "path", value="figures/conv1_units/a/b.svg"), "is not in figures/conv1_units/"),
        (put("figures", 0, "path", value="figures/other/x.svg"), "is not in figures/conv1_units/"),
        (put("figures", 0, "path", value="figures/conv1_units/..\\x.svg"), "is not in figures/conv1_units/"),
        (put("figures", 0, "path", value="figures/conv1_units/x.svg\n"), "is not in figures/conv1_units/"),
        (put("figures", 0, "path", value=""), "is not in figures/conv1_units/"),
        (put("figures", 0, "live", value="../../../etc/x.json"), "is not in figures/conv1_units/"),
        (put("figures", 0, "caption", value=None), "a figure's caption is None"),
        (put("figures", 0, "script", value=""), "a figure has no 'script'"),
        (put("figures", value=3), "TypeError"),
        (put("provenance", value=[]), "its provenance"),
        (put("provenance", "started", value=3), "provenance: started is 3"),
        (put("provenance", "seed", value="x"), "provenance: seed is 'x'"),
        (put("provenance", "quick", value=0), "provenance: quick is 0"),
        (put("provenance", "versions", value={"numpy": 2}), "provenance: versions"),
        (put("provenance", "weights", value="x"), "AttributeError"),
        (put("provenance", "devices", value="x"), "provenance: devices"),
        (put("provenance", "devices", value=[1]), "provenance: devices"),
    ],
)
def test_a_result_of_another_form_is_refused_in_one_line_and_the_others_are_read(
    store, stored, tmp_path, change, says
):
    store.save_figures(stored, "key", draw)
    store.save(replace(result(), part="other"), {})
    path = tmp_path / "results" / "conv1_units.json"
    forge(path, lambda content: None)
    store.load("conv1_units")
    forge(path, change)
    with pytest.raises(BadFileError, match=rf"conv1_units\.json is not a stored result .*({says})") as caught:
        store.load("conv1_units")
    assert str(caught.value).isprintable()
    found = store.load_all(["conv1_units", "other"])
    assert [each.status for each in found.values()] == ["not run", "done"]
    assert store.current("conv1_units", "abc") is None


def test_a_result_in_the_place_of_another_part_s(store, stored, tmp_path):
    (tmp_path / "results" / "conv1_units.json").rename(tmp_path / "results" / "other.json")
    with pytest.raises(BadFileError, match=r"other\.json is the result of conv1_units"):
        store.load("other")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("62.038", "62.039"),
        ('"value": 4', '"value": 5'),
        ("A caption", "A better caption"),
        ('"seed": 0', '"seed": 1'),
        ('"steps": 30', '"steps": 31'),
        ('"conv1_units",', '"conv1_units", "reason": "altered",'),
    ],
)
def test_an_altered_result_is_named_and_not_current(store, stored, tmp_path, old, new):
    store.save_figures(stored, "key", draw)
    path = tmp_path / "results" / "conv1_units.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert store.current("conv1_units", "abc") is None
    with pytest.raises(
        BadFileError, match=r"conv1_units\.json (was altered since|cannot be read .*'reason')"
    ):
        store.load("conv1_units")
    path.write_text(json.dumps(json.loads(text), indent=4))
    assert store.load("conv1_units").numbers == result().numbers, "the same content, set otherwise"


def test_a_result_without_its_hash_is_altered(store, stored, tmp_path):
    path = tmp_path / "results" / "conv1_units.json"
    content = json.loads(path.read_text())
    content["sha256"] = content["sha256"][::-1]
    path.write_text(json.dumps(content))
    with pytest.raises(BadFileError, match="was altered"):
        store.load("conv1_units")
    del content["sha256"]
    path.write_text(json.dumps(content))
    with pytest.raises(BadFileError, match="was altered"):
        store.load("conv1_units")


def test_which_arrays_were_altered_is_said(store, tmp_path):
    stored = store.save(result(), {"map": MAP, "other": MAP})
    path = tmp_path / "arrays" / "conv1_units.npz"
    for arrays, says in (
        ({"map": MAP, "other": MAP + 1}, "'other' altered"),
        ({"map": MAP.T, "other": MAP}, "'map' altered"),
        ({"map": MAP.astype(np.float64), "other": MAP}, "'map' altered"),
        ({"map": MAP, "more": MAP}, "'other' missing; 'more' not known"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(BadFileError, match=rf"conv1_units\.npz is .*{says}"):
            store.findings(stored)
        assert store.current("conv1_units", "abc") is None
    for content in (b"", None):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(BadFileError, match="missing or damaged"):
            store.findings(stored)
        assert store.current("conv1_units", "abc") is None


def test_how_figures_were_altered_is_said(store, stored, tmp_path):
    drawn = store.save_figures(stored, "key", draw)
    path = "figures/conv1_units/pictures.svg"
    (tmp_path / path).write_text("<svg>other</svg>")
    assert store.altered_figures(drawn) == [f"{path} is not as it was drawn (16 bytes now)"]
    (tmp_path / path).write_text("")
    assert store.altered_figures(drawn) == [f"{path} is empty"]
    (tmp_path / path).unlink()
    assert store.altered_figures(drawn) == [f"{path} is missing"]
    os.mkfifo(tmp_path / path)
    assert store.altered_figures(drawn) == [f"{path} is empty"]
    (tmp_path / path).unlink()
    (tmp_path / path).mkdir()
    assert store.altered_figures(drawn) == [f"{path} cannot be read (it is a folder)"]
    (tmp_path / path).rmdir()
    (tmp_path / path).symlink_to("/dev/zero")
    assert store.altered_figures(drawn) == [f"{path} cannot be read (it is no regular file)"]


@pytest.mark.parametrize("kind", ["folder", "fifo", "link to a device", "link to nothing", "huge"])
def test_other_things_in_the_place_of_a_result_cost_that_result(store, stored, tmp_path, kind):
    store.save(replace(result(), part="other"), {})
    path = tmp_path / "results" / "conv1_units.json"
    path.unlink()
    if kind == "folder":
        (path / "below").mkdir(parents=True)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(180_000_000)
    else:
        path.symlink_to("/dev/zero" if "device" in kind else "nothing")
    found = store.load_all(["conv1_units", "other"])
    assert [each.status for each in found.values()] == ["not run", "done"]
    assert str(path) in found["conv1_units"].reason
    assert store.current("conv1_units", "abc") is None
    store.save(result(), {"map": MAP})
    assert store.current("conv1_units", "abc").numbers == result().numbers, "computed again, it can be stored"


def test_half_a_figure_is_not_kept(store, stored, tmp_path):
    def full(folder):
        (folder / "curves.svg").write_text("<svg")
        return draw(folder)

    store.save_figures(stored, "key", full)
    kept = {path.name for path in (tmp_path / "figures" / "conv1_units").iterdir()}
    assert kept == {"pictures.svg", "pictures.live.json"}


def test_figures_are_not_written_through_a_link(store, stored, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("mine")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "conv1_units").symlink_to(elsewhere)
    (tmp_path / "figures" / ".tfviz-conv1_units").symlink_to(elsewhere)
    assert store.altered_figures(store.save_figures(stored, "key", draw)) == []
    assert [path.name for path in elsewhere.iterdir()] == ["mine"]


def test_one_run_at_a_time(store, tmp_path):
    busy = rf"^Another run \(process {os.getpid()}, since .*\) works in {tmp_path}: wait"
    with store.alone(), pytest.raises(BusyError, match=busy), Store(tmp_path).alone():
        pass
    with store.alone():
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_killed_runs_left_goes_once_nobody_works_there(store, stored, tmp_path):
    drawn = store.save_figures(stored, "key", draw)
    before = set(tmp_path.rglob("*"))
    training = tmp_path / "training" / "cifar_cnn-smoke"
    training.mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "results", tmp_path / "arrays", tmp_path / "figures", training):
        (folder / ".tfviz-abc-report.pdf").write_text("half")
    (tmp_path / "figures" / ".tfviz-other").mkdir()
    (tmp_path / "figures" / ".tfviz-other" / "half.svg").write_text("half")
    with store.alone(), pytest.raises(BusyError), Store(tmp_path).alone():
        pass
    assert set(tmp_path.rglob("*")) == before | {training, training.parent}
    assert store.altered_figures(drawn) == []
