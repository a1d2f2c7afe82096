"""How much of the grader's machine one submission may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Of one submission; the process that measures it ends where one is exceeded.

    Attributes:
        entries: files and folders that are looked at.
        depth: folders in each other.
        packed: bytes of an archive.
        unpacked: bytes of all that is read of an archive or folder, and that an archive says it holds.
        ratio: unpacked to packed bytes of a file of an archive.
        memory: bytes.
        processor: seconds of processor time.
        seconds: by the clock.
    """

    entries: int = 20_000
    depth: int = 8
    packed: int = 1 << 30
    unpacked: int = 1 << 30
    ratio: float = 200.0
    memory: int = 4 << 30
    processor: float = 180.0
    seconds: float = 600.0


LIMITS = Limits()
"""An honest submission of all parts has 300 entries and 105 MB; 62 MB are read, and measured in a few seconds."""
