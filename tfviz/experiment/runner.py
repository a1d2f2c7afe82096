"""Runs parts, stores what they find as they finish, skips what is unchanged."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from tfviz import backend
from tfviz.backend import machine
from tfviz.errors import BadFileError, TfvizError, WeightsUnavailableError
from tfviz.experiment import executor, fingerprint
from tfviz.experiment.context import Context, Inputs, OwnNetwork
from tfviz.experiment.durations import took
from tfviz.experiment.inputs import Input, of_cifar10
from tfviz.experiment.progress import Relay, heard_by
from tfviz.experiment.store import PartResult, Store
from tfviz.files.hashes import file_sha256, json_sha256
from tfviz.files.program import commit
from tfviz.models.networks import OWN
from tfviz.weights import fetch
from tfviz.weights.catalog import CATALOG
from tfviz.weights.fetch import WeightsFile

if TYPE_CHECKING:
    import numpy as np

    from tfviz.experiment.part import Part
    from tfviz.experiment.progress import Reporter


@dataclass(frozen=True)
class Options:
    """What the user asked for, as far as it changes what is computed.

    Attributes:
        out: the output folder.
        quick: shorter settings, labelled so in the report.
        force: run again also what is unchanged.
        offline: download nothing.
        seed: of every random number.
        weights: files named by the user, by network.
        inputs: pictures, classes and data named by the user.
        own: what the user says of their own network; None: there is none.
        own_file: its file, or folder.
    """

    out: Path
    quick: bool = False
    force: bool = False
    offline: bool = False
    seed: int = 0
    weights: Mapping[str, Path] = field(default_factory=dict)
    inputs: Inputs = field(default_factory=Inputs)
    own: OwnNetwork | None = None
    own_file: Path | None = None


class Runner:
    """Runs parts; what one of them does wrong stays with it."""

    def __init__(self, options: Options, reporter: Reporter) -> None:
        self.options = options
        self.reporter = reporter
        self.store = Store(options.out)
        self._weights: dict[str, WeightsFile | str] = {}

    def run(self, part: Part) -> PartResult:
        """Run one part here, or find its stored result still current; what comes back is stored, without figures."""
        results: list[PartResult] = []
        with executor.workers(1) as here:
            self.run_all([part], here, results.append)
        return results[0]

    def run_all(self, parts: Iterable[Part], workers: Executor, ended: Callable[[PartResult], None]) -> None:
        """Run parts, begun in this order and ended in any; ended: is called with each result that was stored, or kept.

        Raises:
            OSError: what a part found cannot be written: no fault of its, and what the next one finds could not be,
                either.
            SchedulerError: see `tfviz.experiment.executor.run`.
        """

        def tasks() -> Iterator[executor.Task]:
            for part in parts:
                todo = self._todo(part)
                if isinstance(todo, PartResult):
                    ended(todo)
                else:
                    yield todo

        def keep(task: executor.Task, computed: _Computed | _Broken) -> None:
            if isinstance(computed, _Broken):
                ended(
                    self._fails(task.name, "failed", computed.reason, computed.settings, computed.traceback)
                )
                return
            try:
                result = self.store.save(computed.result, computed.arrays)
            except OSError:
                raise
            except Exception as error:  # it found what cannot be stored
                why, settings = f"{type(error).__name__}: {error}", computed.result.settings
                ended(self._fails(task.name, "failed", why, settings, traceback.format_exc()))
                return
            self.reporter.ends(result.part, f"done in {took(computed.seconds)}", computed.seconds)
            ended(result)

        def failed(failure: executor.Failure) -> None:
            ended(self._fails(failure.task.name, "failed", failure.reason, failure.task.arguments[1]))

        executor.run(
            tasks(),
            workers,
            done=lambda _: False,
            keep=keep,
            failed=failed,
            heard=heard_by(self.reporter),
            shared=self.options.out,
        )

    def _todo(self, part: Part) -> executor.Task | PartResult:
        """What is to be computed of a part; or its result, where nothing is or can be."""
        settings = self._settings(part)
        network, weights, missing = self._network_for(part)
        if missing:
            return self._fails(part.ID, "not run", missing, asdict(settings))
        try:
            key = self._key(part, network, weights)
        except OSError as error:
            return self._fails(part.ID, "failed", f"{error.filename}: {error.strerror}.", asdict(settings))
        if not self.options.force and (stored := self.store.current(part.ID, key)):
            self.reporter.ends(part.ID, "unchanged, kept")
            return stored
        context = Context(
            self.options.seed,
            Relay(part.ID),
            network,
            weights and _wherever(weights),
            _wherever(self.options.inputs),
            {name: _wherever(file) for name, file in _also(part).items()},
            self.options.out.absolute(),
            self.options.own if network == OWN else None,
        )
        quick = self.options.quick and part.QUICK != part.SETTINGS
        named = part.__name__ if isinstance(part, ModuleType) else part
        return executor.Task(
            json_sha256([part.ID, key]),
            _compute,
            (named, asdict(settings), settings, context, key, quick),
            part.ID,
            tuple(_read(context, part)),
        )

    def _fails(
        self,
        part: str,
        status: Literal["failed", "not run"],
        reason: str,
        settings: Mapping[str, Any],
        traceback: str = "",
    ) -> PartResult:
        self.reporter.ends(part, status if status == "not run" else f"{status}: {reason}")
        return self.store.save_failure(part, status, reason, settings, traceback=traceback)

    def waiting(self, parts: Sequence[Part]) -> list[str]:
        """The parts of these that will be computed, as far as that can be said without a download."""
        return [part.ID for part in parts if self.options.force or not self._is_current(part)]

    def _is_current(self, part: Part) -> bool:
        """Whether a result is stored that would be kept with a network whose weights are here."""
        try:
            stored = self.store.load(part.ID)
        except BadFileError:
            return False
        here: list[tuple[str | None, WeightsFile | None]] = [(None, None)]
        if (part.NETWORKS or takes_any_network(part)) and self.options.own is not None:
            here = [(OWN, self._own_weights())] if takes_any_network(part) else []
        elif part.NETWORKS:
            here = [(name, file) for name in part.NETWORKS if (file := self._find(name))]
        try:
            keys = {self._key(part, network, weights) for network, weights in here}
        except OSError:
            return False
        return stored.provenance.get("fingerprint") in keys

    def _settings(self, part: Part) -> Any:
        return part.QUICK if self.options.quick else part.SETTINGS

    def _key(self, part: Part, network: str | None, weights: WeightsFile | None) -> str:
        """The fingerprint that the part's result would have now.

        Raises:
            OSError: an input of the user's cannot be read.
        """
        inputs = {name: _identity(getattr(self.options.inputs, name)) for name in part.INPUTS}
        inputs |= {
            "seed": self.options.seed,
            "weights": weights.sha256 if weights else None,
            "also": {name: file.sha256 for name, file in _also(part).items()},
        }
        if network == OWN and self.options.own is not None:
            inputs["own"] = asdict(self.options.own)
        return fingerprint.of_run(part, asdict(self._settings(part)), inputs, network)

    def _network_for(self, part: Part) -> tuple[str | None, WeightsFile | None, str]:
        """The first of the part's networks whose weights can be had, or why none can; the user's own come first."""
        if (part.NETWORKS or takes_any_network(part)) and self.options.own is not None:
            if not takes_any_network(part):
                why = getattr(part, "WHY_NOT_ANY", f"it needs {' or '.join(part.NETWORKS)}")
                why = f"It does not run on your network, since {why}: leave --model out."
                return None, None, why
            return OWN, self._own_weights(), ""
        reasons = []
        for name in sorted(part.NETWORKS, key=lambda name: name not in self.options.weights):
            found = self._fetch(name)
            if isinstance(found, WeightsFile):
                return name, found, ""
            reasons.append(found)
        return None, None, " ".join(reasons)

    def _own_weights(self) -> WeightsFile:
        """The user's own network, as its file."""
        path = self.options.own_file
        if path is None:
            raise ValueError("own_file says where the user's own network is")
        files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        hashes = [file_sha256(each) for each in files]
        whole = hashes[0] if len(files) == 1 else json_sha256(hashes)
        return WeightsFile(path, whole, f"{path.name}, named by the user", OWN, published=False)

    def _find(self, name: str) -> WeightsFile | None:
        """A network's weights, if they are here."""
        try:
            return fetch.find(name, self.options.weights)
        except BadFileError:
            return None

    def _fetch(self, name: str) -> WeightsFile | str:
        """A network's weights, or why they cannot be had; tried, and said, once a run."""
        if name not in self._weights:
            try:
                found = fetch.fetch(
                    name,
                    offline=self.options.offline,
                    user_files=self.options.weights,
                    progress=self.reporter.progress,
                    say=self.reporter.say,
                )
                self._weights[name] = found if found.published else _recognised(found)
            except (WeightsUnavailableError, BadFileError) as error:
                self.reporter.say(str(error))
                self._weights[name] = str(error)
        return self._weights[name]


def takes_any_network(part: Part) -> bool:
    """Whether a part looks into the user's own network, in place of its NETWORKS if it has any."""
    return bool(getattr(part, "ANY_NETWORK", False))


@dataclass(frozen=True)
class _Computed:
    """What a part found, as it is stored, and the seconds that it took in all."""

    result: PartResult
    arrays: Mapping[str, np.ndarray]
    seconds: float


@dataclass(frozen=True)
class _Broken:
    """Why a part failed; traceback: "" where the reason says all."""

    reason: str
    settings: Mapping[str, Any]
    traceback: str = ""


def _compute(
    part: Part | str, stored: Mapping[str, Any], settings: Any, context: Context, key: str, quick: bool
) -> _Computed | _Broken:
    """Run a part, wherever this is.

    Args:
        part: it, or the name of its module.
        stored: its settings as they are stored.
        settings: the same for the part.
        context: its surroundings.
        key: the fingerprint of what comes back.
        quick: whether these are shorter settings than usual.
    """
    module: Any = import_module(part) if isinstance(part, str) else part
    context.reporter.starts(module.ID, context.own.label if context.own else context.network)
    clock = time.perf_counter()
    try:
        started = machine.now()
        backend.use_full_products(context.inputs.train is None or "train" not in module.INPUTS)
        findings = module.run(settings, context)
        seconds = time.perf_counter() - clock
        weights = context.weights
        result = PartResult(
            part=module.ID,
            status="done",
            numbers=findings.numbers,
            facts=findings.facts,
            settings=stored,
            provenance={
                "fingerprint": key,
                "started": started,
                "seconds": round(seconds, 3),
                "peak_memory_mb": round(machine.peak_memory_mb(), 1),
                "quick": quick,
                "seed": context.seed,
                "commit": commit(),
                "backend": backend.name(),
                "versions": backend.versions(),
                "devices": backend.devices(),
                "network": context.label,
                "weights": {"sha256": weights.sha256, "source": weights.source} if weights else None,
            },
        )
        return _Computed(result, findings.arrays, time.perf_counter() - clock)
    except TfvizError as error:
        return _Broken(str(error), stored)
    except Exception as error:
        return _Broken(f"{type(error).__name__}: {error}", stored, traceback.format_exc())


def _recognised(found: WeightsFile) -> WeightsFile:
    """A file of the user's, marked as published if its tensors are those of the catalogue."""
    if not CATALOG[found.network].variables_sha256:
        return found
    backend.load()
    from tfviz.models.loading import holds_published

    if not holds_published(found.network, found.path):
        return found
    return replace(
        found, published=True, source=f"{found.path.name}, named by the user (the published tensors)"
    )


def _wherever(what: Any) -> Any:
    """A dataclass whose paths mean the same in another process, which may work in another folder."""
    paths = {name: value.absolute() for name, value in vars(what).items() if isinstance(value, Path)}
    return replace(what, **paths)


def _read(context: Context, part: Part) -> Iterator[Input]:
    """The files and folders that a part reads."""
    for file in (context.weights, *context.also.values()):
        if file is not None:
            yield Input(file.path)
    for name in part.INPUTS:
        path = getattr(context.inputs, name)
        if name == "data_dir" and path is not None:
            yield of_cifar10(path, test=context.inputs.train is None or "train" not in part.INPUTS)
        elif isinstance(path, Path):
            yield Input(path)


def _also(part: Part) -> dict[str, WeightsFile]:
    """The networks that a part looks at beside its own, where they are in the cache."""
    return {name: file for name in getattr(part, "ALSO", ()) if (file := fetch.find(name))}


def _identity(value: Any) -> Any:
    """What stands for an input in a fingerprint: a file's hash, a folder's files with size and time, or the value."""
    if not isinstance(value, Path):
        return value
    if value.is_dir():
        found = {path: path.stat() for path in sorted(value.rglob("*")) if path.is_file()}
        return {
            str(path.relative_to(value)): [stat.st_size, stat.st_mtime_ns] for path, stat in found.items()
        }
    return file_sha256(value) if value.is_file() else str(value)
