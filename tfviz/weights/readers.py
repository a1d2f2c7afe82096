"""Reads weight files of several libraries as named numpy arrays, without those libraries.

Names in the result:

- torch (`.pth`, a zip written by `torch.save`): the keys of the state dict, "features.0.weight".
- pickles and `.npy` files that hold a tree of arrays: the keys on the way, joined by "/", with the index for
  lists: "AlexNet_0/Conv_0/kernel", and "conv1/0", "conv1/1" for {"conv1": [kernel, bias]}.
- ONNX: the initialisers' own names; nothing else of the model is read.
- HDF5 (`.h5`): the path of the data set, "conv1/conv1_W:0".

Weight files come from strangers. Pickles are never given to `pickle`: `_unpickle` goes through the
operations, knows those that a tree of arrays needs, and puts values of its own in place of the few globals
on its list, so that nothing that a file names is imported or called. A restricted `pickle.Unpickler` is not
enough: a few bytes without any global let it run out of stack, which ends the process, or fill the memory.

Arrays may be read-only and may share memory with one another.
"""

import math
import pickletools
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tfviz.errors import BadFileError

Array = NDArray[Any]

_AGAIN = "Get the file again."
_LEGACY_TORCH = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_MOST_OPERATIONS = 1_000_000  # a state dict of a thousand tensors needs 50,000
_MOST_NODES = 100_000
_DEEPEST = 16
_LARGEST = 8  # times the file's size: all tensors together, what shared storages and compression may come to


class _RefusedError(Exception):
    """What is wrong with the file, in words."""

    @property
    def line(self) -> str:
        """The words as one line: they may quote names from the file."""
        return "".join(character if character.isprintable() else "?" for character in str(self))


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
        tensors = _formats(path)
        _check(tensors, path.stat().st_size)
    except _RefusedError as error:
        raise BadFileError(f"{path} {error.line}") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadFileError(f"{path} does not exist. Check the path.") from error
    except IsADirectoryError as error:
        raise BadFileError(f"{path} is a folder. Name the weight file in it.") from error
    except PermissionError as error:
        raise BadFileError(f"{path} may not be read by this user. Change its permissions.") from error
    except MemoryError as error:
        raise BadFileError(f"{path} does not fit into memory.") from error
    except Exception as error:  # four libraries, each with exceptions of its own for damaged files
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
        raise BadFileError(f"{name} {error.line}") from error
    except MemoryError as error:
        raise BadFileError(f"{name} does not fit into memory.") from error
    except Exception as error:  # a damaged pickle leads to missing values, wrong types, unknown codes
        raise BadFileError(f"{name} is damaged, cut short, or no pickle. {_AGAIN}") from error


def _formats(path: Path) -> dict[str, Array]:
    with open(path, "rb") as file:
        head = file.read(512)
        file.seek(0)
        if not head:
            raise _RefusedError(f"is empty. {_AGAIN}")
        if head.startswith(b"PK\x03\x04"):
            return _torch_zip(file, path.stat().st_size)
        if head.startswith(b"\x93NUMPY"):
            return _npy(file)
        if head.startswith(b"\x89HDF\r\n\x1a\n"):
            return _h5(path, path.stat().st_size)
        if head[2:].startswith(_LEGACY_TORCH):
            raise _RefusedError(
                "is in torch's format from before version 1.6. Convert it, where torch is installed: "
                "torch.save(torch.load(OLD), NEW)."
            )
        if head[0] == 0x80 and head[1] <= 5:
            return _flat(_unpickle(file.read()))
        if head.lstrip()[:1] == b"<":
            raise _RefusedError(f"is a web page, not weights. {_AGAIN}")
        if head.startswith(b"version https://git-lfs"):
            raise _RefusedError("only points to a file in Git's large file storage. Get the file itself.")
        if path.suffix == ".onnx":
            return _onnx(file.read())
    raise _RefusedError("is not a weight file that is known here (.pth, .ckpt, .npy, .onnx, .h5).")


def _check(tensors: dict[str, Array], size: int) -> None:
    if not tensors:
        raise _RefusedError("holds no tensors.")
    if sum(tensor.nbytes for tensor in tensors.values()) > _LARGEST * size:
        raise _RefusedError("claims to hold far more than its size. Do not use it.")
    for name, tensor in tensors.items():
        if not name.isprintable() or len(name) > 200:
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
                visit(child, f"{name}/{_text(key)}" if name else _text(key), depth + 1)
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
    if isinstance(value, bytes):
        return value.decode("latin1")
    if not isinstance(value, str | int):
        raise _RefusedError(f"is damaged: something else stands where a name should be. {_AGAIN}")
    return str(value)


def _sizes(*values: Any) -> bool:
    return len(values) <= 64 and all(type(n) is int and 0 <= n < 1 << 48 for n in values)


def _array(data: Any, kind: _NumberType, shape: Any, by_columns: bool) -> Array:
    content = data.encode("latin1") if isinstance(data, str) else data  # Python 2 wrote bytes as str
    if not _sizes(*shape) or math.prod(shape) * kind.dtype.itemsize != len(content):
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
    if not _sizes(offset, *size, *stride) or len(size) != len(stride):
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
        # Other keys could be nested so deeply that hashing them runs out of stack and ends the process.
        if not isinstance(key, str | bytes | int):
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
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": _dict,
    "_codecs encode": lambda text, _: text.encode("latin1"),  # Python 3's bytes in old protocols
    "numpy dtype": _numpy_type,
    "torch._utils _rebuild_tensor_v2": _torch_tensor,
    "torch._utils _rebuild_parameter": lambda tensor, *_: tensor,
}
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
    copied = 0

    def account(values: Any) -> None:
        """Counts the text that a call turns into bytes: one long text, named again and again, fills the memory."""
        nonlocal copied
        copied += sum(len(value) for value in _made(values, tuple) if isinstance(value, str))
        if copied > _LARGEST * len(content):
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
            case "BUILD":
                state = stack.pop()
                if not isinstance(stack[-1], dict):  # attributes of a dict, such as torch's `_metadata`
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


def _torch_zip(file: BinaryIO, size: int) -> dict[str, Array]:
    with zipfile.ZipFile(file) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        if len(entries) != len(archive.infolist()):
            raise _RefusedError("is a zip with two entries of one name. Do not use it.")
        pickles = [name for name in entries if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise _RefusedError("is a zip, but not one that torch.save writes.")
        stored = all(info.compress_type == zipfile.ZIP_STORED for info in entries.values())
        if not stored or sum(info.file_size for info in entries.values()) > size:
            raise _RefusedError("is a zip that claims to hold more than its size. Do not use it.")
        folder = pickles[0].removesuffix("data.pkl")
        order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in entries else b"little"
        if order not in (b"little", b"big"):
            raise _RefusedError(f"is damaged: its byte order is unknown. {_AGAIN}")
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
                values = _array(
                    archive.read(f"{folder}data/{_text(key)}"), _NumberType(dtype), (count,), False
                )
                if name == "torch BFloat16Storage":  # which numpy lacks: the upper half of a float32
                    values = (values.astype(np.uint32) << 16).view(np.float32)
                storages[key, name] = values
            return storages[key, name]

        return _flat(_unpickle(archive.read(pickles[0]), storage))


def _npy(file: BinaryIO) -> dict[str, Array]:
    version = np.lib.format.read_magic(file)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = header[version](file)
    if shape != () or not dtype.hasobject:
        raise _RefusedError("holds one array, not a dict of weights.")
    return _flat(_unpickle(file.read()))


def _onnx(content: bytes) -> dict[str, Array]:
    import onnx

    graph = onnx.load_model_from_string(content).graph
    tensors: dict[str, Array] = {}
    for tensor in graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise _RefusedError(
                f"keeps {tensor.name} in another file, which is not opened. Use a file that is whole."
            )
        if tensor.name in tensors:
            raise _RefusedError(f"holds two tensors named {tensor.name}.")
        tensors[tensor.name] = onnx.numpy_helper.to_array(tensor)
    return tensors


def _h5(path: Path, size: int) -> dict[str, Array]:
    import h5py

    tensors: dict[str, Array] = {}
    claimed = nodes = 0

    def visit(group: Any, prefix: str, depth: int) -> None:
        nonlocal claimed, nodes
        for key in group:
            name = f"{prefix}{key}"
            nodes += 1  # groups can contain one another
            if depth > _DEEPEST or nodes > _MOST_NODES:
                raise _RefusedError("is nested deeper than any weight file. Do not use it.")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise _RefusedError(f"has a link at {name}, which is not followed. Use a file that is whole.")
            item = group[key]
            if isinstance(item, h5py.Group):
                visit(item, f"{name}/", depth + 1)
            elif isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf":
                if item.is_virtual or item.external:
                    raise _RefusedError(
                        f"keeps {name} in another file, which is not opened. Use one that is whole."
                    )
                claimed += item.nbytes
                if claimed > _LARGEST * size:
                    raise _RefusedError("claims to hold far more than its size. Do not use it.")
                tensors[name] = np.asarray(item[()])
            else:
                raise _RefusedError(f"is no set of weights: {name} is not of numbers.")

    with h5py.File(path, "r") as file:
        visit(file, "", 0)
    return tensors
