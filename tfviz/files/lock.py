"""Locks between processes that nobody holds any longer once their holder is dead.

They are the kernel's (flock): the file that carries one says who holds it, and means nothing by being there. Without
flock, on Windows and on some network file systems, nobody is kept out.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_HOLDER = re.compile(r"process \d{1,10}, since [\d :-]{19}")
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def held(path: Path, busy: Callable[[str], None]) -> Iterator[bool]:
    """Inside, no other process that asks for the same lock goes on.

    Args:
        path: of the lock's file, in a folder that is there; at the end it is taken away.
        busy: called if another process holds the lock, with which and since when, in words; then that one's end is
            waited for, unless this raises.

    Yields:
        Whether there are locks here: if not, others may be at work.

    Raises:
        OSError: the file cannot be written.
    """
    if sys.platform == "win32":
        yield False
        return
    handle, alone = _locked(path, busy)
    try:
        os.truncate(handle, 0)
        os.write(handle, f"process {os.getpid()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}".encode())
        yield alone
    finally:
        with suppress(OSError):  # before the lock goes: the next one makes a file of its own
            path.unlink(missing_ok=True)
        os.close(handle)


def _locked(path: Path, busy: Callable[[str], None]) -> tuple[int, bool]:
    """A handle of the lock's file while it stands at that path, and whether it is locked."""
    said, alone = False, True
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(errno.EINVAL, "it is no regular file", str(path))
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not said:
                    said = True
                    busy(_holder(handle))
                fcntl.flock(handle, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                alone = False
            with suppress(FileNotFoundError):  # the last holder took it away: this one is nobody's
                if os.path.samestat(os.fstat(handle), os.stat(path)):
                    return handle, alone
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _holder(handle: int) -> str:
    found = os.pread(handle, 100, 0).decode("ascii", errors="replace")
    return found if _HOLDER.fullmatch(found) else "another process"
