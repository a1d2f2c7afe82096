"""Runs parts, stores their results as they finish, skips what is unchanged."""

from __future__ import annotations

import os
import shutil
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfviz import provenance
from tfviz.context import Context, Inputs
from tfviz.errors import BadFileError, TfvizError, WeightsUnavailableError
from tfviz.results import Drawing, FigureFile, Findings, PartResult, write_json
from tfviz.weights import fetch
from tfviz.weights.catalog import CATALOG
from tfviz.weights.fetch import WeightsFile

if TYPE_CHECKING:
    from tfviz.parts import Part
    from tfviz.progress import Reporter


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
    """

    out: Path
    quick: bool = False
    force: bool = False
    offline: bool = False
    seed: int = 0
    weights: Mapping[str, Path] = field(default_factory=dict)
    inputs: Inputs = field(default_factory=Inputs)


class Runner:
    """Runs parts one after the other; what one of them does wrong stays with it."""

    def __init__(self, options: Options, reporter: Reporter) -> None:
        self.options = options
        self.reporter = reporter
        self._weights: dict[str, WeightsFile | str] = {}

    def run(self, part: Part) -> PartResult:
        """Run one part, or find its stored result still current; what comes back is also stored."""
        settings = asdict(part.QUICK if self.options.quick else part.SETTINGS)
        network, weights, missing = self._network_for(part)
        if missing:
            return self._without_result(part, settings, "not run", missing)
        try:
            inputs = {name: _identity(getattr(self.options.inputs, name)) for name in part.INPUTS}
        except OSError as error:
            return self._without_result(part, settings, "failed", f"{error.filename}: {error.strerror}.")
        inputs |= {
            "seed": self.options.seed,
            "network": network,
            "weights": weights.sha256 if weights else None,
        }
        fingerprint = provenance.fingerprint(part.ID, settings, inputs)
        if not self.options.force and (stored := self._current(part.ID, fingerprint)):
            self.reporter.say(f"{part.ID}: unchanged, kept")
            return stored

        self.reporter.say(f"{part.ID}: running" + (f" on {network}" if network else ""))
        context = Context(
            self.options.seed, self.reporter, network, weights, self.options.inputs, self.options.out
        )
        clock = time.perf_counter()
        try:
            result = self._compute(part, context, fingerprint)
        except Exception as error:
            expected = isinstance(error, TfvizError)
            reason = str(error) if expected else f"{type(error).__name__}: {error}"
            self.reporter.say(f"{part.ID}: failed: {reason}")
            details = "" if expected else traceback.format_exc()
            return self._without_result(part, settings, "failed", reason, traceback=details)
        self.reporter.say(f"{part.ID}: done in {time.perf_counter() - clock:.1f} s")
        return result

    def _compute(self, part: Part, context: Context, fingerprint: str) -> PartResult:
        """Run the part, draw its figures and store everything."""
        settings = part.QUICK if self.options.quick else part.SETTINGS
        weights = context.weights
        started, clock = provenance.now(), time.perf_counter()
        findings = part.run(settings, context)
        drawings = part.figures(findings)
        result = PartResult(
            part=part.ID,
            status="done",
            numbers=findings.numbers,
            facts=findings.facts,
            settings=asdict(settings),
            provenance={
                "fingerprint": fingerprint,
                "started": started,
                "seconds": round(time.perf_counter() - clock, 3),
                "peak_memory_mb": round(provenance.peak_memory_mb(), 1),
                "quick": self.options.quick and part.QUICK != part.SETTINGS,
                "seed": self.options.seed,
                "commit": provenance.commit(),
                "versions": provenance.versions(),
                "devices": provenance.devices(),
                "network": context.label,
                "weights": {"sha256": weights.sha256, "source": weights.source} if weights else None,
            },
        )
        return self._store(result, findings, drawings)

    def _network_for(self, part: Part) -> tuple[str | None, WeightsFile | None, str]:
        """The first of the part's networks whose weights can be had, or why none can; the user's own come first."""
        reasons = []
        for name in sorted(part.NETWORKS, key=lambda name: name not in self.options.weights):
            found = self._fetch(name)
            if isinstance(found, WeightsFile):
                return name, found, ""
            reasons.append(found)
        return None, None, " ".join(reasons)

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

    def _current(self, part: str, fingerprint: str) -> PartResult | None:
        """The stored result with that fingerprint whose files are all there, if there is one."""
        for path in (_result_path(self.options.out, part), _kept_path(self.options.out, part)):
            try:
                stored = PartResult.load(path)
            except BadFileError:
                continue
            files = [figure.path for figure in stored.figures] + [f"arrays/{part}.npz"]
            whole = all((self.options.out / file).is_file() for file in files)
            if stored.status == "done" and stored.provenance.get("fingerprint") == fingerprint and whole:
                stored.save(_result_path(self.options.out, part))
                return stored
        return None

    def _without_result(
        self, part: Part, settings: Mapping[str, Any], status: Any, reason: str, **details: Any
    ) -> PartResult:
        """Store that a part failed or did not run; an earlier result stays beside it, to be taken up again."""
        path = _result_path(self.options.out, part.ID)
        try:
            earlier_is_good = PartResult.load(path).status == "done"
        except BadFileError:
            earlier_is_good = False
        if earlier_is_good:
            path.replace(_kept_path(self.options.out, part.ID))
        result = PartResult(
            part=part.ID,
            status=status,
            reason=reason,
            settings=settings,
            provenance={"started": provenance.now(), "commit": provenance.commit(), **details},
        )
        result.save(path)
        return result

    def _store(self, result: PartResult, findings: Findings, drawings: Sequence[Drawing]) -> PartResult:
        """Write arrays and figures, then the result that names them."""
        import numpy as np

        from tfviz import figures

        out = self.options.out
        folder = out / "figures" / result.part
        fresh = folder.with_name(f".{result.part}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        stored = []
        for drawing in drawings:
            file = figures.save(drawing.figure, fresh / drawing.name)
            stored.append(
                FigureFile(f"figures/{result.part}/{file.name}", caption=drawing.caption, alt=drawing.alt)
            )
        arrays = out / "arrays" / f"{result.part}.npz"
        arrays.parent.mkdir(parents=True, exist_ok=True)
        fresh_arrays = arrays.with_name(f".{result.part}.new.npz")
        np.savez_compressed(fresh_arrays, **dict(findings.arrays))  # type: ignore[arg-type]
        # All is written. The old result goes before its figures and arrays do: none ever stands with another run's.
        _result_path(out, result.part).unlink(missing_ok=True)
        _kept_path(out, result.part).unlink(missing_ok=True)
        os.replace(fresh_arrays, arrays)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(fresh, folder)
        result = replace(result, figures=tuple(stored))
        result.save(_result_path(out, result.part))
        return result


def load_results(out: Path, parts: Sequence[str]) -> dict[str, PartResult]:
    """The stored results of those parts that have one, in order; of a damaged one, that it is."""
    found = {}
    for part in parts:
        path = _result_path(out, part)
        if not path.exists():
            continue
        try:
            found[part] = PartResult.load(path)
        except BadFileError as error:
            found[part] = PartResult(part, "not run", reason=str(error))
            continue
        if lost := [figure.path for figure in found[part].figures if not (out / figure.path).is_file()]:
            found[part] = PartResult(part, "not run", reason=f"{out / lost[0]} is missing: run it again.")
    return found


def write_manifest(out: Path, results: Mapping[str, PartResult], parts: Sequence[str]) -> None:
    """Write manifest.json: which parts there are, how each stands, and the files that belong to it."""

    def entry(part: str) -> dict[str, Any]:
        if part not in results:
            return {"part": part, "status": "not run", "reason": "not asked for", "files": []}
        result = results[part]
        files = [f"results/{part}.json"]
        if result.status == "done":
            files += [f"arrays/{part}.npz", *(figure.path for figure in result.figures)]
        return {"part": part, "status": result.status, "reason": result.reason, "files": files}

    write_json(
        out / "manifest.json",
        {
            "program": "tfviz",
            "commit": provenance.commit(),
            "created": provenance.now(),
            "versions": provenance.versions(),
            "parts": [entry(part) for part in parts],
        },
    )


def _recognised(found: WeightsFile) -> WeightsFile:
    """A file of the user's, marked as published if its tensors are those of the catalogue."""
    if not CATALOG[found.network].variables_sha256:
        return found
    import tfviz

    tfviz.import_tensorflow()
    from tfviz.models.loading import holds_published

    if not holds_published(found.network, found.path):
        return found
    return replace(
        found, published=True, source=f"{found.path.name}, named by the user (the published tensors)"
    )


def _identity(value: Any) -> Any:
    """What stands for an input in a fingerprint: a file's hash, a folder's files with size and time, or the value."""
    if not isinstance(value, Path):
        return value
    if value.is_dir():
        found = {path: path.stat() for path in sorted(value.rglob("*")) if path.is_file()}
        return {
            str(path.relative_to(value)): [stat.st_size, stat.st_mtime_ns] for path, stat in found.items()
        }
    return provenance.file_sha256(value) if value.is_file() else str(value)


def _result_path(out: Path, part: str) -> Path:
    return out / "results" / f"{part}.json"


def _kept_path(out: Path, part: str) -> Path:
    """Where the last good result waits while a failed one stands in its place."""
    return out / "results" / f"{part}.last-good.json"
