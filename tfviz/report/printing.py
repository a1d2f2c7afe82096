"""What other processes do meanwhile: the PDF, while the page for browsers is made, and the figures of several parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

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


@contextmanager
def begun(out: Path, text: str) -> Iterator[Callable[[], tuple[bytes, set[str]]]]:
    """A PDF that is being made; what is not done when the block ends is given up.

    Args:
        out: the output folder.
        text: the page, see `tfviz.report.page.pdf`.

    Yields:
        What waits for it, and returns the PDF, and the characters that no font has (see
        `tfviz.report.page.without_glyph`); or raises what `tfviz.report.page.pdf` raised.
    """
    context = forked(_READY)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, packed(_printed, (out, text), {})), daemon=True)
    process.start()
    theirs.close()

    def made() -> tuple[bytes, set[str]]:
        try:
            answer = ours.recv_bytes()
        except EOFError as error:
            process.join()
            raise TfvizError(
                f"The process that makes report.pdf ended ({process.exitcode}; it may lack memory): run again with "
                "--report-only."
            ) from error
        printed: tuple[bytes, set[str]] = unpacked(answer)
        return printed

    try:
        yield made
    finally:
        process.kill()
        process.join()
        ours.close()


def _serve(pipe: Connection, called: bytes) -> None:
    follow()
    pipe.send_bytes(answered(called, lambda _: None))


def _printed(out: Path, text: str) -> tuple[bytes, set[str]]:
    with page.without_glyph() as blank:
        return page.pdf(out, text), blank
