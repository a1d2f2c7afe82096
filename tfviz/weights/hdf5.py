"""Reads the numbers of an HDF5 file as Keras writes it, without the HDF5 library.

That library ends the process on some damaged files, or writes beyond its memory. What h5py writes unless told
otherwise is a small part of the format, and it is all that is read here: a superblock of version 0, groups as symbol
tables, numbers in one piece. Sections named below are those of "HDF5 File Format Specification Version 3.0" (The HDF
Group, 2018).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_Messages = dict[int, bytes]

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
_MOST_STEPS = 200_000  # nodes, entries and messages; a model of a thousand layers has 20,000
_DEEPEST = 16
_LONGEST_NAME = 200
_SAVE_IT_AGAIN = "If you made it, save it again with h5py's default settings."
_BFLOAT16 = np.dtype("V2")  # bytes of which HDF5 knows nothing: Keras writes bfloat16 so
_UNDEFINED = (1 << 64) - 1

# Kinds of messages in an object's header (IV.A.2).
_DATASPACE, _LINK_INFO, _DATATYPE, _LINK, _EXTERNAL, _LAYOUT = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08
_FILTERS, _CONTINUATION, _SYMBOL_TABLE = 0x0B, 0x10, 0x11

# Offset and precision in bits, place and size of exponent and mantissa, bias.
_FLOATS = {
    (0, 16, 10, 5, 0, 10, 15): "f2",
    (0, 32, 23, 8, 0, 23, 127): "f4",
    (0, 64, 52, 11, 0, 52, 1023): "f8",
}


class UnreadableError(Exception):
    """What is wrong with the file, in words that follow its name."""


class _DamagedError(Exception):
    """The bytes contradict the format."""


def read(content: bytes) -> dict[str, Array]:
    """Reads all data sets.

    Args:
        content: The whole file.

    Returns:
        The numbers by path, "conv1/conv1_W:0", in the order of the names. They share memory with `content`.

    Raises:
        UnreadableError: Damaged, or of a kind that is not read: compressed, in chunks, with links, not numbers.
    """
    try:
        return dict(_File(content).tensors())
    except (_DamagedError, struct.error, LookupError, ValueError, OverflowError) as error:
        raise UnreadableError("is damaged or cut short. Get the file again.") from error


class _File:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.steps = 0
        self.claimed = 0
        self.seen: set[int] = set()

    def tensors(self) -> Iterator[tuple[str, Array]]:
        """Names and numbers, depth first."""
        version = self.take(8, 1)[0]
        if version > 1:
            raise UnreadableError(f"is HDF5 of a layout that Keras does not write. {_SAVE_IT_AGAIN}")
        sizes = self.take(13, 2)
        start = 24 if version == 0 else 28
        base, _, end, _, _, root = struct.unpack("<6Q", self.take(start, 48))
        if sizes != b"\x08\x08" or base != 0 or end > len(self.content):
            raise _DamagedError
        yield from self.group(self.header(root), "", 0)

    def take(self, place: int, size: int) -> bytes:
        """Some bytes of the file, all of them or an error."""
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise UnreadableError("has more groups than any weight file. Do not use it.")
        part = self.content[place : place + size]
        if len(part) != size:
            raise _DamagedError
        return part

    def header(self, place: int) -> _Messages:
        """The messages of an object that count here, by kind, from a header of version 1 (IV.A.1.a)."""
        if place in self.seen:
            raise UnreadableError("has two names for one group or data set. Do not use it.")
        self.seen.add(place)
        version, count, size = struct.unpack("<BxH4xI4x", self.take(place, 16))
        if version != 1:
            if self.take(place, 4) == b"OHDR":
                raise UnreadableError(f"is HDF5 of a layout that Keras does not write. {_SAVE_IT_AGAIN}")
            raise _DamagedError
        messages: _Messages = {}
        blocks = [(place + 16, size)]
        while blocks:
            begin, size = blocks.pop()
            if begin + size > len(self.content):
                raise _DamagedError
            end = begin + size
            while begin + 8 <= end and count > 0:
                kind, length, flags = struct.unpack("<HHB3x", self.take(begin, 8))
                begin += 8
                if begin + length > end:
                    raise _DamagedError
                count -= 1
                if kind == _CONTINUATION:
                    blocks.append(struct.unpack("<QQ", self.take(begin, 16)))
                elif kind in (_LINK_INFO, _LINK):
                    raise UnreadableError(
                        f"has links, or groups of a layout that Keras does not write. {_SAVE_IT_AGAIN}"
                    )
                elif kind in (_DATASPACE, _DATATYPE, _EXTERNAL, _LAYOUT, _FILTERS, _SYMBOL_TABLE):
                    if kind in messages:
                        raise _DamagedError
                    # A shared message lies elsewhere: only types that were given a name do.
                    messages[kind] = b"" if flags & 2 else self.take(begin, length)
                begin += length
        return messages

    def group(self, messages: _Messages, prefix: str, depth: int) -> Iterator[tuple[str, Array]]:
        """What a group holds, with all below it."""
        if depth > _DEEPEST:
            raise UnreadableError("is nested deeper than any weight file. Do not use it.")
        tree, heap = struct.unpack("<QQ", messages[_SYMBOL_TABLE][:16])
        signature, size, names = struct.unpack("<4sxxxxQ8xQ", self.take(heap, 32))
        if signature != b"HEAP" or names + size > len(self.content):
            raise _DamagedError
        found: set[str] = set()
        for offset, place, cached in self.entries(tree):
            if offset >= size:
                raise _DamagedError
            text = self.take(names + offset, min(_LONGEST_NAME + 1, size - offset)).partition(b"\0")
            name = text[0].decode("utf-8", "replace")
            if not text[1] or not name or "/" in name or name in found:
                raise UnreadableError("is damaged: an object in it has no proper name. Get the file again.")
            found.add(name)
            path = f"{prefix}{name}"
            if cached == 2:
                raise UnreadableError(
                    f"has a link at {path}, which is not followed. Use a file that is whole."
                )
            below = self.header(place)
            if _SYMBOL_TABLE in below:
                yield from self.group(below, f"{path}/", depth + 1)
            else:
                yield path, self.dataset(below, path)

    def entries(self, root: int) -> Iterator[tuple[int, int, int]]:
        """The entries of a group: where the name is in its heap, where its header, and what is cached of it."""
        nodes = [(root, -1)]  # each with the level it must have; any for the first
        while nodes:
            node, level = nodes.pop()
            if node in self.seen:
                raise _DamagedError
            self.seen.add(node)
            signature = self.take(node, 4)
            if signature == b"SNOD" and level == -2:
                (count,) = struct.unpack("<H", self.take(node + 6, 2))
                for n in range(count):
                    yield struct.unpack("<QQI", self.take(node + 8 + 40 * n, 20))
            elif signature == b"TREE" and level != -2:
                kind, height, count = struct.unpack("<BBH", self.take(node + 4, 4))
                if kind != 0 or (level >= 0 and height != level):
                    raise _DamagedError
                below = height - 1 if height else -2  # below level 0 lie the entries' tables
                children = struct.unpack(f"<{2 * count}Q", self.take(node + 24, 16 * count))[1::2]
                nodes += [(child, below) for child in reversed(children)]
            else:
                raise _DamagedError

    def dataset(self, messages: _Messages, path: str) -> Array:
        """The numbers of a data set."""
        if _FILTERS in messages:
            raise UnreadableError(f"keeps {path} compressed, which is not read. Save it without compression.")
        if _EXTERNAL in messages:
            raise UnreadableError(
                f"keeps {path} in another file, which is not opened. Use one that is whole."
            )
        if not {_DATASPACE, _DATATYPE, _LAYOUT} <= set(messages):
            raise UnreadableError(f"is no set of weights: {path} is not of numbers.")
        dtype, shape = _dtype(messages[_DATATYPE], path), _shape(messages[_DATASPACE], path)
        size = math.prod(shape) * dtype.itemsize
        self.claimed += size
        if self.claimed > len(self.content):
            raise UnreadableError("claims to hold more than its size. Do not use it.")
        layout = messages[_LAYOUT]
        version, kind = layout[0], layout[1]
        if version == 4 and kind == 3:
            raise UnreadableError(
                f"keeps {path} in another file, which is not opened. Use one that is whole."
            )
        if kind == 2:
            raise UnreadableError(f"keeps {path} in chunks, which are not read. Save it in one piece.")
        if version not in (3, 4):
            _no(path)
        if kind == 0:  # in the header itself
            (length,) = struct.unpack("<H", layout[2:4])
            data, place = layout[4 : 4 + length], 0
        elif kind == 1:
            place, length = struct.unpack("<QQ", layout[2:18])
            if place == _UNDEFINED and size:
                raise UnreadableError(f"is no set of weights: {path} was never written.")
            data, place = (self.content, place) if size else (b"", 0)
        else:
            _no(path)
        if length < size or place + size > len(data):
            raise _DamagedError
        values = np.frombuffer(data, dtype, math.prod(shape), place).reshape(shape)
        return from_bfloat16(values.view("<u2")) if dtype == _BFLOAT16 else values


def from_bfloat16(values: Array) -> Array:
    """Numbers of a type that NumPy lacks, as uint16: they are the upper halves of float32."""
    return (values.astype(np.uint32) << 16).view(np.float32)


def _no(path: str) -> NoReturn:
    raise UnreadableError(f"keeps {path} in a way that is not read. {_SAVE_IT_AGAIN}")


def _shape(message: bytes, path: str) -> tuple[int, ...]:
    """Sizes from a dataspace message (IV.A.2.b)."""
    if not message:
        _no(path)
    version, rank = message[0], message[1]
    if version == 2 and message[3] == 2:
        raise UnreadableError(f"is no set of weights: {path} is empty.")
    start = {1: 8, 2: 4}.get(version)
    if start is None or rank > 32:
        raise _DamagedError
    shape = struct.unpack(f"<{rank}Q", message[start : start + 8 * rank])
    if any(size >= 1 << 48 for size in shape):
        raise _DamagedError
    return shape


def _dtype(message: bytes, path: str) -> np.dtype[Any]:
    """NumPy's name for a datatype message (IV.A.2.d): truth values, integers, floating-point numbers."""
    if message:
        kind, bits, size = message[0] & 15, message[1], struct.unpack("<I", message[4:8])[0]
        order = ">" if bits & 1 else "<"
        if kind == 0 and size in (1, 2, 4, 8) and struct.unpack("<HH", message[8:12]) == (0, 8 * size):
            return np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}")
        if kind == 1 and not bits & 0x40 and bits & 0x30 == 0x20 and message[2] == 8 * size - 1:
            code = _FLOATS.get(struct.unpack("<HHBBBBI", message[8:20]))
            if code == f"f{size}":
                return np.dtype(f"{order}{code}")
        if kind == 5 and size == 2:
            return _BFLOAT16
        if kind == 8 and size == 1:  # names for numbers: h5py writes truth values so
            return np.dtype("?")
    raise UnreadableError(f"is no set of weights: {path} is not of numbers.")
