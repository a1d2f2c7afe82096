"""Computes again only what a hidden block changes of a network's maps.

A block changes a window of each map, which grows from layer to layer; outside it the map is that of the whole picture.
So the numbers are those of the hidden pictures' whole maps (S. Nakandala, A. Kumar and Y. Papakonstantinou 2019,
"Incremental and Approximate Inference for Faster Occlusion-based Deep CNN Explanations").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from tfviz import backend
from tfviz.backend.protocol import Operations
from tfviz.method import loops
from tfviz.method.window import Slide, UnknownError, called, slide_of
from tfviz.models import graph

Array = npt.NDArray[Any]
Tensor = Any
Pair = tuple[int, int]
Spans = tuple[tuple[Array, Array], tuple[Array, Array]]
"""First and last changed row + 1 for each row of blocks; columns likewise."""

_CALL = 1e7  # multiplications in the time that a call takes beside its own
_COMPILING = 2e8  # likewise, to compile it
_KEPT = 4  # kinds of blocks for one model: each holds its compiled program
_MOST_CLASSES = 8  # of rows of blocks; more gain nothing


class Incremental:
    """What a network says of pictures of one size with one block after another hidden; compiled at its first picture.

    Args:
        calls: of the network, in an order in which they can be executed; the last one's output is asked for.
        slides: what is known of the calls that are computed in windows, by path: all from the picture on.
        size: rows and columns of the pictures.
        patch: rows and columns of a block.
        corners: first rows and first columns of the blocks.
        batches: numbers (row * columns of blocks + column) of the blocks that are computed together.
        operations: see `tfviz.backend`.
    """

    def __init__(
        self,
        calls: Sequence[graph.Call],
        slides: Mapping[str, Slide],
        size: Pair,
        patch: int,
        corners: tuple[range, range],
        batches: Sequence[Array],
        operations: Operations,
    ) -> None:
        self._head = [call for call in calls if call.path in slides]
        self._tail = [call for call in calls if call.path not in slides and not call.is_input]
        self._source = next(call.outputs[0] for call in calls if call.is_input)
        self._end = calls[-1].outputs[0]
        made = (self._source, *(call.outputs[0] for call in self._head))
        self._between = [value for value in made if any(value in call.inputs for call in self._tail)]
        self._slides, self._patch = slides, patch
        self._columns, self._batches = len(corners[1]), batches
        self._spans = changed(self._head, slides, self._source, patch, corners)
        self._lengths: dict[graph.Value, Pair] = {self._source: size}
        self._lengths |= {call.outputs[0]: slides[call.path].outputs for call in self._head}
        self._alike = {
            (call, value) for call in self._head for value in call.inputs if self._is_alike(call, value)
        }
        self._run = operations.compiled(self._in_windows)

    def outputs(self, picture: Array, colour: Array) -> Iterator[tuple[Array, Array]]:
        """Numbers of blocks (n,), and what the network returns for them (n, ...), until all are there.

        Args:
            picture: (H, W, channels) float32.
            colour: of the blocks, () or (channels,).
        """
        tables = self._of_the_whole(picture)
        numbers: list[Array] = []
        waiting: list[list[Tensor]] = []
        for batch in self._batches:
            shape = (len(batch), self._patch, self._patch, picture.shape[2])
            blocks = np.broadcast_to(colour, shape).astype(np.float32)
            numbers.append(batch)
            waiting.append(self._run([blocks], self._places(batch), tables))
            held = sum(prod(tensor.shape) for tensors in waiting for tensor in tensors)
            # As many as fit where a batch of pictures would: large products of matrices are the fast ones.
            if held >= len(batch) * picture.size or batch is self._batches[-1]:
                whole = [ops.concatenate(tensors) for tensors in zip(*waiting, strict=True)]
                yield np.concatenate(numbers), self._behind(whole)
                numbers, waiting = [], []

    def _of_the_whole(self, picture: Array) -> list[Tensor]:
        """What `_in_windows` takes from the maps of the whole picture, (places, channels), in its order."""
        whole = {self._source: ops.convert_to_tensor(picture[np.newaxis])}
        tables: dict[tuple[graph.Value, float | None], Tensor] = {}

        def table(value: graph.Value, fill: float | None) -> Tensor:
            if (value, fill) not in tables:
                padding = ops.full((1, whole[value].shape[-1]), fill or 0.0, dtype="float32")
                tables[value, fill] = ops.concatenate([_flat(whole[value]), padding])
            return tables[value, fill]

        wanted = []
        for call in self._head:
            wanted += [
                table(value, self._slides[call.path].fill)
                for value in call.inputs
                if (call, value) not in self._alike
            ]
            whole[call.outputs[0]] = called(call, *(whole[value] for value in call.inputs))
        return wanted + [table(value, None) for value in self._between]

    def _in_windows(self, blocks: list[Tensor], places: list[Tensor], tables: list[Tensor]) -> list[Tensor]:
        """The whole maps of each of `_between`, for each block."""
        known = {self._source: blocks[0]}
        sources = zip(places, tables, strict=True)

        def region(value: graph.Value) -> Tensor:
            place, table = next(sources)
            return ops.take(ops.concatenate([table, _flat(known[value])]), place, axis=0)

        for call in self._head:
            parts = [known[value] if (call, value) in self._alike else region(value) for value in call.inputs]
            known[call.outputs[0]] = self._slides[call.path].compute(*parts)
        return [region(value) for value in self._between]

    def _is_alike(self, call: graph.Call, value: graph.Value) -> bool:
        """Whether the windows of an input are just what the call needs for those of its output."""
        slide = self._slides[call.path]
        if (slide.extent, slide.stride, slide.padding) != ((1, 1), (1, 1), (0, 0)):
            return False
        if slide.outputs != self._lengths[value]:  # padded, or cropped, at the end alone
            return False
        spans = zip(self._spans[value], self._spans[call.outputs[0]], strict=True)
        return all(np.array_equal(before, after) for before, after in spans)

    def _places(self, batch: Array) -> list[Array]:
        """Where `_in_windows` finds what these blocks need: (blocks, rows, columns) int32, in its order.

        All windows of a batch are as large as the largest must be.
        """
        at = np.divmod(batch, self._columns)

        def window(value: graph.Value) -> tuple[list[Array], list[int]]:
            starts, sizes = [], []
            for axis in (0, 1):
                first, stop = (each[at[axis]] for each in self._spans[value][axis])
                sizes.append(_size(first, stop))
                starts.append(np.minimum(first, self._lengths[value][axis] - sizes[-1]))
            return starts, sizes

        places = []
        for call in self._head:
            if all((call, value) in self._alike for value in call.inputs):
                continue
            slide, (starts, sizes) = self._slides[call.path], window(call.outputs[0])
            needed = [
                start[:, np.newaxis] * stride - pad + np.arange((size - 1) * stride + extent)
                for start, size, stride, pad, extent in zip(
                    starts, sizes, slide.stride, slide.padding, slide.extent, strict=True
                )
            ]
            places += [
                _place(*window(value), needed, self._lengths[value])
                for value in call.inputs
                if (call, value) not in self._alike
            ]
        for value in self._between:
            everything = [np.tile(np.arange(length), (len(batch), 1)) for length in self._lengths[value]]
            places.append(_place(*window(value), everything, self._lengths[value]))
        return places

    def _behind(self, whole: list[Tensor]) -> Array:
        known = dict(zip(self._between, whole, strict=True))
        for call in self._tail:
            made = keras.tree.flatten(called(call, *(known[value] for value in call.inputs)))
            known |= zip(call.outputs, made, strict=True)
        return np.asarray(ops.convert_to_numpy(known[self._end]), np.float32)


def _place(starts: list[Array], sizes: list[int], needed: list[Array], lengths: Pair) -> Array:
    """Numbers of places in a table: of a whole map's, of all padding, then of each block's window.

    Args:
        starts: first row, first column of each window, (blocks,).
        sizes: of the windows.
        needed: rows, columns of the map that are needed for each block, (blocks, count); outside it is padding.
        lengths: of the map.

    Returns:
        (blocks, rows, columns) int32.
    """
    (height, width), (rows, columns) = lengths, sizes
    row, column = (each.astype(np.int32) for each in needed)
    in_map = _both((row >= 0) & (row < height), (column >= 0) & (column < width))
    row_there, column_there = (
        each - start[:, np.newaxis].astype(np.int32)
        for each, start in zip((row, column), starts, strict=True)
    )
    in_window = _both((row_there >= 0) & (row_there < rows), (column_there >= 0) & (column_there < columns))
    firsts = height * width + 1 + rows * columns * np.arange(len(row), dtype=np.int32)
    place = np.where(
        in_map,
        (row * width)[:, :, np.newaxis] + column[:, np.newaxis],
        np.int32(height * width),
    )
    np.copyto(
        place,
        (firsts[:, np.newaxis] + row_there * columns)[:, :, np.newaxis] + column_there[:, np.newaxis],
        where=in_window,
    )
    return place


def incremental(
    model: keras.Model, picture: Array, patch: int, corners: tuple[range, range], batch: int
) -> Incremental | None:
    """The incremental way through a network.

    Args:
        model: with one output.
        picture: (H, W, channels) float32.
        patch: rows and columns of a block.
        corners: first rows and first columns of the blocks.
        batch: blocks that are computed together, at most.

    Returns:
        None: how the network is made is not known, or as much is to be computed as for whole pictures, or more.
    """
    operations = backend.current().operations()
    if operations is None:
        return None
    known = loops.kept(model).incremental
    key = (picture.shape, patch, corners, batch)
    if key not in known:
        known[key] = _new(model, (picture.shape[0], picture.shape[1]), patch, corners, batch, operations)
        if len(known) > _KEPT:
            known.popitem(last=False)
    found: Incremental | None = known[key]
    return found


def _new(
    model: keras.Model,
    size: Pair,
    patch: int,
    corners: tuple[range, range],
    batch: int,
    operations: Operations,
) -> Incremental | None:
    found = _followed(model, size)
    if found is None:
        return None
    calls, slides = found
    batches = _cheapest(calls, slides, patch, corners, batch)
    return None if batches is None else Incremental(calls, slides, size, patch, corners, batches, operations)


def _followed(model: keras.Model, size: Pair) -> tuple[tuple[graph.Call, ...], dict[str, Slide]] | None:
    """The calls that lead to the output, and those of them that can be computed in windows."""
    outer = graph.functional(model)
    if outer is None or len(outer.inputs) != 1 or len(outer.outputs) != 1:
        return None
    nested = [layer for layer in model._flatten_layers() if graph.functional(layer) is not None]
    if any(not type(each).__module__.startswith("keras.src.models.") for each in nested):
        return None  # its call may be another than its graph shows
    given = outer.inputs[0]
    end = next((place for place in graph.places(model) if place.tensor is outer.outputs[0]), None)
    if end is None or len(given.shape) != 4 or given.dtype != "float32":
        return None
    calls = graph.way(model, end.path)
    if len(calls[-1].outputs) != 1 or any(call.arguments[1].get("training") for call in calls):
        return None
    lengths = {call.outputs[0]: size for call in calls if call.is_input}
    slides = {}
    for call in calls:
        if call.is_input or any(value not in lengths for value in call.inputs):
            continue
        try:
            slide = slide_of(call, [lengths[value] for value in call.inputs])
        except UnknownError:
            continue
        if slide.fill is not None or not _is_padded(slide, lengths[call.inputs[0]]):
            slides[call.path] = slide
            lengths[call.outputs[0]] = slide.outputs
    return calls, slides


def _is_padded(slide: Slide, lengths: Pair) -> bool:
    return any(
        pad > 0 or (count - 1) * stride - pad + extent > length
        for pad, count, stride, extent, length in zip(
            slide.padding, slide.outputs, slide.stride, slide.extent, lengths, strict=True
        )
    )


def changed(
    calls: Sequence[graph.Call],
    slides: Mapping[str, Slide],
    source: graph.Value,
    patch: int,
    corners: tuple[range, range],
) -> dict[graph.Value, Spans]:
    """What blocks change of the outputs of calls, each of which has a slide; source: what is hidden in."""

    def behind(slide: Slide, span: tuple[Array, Array], axis: int) -> tuple[Array, Array]:
        first, stop = (each + slide.padding[axis] for each in span)
        begin = np.maximum(0, -(-(first - slide.extent[axis] + 1) // slide.stride[axis]))
        return begin, np.minimum(slide.outputs[axis], (stop - 1) // slide.stride[axis] + 1)

    begins = [np.asarray(each) for each in corners]
    spans: dict[graph.Value, Spans] = {
        source: ((begins[0], begins[0] + patch), (begins[1], begins[1] + patch))
    }
    for call in calls:
        both = []
        for axis in (0, 1):
            each = [behind(slides[call.path], spans[value][axis], axis) for value in call.inputs]
            first, stop = zip(*each, strict=True)
            both.append((np.minimum.reduce(first), np.maximum.reduce(stop)))
        spans[call.outputs[0]] = both[0], both[1]
    return spans


def _cheapest(
    calls: Sequence[graph.Call],
    slides: Mapping[str, Slide],
    patch: int,
    corners: tuple[range, range],
    batch: int,
) -> list[Array] | None:
    """Which blocks to compute together, so that it costs least; None: whole pictures cost no more.

    Windows of one batch are as large as its largest, so blocks of like windows belong together; but every batch takes
    its time, however small it is.
    """
    head = [call for call in calls if call.path in slides]
    source = next(call.outputs[0] for call in calls if call.is_input)
    spans = changed(head, slides, source, patch, corners)
    rows, columns = len(corners[0]), len(corners[1])
    works = {call: sum(prod(weight.shape) for weight in getattr(call.layer, "weights", ())) for call in head}
    head = [call for call in head if works[call]]
    whole = sum(works[call] * prod(slides[call.path].outputs) for call in head)

    def work(axis: int) -> Array:
        """Of each row, or column, of blocks, were they as wide as the map."""
        return sum(
            (
                works[call]
                * prod(slides[call.path].outputs)
                / slides[call.path].outputs[axis]
                * (spans[call.outputs[0]][axis][1] - spans[call.outputs[0]][axis][0])
                for call in head
            ),
            np.zeros((rows, columns)[axis]),
        )

    def cost(blocks: Array) -> float:
        at = np.divmod(blocks, columns)
        share = 0.0
        for call in head:
            sizes = [
                _size(first[numbers], stop[numbers])
                for (first, stop), numbers in zip(spans[call.outputs[0]], at, strict=True)
            ]
            share += works[call] * prod(sizes)
        return len(blocks) * share + len(calls) * _CALL

    by_row, by_column = (np.argsort(work(axis), kind="stable") for axis in (0, 1))
    best, lowest = None, float(rows * columns * whole)
    for classes in range(1, min(_MOST_CLASSES, rows) + 1):
        batches = []
        for some in np.array_split(by_row, classes):
            blocks = (by_column[:, np.newaxis] + columns * np.sort(some)).ravel()
            batches += np.array_split(blocks, -(-len(blocks) // batch))
        costs = whole + len(calls) * _COMPILING + sum(cost(blocks) for blocks in batches)
        if costs < lowest:
            best, lowest = batches, costs
    return best


def _size(first: Array, stop: Array) -> int:
    """Of a window that has all changes of each block; where a block changes nothing, it is computed all the same."""
    return max(1, int((stop - first).max()))


def _both(rows: Array, columns: Array) -> Array:
    both: Array = rows[:, :, np.newaxis] & columns[:, np.newaxis]
    return both


def _flat(maps: Tensor) -> Tensor:
    return ops.reshape(maps, (-1, maps.shape[-1]))
