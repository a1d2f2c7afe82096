import io
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from tfviz.errors import BadFileError
from tfviz.files import reading
from tfviz.files.reading import DEEPEST_JSON, open_regular, read_arrays, read_bytes, read_json

ARRAYS = {
    "picture": np.arange(24, dtype=np.float32).reshape(2, 4, 3),
    "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "none": np.zeros((0, 3), np.int64),
    "scalar": np.array(7),
    "mask": np.array([True, False]),
    "words": np.array(["a", "bcd"]),
}


@pytest.fixture
def put(tmp_path):
    """Write bytes to a file and return its path."""

    def put(content, name="value.json"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return put


def refused(read, path, why):
    with pytest.raises(BadFileError) as caught:
        read(path)
    line = str(caught.value)
    assert line.startswith(str(path))
    assert why in line
    assert line.isprintable(), "one line, without control characters"
    assert len(line) < len(str(path)) + 200
    return line


def test_json_comes_back(put):
    path = put('{"a": [1, -2.5, 1e300, 9223372036854775807], "é": null, "t": "\\ud83d\\ude00"}'.encode())
    assert read_json(path) == {"a": [1, -2.5, 1e300, 2**63 - 1], "é": None, "t": "😀"}
    deep = b"[" * DEEPEST_JSON + b"]" * DEEPEST_JSON
    assert str(read_json(put(deep))).count("[") == DEEPEST_JSON


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"[1] 2", "Extra data"),
        (b"\xff\xfe", "invalid start byte"),
        (b'"\xed\xa0\x80"', "can't decode"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"1" + b"0" * 400, "an integer of 401 digits"),
        (b"-" + b"9" * 100_000, "an integer of 100001 digits"),
        (b"9223372036854775808", "an integer of 19 digits"),
        (b"[1e400]", "1e400 is too large"),
        (b"[-1e999999999]", "is too large"),
        (b"[NaN]", "NaN is no JSON number"),
        (b"[Infinity]", "Infinity is no JSON number"),
        (b"[-Infinity]", "-Infinity is no JSON number"),
        (b'["\\ud800"]', "lone surrogate"),
        (b'{"a": {"\\udfff": 1}}', "lone surrogate"),
        (b"[" * (DEEPEST_JSON + 1) + b"]" * (DEEPEST_JSON + 1), "nested more than 64 levels deep"),
        (b"[" * 100_000 + b"]" * 100_000, "nested more than 64 levels deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested more than 64 levels deep"),
        (b'{"a": 1, "\\u001b[2J": 1, "\\u001b[2J": 2}', "'\\x1b[2J' stands there twice"),
    ],
)
def test_what_is_no_json_is_named(put, content, why):
    assert "delete it and run again" in refused(read_json, put(content), why)


def test_json_of_any_size_is_not_read(put, tmp_path):
    path = tmp_path / "value.json"
    with path.open("wb") as file:
        file.truncate(180_000_000)  # without taking up room
    tracemalloc.start()
    refused(read_json, path, "it has 180000000 bytes, at most 16000000 are read")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    with pytest.raises(OSError, match="at most 3 are read"):
        read_bytes(put(b"four"), 3)
    assert read_bytes(put(b"four"), 4) == b"four"


def test_what_is_no_regular_file_is_not_waited_for(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, why in (
        (fifo, "it is no regular file"),
        ("/dev/zero", "it is no regular file"),
        (tmp_path, "it is a folder"),
        (tmp_path / "none.json", "No such file"),
    ):
        for read in (read_json, read_arrays):
            refused(read, path, why)
        with pytest.raises(OSError, match=r"^\[Errno"):
            open_regular(path)


def archive(**entries):
    """The bytes of a zip archive with these entries' bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as whole:
        for name, content in entries.items():
            whole.writestr(f"{name}.npy", content)
    return file.getvalue()


def npy(array=None, *, shape=None, descr="<f8", version=1, content=b""):
    """The bytes of a .npy file: of an array, or with any header and content."""
    file = io.BytesIO()
    if array is not None:
        np.save(file, array)
        return file.getvalue()
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + content


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, **ARRAYS)
    for names in (None, ARRAYS):
        found = read_arrays(path, names)
        assert found.keys() == ARRAYS.keys()
        for name, array in ARRAYS.items():
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(found[name], array)
    assert "'more' missing; 'words' not known" in refused(
        lambda path: read_arrays(path, {*ARRAYS, "more"} - {"words"}), path, "missing or damaged"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "File is not a zip file"),
        (b"no archive", "File is not a zip file"),
        (archive(a=npy(np.ones(3)))[:-30], "File is not a zip file"),
        (archive(a=b"no array"), "without a header that can be read"),
        (archive(a=npy(shape=(1 << 40,))), "a header that does not fit"),
        (archive(a=npy(shape=(-1, -8), content=bytes(64))), "a header that does not fit"),
        (archive(a=npy(shape=(4,), content=bytes(31))), "a header that does not fit"),
        (archive(a=npy(shape=(1,), content=bytes(16))), "a header that does not fit"),
        (archive(a=npy(shape=(1,) * 17, content=bytes(8))), "an array of 17 axes"),
        (archive(a=npy(shape="(((((" * 100)), "without a header that can be read"),
        (archive(a=npy(shape="'" + "\x1b[2J" * 9000 + "'")), "without a header that can be read"),
        (archive(a=npy(shape=(1,), descr="|O", content=bytes(8))), "type '|O'"),
        (archive(a=npy(shape=(1,), descr="<M8[s]", content=bytes(8))), "type '<M8[s]'"),
        (archive(a=npy(shape=(1,), version=3)), "without a header that can be read"),
        (archive(a=npy(np.array([{}], dtype=object))), "type '|O'"),
        (archive(a=npy(shape=(1,), content=bytes(8)), **{"../b": b""}), "without a header that can be read"),
    ],
)
def test_damaged_and_hostile_arrays(put, content, why):
    refused(read_arrays, put(content, "a.npz"), why)


def test_an_archive_that_unpacks_to_more_than_its_limit_is_not_unpacked(put):
    zeros = npy(np.zeros(8_000_000, np.uint8))
    content = archive(a=zeros, b=zeros)
    assert len(content) < 30_000
    path = put(content, "a.npz")
    tracemalloc.start()
    refused(lambda path: read_arrays(path, largest=15_000_000), path, "more than 15000000 bytes")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert read_arrays(path, largest=17_000_000).keys() == {"a", "b"}


def test_an_entry_that_claims_less_than_it_unpacks_to(put):
    """The size in the archive's directory is set to that of a small array; behind it are eight million bytes."""
    small, large = npy(np.zeros(8, np.uint8)), npy(np.zeros(8_000_000, np.uint8))
    content = archive(a=small + large[len(small) :])
    whole = struct.pack("<I", len(large))
    content = content.replace(whole, struct.pack("<I", len(small)))
    tracemalloc.start()
    refused(read_arrays, put(content, "a.npz"), "Bad CRC-32")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_other_things_in_an_archive(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as whole:
        whole.writestr("run.py", "print(1)")
    refused(read_arrays, path, "there is something in it that is no array")
    with zipfile.ZipFile(path, "w") as whole:
        whole.writestr("a.npy", npy(np.ones(1)))
        with pytest.warns(UserWarning, match="Duplicate"):
            whole.writestr("a.npy", npy(np.zeros(1)))
    refused(read_arrays, path, "two of one name")
    monkeypatch.setattr(reading, "MOST_ARRAYS", 2)
    np.savez(path, a=1, b=2, c=3)
    refused(read_arrays, path, "too many arrays")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as whole:
        whole.writestr("a.npy", npy(np.ones(1)))
    refused(read_arrays, path, "packed in a way that NumPy does not use")


def test_a_flipped_byte_is_noticed(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(100.0))
    content = bytearray(path.read_bytes())
    content[400] ^= 1
    path.write_bytes(content)
    refused(read_arrays, path, "Bad CRC-32")
