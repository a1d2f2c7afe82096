"""Writes files whole or not at all, and JSON; takes away what killed processes left half written."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

UNFINISHED = ".tfviz-"
"""How the names of files and folders begin that are being written; what is finished has a name of its own."""


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let write(temporary path) fill a file beside path, then put it in path's place.

    A reader, or a run after a crash, finds the old file or the new one, never half of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{UNFINISHED}{secrets.token_hex(8)}-{path.name[-40:]}"
    # Readable by whom the umask says: a file of mkstemp's is the owner's alone.
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


_OBEYED = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e]")  # beside those that JSON escapes in any case


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def as_json(value: Any) -> str:
    """Value as indented JSON; what a terminal would obey, or turn a line round by, is escaped.

    Raises:
        ValueError: there is NaN or infinity in it.
        TypeError: it is no JSON value.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write value as JSON, whole or not at all; errors as `as_json`."""
    write_text(path, as_json(value))


def clear(path: Path) -> None:
    """Take away what stands at a path, if anything: a file, a link (not where it leads), or a folder and all in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Take away what killed processes left half written in a folder (not in those below it).

    Nobody may be writing there: see `tfviz.files.lock`. What cannot be taken away stays: it harms nobody.
    """
    for path in folder.glob(f"{UNFINISHED}*"):
        with suppress(OSError):
            clear(path)
