"""Looks at a data set through a network once: which pictures excite each unit most, and where."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tfviz.atlas.network import Network
from tfviz.atlas.packing import PATCH, packed
from tfviz.errors import BadFileError
from tfviz.experiment.inputs import Input, of_cifar10
from tfviz.files.hashes import file_sha256

Array = npt.NDArray[np.floating]

EXEMPLARS = 9
NEIGHBOURS = 9
CONTROLS = 100
"""Patches at random places that stand beside those that excite units most."""
CONTROL = -1
"""Their row's unit."""
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".avif", ".jfif")
_BATCH = 32


@dataclass(frozen=True)
class DataSet:
    """Pictures: files of a folder and of those in it, or CIFAR-10's test pictures.

    Attributes:
        label: for people.
        place: the folder, or where CIFAR-10 is.
        names: of the files, relative to the folder, those that are taken; of CIFAR-10 the pictures' numbers.
        sha256: of all that is taken.
        is_cifar: which of the two it is.
    """

    label: str
    place: Path
    names: tuple[str, ...]
    sha256: str
    is_cifar: bool = False

    @property
    def input(self) -> Input:
        """What a worker needs of it."""
        return of_cifar10(self.place, test=True) if self.is_cifar else Input(self.place, self.names)

    def pictures(
        self, size: tuple[int, int], which: Sequence[int] | None = None
    ) -> Iterator[tuple[int, Array]]:
        """Number and picture (*size, 3) in [0, 1] of each that can be read, of those numbers; None: of all."""
        from PIL import Image

        from tfviz.data import cifar10
        from tfviz.data.pictures import as_floats, read_picture

        numbers = range(len(self.names)) if which is None else which
        if self.is_cifar:
            stored = cifar10.read_test_batch(self.place).pictures
            for number in numbers:
                image = Image.fromarray(stored[int(self.names[number])])
                yield number, as_floats(image.resize((size[1], size[0]), Image.Resampling.BICUBIC))
            return
        for number in numbers:
            try:
                yield number, read_picture(self.place / self.names[number], *size)
            except BadFileError:
                continue


def data_set(place: Path, most: int | None = None) -> DataSet:
    """What lies in a folder: CIFAR-10, or pictures in it and in the folders below it.

    Args:
        place: the folder, or CIFAR-10's archive.
        most: pictures that are taken, evenly from all; None: all of them.

    Raises:
        BadFileError: there are none.
    """
    from tfviz.data import cifar10

    if not place.is_dir() and not tarfile.is_tarfile(place):
        raise BadFileError(
            f"{place} is neither a folder of pictures nor CIFAR-10's archive: name one with --pictures."
        )
    if not place.is_dir() or any(
        (place / name / cifar10.TEST_BATCH).is_file() for name in ("", cifar10.FOLDER)
    ):
        found = cifar10.find(place)
        assert found is not None
        batch = cifar10.read_test_batch(found)
        taken = tuple(str(number) for number in _evenly(len(batch.pictures), most))
        return DataSet("CIFAR-10, test", found.resolve(), taken, cifar10.sha256(batch), True)
    files = sorted(
        path.relative_to(place).as_posix()
        for path in place.rglob("*")
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not files:
        raise BadFileError(
            f"{place} holds no pictures ({', '.join(_SUFFIXES)}): name another folder with --pictures."
        )
    names = tuple(files[number] for number in _evenly(len(files), most))
    return DataSet(place.resolve().name, place.resolve(), names, _sha256(place, names))


def _sha256(place: Path, names: Sequence[str]) -> str:
    digest = sha256()
    for name in names:
        digest.update(f"{file_sha256(place / name)} ".encode() + os.fsencode(name) + b"\n")
    return digest.hexdigest()


def _check(data: DataSet) -> None:
    """See that this machine has the pictures that were meant: it may be another one than theirs.

    Raises:
        BadFileError: it has not.
    """
    from tfviz.data import cifar10

    try:
        if data.is_cifar:
            same = cifar10.sha256(cifar10.read_test_batch(data.place)) == data.sha256
        else:
            same = _sha256(data.place, data.names) == data.sha256
    except OSError as error:
        raise BadFileError(
            f"{data.place} is not what it was ({error.strerror}): run again, and the pictures that are there now are "
            "taken."
        ) from error
    if not same:
        raise BadFileError(f"{data.place} holds other pictures than when the atlas was begun: run again.")


def _evenly(count: int, most: int | None) -> list[int]:
    taken = count if most is None else min(most, count)
    return [number * count // taken for number in range(taken)]


@dataclass(frozen=True)
class Window:
    """What a unit sees: `tfviz.receptive_field`, or the whole picture."""

    size: tuple[int, int]
    stride: tuple[int, int]
    offset: tuple[int, int]

    def inside(
        self, picture: tuple[int, int], row: int, column: int
    ) -> tuple[tuple[int, int], tuple[int, int]]:
        """Row and column, and rows and columns, of what unit (row, column) sees within a picture of that size."""
        first = [
            start + at * step for start, at, step in zip(self.offset, (row, column), self.stride, strict=True)
        ]
        begin = [max(at, 0) for at in first]
        stop = [min(at + size, length) for at, size, length in zip(first, self.size, picture, strict=True)]
        return (begin[0], begin[1]), (stop[0] - begin[0], stop[1] - begin[1])

    def patch(self, picture: Array, row: int, column: int) -> Array:
        """What unit (row, column) sees of a picture (H, W, channels), padding black.

        Along an axis on which it sees as much as there is, it is the whole picture.
        """
        taken, around = [], []
        for axis, at in enumerate((row, column)):
            length, size = picture.shape[axis], self.size[axis]
            first = self.offset[axis] + at * self.stride[axis]
            if size >= length:
                first, size = 0, length
            start, stop = max(first, 0), min(first + size, length)
            taken.append(slice(start, max(stop, start)))
            around.append((min(start - first, size), max(first + size - max(stop, start), 0)))
        inside = picture[taken[0], taken[1]]
        return np.pad(inside, (*around, (0, 0)))[: self.size[0], : self.size[1]]


def window_of(model: Any, path: str) -> Window:
    """What the units of a layer see; the whole picture, where it is not known."""
    from tfviz.measures.receptive_field import receptive_field

    try:
        field = receptive_field(model, path)
    except ValueError:
        rows, columns = model.input_shape[1:3]
        return Window((rows, columns), (0, 0), (0, 0))
    return Window(field.size, field.stride, field.offset)


@dataclass(frozen=True)
class Maxima:
    """What a layer's units made of a data set.

    Attributes:
        values: (pictures, channels): the highest activation in each picture.
        places: (pictures, channels, 2): row and column where it is.
        read: numbers of the pictures, in the data set.
        shape: rows and columns of the map; (): it has none.
    """

    values: Array
    places: npt.NDArray[np.int32]
    read: tuple[int, ...]
    shape: tuple[int, ...]


def maxima(model: Any, paths: Sequence[str], data: DataSet) -> dict[str, Maxima]:
    """One pass over the data set: of each layer's units, before the activation, the highest of each picture."""
    from keras import ops

    from tfviz.models import graph
    from tfviz.models.own import before_activation
    from tfviz.models.reading import Reader

    linear = [path for path in paths if _is_linear(graph.find(model, path).layer)]
    together = Reader(model, linear) if linear else None
    alone = {path: before_activation(model, path) for path in paths if path not in linear}
    rows, columns, colours = model.input_shape[1:]
    read: list[int] = []
    values: dict[str, list[Array]] = {path: [] for path in paths}
    places: dict[str, list[Any]] = {path: [] for path in paths}
    shapes: dict[str, tuple[int, ...]] = {}

    def look(batch: list[Array]) -> None:
        given = as_given(np.stack(batch), colours)
        maps = dict(together(given)[0]) if together else {}
        maps |= {path: own(given, training=False) for path, own in alone.items()}
        for path, found in maps.items():
            array = np.asarray(ops.convert_to_numpy(found))
            shapes[path] = array.shape[1:-1]
            flat = array.reshape(len(array), -1, array.shape[-1])
            at = flat.argmax(axis=1)
            values[path].append(np.take_along_axis(flat, at[:, np.newaxis], 1)[:, 0])
            wide = shapes[path][-1] if shapes[path] else 1
            places[path].append(np.stack([at // wide, at % wide], -1).astype(np.int32))

    batch: list[Array] = []
    for number, picture in data.pictures((rows, columns)):
        read.append(number)
        batch.append(picture)
        if len(batch) == _BATCH:
            look(batch)
            batch = []
    if batch:
        look(batch)
    if not read:
        raise BadFileError(
            f"{data.place} holds no picture that can be read: name another folder with --pictures."
        )
    return {
        path: Maxima(np.concatenate(values[path]), np.concatenate(places[path]), tuple(read), shapes[path])
        for path in paths
    }


def as_given(pictures: Array, colours: int) -> Array:
    """Pictures (N, H, W, 3) as a network of so many colours takes them: grey is their mean."""
    return pictures.mean(axis=-1, keepdims=True) if colours == 1 else pictures


def _is_linear(layer: Any) -> bool:
    from keras import activations

    return getattr(layer, "activation", None) in (None, activations.linear)


def neighbours(values: Array, count: int = NEIGHBOURS) -> list[list[tuple[int, float]]]:
    """Of each unit those whose maxima (pictures, units) correlate most with its own (Pearson, above 0), highest first.

    A unit that makes the same of every picture, or of one no finite number, correlates with none; of fewer than three
    pictures nothing follows.
    """
    known = np.isfinite(values).all(axis=0)
    x = np.where(known, values, 0).astype(np.float64)
    largest = np.abs(x).max(initial=0)
    x -= x.mean(axis=0)
    norm = np.linalg.norm(x, axis=0)
    varies = norm > 1e-6 * largest
    x = np.where(varies, x / np.where(varies, norm, 1), 0)
    found = []
    for unit, row in enumerate(x.T @ x):
        row[unit] = -np.inf
        row[~varies] = -np.inf
        order = np.argsort(-row, kind="stable")[: count if varies[unit] and len(values) > 2 else 0]
        found.append([(int(other), float(row[other])) for other in order if row[other] > 0])
    return found


def survey(network: Network, paths: Sequence[str], data: DataSet, seed: int) -> dict[str, Any]:
    """The task: rows of `tfviz.atlas.table` with what the data set says of the units of some layers.

    Args:
        network: the network.
        paths: of the layers.
        data: the data set.
        seed: of the places of the control patches.

    Returns:
        "rows": {path: rows}, the last of which, unit `CONTROL`, holds patches at random places; "unread": names of
        files that are no pictures that can be read.

    Raises:
        BadFileError: the data set is another on this machine, or none of it can be read.
    """
    _check(data)
    model = network.load()
    found = maxima(model, paths, data)
    size = model.input_shape[1:3]
    rows: dict[str, list[dict[str, Any]]] = {}
    # (picture, path, place among the unit's or the controls' exemplars, unit, row, column)
    wanted: dict[int, list[tuple[str, int, int, int, int]]] = {}
    for path in paths:
        of = found[path]
        order = np.argsort(-of.values, axis=0, kind="stable")[:EXEMPLARS]
        near = neighbours(of.values)
        rows[path] = [
            {
                "layer": path,
                "unit": unit,
                "best_picture": float(of.values[order[0, unit], unit]),
                "exemplars": [{} for _ in order],
                "neighbours": [{"unit": other, "correlation": value} for other, value in near[unit]],
            }
            for unit in range(of.values.shape[1])
        ]
        for unit in range(of.values.shape[1]):
            for rank, number in enumerate(order[:, unit]):
                row, column = (int(each) for each in of.places[number, unit])
                rows[path][unit]["exemplars"][rank] = {"activation": float(of.values[number, unit])}
                wanted.setdefault(of.read[number], []).append((path, unit, rank, row, column))
        random = np.random.default_rng(seed)
        taken = random.permutation(len(of.read))[:CONTROLS]
        rows[path].append(
            {"layer": path, "unit": CONTROL, "exemplars": [{"activation": None} for _ in taken]}
        )
        shape = (*of.shape, 1, 1)[:2]
        for rank, number in enumerate(taken):
            row, column = (int(random.integers(length)) for length in shape)
            wanted.setdefault(of.read[number], []).append((path, CONTROL, rank, row, column))
    windows = {path: window_of(model, path) for path in paths}
    for number, picture in data.pictures(size, sorted(wanted)):
        name = os.fsencode(data.names[number]).decode("utf-8", "replace")
        for path, unit, rank, row, column in wanted[number]:
            patch = packed(windows[path].patch(picture, row, column), PATCH)
            rows[path][unit]["exemplars"][rank] |= {
                "picture": name,
                "row": row,
                "column": column,
                "patch": patch,
            }
    lost = set(range(len(data.names))) - set(found[paths[0]].read)
    return {"rows": rows, "unread": [data.names[number] for number in sorted(lost)]}
