"""Measures many submissions, each in a process of its own, and takes a run up again that was cut.

What was measured is kept as OUT/graded/KEY.json; the key is the hash of what was handed in, of the program, and of the
grader's networks. Points are not kept: another rubric needs no other measurement.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

from tfviz.backend import machine
from tfviz.course.apart import apart
from tfviz.course.limits import LIMITS, Limits
from tfviz.course.measuring import grade_one
from tfviz.course.rows import Graded, as_json, from_json
from tfviz.course.submissions import RefusedError, Submission, identity, to_be_read
from tfviz.errors import BadFileError
from tfviz.experiment import executor as executors
from tfviz.experiment.executor import Failure, Task
from tfviz.experiment.inputs import Input, of_cifar10
from tfviz.experiment.lab import Lab
from tfviz.files.atomic import UNFINISHED, write_json
from tfviz.files.hashes import file_sha256, json_sha256
from tfviz.files.program import sources_sha256
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
    scheduler: str | None = None,
    limits: Limits = LIMITS,
    say: Callable[[Graded, int], None] = lambda _graded, _done: None,
) -> list[Graded]:
    """Measure submissions again, in their order; what was measured before is not measured a second time.

    Args:
        submissions: of distinct names.
        out: the output folder; nobody else works there (`tfviz.experiment.store.Store.alone`).
        lab: networks and data.
        executor: runs `measure` for each. None: here.
        workers: how many at a time, where no executor is given; None: as many as there are cores.
        scheduler: the address of a Dask scheduler whose workers do it, where no executor is given.
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
    tasks = []
    of_lab = tuple(Input(path) for path in lab.files.values())
    if lab.data_dir is not None:
        of_lab += (of_cifar10(lab.data_dir, test=True),)
    for key, (first, *_) in keys.items():
        if kept := _kept(out, key):
            done(key, kept)
        else:
            there, files = to_be_read(first, [part.ID for part in PARTS], limits)
            arguments = (there, out.resolve(), lab, limits)
            tasks.append(Task(key, measure, arguments, first.name, (files, *of_lab)))

    def keep(task: Task, found: dict[str, Any]) -> None:
        value = from_json(found)
        write_json(_path(out, task.key), as_json(value.named("")))
        done(task.key, value)

    def failed(failure: Failure) -> None:  # perhaps the machine was busy: the next run tries again
        why = f"Measuring it was stopped: {failure.reason.removesuffix('.')}."
        done(failure.task.key, Graded(keys[failure.task.key][0].name, refused=why))

    with _running(executor, workers, scheduler) as running:
        executors.run(tasks, running, done=lambda _: False, keep=keep, failed=failed, shared=out.resolve())
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
def _running(executor: Executor | None, workers: int | None, scheduler: str | None) -> Iterator[Executor]:
    """The executor, Dask's, or threads of this process: each submission is measured in a process of its own anyhow."""
    if executor is not None:
        yield executor
        return
    if scheduler is not None:
        with executors.workers(scheduler=scheduler) as dask:
            yield dask
        return
    threads = ThreadPoolExecutor(workers or machine.cores())
    try:
        yield threads
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        threads.shutdown()


def _about(lab: Lab, limits: Limits) -> list[Any]:
    """All that a measurement depends on beside what was handed in."""
    files = {label: file_sha256(path) for label, path in lab.files.items()}
    return [sources_sha256(), files, lab.seed, str(lab.data_dir), astuple(limits)]


def _path(out: Path, key: str) -> Path:
    return out / FOLDER / f"{key}.json"


def _kept(out: Path, key: str) -> Graded | None:
    try:
        return from_json(read_json(_path(out, key)))
    except (BadFileError, KeyError, TypeError):
        return None
