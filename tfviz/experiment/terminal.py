"""Standard streams that can be written to whatever has become of them."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


@contextmanager
def forgiving() -> Iterator[None]:
    """Inside, what nobody can hear costs nothing: a pipe that was closed, a stream that there is not, a full disk.

    Characters that a stream cannot show are "?". A stream that something else has put in place stays.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # else the next file that is opened gets that number, and is written into by C++ code
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number: this one
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_outlet(stream) for stream in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = before


class _Outlet(io.FileIO):
    """A file descriptor; what cannot be written to it is dropped."""

    def write(self, data: Any) -> int:
        """Write, or not; the answer is as if it were written."""
        try:
            return super().write(data)
        except OSError:
            return len(memoryview(data).cast("B"))


def _outlet(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if type(stream) is not io.TextIOWrapper:
        return stream
    with suppress(OSError, ValueError):
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Outlet(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.line_buffering or stream.fileno() == 2,  # errors at once
    )
