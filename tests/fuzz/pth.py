"""What `torch.save` writes, and pickles of arrays: `tfviz.weights.readers`."""

import io
import pickle
import zipfile
from collections import OrderedDict

import numpy as np

from tests.fuzz.campaign import Target, main
from tests.weights.test_readers import TREE, Tensor, checkpoint, python_2_npy, torch_pickle
from tfviz.weights import readers


def seeds():
    storage = Tensor("0", "Float", 6, 0, (2, 3), (3, 1))
    half = Tensor("1", "BFloat16", 4, 1, (3,), (1,), parameter=True)
    states = [OrderedDict({"features.0.weight": storage, "features.0.bias": half}), checkpoint("module.")]
    pickles = [torch_pickle(state) for state in states]
    trees = [pickle.dumps(TREE, protocol) for protocol in (2, 3, 4, 5)]
    return [
        *pickles,
        *pickles,
        *(_zip(content) for content in pickles),
        *trees,
        python_2_npy(np.eye(2, dtype="<f4")),
    ]


def pack(content):
    """A pickle that names torch's storages in a zip with two of them; all else as it is."""
    return _zip(content) if content.startswith(b"\x80\x02") and b"storage" in content else content


def _zip(pickled):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in {
            "data.pkl": pickled,
            "byteorder": b"little",
            "data/0": bytes(24),
            "data/1": bytes(8),
        }.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)
    return buffer.getvalue()


TARGET = Target(".pth", seeds, readers.read, pack)

if __name__ == "__main__":
    main("pth")
