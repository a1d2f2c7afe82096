"""Reads weight files of several libraries as named numpy arrays, without those libraries.

Names in the result:

- torch (`.pth`, a zip written by `torch.save`): the keys of the state dict, "features.0.weight". It may be one entry of
  a training's checkpoint, beside the epoch and the optimiser's state, which are left out, and its keys may have the
  prefix that `DataParallel` and others put before them, which is taken off.
- safetensors: the names in its header, with such prefixes taken off.
- pickles and `.npy` files that hold a tree of arrays: the keys on the way, joined by "/", with the index for
  lists: "AlexNet_0/Conv_0/kernel", and "conv1/0", "conv1/1" for {"conv1": [kernel, bias]}.
- ONNX: the initialisers' own names; nothing else of the model is read.
- HDF5 (`.h5`), and the file of that kind in a `.keras`: the path of the data set, "conv1/conv1_W:0".

Weight files come from strangers. Pickles are never given to `pickle`: `_unpickle` goes through the
operations, knows those that a tree of arrays needs, and puts values of its own in place of the few globals
on its list, so that nothing that a file names is imported or called. A restricted `pickle.Unpickler` is not
enough: a few bytes without any global let it run out of stack, which ends the process, or fill the memory.

Arrays may be read-only and may share memory with one another.
"""

from __future__ import annotations

import json
import math
import os
import pickletools
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from tfviz.errors import BadFileError
from tfviz.files.reading import LARGEST_HEADER, open_regular
from tfviz.weights import hdf5

Array = NDArray[Any]

_AGAIN = "Get the file again."
_LEGACY_TORCH = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_MOST_OPERATIONS = 1_000_000  # a state dict of a thousand tensors needs 50,000
_MOST_NODES = 100_000
_DEEPEST = 16
_LARGEST = 8  # times the file's size: all tensors together, what shared storages and compression may come to
_LARGEST_FILE = 2_000_000_000  # bytes; a checkpoint of AlexNet with its optimiser's state has 733 million
_LARGEST_DIRECTORY = (
    4_000_000  # bytes; of a zip, and of a safetensors header: a thousand tensors need 120,000
)
_LONGEST_NAME = 200


class _RefusedError(Exception):
    """What is wrong with the file, in words."""


def _printable(error: Exception) -> str:
    """An error's words as one line: they may quote names from the file."""
    return "".join(character if character.isprintable() else "?" for character in str(error))


def read(path: Path | str) -> dict[str, Array]:
    """Reads all tensors of a weight file; the format is told by the content.

    Args:
        path: A `.pth`, `.ckpt`, `.npy`, `.onnx` or `.h5` file.

    Returns:
        The tensors by name, all values finite.

    Raises:
        BadFileError: The file is missing, damaged, hostile or no weight file.
    """
    path = Path(path)
    try:
        with open_regular(path, _LARGEST_FILE) as file:
            size = os.fstat(file.fileno()).st_size
            tensors = _formats(file, size, path.suffix)
        _check(tensors, size)
    except (_RefusedError, hdf5.UnreadableError) as error:
        raise BadFileError(f"{path} {_printable(error)}") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadFileError(f"{path} does not exist. Check the path.") from error
    except IsADirectoryError as error:
        raise BadFileError(f"{path} is a folder. Name the weight file in it.") from error
    except PermissionError as error:
        raise BadFileError(f"{path} may not be read by this user. Change its permissions.") from error
    except OSError as error:
        raise BadFileError(f"{path} cannot be read ({error.strerror or error}). Check the path.") from error
    except MemoryError as error:
        raise BadFileError(f"{path} does not fit into memory.") from error
    except (
        Exception
    ) as error:  # zipfile, NumPy and pickletools have exceptions of their own for damaged files
        raise BadFileError(f"{path} is damaged, cut short, or no weight file. {_AGAIN}") from error
    return tensors


def read_pickle(content: bytes, name: Path | str) -> Any:
    """Reads a pickle of plain data, such as a batch of CIFAR-10, without running anything that it says.

    Args:
        content: The pickle, of any protocol up to 5, written by Python 2 or 3.
        name: What the content is called in an error: the path of its file.

    Returns:
        Dicts, lists, tuples, numbers, text, bytes and arrays, as they are nested in the pickle. What Python 2 wrote
        as `str` is text, one character a byte.

    Raises:
        BadFileError: Damaged, or it asks for anything else.
    """
    try:
        return _plain(_unpickle(content))
    except _RefusedError as error:
        raise BadFileError(f"{name} {_printable(error)}") from error
    except MemoryError as error:
        raise BadFileError(f"{name} does not fit into memory.") from error
    except Exception as error:  # a damaged pickle leads to missing values, wrong types, unknown codes
        raise BadFileError(f"{name} is damaged, cut short, or no pickle. {_AGAIN}") from error


def _formats(file: BinaryIO, size: int, suffix: str) -> dict[str, Array]:
    head = file.read(512)
    file.seek(0)
    if not head:
        raise _RefusedError(f"is empty. {_AGAIN}")
    if head.startswith(b"PK\x03\x04"):
        return _zip(file, size)
    if head.startswith(b"\x93NUMPY"):
        return _npy(file)
    if head.startswith(hdf5.SIGNATURE):
        return hdf5.read(file.read(size))
    if head[2:].startswith(_LEGACY_TORCH):
        raise _RefusedError(
            "is in torch's format from before version 1.6. Convert it, where torch is installed: "
            "torch.save(torch.load(OLD), NEW)."
        )
    if head[8:9] == b"{" and (suffix == ".safetensors" or head[4:8] == bytes(4)):
        return _safetensors(file, size)
    if head[0] == 0x80 and head[1] <= 5:
        return _flat(_unpickle(file.read(size)))
    if head.lstrip()[:1] == b"<":
        raise _RefusedError(f"is a web page, not weights. {_AGAIN}")
    if head.startswith(b"version https://git-lfs"):
        raise _RefusedError("only points to a file in Git's large file storage. Get the file itself.")
    if suffix == ".onnx":
        return _onnx(file.read(size))
    raise _RefusedError(
        "is not a weight file that is known here (.pth, .safetensors, .h5, .keras, .onnx, .npy, .ckpt)."
    )


def _check(tensors: dict[str, Array], size: int) -> None:
    if not tensors:
        raise _RefusedError("holds no tensors.")
    if sum(tensor.nbytes for tensor in tensors.values()) > _LARGEST * size:
        raise _RefusedError("claims to hold far more than its size. Do not use it.")
    for name, tensor in tensors.items():
        if not name.isprintable() or len(name) > _LONGEST_NAME:
            raise _RefusedError(f"is damaged: a tensor in it has no proper name. {_AGAIN}")
        if tensor.dtype.kind not in "biuf":
            raise _RefusedError(f"is no set of weights: {name} is not of numbers.")
        if not np.isfinite(tensor).all():
            raise _RefusedError(f"is damaged: {name} has values that are not finite. {_AGAIN}")


def _flat(tree: Any) -> dict[str, Array]:
    """The arrays of nested dicts and lists by path."""
    tensors: dict[str, Array] = {}
    nodes = 0

    def visit(node: Any, name: str, depth: int) -> None:
        nonlocal nodes
        nodes += 1  # not the tensors: what is referred to many times over is visited as often
        if depth > _DEEPEST or nodes > _MOST_NODES:
            raise _RefusedError("is nested deeper than any weight file. Do not use it.")
        if isinstance(node, _Numbers):
            node = node.value  # an array, or what numpy.save wrapped in an array
        if isinstance(node, np.ndarray):
            if name in tensors:
                raise _RefusedError(f"holds two tensors named {name}.")
            tensors[name] = node
        elif isinstance(node, dict | list | tuple):
            pairs = node.items() if isinstance(node, dict) else enumerate(node)
            for key, child in pairs:
                below = f"{name}/{_text(key)}" if name else _text(key)
                if len(below) > _LONGEST_NAME:
                    raise _RefusedError(f"is damaged: a tensor in it has no proper name. {_AGAIN}")
                visit(child, below, depth + 1)
        else:
            raise _RefusedError(f"is no plain set of weights: {name or 'its content'} is not a tensor.")

    visit(tree, "", 0)
    return tensors


def _plain(tree: Any) -> Any:
    """The same tree with the arrays themselves in it."""
    nodes = 0

    def convert(node: Any, depth: int) -> Any:
        nonlocal nodes
        nodes += 1
        if depth > _DEEPEST or nodes > _MOST_NODES:
            raise _RefusedError("is nested deeper than plain data. Do not use it.")
        if isinstance(node, dict):
            return {key: convert(value, depth + 1) for key, value in node.items()}
        if isinstance(node, list | tuple):
            return type(node)(convert(value, depth + 1) for value in node)
        if isinstance(node, _Numbers):
            node = node.value
        if node is None or isinstance(node, bool | int | float | str | bytes | np.ndarray):
            return node
        raise _RefusedError(f"is damaged: a value in it was left unfinished. {_AGAIN}")

    return convert(tree, 0)


@dataclass(frozen=True)
class _Global:
    """A name of the list of those allowed. It stays a name until it is used, and is never imported."""

    name: str


@dataclass
class _NumberType:
    """Takes the place of a numpy.dtype, whose byte order comes in a second step."""

    dtype: np.dtype[Any]

    def build(self, state: Any) -> None:
        order = _text(state[1])
        if order not in ("<", ">", "|", "="):
            raise _RefusedError(f"is damaged: its numbers have an unknown byte order. {_AGAIN}")
        self.dtype = self.dtype.newbyteorder(order)  # type: ignore[arg-type]  # one of the four


class _Numbers:
    """Takes the place of a torch tensor, or of a numpy.ndarray: made empty, filled in a second step."""

    def __init__(self, value: Array | None = None) -> None:
        self.value: Any = value

    def build(self, state: Any) -> None:
        _, shape, kind, by_columns, data = state
        if (
            kind.dtype.hasobject
        ):  # numpy.save wraps a dict in an array without dimensions; nothing else needs it
            if tuple(shape) or not isinstance(data, list) or len(data) != 1:
                raise _RefusedError("has an array of Python objects where numbers should be. Do not use it.")
            self.value = data[0]
        else:
            self.value = _array(data, kind, shape, bool(by_columns))


def _text(value: Any) -> str:
    """A name; nothing else is converted, for the text of a hostile structure may be endless."""
    if isinstance(value, str | bytes) and len(value) > _LONGEST_NAME:
        raise _RefusedError(f"is damaged: a name in it is too long. {_AGAIN}")
    if isinstance(value, bytes):
        return value.decode("latin1")
    if not isinstance(value, str | int):
        raise _RefusedError(f"is damaged: something else stands where a name should be. {_AGAIN}")
    return str(value)


def _sizes(values: Any) -> tuple[int, ...]:
    if (
        not isinstance(values, list | tuple)
        or len(values) > 32
        or not all(type(n) is int and 0 <= n < 1 << 48 for n in values)
    ):
        raise _RefusedError(f"is damaged: a tensor in it has an impossible shape. {_AGAIN}")
    return tuple(values)


def _array(data: Any, kind: _NumberType, shape: Any, by_columns: bool) -> Array:
    content = data.encode("latin1") if isinstance(data, str) else data  # Python 2 wrote bytes as str
    if math.prod(_sizes(shape)) * kind.dtype.itemsize != len(content):
        raise _RefusedError(f"is damaged: a tensor in it is not as large as its shape says. {_AGAIN}")
    return np.frombuffer(content, kind.dtype).reshape(shape, order="F" if by_columns else "C")


def _numpy_type(code: Any, *_: Any) -> _NumberType:
    if not re.fullmatch(r"[biuf][1248]|O[48]", _text(code)):
        raise _RefusedError(
            f"has arrays of type {_text(code)[:20]}, which are not plain numbers. Do not use it."
        )
    return _NumberType(np.dtype(_text(code)))


def _torch_tensor(storage: Array, offset: Any, size: Any, stride: Any, *_: Any) -> _Numbers:
    """A view of a storage. Bounds are checked here because numpy does not check them."""
    (offset,), size, stride = _sizes((offset,)), _sizes(size), _sizes(stride)
    if len(size) != len(stride):
        raise _RefusedError(f"is damaged: a tensor in it has an impossible shape. {_AGAIN}")
    count = math.prod(size)
    if not count:
        return _Numbers(np.zeros(size, storage.dtype))
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= len(storage) or count > len(storage):
        raise _RefusedError(f"is damaged: a tensor in it reaches beyond its storage. {_AGAIN}")
    steps = [step * storage.itemsize for step in stride]
    return _Numbers(np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False))


def _dict(pairs: Any = ()) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key, value in pairs:
        # Other keys could be nested so deeply that hashing them runs out of stack and ends the process; larger integers
        # can be chosen so that all have one hash.
        if not isinstance(key, str | bytes | int) or (isinstance(key, int) and abs(key) >= 1 << 32):
            raise _RefusedError("has a table whose keys are no names. Do not use it.")
        result[key] = value
    return result


_STORAGES = {
    f"torch {name}Storage": np.dtype(code)
    for name, code in {
        "Float": "f4", "Double": "f8", "Half": "f2", "BFloat16": "u2", "Long": "i8", "Int": "i4",
        "Short": "i2", "Char": "i1", "Byte": "u1", "Bool": "b1",
    }.items()
}  # fmt: skip


class _Aside:
    """Takes the place of what a checkpoint has beside its weights: settings, a device, a count of steps."""


_ASIDE = {
    "argparse Namespace", "collections Counter", "torch Size", "torch device",
    "torch float16", "torch bfloat16", "torch float32", "torch float64",
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": _dict,
    "_codecs encode": lambda text, _: text.encode("latin1"),  # Python 3's bytes in old protocols
    "numpy dtype": _numpy_type,
    "torch._utils _rebuild_tensor_v2": _torch_tensor,
    "torch._utils _rebuild_parameter": lambda tensor, *_: tensor,
}
for _name in _ASIDE:
    _FUNCTIONS[_name] = lambda *_: _Aside()
for _core in ("numpy.core", "numpy._core"):  # before and after numpy 2
    _FUNCTIONS[f"{_core}.multiarray _reconstruct"] = lambda *_: _Numbers()
    _FUNCTIONS[f"{_core}.multiarray scalar"] = lambda kind, data: _Numbers(_array(data, kind, (), False))
    _FUNCTIONS[f"{_core}.numeric _frombuffer"] = lambda data, kind, shape, order: _Numbers(
        _array(data, kind, shape, order == "F")
    )


def _global(name: Any) -> _Global:
    if name not in _FUNCTIONS and name not in _STORAGES and name != "numpy ndarray":
        dotted = _text(name).replace(" ", ".")[:80]
        raise _RefusedError(
            f"asks for {dotted}, which plain arrays do not need: it is an attack, or a model instead "
            "of its weights. Do not use it."
        )
    return _Global(name)


# Operations that push a number or a string.
_LITERALS = {
    "INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip


def _unpickle(content: bytes, storage: Callable[[Any], Array] | None = None) -> Any:
    """Goes through a pickle's operations and makes dicts, lists, values and tensors; all else is refused.

    Args:
        content: The pickle.
        storage: Gives the numbers for a "persistent id", torch's way to name a storage.
    """
    stack: list[Any] = []
    marked: list[list[Any]] = []
    memo: dict[Any, Any] = {}
    copied = listed = 0

    def account(values: Any) -> None:
        """Counts what a call copies: one long text or list, named again and again, fills the memory."""
        nonlocal copied, listed
        if len(_made(values, tuple)) > 16:
            raise _RefusedError("calls a function with more arguments than any such file. Do not use it.")
        copied += sum(len(value) for value in values if isinstance(value, str))
        listed += sum(len(value) for value in values if isinstance(value, list | tuple | dict))
        if copied > _LARGEST * len(content) or listed > _MOST_OPERATIONS:
            raise _RefusedError("claims to hold far more than its size. Do not use it.")

    def items() -> list[Any]:
        """What was pushed since the last mark."""
        nonlocal stack
        since, stack = stack, marked.pop()
        return since

    for count, (operation, argument, _) in enumerate(pickletools.genops(content)):
        if count > _MOST_OPERATIONS:
            raise _RefusedError("has more pickle operations than any such file. Do not use it.")
        match operation.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                break
            case "MARK":
                marked.append(stack)
                stack = []
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(operation.name == "NEWTRUE")
            case name if name in _LITERALS:
                stack.append(argument)
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                if not 0 <= _made(argument, int) < 1 << 32:
                    raise _RefusedError(
                        f"is damaged: a place in its memory has an impossible number. {_AGAIN}"
                    )
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                length = int(operation.name[-1])
                stack[-length:] = [tuple(stack[-length:])]
            case "TUPLE":
                since = items()
                stack.append(tuple(since))
            case "EMPTY_LIST":
                stack.append([])
            case "LIST":
                since = items()
                stack.append(since)
            case "APPEND":
                value = stack.pop()
                _made(stack[-1], list).append(value)
            case "APPENDS":
                since = items()
                _made(stack[-1], list).extend(since)
            case "EMPTY_DICT":
                stack.append({})
            case "DICT":
                since = items()
                stack.append(_dict(zip(since[::2], since[1::2], strict=True)))
            case "SETITEM":
                key, value = stack[-2:]
                del stack[-2:]
                _made(stack[-1], dict).update(_dict([(key, value)]))
            case "SETITEMS":
                since = items()
                _made(stack[-1], dict).update(_dict(zip(since[::2], since[1::2], strict=True)))
            case "GLOBAL" | "INST":  # INST calls at once: nothing on the list needs that, nothing else passes
                stack.append(_global(argument))
            case "STACK_GLOBAL":
                module, attribute = stack[-2:]
                stack[-2:] = [_global(f"{_text(module)} {_text(attribute)}")]
            case "REDUCE":
                arguments = _made(stack.pop(), tuple)
                account(arguments)
                stack[-1] = _FUNCTIONS[_made(stack[-1], _Global).name](*arguments)
            case "NEWOBJ" if isinstance(stack[-2], _Global) and stack[-2].name in _ASIDE:
                stack[-2:] = [_Aside()]
            case "BUILD":
                state = stack.pop()
                # Attributes of a dict, such as torch's `_metadata`, are left out.
                if not isinstance(stack[-1], dict | _Aside):
                    account(state)
                    _made(stack[-1], _NumberType, _Numbers).build(state)
            case "BINPERSID" if storage:
                stack[-1] = storage(stack[-1])
            case name:
                raise _RefusedError(
                    f"uses the pickle operation {name}, which plain arrays do not need. Do not use it."
                )
    (result,) = stack
    return result


def _made(value: Any, *kinds: type) -> Any:
    """The value, if it is of the kind that the operation is for."""
    if not isinstance(value, kinds):
        raise _RefusedError(f"is damaged: its pickle does not fit together. {_AGAIN}")
    return value


class _Sparing:
    """A file of which no more than a few megabytes may be asked for at once: `zipfile` reads a zip's directory so."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self.most = _LARGEST_DIRECTORY

    def read(self, size: int = -1) -> bytes:
        if size > self.most:
            raise _RefusedError("is a zip with more entries than any weight file. Do not use it.")
        return self.file.read(size)


def _zip(file: BinaryIO, size: int) -> dict[str, Array]:
    sparing = _Sparing(file)
    with zipfile.ZipFile(cast(BinaryIO, sparing)) as archive:
        sparing.most = size
        entries = {info.filename: info for info in archive.infolist()}
        if len(entries) != len(archive.infolist()):
            raise _RefusedError("is a zip with two entries of one name. Do not use it.")
        pickles = [name for name in entries if name.endswith("/data.pkl")]
        if len(pickles) != 1 and _KERAS not in entries:
            raise _RefusedError("is a zip, but not one that torch.save or Keras writes.")
        stored = all(info.compress_type == zipfile.ZIP_STORED for info in entries.values())
        if not stored or sum(info.file_size for info in entries.values()) > size:
            raise _RefusedError("is a zip that claims to hold more than its size. Do not use it.")
        if _KERAS in entries:
            return hdf5.read(archive.read(_KERAS))
        folder = pickles[0].removesuffix("data.pkl")
        order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in entries else b"little"
        if order not in (b"little", b"big"):
            raise _RefusedError(f"is damaged: its byte order is unknown. {_AGAIN}")
        contents: dict[str, bytes] = {}
        storages: dict[tuple[str, str], Array] = {}

        def storage(identity: Any) -> Array:
            tag, kind, key, _, count = _made(identity, tuple)
            name = _made(kind, _Global).name
            if tag != "storage" or name not in _STORAGES:
                raise _RefusedError(
                    f"has a storage of unknown kind, {name.replace(' ', '.')}. Do not use it."
                )
            if (key, name) not in storages:
                dtype = _STORAGES[name].newbyteorder("<" if order == b"little" else ">")
                if key not in contents:
                    contents[key] = archive.read(f"{folder}data/{_text(key)}")
                values = _array(contents[key], _NumberType(dtype), (count,), False)
                storages[key, name] = (
                    hdf5.from_bfloat16(values) if name == "torch BFloat16Storage" else values
                )
            return storages[key, name]

        return _unprefixed(_flat(_state(_unpickle(archive.read(pickles[0]), storage))))


_KERAS = "model.weights.h5"  # in a `.keras`
_STATES = ("state_dict", "model_state_dict", "model_state", "model", "net", "network")
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")


def _state(tree: Any) -> Any:
    """The weights in what a training saved: under one of the usual names, beside the epoch, the optimiser, settings."""
    if not isinstance(tree, dict):
        return tree
    found = [key for key in _STATES if isinstance(tree.get(key), dict)]
    if len(found) > 1:
        raise _RefusedError(
            f"holds two sets of weights, {found[0]} and {found[1]}. Save the one that is meant in a file of its own."
        )
    return tree[found[0]] if found else tree


def _unprefixed(tensors: dict[str, Array]) -> dict[str, Array]:
    """The tensors without what is put before all names by a model that wraps the one whose weights they are."""
    for _ in range(_DEEPEST):
        prefix = next(
            (prefix for prefix in _PREFIXES if all(name.startswith(prefix) for name in tensors)), None
        )
        if not tensors or prefix is None:
            break
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


_SAFETENSORS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "b1",
}  # fmt: skip


def _safetensors(file: BinaryIO, size: int) -> dict[str, Array]:
    """The format of https://github.com/huggingface/safetensors: a length, a JSON object, the numbers in one block."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(size - 8, _LARGEST_DIRECTORY):
        raise _RefusedError(f"is damaged: its header is longer than it or than any. {_AGAIN}")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            raise _RefusedError("holds two tensors of one name. Do not use it.")
        return found

    header = _made(json.loads(file.read(length).decode("utf-8"), object_pairs_hook=once), dict)
    header.pop("__metadata__", None)
    data = file.read(size)
    tensors: dict[str, Array] = {}
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if entry["dtype"] not in _SAFETENSORS:
            raise _RefusedError(
                f"keeps {name[:_LONGEST_NAME]} as {str(entry['dtype'])[:20]}, which is not read. Save it as F32."
            )
        dtype, shape = np.dtype(_SAFETENSORS[entry["dtype"]]), _sizes(entry["shape"])
        first, last = _sizes(entry["data_offsets"])
        if first != end or last > len(data) or last - first != math.prod(shape) * dtype.itemsize:
            raise _RefusedError(f"is damaged: its tensors do not lie one after the other in it. {_AGAIN}")
        end = last
        values = np.frombuffer(data, dtype, math.prod(shape), first).reshape(shape)
        tensors[name] = hdf5.from_bfloat16(values) if entry["dtype"] == "BF16" else values
    if end != len(data):
        raise _RefusedError(f"is damaged: it is longer than its header says. {_AGAIN}")
    return _unprefixed(tensors)


def _npy(file: BinaryIO) -> dict[str, Array]:
    version = np.lib.format.read_magic(file)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = header[version](file, max_header_size=LARGEST_HEADER)
    if shape != () or not dtype.hasobject:
        raise _RefusedError("holds one array, not a dict of weights.")
    return _flat(_unpickle(file.read()))


_ONNX_TYPES = {
    1: "<f4", 10: "<f2", 11: "<f8", 2: "u1", 4: "<u2", 12: "<u4", 13: "<u8",
    3: "i1", 5: "<i2", 6: "<i4", 7: "<i8", 9: "b1",
}  # fmt: skip


def _onnx(content: bytes) -> dict[str, Array]:
    """The initialisers of a model, by the field numbers of onnx.proto (github.com/onnx/onnx).

    A library that parses messages makes an object of every two bytes of a hostile file.
    """
    tensors: dict[str, Array] = {}
    fields = _Fields()
    for number, graph in fields.of(content):
        if number != 7:
            continue
        for inner, initialiser in fields.of(_made(graph, memoryview)):
            if inner == 5:
                name, tensor = _onnx_tensor(fields, _made(initialiser, memoryview))
                if name in tensors:
                    raise _RefusedError(f"holds two tensors named {name}.")
                tensors[name] = tensor
    return tensors


def _onnx_tensor(fields: _Fields, message: memoryview) -> tuple[str, Array]:
    """Name and values of a TensorProto."""
    shape: list[int] = []
    name, code, raw, elsewhere = "", 0, None, False
    floats = None
    integers: list[int] = []
    for number, value in fields.of(message):
        match number:
            case 1 | 5 | 7:
                many = [value] if isinstance(value, int) else list(fields.integers(value))
                (shape if number == 1 else integers).extend(many)
            case 2:
                code = _made(value, int)
            case 4 | 10:
                floats = np.frombuffer(_made(value, memoryview), "<f4" if number == 4 else "<f8")
            case 8:
                name = _text(bytes(_made(value, memoryview)[: _LONGEST_NAME + 1]))
            case 9:
                raw = _made(value, memoryview)
            case 14:
                elsewhere = value == 1
    if elsewhere:
        raise _RefusedError(f"keeps {name} in another file, which is not opened. Use a file that is whole.")
    if code not in _ONNX_TYPES:
        raise _RefusedError(f"is no set of weights: {name} is not of numbers.")
    dtype = np.dtype(_ONNX_TYPES[code])
    if raw is not None:
        return name, _array(raw, _NumberType(dtype), shape, False)
    if floats is None or integers:
        values = np.array([n - (n >> 63 << 64) for n in integers], np.int64).astype(dtype)
    else:
        values = floats.astype(dtype)
    return name, _array(values.tobytes(), _NumberType(dtype), shape, False)


class _Fields:
    """The fields of messages of Protocol Buffers (protobuf.dev/programming-guides/encoding), so many and no more."""

    def __init__(self) -> None:
        self.left = _MOST_OPERATIONS

    def of(self, message: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
        """Field numbers with values: an integer, or the bytes of all else."""
        view, place = memoryview(message), 0
        while place < len(view):
            tag, place = self.integer(view, place)
            match tag & 7:
                case 0:
                    value, place = self.integer(view, place)
                    yield tag >> 3, value
                    continue
                case 1:
                    length = 8
                case 2:
                    length, place = self.integer(view, place)
                case 5:
                    length = 4
                case _:
                    raise _RefusedError(f"is damaged, or no ONNX file. {_AGAIN}")
            if length > len(view) - place:
                raise _RefusedError(f"is damaged or cut short. {_AGAIN}")
            yield tag >> 3, view[place : place + length]
            place += length

    def integers(self, packed: memoryview) -> Iterator[int]:
        """Integers one after the other."""
        place = 0
        while place < len(packed):
            value, place = self.integer(packed, place)
            yield value

    def integer(self, view: memoryview, place: int) -> tuple[int, int]:
        """An integer of seven bits a byte, and where it ends."""
        self.left -= 1
        if not self.left:
            raise _RefusedError("has more fields than any weight file. Do not use it.")
        value = 0
        for shift in range(0, 70, 7):
            byte = view[place]
            place += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value & (1 << 64) - 1, place
        raise _RefusedError(f"is damaged, or no ONNX file. {_AGAIN}")
