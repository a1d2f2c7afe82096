"""Workers anywhere: those of a Dask scheduler."""

from __future__ import annotations

import asyncio
import itertools
import logging
import multiprocessing
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future
from concurrent.futures import wait as futures_wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from tfviz.backend import machine
from tfviz.errors import BadFileError, TfvizError
from tfviz.experiment import inputs
from tfviz.experiment.executor import (
    DEATHS,
    SchedulerError,
    WorkerDiedError,
    Workers,
    answered,
    in_words,
    packed,
    unpacked,
)
from tfviz.experiment.inputs import Content, Input, LackingError
from tfviz.files.program import sources_sha256

_AHEAD = 16  # tasks handed over for each worker: a scheduler far away takes its time to hand on the next one
_ANSWERS = 10.0  # seconds in which a scheduler answers
_SILENCE = "120s"  # for which a connection is not given up
_COUNTED = 5.0  # seconds for which the number of workers is believed


class OtherVersionError(TfvizError):
    """A worker has other sources of this program, so that its numbers might be others, or none."""


class Dask(Workers):
    """Tasks go to the scheduler as bytes, so that it needs none of what they are made of.

    A worker does one task at a time, whatever its number of threads, which is the number of cores that the task's
    framework computes on: a network is not called from two threads, and numbers are those of a local process with as
    many.
    """

    def __init__(self, address: str) -> None:
        super().__init__()
        try:
            import dask
            import distributed
            from distributed.comm.addressing import parse_address, parse_host_port
        except ModuleNotFoundError as error:
            raise SchedulerError(
                f"--scheduler needs Dask, and {error.name} is not installed: pip install -r requirements-atlas.txt."
            ) from error
        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is raised
        self._address = address
        dask.config.set({"distributed.comm.timeouts.tcp": _SILENCE})
        try:
            scheme, place = parse_address(address)
            # A client tries a port that is closed for long, one that says nothing for ever, and cannot be given up.
            with socket.create_connection(parse_host_port(place), _ANSWERS) as talk:
                if scheme == "tcp" and not talk.recv(1):
                    raise OSError("it hangs up")
            self._client = distributed.Client(address, timeout=_ANSWERS, set_as_default=False)
        except (OSError, ValueError, TimeoutError, ImportError) as error:
            raise SchedulerError(
                f"No Dask scheduler answers at {address} ({in_words(error)}): start one there (dask scheduler), or "
                "name its address, as it prints it, for example tcp://host:8786."
            ) from error
        self._topic = f"tfviz-{uuid4().hex}"
        self._client.subscribe_topic(self._topic, self._told)
        self._handed_over: dict[int, _Handed] = {}
        self._numbers = itertools.count()
        self._counted, self._count = -_COUNTED, 0
        self._contents: dict[Input, bytes] = {}
        self._sending: dict[tuple[str, str], asyncio.Future[None]] = {}

    @property
    def words(self) -> str:
        """How many, and where; it may be none."""
        count = self._workers()
        several = f"{count} Dask worker{'s' * (count != 1)} at {self._address}"
        return several if count else f"no Dask worker yet at {self._address}: tasks wait for the first"

    @property
    def at_once(self) -> int:
        """See `Workers`; it grows as workers join, and is 1 as long as there is none."""
        return max(1, self._workers())

    @property
    def ahead(self) -> int:
        """See `Workers`."""
        return _AHEAD * self.at_once

    def _workers(self) -> int:
        now = time.monotonic()
        if now - self._counted > _COUNTED:
            try:
                self._count = len(self._client.nthreads())
            except (OSError, ValueError, TimeoutError) as error:
                raise self._lost() from error
            self._counted = now
        return self._count

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """See `concurrent.futures.Executor`."""
        return self._submit(inputs.packed((function, arguments, named), {}, None))

    def hand_over(
        self, given: Iterable[Input], work: Path | None, function: Callable[..., Any], *arguments: Any
    ) -> Future[Any]:
        """See `Workers`; an input is looked at once, when the first task names it."""
        contents = {}
        try:
            for each in given:
                if each not in self._contents:
                    self._contents[each] = pickle.dumps(inputs.content(each))
                contents[each.path] = self._contents[each]
        except BadFileError as error:  # which is this task's alone
            failed: Future[Any] = Future()
            failed.set_exception(error)
            return failed
        return self._submit(inputs.packed((function, arguments, {}), contents, work and work.absolute()))

    def _submit(self, called: bytes) -> Future[Any]:
        number = next(self._numbers)
        handed = self._handed_over[number] = _Handed(called)
        handed.future.add_done_callback(lambda future: self._over(number, future.cancelled()))
        self._hand_over(number, handed)
        return handed.future

    def _hand_over(self, number: int, handed: _Handed) -> None:
        call = _Call(number, handed.called, self._topic, sources_sha256())
        # Unpacked within the task: a worker that gets a function that it has not got breaks, and says nothing.
        handed.there = self._client.submit(pickle.loads, pickle.dumps(call), pure=False)
        loop: Any = self._client.loop
        loop.add_callback(self._followed, number, handed)

    async def _followed(self, number: int, handed: _Handed) -> None:
        """Pass on how a task ends; in the client's loop."""
        import distributed

        outer = handed.future
        try:
            answer = await handed.there
            handed.there.release()  # at once: what a worker holds for somebody is done again when it dies
            if outer.cancelled():
                return
            try:
                outer.set_result(unpacked(answer))
            except LackingError as lacking:
                await self._supply(handed, lacking)
                if number in self._handed_over:
                    self._hand_over(number, handed)
            except Exception as error:  # the task's own
                outer.set_exception(error)
        except distributed.KilledWorker:
            # A scheduler blames all that waited at a worker that died; guilty is what had begun there.
            handed.blamed += 1
            if max(handed.begun, handed.blamed) < DEATHS:
                self._hand_over(number, handed)
            else:
                outer.set_exception(WorkerDiedError(f"{DEATHS} workers or more died of it."))
        except ModuleNotFoundError as error:
            outer.set_exception(
                OtherVersionError(
                    f"A worker lacks what the program needs ({error}): install the same there, and start it anew."
                )
            )
        except CancelledError:
            if not outer.cancelled():
                outer.set_exception(self._lost())
        except Exception as error:
            outer.set_exception(error)

    async def _supply(self, handed: _Handed, lacking: LackingError) -> None:
        """Send a worker what it lacks, once for all tasks; one that has died needs it no longer.

        Raises:
            BadFileError: that is not possible.
        """
        for wanted in lacking.contents:
            which = lacking.address, wanted.sha256
            if which not in self._sending:
                self._sending[which] = asyncio.ensure_future(self._send(lacking.address, wanted))
                self._sending[which].add_done_callback(lambda _, which=which: self._sending.pop(which))  # type: ignore[misc]
            try:
                await self._sending[which]
            except OSError as error:
                handed.unsent += 1
                if handed.unsent == DEATHS:
                    raise BadFileError(
                        f"{wanted.input.path} could not be sent to the worker at {lacking.address} "
                        f"({in_words(error)}): put it there under the same path, or where both see it."
                    ) from error

    async def _send(self, address: str, wanted: Content) -> None:
        """Send an input to a worker in pieces, past what it computes; to whoever is not there, raises OSError."""

        async def there(function: Callable[..., Any], *arguments: Any) -> Any:
            run: Any = self._client.run  # a coroutine's, in the client's loop
            return (await run(_beside, function, *arguments, workers=[address]))[address]

        if await there(inputs.found, wanted) is not None:
            return
        name, coming = uuid4().hex, inputs.pieces(wanted)
        while (piece := await asyncio.to_thread(next, coming, None)) is not None:
            await there(inputs.receive, name, piece)
        await there(inputs.finish, name, wanted)

    def _over(self, number: int, cancelled: bool) -> None:
        handed = self._handed_over.pop(number, None)
        if cancelled and handed is not None and handed.there is not None:
            handed.there.cancel()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let what was submitted end, or give it up; what runs on a worker then ends there, for nobody."""
        if not cancel_futures and wait:
            futures_wait([handed.future for handed in list(self._handed_over.values())])
        self._client.close(_ANSWERS)

    def _told(self, event: tuple[float, bytes]) -> None:
        number, message = pickle.loads(event[1])
        if message is not _BEGUN:
            self.heard(message)
        elif handed := self._handed_over.get(number):
            handed.begun += 1
            if not (handed.future.running() or handed.future.done()):
                handed.future.set_running_or_notify_cancel()

    def _lost(self) -> SchedulerError:
        return SchedulerError(
            f"The connection to the Dask scheduler at {self._address} was lost: see that it runs. What has finished is "
            "kept, and the same command goes on."
        )


@dataclass
class _Handed:
    """A task that was handed over.

    Attributes:
        called: the packed call.
        future: of what it returns.
        there: Dask's future of that.
        begun: how often a worker began it.
        blamed: how often a scheduler took it for what workers died of.
        unsent: how often an input could not be sent.
    """

    called: bytes
    future: Future[Any] = field(default_factory=Future)
    there: Any = None
    begun: int = 0
    blamed: int = 0
    unsent: int = 0


class _Call:
    """What gives, when it is unpickled, what `_serve` returns."""

    def __init__(self, *arguments: Any) -> None:
        self._arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return _serve, self._arguments


_BEGUN = Ellipsis
_one_at_a_time = threading.Lock()


def _serve(number: int, called: bytes, topic: str, sources: str) -> bytes:
    """On a worker: the packed answer to a packed call."""
    import distributed

    worker = distributed.get_worker()

    def tell(message: Any) -> None:
        worker.log_event(topic, pickle.dumps((number, message)))

    def unpack(called: bytes) -> Any:
        call = inputs.unpacked(called, worker.address)
        tell(_BEGUN)
        return call

    with _one_at_a_time:
        multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined] # may have processes
        machine.use_cores(worker.state.nthreads)
        if sources != sources_sha256():
            return answered(packed(_refuse, (worker.address,), {}), tell)
        return answered(called, tell, unpack)


async def _beside(function: Callable[..., Any], *arguments: Any) -> Any:
    """On a worker: what a function returns, called beside the task that it is at."""
    return await asyncio.to_thread(function, *arguments)


def _refuse(address: str) -> None:
    raise OtherVersionError(
        f"The worker at {address} has another version of the program: install the same there, and start it anew."
    )
