"""Worker processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import cache
from multiprocessing import forkserver, util
from multiprocessing.connection import Connection, wait
from typing import Any

from tfviz.backend import machine
from tfviz.experiment import swept
from tfviz.experiment.executor import DEATHS, WorkerDiedError, Workers, answered, packed, unpacked
from tfviz.files.program import PACKAGE

_READY = "tfviz.experiment.ready"
_LAST = -1  # of what `multiprocessing` tidies up: below 0, its processes have ended


class Processes(Workers):
    """Threads of this process, each of which waits for one worker process at a time.

    A pool of `concurrent.futures` is broken as a whole when one process dies; here that one is replaced, and its task
    done again.
    """

    def __init__(self, count: int, cores: int) -> None:
        super().__init__()
        self._count, self._cores = count, cores
        self._threads = ThreadPoolExecutor(count, "worker")
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._lock = threading.Lock()
        self._closed = False
        forked(_READY)

    @property
    def words(self) -> str:
        """How many, and their share of the cores."""
        return f"{self._count} processes with {self._cores} core{'s' * (self._cores != 1)} each"

    @property
    def at_once(self) -> int:
        """See `Workers`."""
        return self._count

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """See `concurrent.futures.Executor`."""
        return self._threads.submit(self._call, function, arguments, named)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let what was submitted end, or give up all of it, also what runs."""
        if cancel_futures:
            self._end()
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        if wait:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self._closed = True
            every = list(self._all)
        for process in every:
            process.end()

    def _call(self, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        called = packed(function, arguments, named)
        died: list[str] = []
        while len(died) < DEATHS:
            process = self._taken()
            try:
                answer = process.call(called, lambda message: self.heard(message))
            except _DiedError as error:
                process.end()
                with self._lock:
                    self._all.discard(process)
                if self._closed:
                    raise CancelledError from error
                died.append(str(error))
                continue
            with self._lock:
                self._idle.append(process)
            return unpacked(answer)
        raise WorkerDiedError(f"{DEATHS} processes died of it ({', '.join(dict.fromkeys(died))}).")

    def _taken(self) -> _Process:
        with self._lock:
            if self._closed:
                raise CancelledError
            if self._idle:
                return self._idle.pop()
            process = _Process()
            self._all.add(process)
        process.start(self._cores)
        return process


class _DiedError(Exception):
    """A process ended before it had answered: of what, in words."""


class _Process:
    """A process that calls functions, one at a time; it dies with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipe: Connection | None = None
        self._process: Any = None
        self._ended = False

    def start(self, cores: int) -> None:
        context = forked(_READY)
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, cores), daemon=True)
        process.start()
        theirs.close()
        with self._lock:
            self._pipe, self._process = ours, process
            if self._ended:
                process.kill()

    def call(self, called: bytes, heard: Callable[[Any], None]) -> bytes:
        """The packed answer to a packed call; heard: is called with what the task tells meanwhile."""
        if self._pipe is None:
            raise ValueError("the process was not started")
        try:
            self._pipe.send_bytes(called)
            while (said := self._pipe.recv_bytes())[:1] == _TOLD:
                heard(pickle.loads(said[1:]))
        except (EOFError, OSError) as error:
            self._process.join(10)
            code = self._process.exitcode
            raise _DiedError(
                signal.Signals(-code).name if code is not None and code < 0 else f"exit status {code}"
            ) from error
        return said[1:]

    def end(self) -> None:
        """Kill it, if it lives."""
        with self._lock:
            self._ended = True
            if self._process is not None and self._process.is_alive():
                self._process.kill()


_TOLD, _ANSWER = b"t", b"a"


def _serve(pipe: Connection, cores: int) -> None:
    """A worker process."""
    follow()
    machine.use_cores(cores)
    lock = threading.Lock()  # a task may tell from several threads

    def send(what: bytes, value: bytes) -> None:
        with lock:
            pipe.send_bytes(what + value)

    while True:
        try:
            called = pipe.recv_bytes()
        except EOFError:
            os._exit(0)  # what the framework would tidy up is gone with the process
        send(_ANSWER, answered(called, lambda message: send(_TOLD, pickle.dumps(message))))


def forked(ready: str) -> Any:
    """The context of `multiprocessing` whose processes have imported a module already; it begins to be imported now.

    A copy of a process is safe where no thread but one runs in it: so it is with TensorFlow before its first
    operation, on Linux (tests/course/test_apart.py counts). Elsewhere each process imports for itself. The first
    caller's module is the one that counts.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    with _starting:
        _start(context, ready)
    return context


_starting = threading.Lock()  # what several threads change about the environment would stay


def _start(context: Any, ready: str) -> None:
    context.set_forkserver_preload([swept.__name__, ready])
    folder = _folder()
    os.makedirs(folder, mode=0o700, exist_ok=True)  # whoever tidies up a machine may have taken it away
    # Python 3.11's server does not get this process' path, and goes without what it cannot import.
    path = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    swept_up = os.pathsep.join((folder, util.get_temp_dir()))
    theirs = {"PYTHONPATH": path, "TMPDIR": folder, swept.FOLDERS: swept_up}
    before = {name: os.environ.get(name) for name in theirs}
    os.environ.update(theirs)
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@cache
def _folder() -> str:
    """For the temporary files of all workers, which are killed, or end without tidying up: it goes after them."""
    folder = tempfile.mkdtemp(prefix="tfviz-workers-")
    util.Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=_LAST)
    return folder


def follow() -> None:
    """In a process of `forked`: leave Ctrl-C to the one that started it, and end when that is dead."""

    def until_dead() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            wait([parent.sentinel])
            os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=until_dead, daemon=True).start()
