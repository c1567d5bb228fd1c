"""Progress from inside a batch: an engine tells, and who waits for the batch hears it.

An engine need not tell. Its signature stays `run(batch, decoding)`, so engines of users' own may tell too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Hear = Callable[[int, int], None]
"""Gets rows of the batch that are finished, and its tokens so far."""

_hear: ContextVar[Hear | None] = ContextVar("hear", default=None)


@contextmanager
def heard(hear: Hear | None) -> Iterator[None]:
    """Within it `tell` calls `hear`, in this thread."""
    before = _hear.set(hear)
    try:
        yield
    finally:
        _hear.reset(before)


def tell(rows: int, tokens: int) -> None:
    """Say how far the batch is; costs little where nobody hears."""
    hear = _hear.get()
    if hear is not None:
        hear(rows, tokens)
