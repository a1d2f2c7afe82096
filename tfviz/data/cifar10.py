"""CIFAR-10: 32 x 32 pictures of ten kinds of things (A. Krizhevsky, 2009), as its "python version" holds them.

The files are pickles; they are read without running anything (see `tfviz.weights.readers`).
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from tfviz.errors import BadFileError
from tfviz.weights.readers import read_pickle

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""The labels' names, in order."""

FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"

_TEST_BATCH = "test_batch"
_TEST_BATCH_MD5 = (
    "40351d587109b95175f43aff81a1287e"  # as torchvision checks it (torchvision/datasets/cifar.py)
)
_COUNT = 10_000  # pictures in each batch
_SIDE = 32
_LARGEST_BATCH = 100_000_000  # bytes; the original test batch has 31 million
_LARGEST_ARCHIVE = 400_000_000  # bytes unpacked; the original has 186 million
_AGAIN = "Get CIFAR-10 again."


@dataclass(frozen=True)
class Batch:
    """Pictures with their labels.

    Attributes:
        pictures: (N, 32, 32, 3) RGB uint8.
        labels: (N,) int64, indices into `CLASSES`.
        source: the data set's name in words; "CIFAR-10" only for the published file.
    """

    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    source: str


def read_test_batch(data_dir: Path) -> Batch:
    """Read the 10,000 test pictures.

    Args:
        data_dir: a folder with `cifar-10-batches-py` or, if that is not there, `cifar-10-python.tar.gz` in it; or
            `cifar-10-batches-py` itself.

    Raises:
        BadFileError: none of them is there, or what is there is damaged, hostile or no CIFAR-10.
    """
    for folder in (data_dir / FOLDER, data_dir):
        if (path := folder / _TEST_BATCH).is_file():
            return _batch(_content(path), path)
    if (path := data_dir / ARCHIVE).is_file():
        return _batch(_unpacked(path, f"{FOLDER}/{_TEST_BATCH}"), path)
    raise BadFileError(
        f"{data_dir} holds neither {FOLDER}/{_TEST_BATCH} nor {ARCHIVE}: name the folder where CIFAR-10 "
        '("python version") is.'
    )


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_BATCH:
            raise BadFileError(f"{path} is too large for a batch of CIFAR-10. {_AGAIN}")
        return path.read_bytes()
    except OSError as error:
        raise BadFileError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error


class _Limited:
    """A file that ends in an error where more comes out of it than belongs there: an archive can claim any size."""

    def __init__(self, file: gzip.GzipFile, path: Path) -> None:
        self.file, self.path, self.left = file, path, _LARGEST_ARCHIVE

    def read(self, size: int) -> bytes:
        content = self.file.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise BadFileError(f"{self.path} holds more than CIFAR-10 does. Do not use it.")
        return content


def _unpacked(path: Path, name: str) -> bytes:
    """The content of one file of a .tar.gz, read from front to back; nothing is written to disk."""
    content = None
    try:
        with gzip.open(path) as unzipped:
            limited = _Limited(unzipped, path)
            with tarfile.open(fileobj=cast(BinaryIO, limited), mode="r|") as archive:
                for member in archive:
                    if member.name == name and member.isreg() and member.size <= _LARGEST_BATCH:
                        file = archive.extractfile(member)
                        content = file.read() if file else None
            while limited.read(1 << 20):  # up to the checksum at the end
                pass
    except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise BadFileError(f"{path} is damaged or cut short. {_AGAIN}") from error
    except OSError as error:
        raise BadFileError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error
    if content is None:
        raise BadFileError(f"{path} holds no {name}. {_AGAIN}")
    return content


def _batch(content: bytes, path: Path) -> Batch:
    """A batch from its pickle: a dict of rows of 3072 bytes (red, green, blue, each row by row) and labels."""
    tree = read_pickle(content, path)
    data, labels = _entry(tree, "data"), _entry(tree, "labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != (_COUNT, 3 * _SIDE**2):
        raise BadFileError(f"{path} does not hold {_COUNT} pictures of {_SIDE} x {_SIDE}. {_AGAIN}")
    known = range(len(CLASSES))
    if (
        not isinstance(labels, list)
        or len(labels) != _COUNT
        or not all(type(label) is int and label in known for label in labels)
    ):
        raise BadFileError(f"{path} does not hold one label from 0 to {known[-1]} a picture. {_AGAIN}")
    published = hashlib.md5(content, usedforsecurity=False).hexdigest() == _TEST_BATCH_MD5
    return Batch(
        pictures=np.ascontiguousarray(data.reshape(_COUNT, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)),
        labels=np.array(labels, np.int64),
        source="CIFAR-10" if published else "CIFAR-10 (not the original files)",
    )


def _entry(tree: Any, key: str) -> Any:
    """A value of a batch; Python 2 wrote its keys as bytes, which some readers and writers keep."""
    return tree.get(key, tree.get(key.encode())) if isinstance(tree, dict) else None
