"""One row of a file that a user gave, and the checks on its fields: every error says file, line, field and cure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from w2s import jsonl
from w2s.errors import UserError

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Row:
    """A JSON object and where it stands. `line` counts from 1."""

    file: str | Path
    line: int
    fields: Mapping[str, Any]

    def error(self, problem: str, field: str, *, expected: str | None = None, mend: str | None = None) -> UserError:
        """An error about one field of this row, to be raised by the caller."""
        return UserError(problem, file=self.file, line=self.line, field=field, expected=expected, mend=mend)

    def identity(self, default: str | None = None) -> str:
        """The row's id as a string: 7 and "7" are the same id.

        Raises:
            UserError: no id (and no default), or one that is neither a non-empty string nor an integer.
        """
        value = self.fields.get("id")
        if value is None and default is not None:
            return default
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        problem = f"{value!r:.80} is not an id" if "id" in self.fields else "the row has no id"
        raise self.error(problem, "id", expected='a non-empty string or an integer, such as "q-17" or 17')

    def text(self, field: str, *, may_be_empty: bool = False) -> str:
        """The string in `field`.

        Raises:
            UserError: it is missing, not a string, or blank where that is not allowed.
        """
        value = self.fields.get(field)
        if not isinstance(value, str):
            problem = f"is {_kind(value)}" if field in self.fields else "is missing"
            raise self.error(f"{field} {problem}", field, expected="a string")
        if not may_be_empty and not value.strip():
            raise self.error(f"{field} is empty", field, expected="some text", mend="delete the row or fill it in")
        return value

    def count(self, field: str, default: int) -> int:
        """The integer from 0 in `field`, or the default where it is missing.

        Raises:
            UserError: it is anything else.
        """
        value = self.fields.get(field, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.error(f"{value!r:.80} is not a {field} number", field, expected="an integer from 0")
        return value


def read(path: str | Path) -> Iterator[Row]:
    """The rows of a JSON Lines file, in order. Raises UserError for a missing or torn file."""
    return (Row(path, line, fields) for line, fields in jsonl.read(path))


def unique(
    rows: Iterable[Row], key: Callable[[Row], Key], *, mend: str = "give every row an id of its own"
) -> dict[Key, Row]:
    """Rows by key, in file order.

    Raises:
        UserError: two rows have one key; both lines are named.
    """
    table: dict[Key, Row] = {}
    for row in rows:
        first = table.setdefault(key(row), row)
        if first is not row:
            shown = f"id {row.identity(default='')!r}" if row.fields.get("id") is not None else f"key {key(row)!r}"
            raise row.error(f"{shown} already stands in {first.file}:{first.line}", "id", mend=mend)
    return table


def _kind(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else names[type(value)]
