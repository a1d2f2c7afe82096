"""Archives of arrays: `tfviz.files.reading`."""

import io
import zipfile

import numpy as np

from tests.fuzz.campaign import Target, main
from tfviz.files.reading import read_arrays

_ARRAY = b"\x93NUMPY"


def seeds():
    arrays = [
        _npy(np.arange(6, dtype="f2").reshape(2, 3)),
        _npy(np.array("{}")),
        _npy(np.asfortranarray(np.eye(3))),
    ]
    packed = io.BytesIO()
    np.savez_compressed(packed, about=np.array("{}"), kernel=np.zeros((3, 3, 4)))
    return [*arrays, *arrays, packed.getvalue()]


def pack(content):
    """An array in a zip; all else as it is."""
    if not content.startswith(_ARRAY):
        return content
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a.npy"), content)
    return buffer.getvalue()


def _npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


TARGET = Target(".npz", seeds, read_arrays, pack)

if __name__ == "__main__":
    main("npz")
