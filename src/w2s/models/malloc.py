"""Keeps freed memory within a step: glibc's fresh pages are slow on virtual machines (ours)."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h


@cache
def keep_freed_memory() -> bool:
    """Keep freed memory until `give_back`. False without glibc."""
    mallopt = _glibc("mallopt")
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 64 * 2**20}
    return mallopt is not None and all([mallopt(name, value) == 1 for name, value in settings.items()])


def give_back() -> bool:
    """Give freed memory back to the system; a model of another size could not use it in pieces. False without glibc.

    Four small runs of `tiny` in one process held 1,364 MiB at their end without it, 511 with it (two AVX-512 cores).
    """
    trim = _glibc("malloc_trim")
    if trim is None:
        return False
    trim(0)
    return True


def _glibc(name: str) -> Any:
    try:
        return getattr(ctypes.CDLL(None), name) if sys.platform == "linux" else None
    except (OSError, AttributeError):  # musl has no such function
        return None
