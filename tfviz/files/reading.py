"""Reads stored files that anybody may have written: regular files only, of bounded size, and nothing in them is run.

Limits hold before anything is read or allocated: on a file's size, on what its archive and headers claim, on nesting.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import re
import stat
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from tfviz.errors import BadFileError

if TYPE_CHECKING:
    import numpy as np

LARGEST_JSON = 16_000_000
"""Bytes; the largest figure for the browser has 3 million."""
DEEPEST_JSON = 64
"""Lists and objects in each other; results have 8."""
LARGEST_ARRAYS = 1 << 29
"""Bytes of an archive of arrays, packed or unpacked; the largest of a part has 25 million."""
LARGEST_HEADER = 1000
"""Bytes of an array's header; 128 are usual. NumPy takes 10 s for one of 8,000 that does not end where it should."""
MOST_ARRAYS = 4096
_KINDS = "biufcU"  # of NumPy's types: truth values, numbers, text
_MOST_AXES = 16


def open_regular(path: Path, largest: int | None = None) -> io.BufferedReader:
    """Open a regular file for reading; a FIFO or a device in its place is not waited for.

    Args:
        path: of the file.
        largest: bytes that it may have; None: any number.

    Raises:
        OSError: it cannot be opened, is no regular file, or is larger.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if largest is not None and found.st_size > largest:
            raise OSError(errno.EFBIG, f"it has {found.st_size} bytes, at most {largest} are read", str(path))
        return open(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def absent(path: Path) -> str:
    """What is wrong with a file that is not there, for people: it may be none."""
    if re.match(r"\w\w+:/", str(path)) and path.parts[0] not in (path.drive, path.anchor):
        return "is an address, not a file: download it and name the file."
    return "does not exist."


def read_bytes(path: Path, largest: int) -> bytes:
    """The content of a regular file of at most so many bytes; errors as `open_regular`."""
    with open_regular(path, largest) as file:
        content = file.read(largest + 1)
    if len(content) > largest:  # it grew meanwhile
        raise OSError(errno.EFBIG, f"it has more than {largest} bytes", str(path))
    return content


def read_json(path: Path, largest: int = LARGEST_JSON) -> Any:
    """The JSON value in a file, which can be written as JSON again.

    Args:
        path: of the file.
        largest: bytes that it may have.

    Raises:
        BadFileError: the file cannot be read, is too large, or is not JSON (RFC 8259) in UTF-8 with distinct keys,
            finite numbers, integers of at most 64 bits, whole characters and at most `DEEPEST_JSON` levels.
    """
    try:
        value = json.loads(
            read_bytes(path, largest).decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_no_number,
        )
        _check(value)
    except OSError as error:
        raise _unreadable(path, error.strerror or error) from error
    except RecursionError as error:
        raise _unreadable(path, f"nested more than {DEEPEST_JSON} levels deep") from error
    except ValueError as error:
        raise _unreadable(path, error) from error
    return value


def _unreadable(path: Path, why: object) -> BadFileError:
    return BadFileError(f"{path} cannot be read ({why}): delete it and run again.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"the key {ascii(twice)[:60]} stands there twice")
    return found


def _integer(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= (value := int(text)) < 2**63:
        raise ValueError(f"an integer of {len(text)} digits")
    return value


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _check(value: Any) -> None:
    """Refuse what is nested too deep to be handled by recursion, and half characters, which UTF-8 cannot hold."""
    level, depth = [value], 0
    while level:
        below: list[Any] = []
        for each in level:
            if isinstance(each, str):
                if not each.isascii() and any("\ud800" <= character <= "\udfff" for character in each):
                    raise ValueError("half a character (a lone surrogate)")
            elif isinstance(each, list | dict):
                if depth == DEEPEST_JSON:
                    raise RecursionError
                below += each
                if isinstance(each, dict):
                    below += each.values()
        level, depth = below, depth + 1


def read_arrays(
    path: Path,
    names: Collection[str] | None = None,
    largest: int = LARGEST_ARRAYS,
    *,
    then: str = "run the part again",
) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` archive.

    What the archive claims is checked before anything is unpacked: each array's header must ask for the bytes that its
    entry has, and all entries together for no more than `largest`.

    Args:
        path: of the archive.
        names: the arrays that must be in it, and no others; None: whichever are.
        largest: bytes of the file, and of all that is in it.
        then: what to do where it cannot be read, in words.

    Raises:
        BadFileError: it is missing, damaged, larger, or has other things in it.
    """
    try:
        with open_regular(path, largest) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            found = [entry.filename.removesuffix(".npy") for entry in entries]
            if len(entries) > MOST_ARRAYS or len(set(found)) < len(found):
                raise ValueError("too many arrays, or two of one name")
            if not all(entry.filename.endswith(".npy") for entry in entries):
                raise ValueError("there is something in it that is no array")
            if names is not None and set(found) != set(names):
                raise ValueError(_differing(set(names), set(found)))
            if sum(entry.file_size for entry in entries) > largest:
                raise ValueError(f"unpacked, it has more than {largest} bytes")
            return {name: _array(archive, entry) for name, entry in zip(found, entries, strict=True)}
    except OSError as error:
        raise BadFileError(f"{path} is missing or damaged ({error.strerror or error}): {then}.") from error
    except (
        Exception
    ) as error:  # zipfile, NumPy, and what parses its headers, each have exceptions of their own
        raise BadFileError(f"{path} is missing or damaged ({str(error)[:200]}): {then}.") from error


def _differing(wanted: set[str], found: set[str]) -> str:
    lost = ", ".join(ascii(name) for name in sorted(wanted - found)[:5])
    more = ", ".join(ascii(name)[:40] for name in sorted(found - wanted)[:5])
    return "; ".join([f"{lost} missing"] * bool(lost) + [f"{more} not known"] * bool(more))


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    """One array; it is allocated once its header agrees with the size of its entry."""
    import numpy as np
    from numpy.lib import format as npy

    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("packed in a way that NumPy does not use")
    with archive.open(entry) as file:
        try:
            version = npy.read_magic(file)
            read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
            shape, fortran, dtype = read(file, max_header_size=LARGEST_HEADER)
        except zipfile.BadZipFile:  # it says what is wrong
            raise
        except Exception as error:  # with words of NumPy's parser, or the header itself
            raise ValueError("an array without a header that can be read") from error
        if dtype.kind not in _KINDS or dtype.hasobject or len(shape) > _MOST_AXES:
            raise ValueError(f"an array of {len(shape)} axes and type {dtype.str!a}")
        size = dtype.itemsize * math.prod(shape)
        if min(shape, default=1) < 0 or size != entry.file_size - file.tell():
            raise ValueError("a header that does not fit the array")
        content = bytearray(size)
        if cast(zipfile.ZipExtFile, file).readinto(content) != size or file.read(1):
            raise ValueError("an array that is cut short")
    return np.ndarray(shape, dtype, content, order="F" if fortran else "C")


@contextmanager
def whole_pictures() -> Iterator[None]:
    """Inside, Pillow refuses half a picture; WeasyPrint has it read, for the whole process, as if it were whole."""
    from PIL import ImageFile

    tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerant
