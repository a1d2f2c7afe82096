import gzip
import hashlib
import io
import os
import pickle
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.misbehaving import CONTENT, SHA256
from tfviz.data import cifar10
from tfviz.errors import BadFileError, DataUnavailableError

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
    for row, column, colour in np.ndindex(32, 32, 3):
        there = 1024 * colour + 32 * row + column
        np.testing.assert_array_equal(read.pictures[:, row, column, colour], ROWS[:, there])
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


def test_the_archive_itself_is_named(archive, tmp_path):
    folder = archive({"cifar-10-batches-py/test_batch": WHOLE})
    path = (folder / "cifar-10-python.tar.gz").rename(tmp_path / "download")
    assert cifar10.find(path) == path
    assert cifar10.read_test_batch(path).labels.tolist() == LABELS


def test_a_place_that_is_not_there(tmp_path):
    with pytest.raises(BadFileError, match="is not a folder, nor CIFAR-10's archive"):
        cifar10.find(tmp_path / "none")


def test_names_as_tar_writes_those_of_the_folder_at_hand(archive):
    files = {
        "./": b"",
        "./cifar-10-batches-py/batches.meta": b"x" * 700,
        "./cifar-10-batches-py/test_batch": WHOLE,
    }
    assert cifar10.read_test_batch(archive(files)).labels.tolist() == LABELS


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_every_form(tmp_path, form):
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz", format=form) as tar:
        for name, content in (
            ("cifar-10-batches-py/" + "long" * 24, b"x" * 99),
            ("cifar-10-batches-py/test_batch", WHOLE),
        ):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1234567890.5
            tar.addfile(info, io.BytesIO(content))
    assert cifar10.read_test_batch(tmp_path).labels.tolist() == LABELS


@pytest.mark.parametrize(
    "name", ["/cifar-10-batches-py/test_batch", "../cifar-10-batches-py/test_batch", "test_batch"]
)
def test_names_elsewhere_are_passed_over(archive, name):
    assert "holds no cifar-10-batches-py/test_batch" in refusal(archive({name: WHOLE}))


def test_the_published_file_is_known_by_its_hash(folder, monkeypatch):
    monkeypatch.setitem(cifar10._MD5, "test_batch", hashlib.md5(WHOLE).hexdigest())
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


@pytest.mark.parametrize("kind", ["u1", "<i4", ">i8"])
@pytest.mark.parametrize("shape", [(COUNT,), (COUNT, 1)])
def test_labels_in_an_array(folder, kind, shape):
    read = cifar10.read_test_batch(folder(batch(labels=np.array(LABELS, kind).reshape(shape))))
    assert read.labels.tolist() == LABELS
    assert read.labels.dtype == np.int64


@pytest.mark.parametrize(
    "labels",
    [
        np.array([*LABELS[:-1], 10]),
        np.array([*LABELS[:-1], -1]),
        np.array(LABELS[:-1]),
        np.array(LABELS, float),
        np.array(LABELS).reshape(1, COUNT),
        np.eye(10, dtype=int)[LABELS],
        np.array(3),
        [float(label) for label in LABELS],
        [*LABELS[:-1], 10**30],
        [*LABELS[:-1], "3"],
        [LABELS],
        tuple(LABELS),
    ],
)
def test_arrays_and_lists_that_are_no_labels(folder, labels):
    assert "one label from 0 to 9" in refusal(folder(batch(labels=labels)))


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
    assert "at most 1000 are read" in refusal(folder(b"x" * 1001))


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
    path.write_bytes(gzip.compress(whole))
    assert "damaged or cut short" in refusal(tmp_path)
    for headers in ({"GNU.sparse.map": "x"}, {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}):
        with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
            info = tarfile.TarInfo("cifar-10-batches-py/test_batch")
            info.size, info.pax_headers = 512, headers
            tar.addfile(info, io.BytesIO(b"x" * 512))
        assert "damaged" in refusal(tmp_path)
    path.write_bytes(gzip.compress(bytes(1_000_000)))
    monkeypatch.setattr(cifar10, "_LARGEST_ARCHIVE", 100_000)
    assert "holds more than CIFAR-10 does" in refusal(tmp_path)


def test_an_extended_header_of_digits(archive, tmp_path):
    """tarfile looks through it from every digit on: a few megabytes are minutes (CVE-2024-6232)."""
    path = archive({}) / "cifar-10-python.tar.gz"
    digits = b"1" * 4_000_000
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(digits)
    path.write_bytes(gzip.compress(info.tobuf() + digits + bytes(-len(digits) % 512) + bytes(1024)))
    assert "holds no" in refusal(tmp_path)


@pytest.mark.parametrize("size", [10**8 + 1, 8**11 - 1])
def test_a_batch_that_claims_to_be_huge(archive, tmp_path, size):
    path = archive({}) / "cifar-10-python.tar.gz"
    info = tarfile.TarInfo("cifar-10-batches-py/test_batch")
    info.size = size
    path.write_bytes(gzip.compress(info.tobuf() + bytes(10_000)))
    assert "far larger than CIFAR-10's" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "cifar-10-batches-py/test_batch"])
def test_what_is_no_regular_file(tmp_path, name):
    (tmp_path / "cifar-10-batches-py").mkdir()
    os.mkfifo(tmp_path / name)
    with pytest.raises(BadFileError, match="holds neither"):
        cifar10.find(tmp_path)
    with pytest.raises(BadFileError, match="no regular file"):
        cifar10._content(tmp_path / name)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_an_archive_whose_batch_is_a_link(tmp_path, kind):
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("cifar-10-batches-py/test_batch")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    assert "holds no" in refusal(tmp_path)


@pytest.fixture
def whole_set(tmp_path):
    """A folder with all six batches, each of other pictures."""
    folder = tmp_path / "set" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for number, name in enumerate([*cifar10.TRAIN_BATCHES, "test_batch"]):
        (folder / name).write_bytes(batch(data=np.roll(ROWS, number, axis=0)))
    return tmp_path / "set"


def test_the_training_split_in_order(whole_set, tmp_path):
    read = cifar10.read_train(whole_set)
    assert read.pictures.shape == (5 * COUNT, 32, 32, 3)
    for number in range(5):
        assert read.pictures[COUNT * number, 0, 0, 0] == np.roll(ROWS, number, axis=0)[0, 0]
    assert read.labels.tolist() == 5 * LABELS
    assert read.source == cifar10.OTHER
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz", compresslevel=1) as tar:
        for path in sorted((whole_set / "cifar-10-batches-py").iterdir(), reverse=True):
            tar.add(path, f"cifar-10-batches-py/{path.name}")
    packed = cifar10.read_train(tmp_path / "cifar-10-python.tar.gz")
    np.testing.assert_array_equal(packed.pictures, read.pictures)
    assert cifar10.sha256(packed) == cifar10.sha256(read)
    assert cifar10.sha256(replace(read, labels=read.labels[::-1])) != cifar10.sha256(read)


def test_the_training_split_is_the_original_only_if_every_batch_is(whole_set, monkeypatch):
    for name in cifar10.TRAIN_BATCHES:
        content = (whole_set / "cifar-10-batches-py" / name).read_bytes()
        monkeypatch.setitem(cifar10._MD5, name, hashlib.md5(content).hexdigest())
    assert cifar10.read_train(whole_set).source == cifar10.ORIGINAL
    monkeypatch.setitem(cifar10._MD5, "data_batch_3", "0" * 32)
    assert cifar10.read_train(whole_set).source == cifar10.OTHER


def test_a_missing_training_batch_is_named(whole_set):
    (whole_set / "cifar-10-batches-py" / "data_batch_4").unlink()
    with pytest.raises(BadFileError, match=r"data_batch_4 is missing\. Get CIFAR-10 again\."):
        cifar10.read_train(whole_set)


def coloured(count=200):
    """Smooth pictures with some noise, as photographs have."""
    random = np.random.default_rng(0)
    base = random.normal(128, 40, (count, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    for axis in (1, 2):
        base = sum(np.roll(base, step, axis=axis) for step in range(-4, 4)) / 8
    return np.clip(base + random.normal(0, 12, (count, 32, 32, 3)), 0, 255).astype(np.uint8)


def through_jpeg(picture, **options):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", **options)
    return np.asarray(Image.open(file).convert("RGB"))


def test_pictures_that_went_through_jpeg_are_known(folder):
    pictures = coloured()
    compressed = np.stack([through_jpeg(picture, quality=75) for picture in pictures])
    assert not cifar10._seams_of_jpeg(pictures)
    assert cifar10._seams_of_jpeg(compressed)
    assert not cifar10._seams_of_jpeg(np.roll(compressed, 5, axis=2)), (
        "it is the place of the seam that counts"
    )
    assert not cifar10._seams_of_jpeg(np.zeros((5, 32, 32, 3), np.uint8))
    rows = compressed[:COUNT].transpose(0, 3, 1, 2).reshape(COUNT, -1)
    assert cifar10.read_test_batch(folder(batch(data=rows))).source == "CIFAR-10 (JPEG copy)"


@pytest.fixture
def empty_home(tmp_path, monkeypatch, cache):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras" / "datasets"


def test_found_in_the_caches(empty_home, cache, whole_set):
    assert cifar10.find() is None
    batches = whole_set / "cifar-10-batches-py"
    cache.mkdir()
    (cache / "cifar-10-python.tar.gz").write_bytes(b"archive")
    assert cifar10.find() == cache / "cifar-10-python.tar.gz"
    (empty_home / "cifar-10-batches-py-target").mkdir(parents=True)
    keras = empty_home / "cifar-10-batches-py-target" / "cifar-10-batches-py"
    batches.rename(keras)
    assert cifar10.find() == keras
    assert len(cifar10.read_train(keras).labels) == 5 * COUNT
    (keras / "data_batch_1").unlink()
    assert cifar10.find() == cache / "cifar-10-python.tar.gz"


@pytest.fixture
def serve(server, empty_home, monkeypatch):
    """Puts addresses on the server in place of CIFAR-10's."""

    def put(*paths):
        host = f"http://127.0.0.1:{server.server_port}"
        urls = tuple(f"{host}/{path}" for path in paths)
        source = replace(cifar10.SOURCE, urls=urls, size=len(CONTENT), sha256=SHA256)
        monkeypatch.setattr(cifar10, "SOURCE", source)
        return server

    return put


def get(**options):
    return cifar10.fetch(**{"timeout": (5, 5), "pause": 0, **options})


@pytest.mark.parametrize("path", ["good", "slow", "to/good", "once/503", "good_without_length"])
def test_download(serve, cache, path):
    asked = serve(path).asked
    said, seen = [], []
    found = get(say=said.append, progress=lambda *step: seen.append(step))
    assert found == cache / "cifar-10-python.tar.gz"
    assert found.read_bytes() == CONTENT
    assert [path.name for path in cache.iterdir()] == ["cifar-10-python.tar.gz"]
    assert "MB) from 127.0.0.1" in said[0]
    assert seen[-1][1:] == (len(CONTENT), len(CONTENT))
    count = len(asked)
    assert get() == found
    assert len(asked) == count, "the second time it is there"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("cut", "broke off after"),
        ("cut_without_length", "broke off after 500000 of"),
        ("stall", "broke off after"),
        ("other", "sent another file, with sha256"),
        ("longer", "offers another file"),
        ("html", "offers another file"),
        ("endless", "sent more than"),
        ("status/404", "answered 404"),
        ("status/503", "answered 503"),
        ("circle", "redirects in circles"),
        ("to/status/404", "answered 404"),
        ("closed", "could not be reached"),
    ],
)
def test_a_failed_download_leaves_nothing(serve, cache, path, says):
    serve(path)
    with pytest.raises(DataUnavailableError) as caught:
        get(timeout=(5, 0.3), attempts=2)
    assert says in str(caught.value)
    assert "--data-dir DIR" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []


def test_the_next_mirror_is_asked(serve, cache):
    server = serve("status/404", "other", "good")
    assert get().read_bytes() == CONTENT
    assert server.asked == ["/status/404", "/other", "/good"]


def test_offline_and_a_damaged_copy(serve, cache):
    serve("good")
    with pytest.raises(DataUnavailableError, match="--offline"):
        get(offline=True)
    get()
    (cache / "cifar-10-python.tar.gz").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(DataUnavailableError, match="--offline"):
        get(offline=True)
    assert get().read_bytes() == CONTENT, "it is fetched again"


def test_a_cache_that_cannot_be_written(serve, cache):
    serve("good")
    cache.write_bytes(b"a file in its place")
    with pytest.raises(DataUnavailableError, match="cache"):
        get()


def test_a_test_batch_alone_is_found_but_is_not_enough_to_train_on(serve, empty_home, cache, whole_set):
    keras = empty_home / "cifar-10-batches-py"
    keras.mkdir(parents=True)
    (whole_set / "cifar-10-batches-py" / "test_batch").rename(keras / "test_batch")
    serve("good")
    assert cifar10.find() == keras
    assert get() == cache / "cifar-10-python.tar.gz"
