"""CIFAR-10's archive and the pickles in it: `tfviz.data.cifar10`, with 2 pictures a batch."""

import gzip
import io
import pickle
import tarfile

import numpy as np

from tests.fuzz.campaign import Target, main
from tfviz.data import cifar10


def seeds():
    rows = np.arange(6144).reshape(2, 3072).astype(np.uint8)
    batches = [
        pickle.dumps({b"labels": [3, 9], b"data": rows, b"filenames": [b"a.png"] * 2}, 2),
        pickle.dumps({"labels": np.array([3, 9]), "data": rows}, 4),
    ]
    tars = [_tar(batch, form) for batch in batches for form in (tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT)]
    return [*batches, *batches, *tars, gzip.compress(tars[0], mtime=0)]


def _tar(batch, form):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, content in (
            ("./cifar-10-batches-py/" + "x" * 70, b"text"),
            ("cifar-10-batches-py/test_batch", batch),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def pack(content):
    """A pickle in a .tar.gz, a tar in a .gz; all else as it is."""
    if content.startswith(b"\x1f\x8b"):
        return content
    return gzip.compress(
        _tar(content, tarfile.USTAR_FORMAT) if content[:1] == b"\x80" else content, 1, mtime=0
    )


def read(path):
    cifar10._COUNT = 2
    return cifar10.read_test_batch(path)


TARGET = Target(".tar.gz", seeds, read, pack)

if __name__ == "__main__":
    main("cifar")
