"""What one rendering of a chat template may cost (ours): steps, and characters read and made."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jinja2 import TemplateError
from jinja2.utils import Namespace

BUDGET = 1_000_000
"""Steps and characters: some seconds, tens of MB."""

PER_CHARACTER = 100
"""More per character of the messages."""

_left: ContextVar[list[int]] = ContextVar("left")


class LimitError(TemplateError):
    """The budget is spent."""


@contextmanager
def of(size: int) -> Iterator[None]:
    """The budget of one rendering; `size`: characters of the messages."""
    token = _left.set([BUDGET + PER_CHARACTER * size])
    try:
        yield
    finally:
        _left.reset(token)


def spend(amount: int) -> None:
    """Raises LimitError where less is left."""
    left = _left.get()
    left[0] -= amount
    if left[0] < 0:
        raise LimitError("it takes too many steps, or writes too much")


def length(value: Any) -> int:
    """Of texts and collections; others have none."""
    return len(value) if isinstance(value, (str, list, tuple, dict)) else 0


def size(value: Any) -> int:
    """Characters and parts, paid for; shared parts count repeatedly."""
    spend(1)
    if isinstance(value, str):
        spend(len(value))
        return len(value)
    if isinstance(value, Namespace):
        value = object.__getattribute__(value, "_Namespace__attrs")
    if isinstance(value, (dict, ItemsView)):
        pairs = value.items() if isinstance(value, dict) else value
        return 1 + sum(size(key) + size(part) for key, part in pairs)
    if isinstance(value, (list, tuple, set, frozenset, KeysView, ValuesView)):
        return 1 + sum(map(size, value))
    return 1


def items(value: Any) -> Iterator[Any]:
    """Each paid for as it comes."""
    for item in value:
        spend(1)
        yield item


def sized(value: Any) -> Any:
    """The value, its size paid for."""
    size(value)
    return value


def made(value: Any) -> Any:
    """A result, paid for; iterators pay per item."""
    spend(length(value))
    return items(value) if isinstance(value, Iterator) else value
