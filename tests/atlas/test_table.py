import json
from dataclasses import replace

import pytest

from tfviz.atlas import table
from tfviz.errors import BadFileError

KEY, OTHER = "a" * 64, "b" * 64
ROW = {
    "layer": "conv3",
    "unit": 4,
    "drawings": [b"first", b"second"],
    "recipe": "fourier",
    "activation": 1.5,
    "activation_other": [1.25],
    "bound": 2.5,
    "field": {"rows": 3, "columns": 5},
    "best_picture": 0.5,
    "exemplars": [{"picture": "ü.jpg", "activation": 0.5, "row": 1, "column": 2, "patch": b"patch"}],
    "incoming": [{"layer": "conv2", "unit": 7, "weight": -0.5}],
    "outgoing": [],
    "neighbours": [{"unit": 3, "correlation": 0.75}],
    "agreement": 0.875,
    "seconds": 2.0,
}


def layer(*keys, units=(4,)):
    return table.Layer("conv3", 8, units, keys, (3, 5), (24, 20), "Conv2D")


def atlas(*layers):
    return table.Atlas("net", "0" * 64, {"kind": "fourier"}, {}, layers)


@pytest.fixture
def out(tmp_path):
    table.write(tmp_path, KEY, [ROW])
    atlas(layer(KEY)).save(tmp_path)
    return tmp_path


def test_rows_come_back_as_they_were(out):
    assert list(table.rows(out)) == [ROW]
    assert list(table.rows(out, columns=["bound"])) == [{"layer": "conv3", "unit": 4, "bound": 2.5}]
    assert list(table.rows(out, layers=["conv4"])) == []


def test_what_is_left_out_is_null(tmp_path):
    table.write(tmp_path, KEY, [{"layer": "conv3", "unit": 4}])
    atlas(layer(KEY)).save(tmp_path)
    (row,) = table.rows(tmp_path)
    assert row == dict.fromkeys(ROW) | {"layer": "conv3", "unit": 4}


def test_atlas_comes_back_as_it_was(out):
    whole = replace(atlas(layer(KEY)), failed={KEY: "why"}, versions={"keras": "3"}, data={"pictures": 9})
    whole.save(out)
    assert table.Atlas.open(out) == whole


def test_altered_chunk_counts_as_missing(out):
    path = table.chunk_path(out, KEY)
    content = bytearray(path.read_bytes())
    assert table.is_whole(out, KEY)
    assert table.Atlas.open(out).missing(out) == {}
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert not table.is_whole(out, KEY)
    assert list(table.rows(out)) == []
    assert table.Atlas.open(out).missing(out) == {"conv3": (4,)}


def test_half_a_line_is_passed_over_and_the_next_begins_anew(out):
    lines = out / "chunks.jsonl"
    with lines.open("a") as file:
        file.write('{"key": "' + OTHER[:20])
    assert set(table.written(out)) == {KEY}
    table.write(out, OTHER, [ROW | {"unit": 5}])
    assert set(table.written(out)) == {KEY, OTHER}
    assert lines.read_text().count("\n") == 3


def test_of_two_chunks_with_one_unit_the_last_counts(out):
    table.write(out, OTHER, [ROW | {"activation": 3.0}, ROW | {"unit": 2}])
    atlas(layer(KEY, OTHER, units=(2, 4))).save(out)
    assert [(row["unit"], row["activation"]) for row in table.rows(out)] == [(2, 1.5), (4, 3.0)]


def test_chunk_written_again_replaces_the_first(out):
    table.write(out, KEY, [ROW | {"activation": 9.0}])
    assert [row["activation"] for row in table.rows(out)] == [9.0]


@pytest.mark.parametrize("key", ["../x", "A" * 64, "a" * 63])
def test_what_is_no_key_is_refused(tmp_path, key):
    with pytest.raises(ValueError, match="64 hexadecimal"):
        table.write(tmp_path, key, [ROW])


def test_unknown_column_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"drawing$"):
        table.write(tmp_path, KEY, [{"layer": "x", "unit": 0, "drawing": b""}])


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"schema": 1}', '{"schema": 99, "layers": []}', '{"schema": 1, "layers": [{"name": "x"}]}'],
)
def test_damaged_atlas_is_refused_in_words(tmp_path, content):
    (tmp_path / "atlas.json").write_text(content)
    with pytest.raises(BadFileError, match=r"atlas\.json"):
        table.Atlas.open(tmp_path)


def test_an_atlas_of_another_version_is_refused(out):
    path = out / "atlas.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": table.SCHEMA + 1}))
    with pytest.raises(BadFileError, match="another version's"):
        table.Atlas.open(out)


def test_units_that_were_not_asked_for_are_not_rows(tmp_path):
    table.write(tmp_path, KEY, [ROW, ROW | {"unit": 5}])
    atlas(layer(KEY)).save(tmp_path)
    assert list(table.rows(tmp_path)) == [ROW]


def test_no_atlas_is_said(tmp_path):
    with pytest.raises(BadFileError, match="make an atlas first"):
        list(table.rows(tmp_path))


def test_atlas_with_a_key_that_leads_elsewhere_is_refused(tmp_path):
    atlas(layer("../../secret")).save(tmp_path)
    with pytest.raises(BadFileError, match="no atlas of this version"):
        table.Atlas.open(tmp_path)
