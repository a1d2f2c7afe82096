"""How the C library hands memory out while a network is trained."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # malloc.h; see mallopt(3)
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Has glibc keep the memory that is freed, for the next allocation, instead of giving it back to the system.

    A training step frees and asks again for the same few hundred megabytes. By default these are unmapped, mapped and
    cleared by the kernel, page by page, in every step (what that costs: `bench.allocator`).

    Returns:
        Whether it was done: elsewhere than on glibc nothing is changed.
    """
    if sys.platform != "linux" or not hasattr(library := ctypes.CDLL(None), "gnu_get_libc_version"):
        return False
    # In one arena: the others are mapped, and shrink by another rule.
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_ARENA_MAX, 1))
    done = [library.mallopt(setting, value) == 1 for setting, value in settings]
    return all(done)
