"""Rows of users' files, with errors by file, line and field."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from w2s.data import jsonl
from w2s.errors import UserError

Key = TypeVar("Key", bound=Hashable)

_SURROGATE = re.compile("[\ud800-\udfff]")

LARGEST = 2**63 - 1
"""Sample number, for indexes of 64 bits."""


@dataclass(frozen=True, slots=True)
class Row:
    """A JSON object and its line, from 1."""

    file: str | Path
    line: int
    fields: Mapping[str, Any]

    def error(self, problem: str, field: str, *, expected: str | None = None, hint: str | None = None) -> UserError:
        return UserError(problem, file=self.file, line=self.line, field=field, expected=expected, hint=hint)

    def identity(self, default: str | None = None) -> str:
        """The id as a string: 7 and "7" are equal.

        Raises:
            UserError: missing without default, or neither a non-empty string nor an integer.
        """
        value = self.fields.get("id")
        if value is None and default is not None:
            return default
        if isinstance(value, str) and value.strip():
            self.check_unicode("id")
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        problem = f"{value!r:.80} is not an id" if "id" in self.fields else "the row has no id"
        raise self.error(problem, "id", expected='a non-empty string or an integer, such as "q-17" or 17')

    def text(self, field: str, *, may_be_empty: bool = False) -> str:
        """The string in `field`.

        Raises:
            UserError: missing, no string, or blank.
        """
        value = self.fields.get(field)
        if not isinstance(value, str):
            others = ", ".join(map(str, [*self.fields][:10]))[:200]
            problem = (
                f"is {_kind(value)}"
                if field in self.fields
                else "is missing" + (f": the row has {others}" if others else "")
            )
            raise self.error(f"{field} {problem}", field, expected="a string")
        if not may_be_empty and not value.strip():
            raise self.error(f"{field} is empty", field, expected="some text", hint="delete the row or fill it in")
        return value

    def count(self, field: str, default: int) -> int:
        """The integer from 0 to `LARGEST` in `field`."""
        value = self.fields.get(field, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
            expected = f"an integer from 0 to {LARGEST}"
            raise self.error(f"{value!r:.80} is not a {field} number", field, expected=expected)
        return value

    @property
    def cut(self) -> bool:
        """Whether its text was cut at a token limit, as ours ("cut") or a server's ("finish_reason") rows say."""
        return self.fields.get("cut") is True or self.fields.get("finish_reason") == "length"

    def check_unicode(self, *names: str) -> None:
        """Refuse half a surrogate pair in strings and lists of strings."""
        for name in names:
            value = self.fields.get(name)
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str) and not text.isascii() and _SURROGATE.search(text):
                    raise self.error(
                        f"{name} holds half a surrogate pair, which is no character",
                        name,
                        hint="a tool has cut an emoji in two: write the text again, or delete the escape",
                    )


def read(path: str | Path) -> Iterator[Row]:
    """The rows of a JSON Lines file.

    Raises:
        UserError: it is missing or torn.
    """
    return (Row(path, line, fields) for line, fields in jsonl.read(path))


def unique(
    rows: Iterable[Row], key: Callable[[Row], Key], *, hint: str = "give every row an id of its own"
) -> dict[Key, Row]:
    """Rows by key, in file order.

    Raises:
        UserError: two rows have one key.
    """
    table: dict[Key, Row] = {}
    for row in rows:
        first = table.setdefault(key(row), row)
        if first is not row:
            label = f"id {row.identity(default='')!r}" if row.fields.get("id") is not None else f"key {key(row)!r}"
            raise row.error(f"{label} already stands in {first.file}:{first.line}", "id", hint=hint)
    return table


def _kind(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else names[type(value)]
