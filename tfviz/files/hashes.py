"""What files, arrays and JSON values are known by."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfviz.files.reading import open_regular

if TYPE_CHECKING:
    import numpy as np


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a regular file's bytes; errors as `tfviz.files.reading.open_regular`."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def array_sha256(array: np.ndarray) -> str:
    """Hexadecimal sha256 of an array: its type, shape and values, whatever its layout in memory or in a file."""
    import numpy as np

    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def json_sha256(value: Any) -> str:
    """Hexadecimal sha256 of a JSON value; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
