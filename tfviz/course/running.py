"""Measures many submissions, each in a process of its own, and takes a run up again that was cut.

What was measured is kept as OUT/graded/KEY.json; the key is the hash of what was handed in, of the program, and of the
grader's networks. Points are not kept: another rubric needs no other measurement.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import astuple
from functools import cache
from pathlib import Path
from typing import Any

from tfviz.course.apart import StoppedError, apart
from tfviz.course.limits import LIMITS, Limits
from tfviz.course.measuring import grade_one
from tfviz.course.rows import Graded, as_json, from_json
from tfviz.course.submissions import RefusedError, Submission, identity
from tfviz.errors import BadFileError
from tfviz.experiment.lab import Lab
from tfviz.files.atomic import UNFINISHED, write_json
from tfviz.files.hashes import file_sha256, json_sha256
from tfviz.files.program import PACKAGE
from tfviz.files.reading import read_json
from tfviz.parts import PARTS

FOLDER = "graded"


def grade(
    submissions: Sequence[Submission],
    out: Path,
    lab: Lab,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    limits: Limits = LIMITS,
    say: Callable[[Graded, int], None] = lambda _graded, _done: None,
) -> list[Graded]:
    """Measure submissions again, in their order; what was measured before is not measured a second time.

    Args:
        submissions: of distinct names.
        out: the output folder; nobody else works there (`tfviz.experiment.store.Store.alone`).
        lab: networks and data.
        executor: runs `measure` for each; on other machines, if these see the same files. None: here.
        workers: how many at a time, where no executor is given; None: as many as there are cores.
        limits: on each.
        say: called with each as it is done, and how many are.
    """
    graded: dict[str, Graded] = {}
    keys: dict[str, list[Submission]] = {}  # the same content is measured once
    about = _about(lab, limits)

    def done(key: str, value: Graded) -> None:
        for each in keys[key]:
            graded[each.name] = value.named(each.name)
            say(graded[each.name], len(graded))

    for submission in submissions:
        try:
            key = json_sha256([identity(submission, [part.ID for part in PARTS], limits), *about])
        except (RefusedError, OSError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or str(error)
            graded[submission.name] = Graded(submission.name, refused=reason)
            say(graded[submission.name], len(graded))
            continue
        keys.setdefault(key, []).append(submission)
    with _running(executor, workers) as running:
        waiting: dict[Future[dict[str, Any]], str] = {}
        for key, (first, *_) in keys.items():
            if kept := _kept(out, key):
                done(key, kept)
            else:
                waiting[running.submit(measure, first, out, lab, limits)] = key
        for future in as_completed(waiting):
            key = waiting[future]
            try:
                value = from_json(future.result())
                write_json(_path(out, key), as_json(value.named("")))
            except StoppedError as error:  # perhaps the machine was busy: the next run tries again
                value = Graded(keys[key][0].name, refused=f"Measuring it was stopped: {error}.")
            done(key, value)
    return [graded[submission.name] for submission in submissions]


def measure(submission: Submission, out: Path, lab: Lab, limits: Limits) -> dict[str, Any]:
    """One submission, measured in a process of its own: what `tfviz.course.measuring.grade_one` returns.

    Raises:
        StoppedError: it exceeded a limit.
    """
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=out, ignore_cleanup_errors=True) as scratch:
        found: dict[str, Any] = apart(grade_one, submission, Path(scratch), lab, limits, limits=limits)
        return found


@contextmanager
def _running(executor: Executor | None, workers: int | None) -> Iterator[Executor]:
    """The executor, or threads of this process that each wait for one process at a time."""
    if executor is not None:
        yield executor
        return
    threads = ThreadPoolExecutor(workers or cores())
    try:
        yield threads
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        threads.shutdown()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _about(lab: Lab, limits: Limits) -> list[Any]:
    """All that a measurement depends on beside what was handed in."""
    files = {label: file_sha256(path) for label, path in lab.files.items()}
    return [_program(), files, lab.seed, str(lab.data_dir), astuple(limits)]


@cache
def _program() -> str:
    return json_sha256(
        {str(path.relative_to(PACKAGE)): file_sha256(path) for path in sorted(PACKAGE.rglob("*.py"))}
    )


def _path(out: Path, key: str) -> Path:
    return out / FOLDER / f"{key}.json"


def _kept(out: Path, key: str) -> Graded | None:
    try:
        return from_json(read_json(_path(out, key)))
    except (BadFileError, KeyError, TypeError):
        return None
