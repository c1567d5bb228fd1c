"""What a training measures at each step, for who wants to hear it while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

Hear = Callable[[int, Mapping[str, float]], None]
"""Gets the step's number, from 1, and values by name."""

_hear: ContextVar[Hear | None] = ContextVar("hear_measures", default=None)


@contextmanager
def heard(hear: Hear | None) -> Iterator[None]:
    """Within it `tell` calls `hear`, in this thread and process."""
    before = _hear.set(hear)
    try:
        yield
    finally:
        _hear.reset(before)


def tell(step: int, values: Mapping[str, float]) -> None:
    """Say what a step measured."""
    hear = _hear.get()
    if hear is not None:
        hear(step, values)
