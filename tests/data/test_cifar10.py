import gzip
import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from tfviz.data import cifar10
from tfviz.errors import BadFileError

COUNT = 50  # pictures a batch here; 10,000 in the data set
ROWS = np.random.default_rng(0).integers(0, 256, (COUNT, 3072), dtype=np.uint8)
LABELS = [int(label) for label in np.random.default_rng(1).integers(0, 10, COUNT)]


def batch(keys=bytes, **changes):
    """A batch as the data set has it."""
    entries = {"batch_label": b"testing", "labels": LABELS, "data": ROWS, "filenames": [b"a.png"] * COUNT}
    entries |= changes
    return pickle.dumps({key.encode() if keys is bytes else key: value for key, value in entries.items()}, 2)


WHOLE = batch()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(cifar10, "_COUNT", COUNT)


@pytest.fixture
def folder(tmp_path):
    """folder(content): a data folder with that test batch."""

    def write(content):
        path = tmp_path / "cifar-10-batches-py"
        path.mkdir(exist_ok=True)
        (path / "test_batch").write_bytes(content)
        return tmp_path

    return write


@pytest.fixture
def archive(tmp_path):
    """archive(files): a data folder with an archive of those files."""

    def write(files):
        with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz", compresslevel=1) as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return tmp_path

    return write


def refusal(data_dir):
    with pytest.raises(BadFileError) as caught:
        cifar10.read_test_batch(data_dir)
    text = str(caught.value)
    assert text.startswith(str(data_dir))
    assert "\n" not in text
    return text


@pytest.mark.parametrize("keys", [bytes, str])
def test_pictures_and_labels(folder, keys):
    read = cifar10.read_test_batch(folder(batch(keys)))
    assert read.pictures.shape == (COUNT, 32, 32, 3)
    assert read.pictures.dtype == np.uint8
    for picture, row, column, colour in ((0, 0, 0, 0), (3, 5, 7, 1), (COUNT - 1, 31, 31, 2)):
        assert read.pictures[picture, row, column, colour] == ROWS[picture, 1024 * colour + 32 * row + column]
    assert read.labels.tolist() == LABELS
    assert read.source == "CIFAR-10 (not the original files)"
    assert cifar10.CLASSES[8] == "ship"


def test_python_2_wrote_text(folder):
    """Python 2's pickles hold keys and pixels as its `str`: operations U and T, made here by hand."""
    data = ROWS.tobytes()
    content = (
        b"\x80\x02}(U\x06labels]("
        + b"".join(b"K" + bytes([label]) for label in LABELS)
        + b"eU\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        + b"(K\x01K\x32M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        + b"J\xff\xff\xff\xffK\x00tb\x89T"
        + len(data).to_bytes(4, "little")
        + data
        + b"tbu."
    )
    read = cifar10.read_test_batch(folder(content))
    np.testing.assert_array_equal(read.pictures[:, 0, 0, 0], ROWS[:, 0])
    assert read.labels.tolist() == LABELS


def test_the_whole_size(folder, monkeypatch):
    monkeypatch.undo()
    data_dir = folder(batch(data=np.zeros((10_000, 3072), np.uint8), labels=[3] * 10_000))
    assert cifar10.read_test_batch(data_dir).pictures.shape == (10_000, 32, 32, 3)
    assert "does not hold 10000 pictures" in refusal(folder(WHOLE))


def test_the_batches_folder_itself(folder):
    data_dir = folder(WHOLE)
    assert len(cifar10.read_test_batch(data_dir / "cifar-10-batches-py").labels) == COUNT


def test_the_archive(archive):
    files = {"cifar-10-batches-py/readme.html": b"x" * 5000, "cifar-10-batches-py/test_batch": WHOLE}
    read = cifar10.read_test_batch(archive(files))
    np.testing.assert_array_equal(read.pictures[:, 0, 0, 0], ROWS[:, 0])
    assert read.source == "CIFAR-10 (not the original files)"


def test_the_published_file_is_known_by_its_hash(folder, monkeypatch):
    import hashlib

    monkeypatch.setattr(cifar10, "_TEST_BATCH_MD5", hashlib.md5(WHOLE).hexdigest())
    assert cifar10.read_test_batch(folder(WHOLE)).source == "CIFAR-10"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (batch(data=ROWS[:-1]), "does not hold 50 pictures"),
        (batch(data=ROWS[:, :3071]), "does not hold 50 pictures"),
        (batch(data=ROWS.astype(np.int16)), "does not hold 50 pictures"),
        (batch(data=[0] * COUNT), "does not hold 50 pictures"),
        (batch(labels=LABELS[:-1]), "one label from 0 to 9"),
        (batch(labels=[*LABELS[:-1], 10]), "one label from 0 to 9"),
        (batch(labels=[*LABELS[:-1], -1]), "one label from 0 to 9"),
        (batch(labels=[*LABELS[:-1], True]), "one label from 0 to 9"),
        (batch(labels=None), "one label from 0 to 9"),
        (pickle.dumps([1, 2], 2), "does not hold 50 pictures"),
        (WHOLE[:-1], "damaged"),
        (WHOLE[:100_000], "damaged"),
        (b"", "damaged"),
        (b"<html>", "damaged"),
    ],
)
def test_no_batch_of_cifar_10(folder, content, says):
    assert says in refusal(folder(content))


class Attack:
    """Unpickled, it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_an_attack_is_named_and_not_run(folder, tmp_path):
    trap = tmp_path / "trap"
    content = batch(labels=Attack(trap))
    assert "asks for" in refusal(folder(content))
    assert not trap.exists()
    pickle.loads(content)
    assert trap.exists(), "the test's attack does work"


def test_too_large_a_file(folder, monkeypatch):
    monkeypatch.setattr(cifar10, "_LARGEST_BATCH", 1000)
    assert "too large" in refusal(folder(b"x" * 1001))


def test_nothing_there(tmp_path):
    text = refusal(tmp_path)
    assert "cifar-10-batches-py/test_batch" in text
    assert "cifar-10-python.tar.gz" in text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(folder):
    data_dir = folder(b"x")
    (data_dir / "cifar-10-batches-py" / "test_batch").chmod(0)
    assert "cannot be read" in refusal(data_dir)


def test_bad_archives(archive, tmp_path, monkeypatch):
    assert "holds no cifar-10-batches-py/test_batch" in refusal(archive({"other": b"x"}))
    path = archive({"cifar-10-batches-py/test_batch": WHOLE}) / "cifar-10-python.tar.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "damaged or cut short" in refusal(tmp_path)
    path.write_bytes(whole[:5000] + b"\0" * 5000 + whole[10_000:])
    assert "damaged or cut short" in refusal(tmp_path)
    path.write_bytes(b"no archive")
    assert "damaged or cut short" in refusal(tmp_path)
    path.write_bytes(gzip.compress(b"no tar" * 1000))
    assert "damaged or cut short" in refusal(tmp_path)
    path.write_bytes(whole)
    monkeypatch.setattr(cifar10, "_LARGEST_ARCHIVE", 100_000)
    assert "holds more than CIFAR-10 does" in refusal(tmp_path)


def test_an_archive_whose_batch_is_a_link(tmp_path):
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("cifar-10-batches-py/test_batch")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    assert "holds no" in refusal(tmp_path)
