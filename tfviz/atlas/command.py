"""``tfviz atlas``: every unit of a network, drawn and found in a data set."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfviz import backend
from tfviz.atlas import keys, page, survey, table
from tfviz.atlas.agreement import JUDGE
from tfviz.atlas.network import Network, NoSuchLayerError, chosen, drawable, own, published
from tfviz.atlas.recipes import QUICK, RECIPES, Recipe
from tfviz.data import cifar10
from tfviz.errors import BadFileError, WeightsUnavailableError, printable, some
from tfviz.experiment import executor
from tfviz.experiment.inputs import Input
from tfviz.experiment.options import add_own_network, add_weights, add_workers
from tfviz.files.atomic import remove_unfinished
from tfviz.files.hashes import json_sha256
from tfviz.files.program import commit
from tfviz.models.networks import NETWORKS, TRAINED_HERE

if TYPE_CHECKING:
    from tfviz.experiment.progress import Reporter
    from tfviz.models.description import Head, Pictures

_FEW = 250  # pictures of the data set with --quick


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes:
        network: a name; None: `model`.
        model: the file of the user's network.
        out: the output folder, in which nobody else works.
        layers: paths; None: all convolutions.
        units: numbers; None: all.
        pictures: where a data set is; None: CIFAR-10 for its networks, if it is there, else none.
        recipe: of `tfviz.atlas.recipes.RECIPES`.
        quick: whether shorter settings will do.
        seed: of the drawings.
        workers: processes; None: as many as there are cores.
        scheduler: address of Dask's.
        offline: whether nothing is downloaded.
        files: weights by hand, by network.
        model_input: the range of a user's network.
        model_head: what its last layer returns.
    """

    network: str | None
    out: Path
    model: Path | None = None
    layers: Sequence[str] | None = None
    units: Sequence[int] | None = None
    pictures: Path | None = None
    recipe: str = "fourier"
    quick: bool = False
    seed: int = 0
    workers: int | None = None
    scheduler: str | None = None
    offline: bool = False
    files: Mapping[str, Path] | None = None
    model_input: Pictures | None = None
    model_head: Head | None = None


def parser(name: str) -> argparse.ArgumentParser:
    """The options of ``tfviz atlas``."""
    parser = argparse.ArgumentParser(
        prog=f"{name} atlas",
        usage="%(prog)s NETWORK|--model FILE [option ...]",
        description="Draw every unit of a network, find the pictures of a data set that excite it most, and write the "
        "page of it. The same command goes on where it was interrupted, and adds layers to an atlas.",
        epilog="Exit status: 0 all units are there; 1 some could not be drawn; 2 wrong usage or unusable input; "
        "130 interrupted: the same command goes on.",
    )
    parser.add_argument(
        "network",
        nargs="?",
        metavar="NETWORK",
        help=f"one of {', '.join((*NETWORKS, *TRAINED_HERE))}",
    )
    parser.add_argument("--model", type=Path, metavar="FILE", help="your own network, a .keras file or .h5")
    add_own_network(parser)
    parser.add_argument(
        "--layers",
        nargs="+",
        metavar="LAYER",
        help="paths of 2-D convolutions or dense layers (default: all convolutions)",
    )
    parser.add_argument(
        "--units", nargs="+", type=int, metavar="N", help="these alone, 0-based (default: all)"
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="the data set: a folder of pictures, also in folders below it, or one with CIFAR-10 (default: CIFAR-10 "
        "for its networks, where it is on this machine; none for others)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("atlas"), metavar="DIR", help="output folder (default: atlas)"
    )
    parser.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        default="fourier",
        metavar="RECIPE",
        help="how units are drawn: %(choices)s (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help=f"one short drawing a unit, {_FEW} pictures")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the drawings (default: 0)")
    add_workers(
        parser,
        "processes, each with its share of the cores (default: a core each)",
    )
    add_weights(parser)
    return parser


def make(asked: Asked, tell: Callable[[str], None] = print) -> bool:
    """Makes the atlas that was asked for, as far as it is not there.

    Args:
        asked: what.
        tell: is called with what is said at the end, line by line.

    Returns:
        Whether all units that were asked for are there.

    Raises:
        TfvizError: what was asked for cannot be had.
    """
    backend.load()  # first: what else imports Keras leaves the framework's own lines on the terminal
    from tfviz.atlas import making
    from tfviz.experiment.progress import Reporter

    def say(line: str) -> None:
        tell(printable(" ".join(line.split())))  # names come from the network's file

    table.schema()  # raises where pyarrow is missing
    plan = _plan(asked, say)
    remove_unfinished(asked.out / "chunks")
    atlas = _joined(asked.out, plan.atlas, plan.order, say)
    atlas.save(asked.out)
    failed = dict(atlas.failed)
    try:
        with Reporter() as reporter, executor.workers(asked.workers, scheduler=asked.scheduler) as pool:
            for group in making.groups({path: len(units) for path, units in plan.units.items()}):
                _look(asked, plan, group, pool, reporter)
                _draw(asked, plan, group, pool, reporter, failed)
    finally:  # also of what an interrupt leaves
        missing = atlas.missing(asked.out)
        of = {key for layer in atlas.layers if layer.name in missing for key in layer.chunks}
        atlas = replace(atlas, failed={key: reason for key, reason in failed.items() if key in of})
        atlas.save(asked.out)
        written = page.write(asked.out)
    for path, lost in missing.items():
        say(f"{path}: {len(lost)} units are missing.")
    _print_numbers(asked.out, say)
    say(written.resolve().as_uri())
    return not any(unit in missing.get(path, ()) for path, units in plan.units.items() for unit in units)


@dataclass(frozen=True)
class _Plan:
    """What is to be made.

    Attributes:
        network: the network.
        order: paths of all its layers that could be drawn, in its order.
        units: of each layer, by path.
        recipe: how they are drawn.
        data: the data set; None: there is none.
        judge: SqueezeNet's weights; None: there are none.
        surveys: keys by path.
        chunks: keys of each layer's chunks, with their units.
        atlas: what atlas.json says of it.
    """

    network: Network
    order: Sequence[str]
    units: Mapping[str, Sequence[int]]
    recipe: Recipe
    data: survey.DataSet | None
    judge: Network | None
    surveys: Mapping[str, str]
    chunks: Mapping[str, Mapping[str, tuple[int, ...]]]
    atlas: table.Atlas


def _plan(asked: Asked, say: Callable[[str], None]) -> _Plan:
    """Everything is looked at before anything is computed: what cannot be stops here."""
    from tfviz.atlas import making

    files = asked.files or {}
    if asked.model is not None:
        network = own(asked.model, asked.model_input, asked.model_head)
    else:
        network = published(asked.network or "", files, offline=asked.offline)
    model = network.load()
    if model.input_shape[-1] not in (1, 3):
        raise NoSuchLayerError(
            f"{network.label} takes pictures of {model.input_shape[-1]} channels, which can be neither drawn nor "
            "found: an atlas is of a network that takes 1 or 3."
        )
    calls = chosen(model, asked.layers)
    units = {path: _units(path, int(call.outputs[0].shape[-1]), asked.units) for path, call in calls.items()}
    data = _data(asked, network, say)
    recipe = (QUICK if asked.quick else RECIPES)[asked.recipe]
    judge = _judge(asked, say) if data is not None else None
    surveys = {path: keys.survey_key(network, path, data, asked.seed) for path in units if data is not None}
    judged = judge.sha256 if judge else ""
    before = _chunks_before(asked.out)
    chunks: dict[str, dict[str, tuple[int, ...]]] = {}
    for path, every in units.items():

        def key_of(some: tuple[int, ...], path: str = path) -> str:
            return keys.chunk_key(network, path, some, recipe, asked.seed, surveys.get(path, ""), judged)

        there = {key: some for key, some in before.get(path, {}).items() if set(some) & set(every)}
        there = {key: some for key, some in there.items() if key_of(some) == key}
        drawn = {unit for some in there.values() for unit in some}
        left = [unit for unit in every if unit not in drawn]
        chunks[path] = there | {key_of(some): some for some in making.chunks(left, recipe.batch)}
    layers = tuple(
        table.Layer(
            path,
            int(calls[path].outputs[0].shape[-1]),
            tuple(units[path]),
            tuple(chunks[path]),
            survey.window_of(model, path).size,
            model.input_shape[1:3],
            type(calls[path].layer).__name__,
        )
        for path in units
    )
    atlas = table.Atlas(
        network.label,
        network.sha256,
        asdict(recipe),
        {} if data is None else {"label": data.label, "pictures": len(data.names), "sha256": data.sha256},
        layers,
        asked.seed,
        commit(),
        keys.versions(),
    )
    return _Plan(
        network, list(drawable(model, dense=True)), units, recipe, data, judge, surveys, chunks, atlas
    )


def _chunks_before(out: Path) -> dict[str, dict[str, tuple[int, ...]]]:
    """Of an atlas in a folder, if there is one: the units of each chunk that was written, by layer and key."""
    try:
        layers = table.Atlas.open(out).layers
    except BadFileError:
        return {}
    written = table.written(out)
    return {
        layer.name: {key: written[key].units for key in layer.chunks if key in written} for layer in layers
    }


def _units(path: str, channels: int, asked: Sequence[int] | None) -> tuple[int, ...]:
    if asked is None:
        return tuple(range(channels))
    if wrong := [unit for unit in asked if not 0 <= unit < channels]:
        raise NoSuchLayerError(f"--units: {path} has units 0 to {channels - 1}, not {wrong[0]}.")
    return tuple(sorted(set(asked)))


def _data(asked: Asked, network: Network, say: Callable[[str], None]) -> survey.DataSet | None:
    place = asked.pictures
    if place is None and network.name in TRAINED_HERE:
        place = cifar10.find()
    if place is None:
        say(
            "No data set: name a folder with --pictures, and the pictures that excite each unit are found in it."
        )
        return None
    if not place.exists():
        raise BadFileError(f"{place} does not exist: name a folder of pictures with --pictures.")
    return survey.data_set(place, _FEW if asked.quick else None)


def _judge(asked: Asked, say: Callable[[str], None]) -> Network | None:
    try:
        return published(JUDGE, asked.files or {}, offline=asked.offline)
    except WeightsUnavailableError as error:
        say(f"Without {JUDGE} nothing says how well drawings and pictures agree: {error}")
        return None


def _joined(out: Path, atlas: table.Atlas, order: Sequence[str], say: Callable[[str], None]) -> table.Atlas:
    """The atlas, and what there is of the one in its place, where that was made in the same way."""
    try:
        former = table.Atlas.open(out)
    except BadFileError:
        return atlas
    same = ("network", "weights_sha256", "recipe", "data", "seed")
    # Through JSON, as the other went: tuples are lists there.
    if any(json.loads(json.dumps(getattr(atlas, name))) != getattr(former, name) for name in same):
        say(
            f"{out} held an atlas made otherwise: this one takes its place; that one's command brings it back."
        )
        return atlas
    layers = {layer.name: layer for layer in former.layers if layer.name in order}
    for layer in atlas.layers:
        before = layers.get(layer.name)
        if before is not None and not set(before.units) <= set(layer.units):
            units = tuple(sorted({*before.units, *layer.units}))
            chunks = tuple(dict.fromkeys((*before.chunks, *layer.chunks)))
            layer = replace(layer, units=units, chunks=chunks)
        layers[layer.name] = layer
    return replace(
        atlas, layers=tuple(layers[path] for path in order if path in layers), failed=former.failed
    )


def _look(
    asked: Asked, plan: _Plan, group: Sequence[str], pool: executor.Workers, reporter: Reporter
) -> None:
    """One pass over the data set for the layers of a group that lack one.

    Raises:
        BadFileError: it cannot be done.
    """
    if plan.data is None:
        return
    missing = tuple(path for path in group if not table.is_whole(asked.out, plan.surveys[path]))
    if not missing:
        return
    reporter.say(f"Looking at {len(plan.data.names)} pictures of {plan.data.label}: {some(missing)}")
    task = executor.Task(
        json_sha256([plan.surveys[path] for path in missing]),
        survey.survey,
        (plan.network, missing, plan.data, asked.seed),
        "looking at the data set",
        (Input(plan.network.path), plan.data.input),
    )

    def keep(_: executor.Task, found: Mapping[str, Any]) -> None:
        for path, rows in found["rows"].items():
            table.write(asked.out, plan.surveys[path], rows)
        if unread := found["unread"]:
            reporter.say(f"{len(unread)} files are no pictures that can be read: {some(unread, 3)}")

    if failed := executor.run([task], pool, done=lambda _: False, keep=keep, shared=asked.out / "chunks"):
        raise BadFileError(f"The data set could not be looked at: {failed[0].reason}")


def _draw(
    asked: Asked,
    plan: _Plan,
    group: Sequence[str],
    pool: executor.Workers,
    reporter: Reporter,
    failed: dict[str, str],
) -> None:
    """The chunks of some layers; failed: why one could not be made, by key, is brought up to date."""
    from tfviz.atlas import making

    inputs = tuple(Input(each.path) for each in (plan.network, plan.judge) if each is not None)
    whole = {key for path in group for key in plan.chunks[path] if table.is_whole(asked.out, key)}

    def tasks() -> Iterator[executor.Task]:
        for path in group:
            data = _surveyed(asked.out, plan.surveys.get(path))
            for key, units in plan.chunks[path].items():
                rows = (
                    [data[unit] for unit in (*units, survey.CONTROL) if unit in data]
                    if key not in whole
                    else []
                )
                arguments = (plan.network, path, units, plan.recipe, asked.seed, rows, plan.judge)
                yield executor.Task(key, making.draw, arguments, f"{path} {units[0]} to {units[-1]}", inputs)

    def keep(task: executor.Task, rows: Sequence[Mapping[str, Any]]) -> None:
        table.write(asked.out, task.key, rows)
        failed.pop(task.key, None)

    executor.run(
        tasks(),
        pool,
        done=whole.__contains__,
        keep=keep,
        failed=lambda failure: failed.update({failure.task.key: failure.reason}),
        say=reporter.say,
        show=lambda done, total, note: reporter.progress("chunks of units", done, total, note),
        shared=asked.out / "chunks",
    )
    there = table.written(asked.out)
    for path in group:
        for key, units in plan.chunks[path].items():
            if key in there and (lost := [unit for unit in units if unit not in there[key].units]):
                failed[key] = making.without_number(path, lost)
                reporter.say(failed[key])


def _surveyed(out: Path, key: str | None) -> dict[int, dict[str, Any]]:
    """What a data set says of a layer's units, by unit."""
    if key is None:
        return {}
    names = ("best_picture", "exemplars", "neighbours")
    return {row["unit"]: row for row in table.chunk(out, key, table.written(out)[key], names)}


def _print_numbers(out: Path, say: Callable[[str], None]) -> None:
    """Of each layer: how many units there are, for how many the drawing excites more than any picture, agreement."""
    columns = ("activation", "best_picture", "agreement", "seconds")
    layers: dict[str, list[dict[str, Any]]] = {}
    for row in table.rows(out, columns=columns):
        layers.setdefault(row["layer"], []).append(row)
    for path, rows in layers.items():
        compared = [row for row in rows if row["best_picture"] is not None]
        more = sum(row["activation"] > row["best_picture"] for row in compared)
        judged = [row["agreement"] for row in rows if row["agreement"] is not None]
        line = f"{path}: {len(rows)} units"
        if compared:
            line += f", the drawing excites {more} of {len(compared)} more than any picture"
        if judged:
            line += f", agreement {statistics.median(judged):.2f} at the median (0.5 is chance)"
        say(line)
