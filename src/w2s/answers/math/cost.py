"""The budget of arithmetic for one answer, in operations: no key depends on the clock (ours)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_BUDGET = threading.local()


class OverBudget(Exception):
    """The budget is used up."""


@contextmanager
def limit(units: int) -> Iterator[None]:
    """Limit what the block may `spend`; a unit is about a microsecond."""
    before = getattr(_BUDGET, "left", None)
    _BUDGET.left = units
    try:
        yield
    finally:
        _BUDGET.left = before


def spend(units: int) -> None:
    """Take `units` out of the budget, if there is one.

    Raises:
        OverBudget: it is used up.
    """
    left = getattr(_BUDGET, "left", None)
    if left is None:
        return
    _BUDGET.left = left - units
    if left < units:
        raise OverBudget
