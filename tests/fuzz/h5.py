"""HDF5, and `.keras`: `tfviz.weights.hdf5`."""

import io
import zipfile

import h5py
import numpy as np

from tests.fuzz.campaign import Target, main
from tfviz.weights import readers


def seeds():
    made = [_file(lambda opened: opened.update(a=np.arange(6.0), b=np.float32(2)))]
    made.append(
        _file(lambda opened: [opened.update({f"g{n % 3}/l{n}/v": np.full(3, n, "f2")}) for n in range(40)])
    )
    made.append(_file(_attributes))
    made.append(
        _file(lambda opened: opened.create_dataset("a", data=np.ones(64), chunks=(8,), compression="gzip"))
    )
    made.append(_file(lambda opened: opened.update(a=np.ones(3)), libver="latest"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", made[0])
    return [*made, buffer.getvalue()]


def _attributes(opened):
    opened["layers/conv2d/vars/0"] = np.arange(12, dtype=">i4").reshape(3, 4)
    opened.attrs["layer_names"] = ["conv1", "conv2"]
    opened["layers"].attrs["text"] = "text"


def _file(fill, **options):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as opened:
        fill(opened)
    return buffer.getvalue()


TARGET = Target(".h5", seeds, readers.read)

if __name__ == "__main__":
    main("h5")
