import json

import pytest

from tfviz.errors import BadFileError
from tfviz.files.atomic import read_json, write_atomically, write_json


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


def test_what_is_no_json_is_named(tmp_path):
    path = tmp_path / "value.json"
    for content in (b"", b"{", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(BadFileError, match=r"value\.json cannot be read"):
            read_json(path)
    with pytest.raises(BadFileError, match=r"none\.json"):
        read_json(tmp_path / "none.json")
