"""A budget of arithmetic for one answer, counted in operations, so that the clock has no part in a key (ours)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PURSE = threading.local()


class Spent(Exception):
    """The budget is used up."""


@contextmanager
def limit(units: int) -> Iterator[None]:
    """Let what happens inside, in this thread, `spend` so much; a unit is about a microsecond of a slow core."""
    before = getattr(_PURSE, "left", None)
    _PURSE.left = units
    try:
        yield
    finally:
        _PURSE.left = before


def spend(units: int) -> None:
    """Take `units` out of the budget, where there is one. Raises Spent."""
    left = getattr(_PURSE, "left", None)
    if left is None:
        return
    _PURSE.left = left - units
    if left < units:
        raise Spent
