"""What tasks read, for workers that do not see it: known by its hash, and sent once to each.

A worker takes what lies at the caller's path or in its own cache, if it has the hash that the caller's has. What it
lacks it gets in pieces, and keeps in its cache under that hash until it was not used for a week. Bytes travel, and are
checked; nothing of them is executed.
"""

from __future__ import annotations

import io
import os
import pickle
import socket
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from tfviz.data import cifar10
from tfviz.errors import BadFileError
from tfviz.files.atomic import UNFINISHED, clear
from tfviz.files.download import cache_folder
from tfviz.files.hashes import file_sha256, json_sha256

LARGEST = 1_000_000_000
"""Bytes of an input that is sent."""
_PIECE = 4_000_000  # bytes of a message
_KEPT = 7 * 24 * 3600.0  # seconds after its last use
_LINK, _FOLDER = "a link", "a folder"


@dataclass(frozen=True)
class Input:
    """A file or folder that a task reads.

    Attributes:
        path: as it stands in the task's arguments.
        names: of the files in the folder that are read, relative, with "/"; None: all.
        believed: whether links are followed; else they are sent as links, which lead nowhere.
    """

    path: Path
    names: tuple[str, ...] | None = None
    believed: bool = True


def of_cifar10(place: Path, *, test: bool) -> Input:
    """CIFAR-10 in a folder or archive; test: whether the test pictures are enough."""
    try:
        found = cifar10.find(place)
    except BadFileError:  # which the task says, too
        return Input(place, ())
    if found is None or place.is_file():
        return Input(place)
    names = (*(() if test else cifar10.TRAIN_BATCHES), cifar10.TEST_BATCH)
    files = [found] if found.is_file() else [found / name for name in names if (found / name).is_file()]
    return Input(place, tuple(file.relative_to(place).as_posix() for file in files))


@dataclass(frozen=True)
class Content:
    """An input as another machine knows it.

    Attributes:
        input: it.
        files: names, "" for the input itself, each with a sha256; None: it is too large to be sent.
        size: bytes.
    """

    input: Input
    files: tuple[tuple[str, str], ...] | None
    size: int

    @property
    def sha256(self) -> str:
        """Under which it is kept."""
        return json_sha256([self.input.path.name, self.files])


def content(of: Input) -> Content:
    """What an input is now.

    Raises:
        BadFileError: it cannot be read, or holds what is neither a file nor a folder.
    """
    try:
        size = sum(_stat(of, of.path / name).st_size for name in _names(of, of.path))
        return Content(of, _files(of, of.path) if size <= LARGEST else None, size)
    except OSError as error:
        raise BadFileError(
            f"{error.filename or of.path} cannot be read for the workers ({error.strerror}): name a file, or a folder "
            "of files."
        ) from error


def _stat(of: Input, path: Path) -> os.stat_result:
    return path.stat() if of.believed else path.lstat()


def _names(of: Input, place: Path) -> list[str]:
    """Of what there is of an input at a place, relative."""
    if of.names is None:
        if not place.is_dir():
            return [""]
        inside = sorted(place.rglob("*"))
        if of.believed:  # a link that leads nowhere, or to a folder, is as if it were not there
            taken = [path for path in inside if path.exists() and not path.is_dir()]
        else:
            taken = [path for path in inside if path.is_symlink() or not path.is_dir()]
        return [path.relative_to(place).as_posix() for path in taken]
    there: dict[str, None] = {}
    for name in of.names:
        # A link on the way stands for all that is behind it.
        parents = [str(parent) for parent in PurePosixPath(name).parents][-2::-1]
        link = next((each for each in parents if not of.believed and (place / each).is_symlink()), name)
        if os.path.lexists(place / link):
            there[link] = None
    return list(there)


def _files(of: Input, place: Path) -> tuple[tuple[str, str], ...]:
    """What there is of an input at a place, with hashes.

    Raises:
        OSError: it cannot be read.
    """
    return tuple((name, _value(of, place / name)) for name in _names(of, place))


def _value(of: Input, path: Path) -> str:
    found = _stat(of, path)
    if stat.S_ISLNK(found.st_mode):
        return _LINK
    if stat.S_ISDIR(found.st_mode):
        return _FOLDER
    return _sha256(path, found.st_size, found.st_mtime_ns, found.st_ino)


@lru_cache(maxsize=1 << 16)
def _sha256(path: Path, *_state: int) -> str:
    """Of a file, read again when it is another."""
    return file_sha256(path)


class LackingError(Exception):
    """A worker has not got what a task reads.

    Args:
        address: of the worker.
        contents: what it lacks.
    """

    def __init__(self, address: str, contents: tuple[Content, ...]) -> None:
        super().__init__(address, contents)
        self.address, self.contents = address, contents


class _Pickler(pickle.Pickler):
    """Writes for a path what another machine needs to find or get it."""

    def __init__(self, file: io.BytesIO, contents: Mapping[Path, bytes], work: Path | None) -> None:
        super().__init__(file)
        self._contents, self._work = contents, work

    def persistent_id(self, obj: Any) -> tuple[Any, ...] | None:
        if not isinstance(obj, Path):
            return None
        if obj in self._contents:
            return (self._contents[obj],)
        if self._work is not None and obj.is_relative_to(self._work):
            return str(self._work), str(obj.relative_to(self._work))
        return None


class _Unpickler(pickle.Unpickler):
    """Puts this machine's paths in place of the caller's."""

    def __init__(self, file: io.BytesIO, address: str) -> None:
        super().__init__(file)
        self._address = address
        self.lacking: list[Content] = []

    def persistent_load(self, pid: tuple[Any, ...]) -> Path:
        if len(pid) == 2:
            return _work(Path(pid[0])).joinpath(pid[1])
        wanted: Content = pickle.loads(pid[0])
        path = wanted.input.path
        if wanted.files is None:
            if not path.exists():
                raise BadFileError(
                    f"The worker at {self._address} does not see {path}, and its {wanted.size / 1e9:.1f} GB are more "
                    f"than the {LARGEST / 1e9:g} that are sent: put it there under the same path, or where both see it."
                )
            return path
        place = found(wanted)
        if place is None and wanted not in self.lacking:
            self.lacking.append(wanted)
        return place or path


def packed(call: Any, contents: Mapping[Path, bytes], work: Path | None) -> bytes:
    """A call for a worker elsewhere.

    Args:
        call: function and arguments.
        contents: pickled, of the inputs, by path.
        work: a folder in which tasks write, absolute; a worker that does not see it has one of its own for it.
    """
    file = io.BytesIO()
    _Pickler(file, contents, work).dump(call)
    return file.getvalue()


def unpacked(called: bytes, address: str) -> Any:
    """In a worker: what was packed, with its own paths.

    Raises:
        LackingError: it has not got all inputs.
        BadFileError: one that it lacks is too large to be sent.
    """
    unpickler = _Unpickler(io.BytesIO(called), address)
    call = unpickler.load()
    if unpickler.lacking:
        raise LackingError(address, tuple(unpickler.lacking))
    return call


def _folder() -> Path:
    return cache_folder() / "sent"


def _work(place: Path) -> Path:
    """The caller's folder, or this machine's own in place of it."""
    if place.is_dir():
        return place
    own = _folder() / json_sha256(str(place))
    own.mkdir(parents=True, exist_ok=True)
    os.utime(own)
    return own


def found(wanted: Content) -> Path | None:
    """In a worker: where it has an input; None: nowhere."""
    of, kept = wanted.input, _folder() / wanted.sha256
    for place in (of.path, cache_folder() / of.path.name, kept / of.path.name):
        if _holds(wanted, place):
            if place.parent == kept:
                os.utime(kept)
            return place
    return None


def _holds(wanted: Content, place: Path) -> bool:
    try:
        return _files(wanted.input, place) == wanted.files
    except OSError:
        return False


def pieces(of: Content) -> Iterator[list[tuple[str, bytes]]]:
    """The bytes of an input, as they are sent: of each file in order, with its name and the input's own.

    Raises:
        BadFileError: it cannot be read any more.
    """
    piece: list[tuple[str, bytes]] = []
    size = 0
    for name, value in of.files or ():
        if value in (_LINK, _FOLDER):
            continue
        path = of.input.path / name
        try:
            with path.open("rb") as file:
                part = file.read(_PIECE - size)
                while True:
                    piece.append((str(path.relative_to(of.input.path.parent)), part))
                    size += len(part)
                    if size >= _PIECE:
                        yield piece
                        piece, size = [], 0
                    if not (part := file.read(_PIECE - size)):
                        break
        except OSError as error:
            raise BadFileError(f"{path} cannot be sent to a worker ({error.strerror}): run again.") from error
    yield piece


def receive(name: str, piece: list[tuple[str, bytes]]) -> None:
    """In a worker: add a piece to what has come.

    Args:
        name: of this sending, no other's.
        piece: of `pieces`, in their order.

    Raises:
        BadFileError: the cache cannot be written.
    """
    arriving = _folder() / f"{UNFINISHED}{name}"
    with _writing():
        try:
            for file, part in piece:
                (arriving / file).parent.mkdir(parents=True, exist_ok=True)
                with (arriving / file).open("ab") as target:
                    target.write(part)
        except OSError:  # the disk is full: others need what room there is
            clear(arriving)
            raise


def finish(name: str, wanted: Content) -> None:
    """In a worker: keep what has come under its hash, if it is that; what was not used for a week goes.

    Raises:
        BadFileError: it is something else; the cache cannot be written.
    """
    arriving, kept = _folder() / f"{UNFINISHED}{name}", _folder() / wanted.sha256
    place = arriving / wanted.input.path.name
    with _writing():
        try:
            if not wanted.files:
                place.mkdir(parents=True)
            for file, value in wanted.files or ():
                (place / file).parent.mkdir(parents=True, exist_ok=True)
                if value == _LINK:
                    (place / file).symlink_to("nowhere")
                elif value == _FOLDER:
                    (place / file).mkdir()
            if _files(wanted.input, place) != wanted.files:
                raise BadFileError(f"{wanted.input.path} changed while it was sent to a worker: run again.")
            if not _holds(wanted, kept / place.name):  # another's sending may have been faster
                clear(kept)
                arriving.rename(kept)
        finally:
            clear(arriving)
        for old in _folder().iterdir():
            with suppress(OSError):
                if time.time() - old.stat().st_mtime > _KEPT:
                    clear(old)


@contextmanager
def _writing() -> Iterator[None]:
    """Errors of the cache's disk, for people."""
    try:
        yield
    except OSError as error:
        raise BadFileError(
            f"{_folder()} on {socket.gethostname()} cannot be written ({error.strerror}): make room there, or name "
            "another folder by TFVIZ_CACHE where that worker starts."
        ) from error
