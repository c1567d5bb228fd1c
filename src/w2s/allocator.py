"""Memory that a step of a model gave back is kept for the next step.

glibc asks the system for each big block anew and returns it when it is freed, so every training step and every decoding
step pays for fresh pages, which on a virtual machine cost more than the arithmetic. Source: ours; figures in
docs/results.md.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h


@cache
def keep_freed_memory() -> bool:
    """Let this process keep what it frees, up to its peak. False where there is no glibc, and nothing is changed.

    Results do not change; the process's memory falls only when it ends.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt if sys.platform == "linux" else None
    except (OSError, AttributeError):  # musl has no such function
        return False
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 64 * 2**20}
    return mallopt is not None and all([mallopt(name, value) == 1 for name, value in settings.items()])
