import json

import pytest

from tfviz.errors import BadFileError
from tfviz.results import FigureFile, Number, PartResult, write_atomically, write_json


def result():
    return PartResult(
        part="conv1_units",
        status="done",
        numbers={"activation_channel_0": Number(62.038, "", "alexnet"), "count": Number(4, "pictures")},
        figures=(FigureFile("figures/conv1_units/pictures.svg", "A caption", "A text"),),
        facts={"window": [[106, 116], [106, 116]]},
        settings={"steps": 30},
        provenance={"seed": 0},
    )


def test_what_is_stored_comes_back(tmp_path):
    path = tmp_path / "results" / "conv1_units.json"
    result().save(path)
    assert PartResult.load(path) == result()


def test_the_file_is_the_contract(tmp_path):
    path = tmp_path / "conv1_units.json"
    result().save(path)
    stored = json.loads(path.read_text())
    assert stored["part"] == "conv1_units"
    assert stored["status"] == "done"
    assert stored["numbers"]["activation_channel_0"] == {"value": 62.038, "unit": "", "network": "alexnet"}
    assert stored["figures"] == [
        {"path": "figures/conv1_units/pictures.svg", "caption": "A caption", "alt": "A text"}
    ]
    assert stored["provenance"] == {"seed": 0}


def test_a_figure_by_name():
    assert result().figure("pictures").alt == "A text"
    with pytest.raises(KeyError, match="only"):
        result().figure("picture")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(value):
    with pytest.raises(ValueError, match="finite"):
        Number(value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"part": "x"}', b"\xff\xfe", b'{"part": {}, "numbers": 3}']
)
def test_a_damaged_result_names_its_file(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(BadFileError, match=r"broken\.json"):
        PartResult.load(path)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": float("nan")})

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["value.json"]
