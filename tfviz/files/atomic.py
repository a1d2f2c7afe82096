"""Writes files whole or not at all, and JSON."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfviz.errors import BadFileError


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let write(temporary path) fill a file beside path, then put it in path's place.

    A reader, or a run after a crash, finds the old file or the new one, never half of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def as_json(value: Any) -> str:
    """Value as indented JSON.

    Raises:
        ValueError: there is NaN or infinity in it.
        TypeError: it is no JSON value.
    """
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write value as JSON, whole or not at all; errors as `as_json`."""
    write_text(path, as_json(value))


def read_json(path: Path) -> Any:
    """The JSON value in a file.

    Raises:
        BadFileError: the file cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadFileError(f"{path} cannot be read ({error}): delete it and run again.") from error
