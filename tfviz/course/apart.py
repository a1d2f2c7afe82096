"""Calls a function in a process of its own, which is ended where it takes more than it may."""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from tfviz.backend import machine
from tfviz.course.limits import LIMITS, Limits
from tfviz.errors import TfvizError
from tfviz.experiment.processes import follow, forked

_READY = "tfviz.course.ready"
_FIRST = 300.0  # seconds that importing the framework may take, on a machine that does much else
_LARGEST_ANSWER = 64_000_000  # bytes
_starting = threading.Lock()
_started = False


class StoppedError(TfvizError):
    """The process was ended, or broke: the message says by what, in half a sentence."""


def apart(function: Callable[..., Any], *arguments: Any, limits: Limits = LIMITS) -> Any:
    """What a function returns, called in a process of its own; several threads may do so at a time.

    Processes are copies of one that has imported the framework, so that one starts in a tenth of a second; each
    computes on one thread and without a graphics processor, and dies with the process that started it.

    Args:
        function: of a module; it returns a JSON value.
        arguments: that can be pickled.
        limits: of memory and time.

    Raises:
        StoppedError: it took more, or raised an exception.
    """
    global _started
    with _starting:
        if not _started:
            _call(_nothing, (), _FIRST, limits)
            _started = True
    return _call(function, arguments, limits.seconds, limits)


def _call(function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float, limits: Limits) -> Any:
    context = forked(_READY)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_inside, args=(theirs, limits, function, arguments), daemon=True)
    try:
        process.start()
        theirs.close()
        if not ours.poll(seconds):
            raise StoppedError(f"it took more than {seconds:g} s")
        try:
            answer = json.loads(ours.recv_bytes(_LARGEST_ANSWER))
        except (EOFError, OSError, ValueError):
            process.join(10)
            raise StoppedError(_died_of(process.exitcode, limits)) from None
        if "failed" in answer:
            raise StoppedError(answer["failed"])
        return answer["returned"]
    finally:
        ours.close()
        if process.pid is not None:
            process.kill()
            process.join()
        process.close()


def _nothing() -> None:
    """What the first process does: it has waited for the import."""


def _died_of(exitcode: int | None, limits: Limits) -> str:
    if exitcode in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"it took more than {limits.processor:g} s of processor time, or all the memory there is"
    if exitcode in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS):
        return f"it took more than {limits.memory // 1_000_000} MB of memory"
    return f"the process that measured it ended by itself ({exitcode})"


def _inside(
    pipe: Connection, limits: Limits, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    """The process."""
    follow()
    machine.use_one_core()
    _limit(limits)
    try:
        answer = json.dumps({"returned": function(*arguments)}, allow_nan=False)
    except MemoryError:
        answer = json.dumps({"failed": f"it took more than {limits.memory // 1_000_000} MB of memory"})
    except Exception as error:
        answer = json.dumps({"failed": " ".join(str(error).split())[:500] or type(error).__name__})
    pipe.send_bytes(answer.encode())
    pipe.close()
    os._exit(0)  # what the framework would tidy up is gone with the process


def _limit(limits: Limits) -> None:
    """Private memory that can be written, processor time, the size of written files; no core is dumped."""
    processor = round(limits.processor)
    for which, most in (
        (resource.RLIMIT_DATA, limits.memory),
        (resource.RLIMIT_CPU, processor),
        (resource.RLIMIT_FSIZE, max(limits.packed, limits.unpacked)),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(which)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (bound, hard if which == resource.RLIMIT_CPU else bound))
