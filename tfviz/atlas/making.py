"""The tasks that an atlas is made of: a pass over the data set, then some units of one layer at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from tfviz.atlas import survey, wiring
from tfviz.atlas.agreement import Judge, agreement
from tfviz.atlas.drawing import Drawer, Layer
from tfviz.atlas.network import Network, drawable
from tfviz.atlas.packing import packed, unpacked
from tfviz.atlas.recipes import Recipe
from tfviz.method.ascent import AscentDivergedError

Row = dict[str, Any]
_TOGETHER = 4000  # units; with what a data set says of them they have 100 million bytes


def groups(layers: Mapping[str, int]) -> list[list[str]]:
    """Layers whose rows are held in memory together, from their numbers of units by path."""
    found: list[list[str]] = [[]]
    for path, units in layers.items():
        if found[-1] and sum(layers[each] for each in found[-1]) + units > _TOGETHER:
            found.append([])
        found[-1].append(path)
    return [group for group in found if group]


@lru_cache(maxsize=1)
def _drawer(network: Network, path: str, recipe: Recipe, count: int) -> Drawer:
    """Kept from one chunk of a layer to the next: it is compiled."""
    return Drawer(Layer(network.load(), path), recipe, count)


@lru_cache(maxsize=1)
def _connections(network: Network) -> list[wiring.Connection]:
    model = network.load()
    return wiring.connections(model, drawable(model, dense=True))


@lru_cache(maxsize=1)
def _judge(network: Network) -> Judge:
    return Judge(network)


def draw(
    network: Network,
    path: str,
    units: tuple[int, ...],
    recipe: Recipe,
    seed: int,
    surveyed: Sequence[Row],
    judge: Network | None,
) -> list[Row]:
    """The rows of some units, as `tfviz.atlas.table.schema` has them.

    Args:
        network: the network.
        path: of the layer.
        units: at most as many as the recipe draws at a time.
        recipe: how.
        seed: of the drawings.
        surveyed: the units' rows of the survey and, last, that of the control patches; (): there was no survey.
        judge: SqueezeNet's weights; None: there is no agreement.

    Returns:
        The rows; none of a unit whose drawing or its activation is not finite.

    Raises:
        AscentDivergedError: that is so of all.
    """
    count = 1 << (len(units) - 1).bit_length()
    drawer = _drawer(network, path, recipe, count)
    layer = drawer.layer
    begun = time.perf_counter()
    # The last chunk of a layer may be smaller: filled up to a power of 2, what was compiled serves again.
    full = [*units, *[units[0]] * (count - len(units))]
    pictures = [drawer(full, number, seed)[: len(units)] for number in range(len(recipe.starts))]
    stored = [[packed(each) for each in np.nan_to_num(drawn)] for drawn in pictures]
    # What is measured is what is kept.
    reached = np.array([_reached(layer, units, drawn) for drawn in stored])
    finite = np.isfinite(reached).all(axis=0) & np.isfinite(pictures).all(axis=(0, 2, 3, 4))
    if not finite.any():
        raise AscentDivergedError(without_number(path, units))
    seconds = (time.perf_counter() - begun) / len(units)
    bounds = layer.bounds(units)
    data = {row["unit"]: row for row in surveyed}
    controls = None
    if judge is not None and survey.CONTROL in data:
        patches = [unpacked(each["patch"]) for each in data[survey.CONTROL]["exemplars"]]
        controls = _judge(judge).features(patches)
    rows = []
    for number, unit in enumerate(units):
        if not finite[number]:
            continue
        order = np.argsort(-reached[:, number], kind="stable")
        drawings = [stored[each][number] for each in order]
        incoming, outgoing = wiring.strongest(_connections(network), path, unit)
        row: Row = {
            "layer": path,
            "unit": unit,
            "drawings": drawings,
            "recipe": recipe.kind,
            "activation": float(reached[order[0], number]),
            "activation_other": [float(reached[each, number]) for each in order[1:]],
            "bound": None if bounds is None else float(bounds[number]),
            "field": {"rows": layer.field[0], "columns": layer.field[1]},
            "incoming": incoming,
            "outgoing": outgoing,
            "seconds": seconds,
        }
        if unit in data:
            row |= {name: data[unit][name] for name in ("best_picture", "exemplars", "neighbours")}
        if controls is not None and judge is not None:
            seen = [unpacked(drawings[0]), *(unpacked(each["patch"]) for each in row["exemplars"])]
            features = _judge(judge).features(seen)
            row["agreement"] = agreement(features[0], features[1:], controls)
        rows.append(row)
    return rows


def without_number(path: str, units: Sequence[int]) -> str:
    """Why there are no rows of some units."""
    return f"Units {', '.join(map(str, units))} of {path} give no finite number for their drawings."


def _reached(layer: Layer, units: Sequence[int], drawn: Sequence[bytes]) -> np.ndarray:
    """The activation of each unit by its own drawing."""
    values = layer.activations(np.array([unpacked(each, layer.colours) for each in drawn]))
    return values[np.arange(len(units)), list(units)]


def chunks(units: Sequence[int], batch: int) -> list[tuple[int, ...]]:
    """The units of a layer in tasks of so many."""
    return [tuple(units[at : at + batch]) for at in range(0, len(units), batch)]
