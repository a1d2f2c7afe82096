"""Tasks on processes of this machine, or on machines anywhere: the interface of `concurrent.futures`, and nothing else.

A task is a pure function of what its key hashes. What it returns is kept under that key by the process that asked for
it, as it comes: a run that was cut goes on, and nothing is done twice. Until then a copy of the worker's lies in a
folder that both see, if one is named (`tfviz.experiment.shelf`).
"""

from __future__ import annotations

import pickle
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tfviz.backend import machine
from tfviz.errors import TfvizError
from tfviz.experiment.durations import about
from tfviz.experiment.inputs import Input
from tfviz.experiment.shelf import shelf

DEATHS = 3
"""How many workers may die of a task before it is given up."""
AHEAD = 4
"""Tasks handed over for each that can run: the next one is there when one ends, and memory stays flat."""


class WorkerDiedError(TfvizError):
    """Workers that were to do a task were killed, or broke: the message says how many and of what."""


class SchedulerError(TfvizError):
    """A scheduler cannot be reached, or talked with."""


@dataclass(frozen=True)
class Task:
    """What is to be done once.

    Attributes:
        key: hash of all that the result depends on (`tfviz.files.hashes.json_sha256`).
        function: of a module, pure; what it returns can be pickled.
        arguments: that can be pickled: paths, hashes, settings, small arrays. A network is built where the task runs,
            from the catalogue or a file.
        name: for people.
        inputs: files and folders among the arguments that are read: what a worker elsewhere has not got is sent to it.
    """

    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    name: str = ""
    inputs: tuple[Input, ...] = ()


@dataclass(frozen=True)
class Failure:
    """A task that raised an exception, or of which workers died; reason: one line."""

    task: Task
    reason: str


Failures = list[Failure]


def _nothing(_: Any) -> None:
    """What is called while nobody listens."""


class Workers(Executor):
    """An executor whose tasks can tell how they are getting on.

    Attributes:
        heard: called with what they tell, from any thread; `here`: from the one that submits, while it does.
        here: whether a task is done when it is submitted, in this process.
    """

    here = False

    def __init__(self) -> None:
        self.heard: Callable[[Any], None] = _nothing

    @property
    def words(self) -> str:
        """What these are, for people."""
        raise NotImplementedError

    @property
    def at_once(self) -> int:
        """How many tasks run at a time."""
        raise NotImplementedError

    @property
    def ahead(self) -> int:
        """How many tasks are worth handing over before the first has ended."""
        return AHEAD * self.at_once

    def hand_over(
        self, given: Iterable[Input], work: Path | None, function: Callable[..., Any], *arguments: Any
    ) -> Future[Any]:
        """Submit a call that reads files and writes below a folder; on this machine these are seen."""
        return self.submit(function, *arguments)


@contextmanager
def workers(count: int | None = None, *, scheduler: str | None = None) -> Iterator[Workers]:
    """Workers, as long as the block lasts; what has not ended then is given up.

    Args:
        count: processes of this machine, each with its share of the cores; None: as many as there are cores; 1: none,
            tasks run in this one.
        scheduler: the address of a Dask scheduler, "tcp://host:8786", whose workers do it; count has no meaning then.

    Raises:
        ValueError: count is not positive.
        SchedulerError: Dask is not installed, or nothing answers at the address as a scheduler does.
    """
    if count is not None and count < 1:
        raise ValueError(f"there must be at least 1 worker, not {count}")
    made: Workers
    if scheduler is not None:
        from tfviz.experiment.on_dask import Dask

        made = Dask(scheduler)
    elif (count := count or machine.cores()) == 1:
        made = _Here()
    else:
        from tfviz.experiment.processes import Processes

        made = Processes(count, max(1, machine.cores() // count))
    try:
        yield made
    finally:
        made.shutdown(wait=True, cancel_futures=True)


def run(
    tasks: Iterable[Task],
    executor: Executor,
    *,
    done: Callable[[str], bool],
    keep: Callable[[Task, Any], None],
    say: Callable[[str], None] = _nothing,
    failed: Callable[[Failure], None] = _nothing,
    show: Callable[[int, int, str], None] = lambda _done, _total, _note: None,
    heard: Callable[[Any], None] = _nothing,
    shared: Path | None = None,
) -> Failures:
    """Do what is not done, and keep each result as it comes.

    Args:
        tasks: begun in this order, ended in any; those with the same key are one. Asked for as they are needed.
        executor: of `workers`, or any.
        done: whether the result for a key is kept already.
        keep: called with a task and its result, in this thread.
        say: called with a line for each that fails.
        failed: called with each that fails, in this thread.
        show: called as tasks end with how many are done, of how many (as far as that is known), and what is going on,
            in words.
        heard: called with what tasks tell, in this thread.
        shared: a folder in which tasks write, if in any. What a worker that sees it has computed is found there when
            it dies before that is delivered; else it is computed again.

    Returns:
        Those that failed; the others went on.

    Raises:
        SchedulerError: its connection was lost; what came before is kept.
        OSError: the shared folder cannot be written.
    """
    stack = ExitStack()
    elsewhere = isinstance(executor, Workers) and not executor.here  # what may die alone
    copies = stack.enter_context(shelf(shared)) if shared is not None and elsewhere else None
    progress = _Progress(len(tasks) if isinstance(tasks, Sized) else 0)
    events: SimpleQueue[Any] = SimpleQueue()
    ahead = AHEAD * machine.cores()
    if isinstance(executor, Workers):
        executor.heard = heard if executor.here else events.put
    waiting: dict[Future[Any], Task] = {}
    failures: Failures = []
    seen: set[str] = set()
    coming = iter(tasks)

    def hand_over() -> None:
        limit = executor.ahead if isinstance(executor, Workers) else ahead
        while len(waiting) < limit and (task := next(coming, None)) is not None:
            if task.key in seen or done(task.key):
                progress.skipped()
                continue
            seen.add(task.key)
            call: tuple[Any, ...] = (task.function, *task.arguments)
            if copies is not None:
                call = (copies.computed, task.key, task.function, task.arguments)
            if isinstance(executor, Workers):
                future = executor.hand_over(task.inputs, shared, *call)
            else:
                future = executor.submit(*call)
            waiting[future] = task
            future.add_done_callback(events.put)

    try:
        hand_over()
        while waiting:
            event = events.get()
            if not isinstance(event, Future):
                heard(event)
                continue
            task = waiting.pop(event)
            try:
                result = event.result() if copies is None else pickle.loads(event.result())
            except SchedulerError:
                raise
            except Exception as error:
                failures.append(Failure(task, in_words(error)))
                failed(failures[-1])
                say(f"{task.name or task.key}: failed: {failures[-1].reason}")
            else:
                keep(task, result)
                if copies is not None:
                    copies.forget(task.key)
            progress.ended()
            hand_over()
            show(progress.done, progress.total, progress.words(waiting))
        with suppress(Empty):  # what the last one told
            while True:
                heard(events.get_nowait())
    finally:
        for future in waiting:
            future.cancel()
        if isinstance(executor, Workers):
            executor.heard = _nothing
        stack.close()
    return failures


class _Progress:
    """How many tasks are done, and how fast they are."""

    def __init__(self, total: int) -> None:
        self._total = total
        self.done = self._ended = 0
        self._begun = time.monotonic()

    @property
    def total(self) -> int:
        return max(self._total, self.done)

    def skipped(self) -> None:
        self.done += 1

    def ended(self) -> None:
        self.done += 1
        self._ended += 1

    def words(self, waiting: dict[Future[Any], Task]) -> str:
        """Throughput, the time left, what is worked at: "31 a minute, about 4 min left: conv3 0-15, conv3 16-31"."""
        rate = self._ended / max(time.monotonic() - self._begun, 1e-9)
        if not waiting:
            return ""
        names = ", ".join(task.name for future, task in waiting.items() if task.name and future.running())
        left = f", {about((self._total - self.done) / rate)} left" if self._total > self.done else ""
        return f"{60 * rate:.3g} a minute{left}" + (f": {names}" if names else "")


class _Here(Workers):
    """Does each task when it is submitted, in this process and thread."""

    here = True
    words = "this process"
    at_once = ahead = 1

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        with _telling(self.heard):
            try:
                future.set_result(function(*arguments, **named))
            except Exception as error:
                future.set_exception(error)
        return future


_tell: Callable[[Any], None] = _nothing


def tell(message: Any) -> None:
    """From within a task: have `heard` called in the process that asked for it, with what can be pickled."""
    _tell(message)


@contextmanager
def _telling(told: Callable[[Any], None]) -> Iterator[None]:
    global _tell
    _tell = told
    try:
        yield
    finally:
        _tell = _nothing


def packed(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> bytes:
    """A call, for another process."""
    return pickle.dumps((function, arguments, named))


def answered(
    called: bytes, told: Callable[[Any], None], unpack: Callable[[bytes], Any] = pickle.loads
) -> bytes:
    """In another process: what a packed call gave; told: is called with what the task tells."""
    with _telling(told):
        try:
            function, arguments, named = unpack(called)
            return pickle.dumps((True, function(*arguments, **named)))
        except Exception as error:
            return pickle.dumps((False, _portable(error)))


def unpacked(answer: bytes) -> Any:
    """What a call returned.

    Raises:
        Exception: what it raised.
    """
    returned, value = pickle.loads(answer)
    if returned:
        return value
    raise value


def _portable(error: Exception) -> Exception:
    """The exception with its traceback as a note, or one that says the same where it cannot be pickled."""
    error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(in_words(error))
    return error


def in_words(error: BaseException) -> str:
    """Why something failed, on one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, TfvizError) else f"{type(error).__name__}: {text}"[:500]
