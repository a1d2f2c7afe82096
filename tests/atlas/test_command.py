from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.atlas.tiny import network, pictures
from tfviz import cli
from tfviz.atlas import command, making, recipes, table
from tfviz.atlas import network as networks
from tfviz.atlas.packing import unpacked
from tfviz.errors import BadFileError


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("atlas")
    network().save(folder / "tiny.keras")
    pictures(folder / "pictures")
    return folder


@pytest.fixture
def ask(place, tmp_path, monkeypatch):
    """Makes an atlas of the tiny network, three units at a time, in this process and without a judge."""
    short = replace(recipes.RECIPES["fourier"], steps=6, batch=3)
    monkeypatch.setitem(recipes.RECIPES, "fourier", short)
    monkeypatch.setattr(command, "_judge", lambda asked, say: None)
    lines = []

    def made(**more):
        lines.clear()
        options = {"layers": ["c1", "a"], "pictures": place / "pictures", "workers": 1} | more
        whole = command.make(command.Asked(None, tmp_path, place / "tiny.keras", **options), lines.append)
        return whole, list(lines)

    made.out = tmp_path
    return made


@pytest.fixture
def drawn(monkeypatch):
    """(layer, units) of each chunk that is drawn."""
    every = []
    before = making.draw

    def draw(network, path, units, *more):
        every.append((path, units))
        return before(network, path, units, *more)

    monkeypatch.setattr(making, "draw", draw)
    return every


def test_atlas_has_a_row_for_every_unit(ask, drawn):
    whole, lines = ask()
    assert whole
    assert drawn == [("c1", (0, 1, 2)), ("c1", (3,)), ("a", (0, 1, 2))]
    rows = list(table.rows(ask.out))
    assert [(row["layer"], row["unit"]) for row in rows] == [
        *(("c1", unit) for unit in range(4)),
        *(("a", unit) for unit in range(3)),
    ]
    assert any("c1: 4 units" in line for line in lines)
    assert (ask.out / "atlas.html").is_file()
    for row in rows:
        assert len(row["drawings"]) == 2
        assert unpacked(row["drawings"][0]).shape == (row["field"]["rows"], row["field"]["columns"], 3)
        assert row["activation"] >= row["activation_other"][0]
        assert (row["bound"] is not None) == (row["layer"] == "c1")
        assert len(row["exemplars"]) == 9
        assert row["exemplars"][0]["activation"] == row["best_picture"]
        assert row["agreement"] is None


def test_activation_is_that_of_the_stored_drawing(ask, place):
    ask(layers=["c1"])
    model = networks.own(place / "tiny.keras").load()
    kernel, bias = (np.array(each, np.float64) for each in model.get_layer("c1").get_weights())
    for row in table.rows(ask.out):
        seen = 2 * unpacked(row["drawings"][0]).astype(np.float64) - 1
        by_hand = np.sum(kernel[..., row["unit"]] * seen) + bias[row["unit"]]
        assert row["activation"] == pytest.approx(by_hand, abs=1e-4)


def test_nothing_is_drawn_twice(ask, drawn):
    ask()
    drawn.clear()
    lines = (ask.out / "chunks.jsonl").read_bytes()
    assert ask()[0]
    assert drawn == []
    assert (ask.out / "chunks.jsonl").read_bytes() == lines


def test_cut_run_goes_on(ask, drawn, monkeypatch):
    written = table.write

    def killed(out, key, rows):
        written(out, key, rows)
        if rows[0]["layer"] == "c1" and len(rows) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(table, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        ask()
    assert drawn == [("c1", (0, 1, 2))]
    assert table.Atlas.open(ask.out).missing(ask.out) == {"c1": (3,), "a": (0, 1, 2)}
    monkeypatch.setattr(table, "write", written)
    drawn.clear()
    assert ask()[0]
    assert drawn == [("c1", (3,)), ("a", (0, 1, 2))]


def test_altered_chunk_is_drawn_again_and_comes_out_the_same(ask, drawn):
    ask()
    before = list(table.rows(ask.out))
    (key,) = (
        key
        for layer in table.Atlas.open(ask.out).layers
        for key in layer.chunks
        if table.written(ask.out)[key].units == (3,)
    )
    path = table.chunk_path(ask.out, key)
    path.write_bytes(path.read_bytes()[:-1])
    drawn.clear()
    assert ask()[0]
    assert drawn == [("c1", (3,))]
    again = list(table.rows(ask.out))
    for row in (*before, *again):
        row.pop("seconds")
    assert again == before


def test_what_decides_the_rows_decides_the_key(ask, drawn):
    ask(layers=["a"])
    drawn.clear()
    ask(layers=["a"], seed=1)
    assert drawn == [("a", (0, 1, 2))]
    drawn.clear()
    _, lines = ask(layers=["a"], pictures=None)
    assert drawn == [("a", (0, 1, 2))]
    assert any("made otherwise" in line for line in lines)
    assert all(row["exemplars"] is None for row in table.rows(ask.out))


def test_layers_and_units_are_added_to_an_atlas(ask, drawn):
    ask(layers=["c2"], units=[4, 1])
    ask(layers=["a"])
    assert [(layer.name, layer.units) for layer in table.Atlas.open(ask.out).layers] == [
        ("a", (0, 1, 2)),
        ("c2", (1, 4)),
    ]
    ask(layers=["c2"], units=[0])
    assert [row["unit"] for row in table.rows(ask.out, ["c2"])] == [0, 1, 4]


def test_units_that_are_there_are_not_drawn_with_others(ask, drawn):
    ask(layers=["c1"], units=[1])
    ask(layers=["c1"])
    ask(layers=["c1"], units=[2])
    assert drawn == [("c1", (1,)), ("c1", (0, 2, 3))]
    assert [row["unit"] for row in table.rows(ask.out)] == [0, 1, 2, 3]
    drawn.clear()
    ask(layers=["c1"], seed=1)
    assert drawn == [("c1", (0, 1, 2)), ("c1", (3,))]


def test_units_that_cannot_be_drawn_are_said_and_the_others_go_on(ask, monkeypatch):
    before = making.draw

    def draw(network, path, units, *more):
        if path == "c1" and 3 in units:
            raise ValueError("no such luck")
        return before(network, path, units, *more)

    monkeypatch.setattr(making, "draw", draw)
    whole, lines = ask()
    assert not whole
    assert "c1: 1 units are missing." in lines
    atlas = table.Atlas.open(ask.out)
    assert list(atlas.failed.values()) == ["ValueError: no such luck"]
    assert atlas.missing(ask.out) == {"c1": (3,)}
    assert len(list(table.rows(ask.out))) == 6


def test_why_units_are_missing_is_kept_until_they_are_there(ask, monkeypatch):
    """Also where another layer is asked for, and where the run is cut."""
    before, written = making.draw, table.write

    def draw(network, path, units, *more):
        if path == "c1" and 3 in units:
            raise ValueError("no such luck")
        return before(network, path, units, *more)

    def cut(out, key, rows):
        written(out, key, rows)
        if rows[0]["layer"] == "a" and len(rows) == 3:
            raise KeyboardInterrupt

    def reasons():
        return list(table.Atlas.open(ask.out).failed.values())

    monkeypatch.setattr(making, "draw", draw)
    monkeypatch.setattr(table, "write", cut)
    with pytest.raises(KeyboardInterrupt):
        ask()
    assert reasons() == ["ValueError: no such luck"]
    monkeypatch.setattr(table, "write", written)
    assert ask(layers=["c2"])[0]
    assert reasons() == ["ValueError: no such luck"]
    assert "no such luck" in (ask.out / "atlas.html").read_text()
    monkeypatch.setattr(making, "draw", before)
    assert ask(layers=["c1"])[0]
    assert reasons() == []
    assert "no such luck" not in (ask.out / "atlas.html").read_text()


def test_units_without_a_finite_number_are_said(ask, monkeypatch):
    before = making.Layer.activations
    monkeypatch.setattr(making.Layer, "activations", lambda self, seen: before(self, seen) * np.nan)
    assert not ask(layers=["a"])[0]
    assert list(table.Atlas.open(ask.out).failed.values()) == [making.without_number("a", (0, 1, 2))]


@pytest.mark.parametrize("what", ["drawing", "activation"])
def test_a_unit_without_a_finite_number_costs_no_other(ask, drawn, monkeypatch, what):
    """Its drawing would be black: no number of another picture is taken for its own."""
    draw, activations = making.Drawer.__call__, making.Layer.activations

    def drawings(self, *arguments):
        pictures = draw(self, *arguments)
        pictures[1, 2, 2, 0] = np.nan
        return pictures

    def numbers(self, seen):
        values = activations(self, seen)
        values[:, 1] = np.inf
        return values

    if what == "drawing":
        monkeypatch.setattr(making.Drawer, "__call__", drawings)
    else:
        monkeypatch.setattr(making.Layer, "activations", numbers)
    reason = "Units 1 of a give no finite number for their drawings."
    for often in (1, 1):
        assert ask(layers=["a"])[0] is False
        assert len(drawn) == often
        assert [row["unit"] for row in table.rows(ask.out)] == [0, 2]
        atlas = table.Atlas.open(ask.out)
        assert atlas.missing(ask.out) == {"a": (1,)}
        assert list(atlas.failed.values()) == [reason]
    assert reason in (ask.out / "atlas.html").read_text()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"layers": ["nowhere"]}, "--layers: .*no layer 'nowhere'"),
        (
            {"layers": ["both"]},
            "both is a Concatenate layer that returns .* any of c1, a, b, c2, head",
        ),
        ({"units": [3]}, "a has units 0 to 2, not 3"),
        ({"pictures": Path("/nowhere")}, "does not exist"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_drawn(ask, drawn, more, words):
    with pytest.raises(Exception, match=words) as caught:
        ask(**more)
    assert isinstance(caught.value, networks.TfvizError)
    assert not drawn
    assert not (ask.out / "atlas.json").exists()


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([keras.layers.Dense(3, name="first"), keras.layers.Dense(2, name="second")], "any of first, second"),
        ([keras.layers.Reshape((16, 3)), keras.layers.Conv1D(3, 2)], "neither 2-D convolutions nor dense"),
    ],
)
def test_network_without_convolutions_is_refused_by_its_files_name(tmp_path, layers, words):
    made = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Rescaling(2.0, -1.0), *layers], name="other"
    )
    made.save(tmp_path / "mine.keras")
    with pytest.raises(networks.NoSuchLayerError, match=f"^mine has .*{words}"):
        networks.chosen(networks.own(tmp_path / "mine.keras").load(), None)


def test_what_a_network_calls_its_layers_stays_on_one_line_of_the_terminal(tmp_path):
    keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(1, 8, name="\x1b[31mred\nconv2: 9 units \u202e")]
    ).save(tmp_path / "odd.keras")
    lines = []
    asked = command.Asked(None, tmp_path, tmp_path / "odd.keras", workers=1, quick=True, model_input="[0,1]")
    assert command.make(asked, lines.append)
    assert lines[1] == "red conv2: 9 units \ufffd: 1 units"


def test_network_without_a_name_or_a_file_is_refused(tmp_path):
    with pytest.raises(BadFileError, match="no network 'lenet'"):
        networks.published("lenet", {})
    with pytest.raises(BadFileError, match="not a file"):
        networks.own(tmp_path)


def test_file_that_changed_is_not_taken_for_the_same(place):
    known = networks.own(place / "tiny.keras")
    with pytest.raises(BadFileError, match="sha256"):
        replace(known, sha256="0" * 64).load()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["alexnet", "--model", "x.keras"],
        ["alexnet", "--workers", "0"],
        ["alexnet", "--model-head", "softmax"],
    ],
)
def test_wrong_usage_ends_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["atlas", *arguments])
    assert stopped.value.code == 2
