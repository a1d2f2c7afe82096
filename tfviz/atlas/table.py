"""What is kept of an atlas: one row a unit, in Parquet files that are only ever added.

Files, under the output folder::

    atlas.json              what the atlas is of, and which chunks make it up
    chunks/<key>.parquet    some units of one layer; the key is a hash of all that they depend on
    chunks.jsonl            {"key", "sha256", "units"}, a line for each chunk that was written whole

A chunk whose bytes are not those of its line is as if it were not there: it is computed again. The pictures lie in the
rows, too: one format, one hash, and a column is read without the others. A table, and a tar of the same pictures beside
it (AlexNet's conv3, WebP), are a third larger together, for the tar's headers and blocks of 512 bytes; as arrays, which
is what the shards of Zarr hold, the pictures are nine times as large under zstd.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfviz.errors import BadFileError, TfvizError
from tfviz.files.atomic import write_atomically, write_json
from tfviz.files.reading import read_bytes, read_json

if TYPE_CHECKING:
    import pyarrow

SCHEMA = 1
"""Of atlas.json and of the rows."""
_LARGEST = 1 << 28  # bytes of a chunk; 16 units have 2 million
_KEY = re.compile(r"[0-9a-f]{64}")
_HEAD = "atlas.json"


class NoPyarrowError(TfvizError):
    """The package that reads and writes Parquet is not installed."""


@dataclass(frozen=True)
class Layer:
    """A layer of which units are drawn.

    Attributes:
        name: its path.
        channels: how many units it has.
        units: those that were asked for.
        chunks: keys of the chunks that hold them.
        field: rows and columns of the receptive field; None: not known.
        picture: rows and columns of the pictures that the network takes, of which the field may be more.
        kind: of the Keras layer, for people: "Conv2D".
    """

    name: str
    channels: int
    units: tuple[int, ...]
    chunks: tuple[str, ...]
    field: tuple[int, int] | None
    picture: tuple[int, int]
    kind: str = ""


@dataclass(frozen=True)
class Atlas:
    """What an atlas is of: atlas.json.

    Attributes:
        network: for people.
        weights_sha256: of the file of weights, or of the whole network's.
        recipe: how the drawings were made: settings by name.
        data: "label" of the data set, "pictures" in it, their "sha256"; {}: there is none.
        layers: in the network's order.
        seed: of the drawings.
        program: the commit.
        versions: of the packages and the program's sources.
        failed: why a chunk could not be made, by key.
    """

    network: str
    weights_sha256: str
    recipe: Mapping[str, Any]
    data: Mapping[str, Any]
    layers: tuple[Layer, ...]
    seed: int = 0
    program: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, out: Path) -> Atlas:
        """The atlas in a folder.

        Raises:
            BadFileError: there is none, or atlas.json is damaged or of another version.
        """
        path = out / _HEAD
        if not path.is_file():
            raise BadFileError(f"{path} is not there: make an atlas first, tfviz atlas NETWORK --out {out}.")
        found = read_json(path)
        try:
            if found.pop("schema") != SCHEMA:
                raise ValueError("another version's")
            layers = tuple(_layer(**each) for each in found.pop("layers"))
            return cls(**found, layers=layers)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadFileError(
                f"{path} is no atlas of this version ({str(error)[:100]}): take another folder, or delete it."
            ) from error

    def save(self, out: Path) -> None:
        """Writes atlas.json, whole or not at all."""
        write_json(out / _HEAD, {"schema": SCHEMA, **asdict(self)})

    def missing(self, out: Path) -> dict[str, tuple[int, ...]]:
        """The units that were asked for and are not there, by layer; see `failed` for why."""
        there = written(out)
        lost: dict[str, tuple[int, ...]] = {}
        for layer in self.layers:
            whole = [there[key] for key in layer.chunks if key in there and _content(out, key, there[key])]
            has = {unit for line in whole for unit in line.units}
            if units := tuple(unit for unit in layer.units if unit not in has):
                lost[layer.name] = units
        return lost


def _layer(
    name: str,
    channels: int,
    units: Sequence[int],
    chunks: Sequence[str],
    field: Sequence[int] | None,
    picture: Sequence[int],
    kind: str,
) -> Layer:
    if not all(_KEY.fullmatch(key) for key in chunks) or not all(type(unit) is int for unit in units):
        raise ValueError(f"layer {name!r}")
    size = None if field is None else (int(field[0]), int(field[1]))
    return Layer(
        str(name),
        int(channels),
        tuple(units),
        tuple(chunks),
        size,
        (int(picture[0]), int(picture[1])),
        str(kind),
    )


@cache
def schema() -> pyarrow.Schema:
    """Of the rows.

    drawings: WebP, the best first, cut to what the unit sees where that alone can be computed; activation: of the
    first, as it is stored, untransformed, and activation_other of the others; bound: what no picture in [0, 1] can
    exceed; best_picture: the highest activation in the data set, at any place of the map; exemplars: the pictures
    that excite it most, one place each: row and column in the map, and the patch that the unit sees there, padding
    black; incoming, outgoing: the strongest weights from and to units of other layers, see `tfviz.atlas.wiring`;
    neighbours: units of the same layer whose maxima over the data set correlate most; agreement: see
    `tfviz.atlas.agreement`; seconds: of drawing.
    """
    pa = _pyarrow()
    exemplar = [
        ("picture", pa.string()),
        ("activation", pa.float32()),
        ("row", pa.int32()),
        ("column", pa.int32()),
        ("patch", pa.binary()),
    ]
    weight = [("layer", pa.string()), ("unit", pa.int32()), ("weight", pa.float32())]
    neighbour = [("unit", pa.int32()), ("correlation", pa.float32())]
    return pa.schema(
        [
            ("layer", pa.string()),
            ("unit", pa.int32()),
            ("drawings", pa.list_(pa.binary())),
            ("recipe", pa.string()),
            ("activation", pa.float32()),
            ("activation_other", pa.list_(pa.float32())),
            ("bound", pa.float32()),
            ("field", pa.struct([("rows", pa.int32()), ("columns", pa.int32())])),
            ("best_picture", pa.float32()),
            ("exemplars", pa.list_(pa.struct(exemplar))),
            ("incoming", pa.list_(pa.struct(weight))),
            ("outgoing", pa.list_(pa.struct(weight))),
            ("neighbours", pa.list_(pa.struct(neighbour))),
            ("agreement", pa.float32()),
            ("seconds", pa.float32()),
        ]
    )


@dataclass(frozen=True)
class Line:
    """What chunks.jsonl says of a chunk.

    Attributes:
        sha256: of its bytes.
        units: whose rows are in it.
    """

    sha256: str
    units: tuple[int, ...]


def write(out: Path, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a chunk, then its line; one process at a time may do so in a folder.

    Args:
        out: the atlas' folder.
        key: of the chunk, 64 hexadecimal digits.
        rows: as `schema` has it; what is left out is null.

    Raises:
        NoPyarrowError: there is no pyarrow.
        ValueError: the key or a row is none.
    """
    if not _KEY.fullmatch(key):
        raise ValueError(f"a key has 64 hexadecimal digits, not {key!r}")
    pa = _pyarrow()
    from pyarrow import parquet

    if unknown := {name for row in rows for name in row} - set(schema().names):
        raise ValueError(f"no columns {', '.join(sorted(unknown))}")
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema())
    digest = ""

    def fill(path: Path) -> None:
        nonlocal digest
        # Pictures are packed already, and a dictionary of them only copies them.
        parquet.write_table(
            table, path, compression="zstd", use_dictionary=["layer", "recipe"], version="2.6"
        )
        digest = sha256(path.read_bytes()).hexdigest()

    write_atomically(chunk_path(out, key), fill)
    line = json.dumps({"key": key, "sha256": digest, "units": [int(row["unit"]) for row in rows]})
    handle = os.open(out / "chunks.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(handle).st_size
        cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"  # by a kill in the middle of a line
        os.write(handle, ("\n" * cut + line + "\n").encode())
    finally:
        os.close(handle)


def chunk_path(out: Path, key: str) -> Path:
    """Where a chunk lies."""
    return out / "chunks" / f"{key}.parquet"


def written(out: Path) -> dict[str, Line]:
    """The chunks that were written whole, by key; of two lines of one key the last counts, half a line does not."""
    found: dict[str, Line] = {}
    try:
        content = read_bytes(out / "chunks.jsonl", _LARGEST)
    except FileNotFoundError:
        return found
    for line in content.decode("utf-8", errors="replace").splitlines():
        try:
            said = json.loads(line)
            units = tuple(int(unit) for unit in said["units"])
            found[str(said["key"])] = Line(str(said["sha256"]), units)
        except (ValueError, KeyError, TypeError):
            continue
    return found


def is_whole(out: Path, key: str) -> bool:
    """Whether a chunk is there and has the bytes that were written."""
    line = written(out).get(key)
    return line is not None and _content(out, key, line) is not None


def _content(out: Path, key: str, line: Line) -> bytes | None:
    try:
        content = read_bytes(chunk_path(out, key), _LARGEST)
    except OSError:
        return None
    return content if sha256(content).hexdigest() == line.sha256 else None


def rows(
    out: Path, layers: Collection[str] | None = None, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of the atlas in a folder, by layer in the network's order and by unit; one layer at a time is held.

    Args:
        out: the folder.
        layers: their names; None: all.
        columns: those that are read, "layer" and "unit" in any case; None: all.

    Raises:
        BadFileError: as `Atlas.open`; chunks that are missing or altered are passed over, see `Atlas.missing`.
        NoPyarrowError: there is no pyarrow.
    """
    _pyarrow()
    there = written(out)
    for layer in Atlas.open(out).layers:
        if layers is not None and layer.name not in layers:
            continue
        of_layer: dict[int, dict[str, Any]] = {}
        for key in layer.chunks:
            if key in there:
                of_layer.update((row["unit"], row) for row in chunk(out, key, there[key], columns))
        yield from (of_layer[unit] for unit in sorted(of_layer) if unit in layer.units)


def chunk(out: Path, key: str, line: Line, columns: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """The rows of one chunk; none where it is missing or altered."""
    pa = _pyarrow()
    from pyarrow import parquet

    content = _content(out, key, line)
    if content is None:
        return []
    wanted = None if columns is None else list(dict.fromkeys(["layer", "unit", *columns]))
    file = parquet.ParquetFile(pa.BufferReader(content))  # `read_table` knows no parts of columns
    found: list[dict[str, Any]] = file.read(columns=wanted).to_pylist()
    return found


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise NoPyarrowError(
            "An atlas is kept in Parquet files: pip install -r requirements-atlas.txt (pyarrow)."
        ) from error
    return pyarrow
