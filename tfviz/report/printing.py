"""What other processes do meanwhile: the PDF, while the page for browsers is made, and the figures of several parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tfviz.backend import machine
from tfviz.errors import TfvizError
from tfviz.experiment.executor import answered, packed, unpacked
from tfviz.experiment.processes import follow, forked
from tfviz.report import page

_READY = "tfviz.report.ready"


def at_once() -> bool:
    """Whether this machine has a core for another process."""
    return machine.cores() > 1


def ready() -> None:
    """Begin to import what the process needs, which takes a second."""
    forked(_READY)


def processes(most: int) -> ProcessPoolExecutor:
    """Processes that have imported what draws figures, one a core, and no more than `most`."""
    return ProcessPoolExecutor(min(most, machine.cores()), mp_context=forked(_READY), initializer=follow)


class Printer:
    """Another process, which makes a PDF."""

    def __init__(self, process: BaseProcess, pipe: Connection) -> None:
        self._process, self._pipe = process, pipe

    def print(self, text: str) -> None:
        """Have it make the PDF of a page (see `tfviz.report.page.pdf`), while this process does something else."""
        with suppress(OSError):  # it has ended: `made` says so
            self._pipe.send_bytes(text.encode())

    def made(self) -> tuple[bytes, set[str]]:
        """Wait for it: the PDF, and the characters that no font has (see `tfviz.report.page.without_glyph`).

        Raises:
            TfvizError: the process ended.
            Exception: what `tfviz.report.page.pdf` raised.
        """
        try:
            answer = self._pipe.recv_bytes()
        except (EOFError, OSError) as error:
            self._process.join()
            raise TfvizError(
                f"The process that makes report.pdf ended ({self._process.exitcode}; it may lack memory): run again "
                "with --report-only."
            ) from error
        printed: tuple[bytes, set[str]] = unpacked(answer)
        return printed


@contextmanager
def begun(out: Path, drawings: Sequence[str]) -> Iterator[Printer]:
    """A process that makes a PDF; what is not done when the block ends is given up.

    Args:
        out: the output folder.
        drawings: in it, which it makes ready for print until it gets the page.
    """
    context = forked(_READY)
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, _printed, out, drawings), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Printer(process, ours)
    finally:
        process.kill()
        process.join()
        ours.close()


def _serve(pipe: Connection, printed: Callable[..., Any], out: Path, drawings: Sequence[str]) -> None:
    follow()
    ready = dict[Path, bytes]()
    with page.nothing_collected():
        for path in (out.resolve() / drawing for drawing in drawings):
            if pipe.poll():
                break
            with suppress(ValueError, OSError):  # the page says what is wrong with it, if it shows it
                ready[path] = page.drawing_for_print(path)
    text = pipe.recv_bytes().decode()
    pipe.send_bytes(answered(packed(printed, (out, text, ready), {}), lambda _: None))


def _printed(out: Path, text: str, ready: Mapping[Path, bytes]) -> tuple[bytes, set[str]]:
    with page.without_glyph() as blank:
        return page.pdf(out, text, ready), blank
