"""A callback that no parameter passes on: who waits sets it, and who works calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, ParamSpec

Values = ParamSpec("Values")


class Callback(Generic[Values]):
    """Of one kind of values, which its place of definition describes."""

    def __init__(self, name: str) -> None:
        self._hear: ContextVar[Callable[Values, None] | None] = ContextVar(name, default=None)

    @contextmanager
    def heard(self, hear: Callable[Values, None]) -> Iterator[None]:
        """Within it `tell` calls `hear`, in this thread and process."""
        before = self._hear.set(hear)
        try:
            yield
        finally:
            self._hear.reset(before)

    def tell(self, *values: Values.args, **named: Values.kwargs) -> None:
        """Call who hears; costs little where nobody does."""
        hear = self._hear.get()
        if hear is not None:
            hear(*values, **named)
