"""A folder in which workers leave what they computed until the process that asked for it has it.

What dies with a worker before it is delivered would be computed a second time; the one that tries the task again finds
it here.
"""

from __future__ import annotations

import hashlib
import hmac
import pickle
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfviz.files.atomic import UNFINISHED, write_atomically
from tfviz.files.reading import open_regular

_SEAL = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Shelf:
    """What one run and its workers share.

    Attributes:
        folder: it; a worker that does not see it, or may not write there, leaves nothing.
        secret: 32 random bytes, sent with each task. What is read back was sealed with it (HMAC, RFC 2104), so that
            it is this run's for that key, and whole: a pickle of a stranger's is never opened.
    """

    folder: Path
    secret: bytes = field(repr=False)

    def computed(self, key: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
        """In a worker: the pickled result of a task, called only if none lies here."""
        if (found := self._found(key)) is not None:
            return found
        result = pickle.dumps(function(*arguments))
        if self.folder.is_dir():
            with suppress(OSError):  # the disk is full: it is delivered nevertheless
                write_atomically(self._path(key), lambda path: _write(path, self._seal(key, result), result))
        return result

    def forget(self, key: str) -> None:
        """Take away what is kept elsewhere by now."""
        with suppress(OSError):
            self._path(key).unlink()

    def _found(self, key: str) -> bytes | None:
        try:
            with open_regular(self._path(key)) as file:
                content = file.read()
        except OSError:
            return None
        seal, result = content[:_SEAL], content[_SEAL:]
        return result if hmac.compare_digest(seal, self._seal(key, result)) else None

    def _path(self, key: str) -> Path:
        return self.folder / hashlib.sha256(key.encode()).hexdigest()

    def _seal(self, key: str, result: bytes) -> bytes:
        seal = hmac.new(self.secret, hashlib.sha256(key.encode()).digest(), "sha256")
        seal.update(result)
        return seal.digest()


def _write(path: Path, *pieces: bytes) -> None:
    with path.open("wb") as file:
        file.writelines(pieces)


@contextmanager
def shelf(place: Path) -> Iterator[Shelf]:
    """A new one in a folder that the workers see, too; it is gone at the end, or when `remove_unfinished` comes by.

    Raises:
        OSError: there can be none.
    """
    place.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{UNFINISHED}shelf-", dir=place.absolute()))
    try:
        yield Shelf(folder, secrets.token_bytes(32))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
