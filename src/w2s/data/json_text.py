"""Rows of JSON text: Lines, an array of objects, or one object with a list of rows (a log). Nothing is read whole."""

from __future__ import annotations

import codecs
import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from w2s.errors import UserError

LONGEST = 64 * 2**20
"""Bytes; a longer row is refused."""
DEEPEST = 200
"""Levels of objects and lists; a deeper row is refused, since Python's own limit depends on who reads and writes it."""
LISTS = ("samples", "data", "rows")
"""Where one object keeps its rows: inspect_ai, the hub's viewer, others."""

CHUNK = 2**20
_GAP = re.compile(r"[\s,]*")
_SPACE = re.compile(r"\s*")

Found = Iterator[tuple[int, int | None, dict[str, Any]]]
"""(line number from 1, byte position or None, object)."""


def rows(first: bytes, stream: IO[bytes], path: str | Path) -> Found:
    """All rows; `first`: what was read of the stream, whole lines."""
    number = position = seen = 0
    while raw := first or line(stream, path, number + 1):
        number, first = number + 1, b""
        content = text(raw, path, number).strip()
        if content.startswith("[") and not seen:
            scanner = _Scanner(raw, stream, path, number)
            scanner.following()
            yield from scanner.elements(end=True)
            return
        if content:
            seen = seen or number
            try:
                row = json.loads(content)
            except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
                following = line(stream, path, number + 1)
                if number == seen and content[0] == "{" and following.lstrip()[:1] in (b'"', b"}"):
                    yield from _log(_Scanner(raw + following, stream, path, number), path, number)
                    return
                raise _invalid_line(error, path, number, content, following, first=number == seen) from error
            if number == seen and isinstance(row, dict) and isinstance(row.get("samples"), list) and "eval" in row:
                yield from ((number, None, as_object(each, path, number)) for each in row["samples"])
            else:
                yield number, position, as_object(row, path, number)
        position += len(raw)


def line(stream: IO[bytes], path: str | Path, number: int) -> bytes:
    """The next line. UserError: it is too long, or cannot be read."""
    try:
        raw = stream.readline(LONGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot be read: {error}", file=path, line=number) from error
    if len(raw) > LONGEST:
        raise UserError(
            f"is longer than {LONGEST:,} bytes", file=path, line=number, expected="one JSON object per line"
        )
    return raw


def text(raw: bytes, path: str | Path, number: int) -> str:
    """A line's text. UserError: it is not UTF-8."""
    try:
        return raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise UserError("is not UTF-8", file=path, line=number, hint="save the file as UTF-8") from error


def as_object(row: object, path: str | Path, number: int) -> dict[str, Any]:
    """A row. UserError: it is no object, or nested too deep."""
    if not isinstance(row, dict):
        raise UserError("is not a JSON object", file=path, line=number, expected='a row like {"id": ...}')
    level: list[Any] = [row]
    for _ in range(DEEPEST):
        parts = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for part in parts for value in part if isinstance(value, dict | list)]
        if not level:
            return row
    raise UserError(
        f"is nested more than {DEEPEST} levels deep", file=path, line=number, hint="delete the field that is so deep"
    )


class _Scanner:
    """A text that is read on as its values need it."""

    def __init__(self, raw: bytes, stream: IO[bytes], path: str | Path, line: int) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig" if line == 1 else "utf-8")()
        self._parse = json.JSONDecoder().raw_decode
        self._stream, self._path, self.line = stream, path, line
        self._raw, self._text, self._place, self._size, self._ended = raw, "", 0, CHUNK, False

    def _more(self) -> None:
        """UserError: it is not UTF-8, or cannot be read."""
        try:
            more, self._raw = self._raw or self._stream.read(self._size), b""
            self._text, self._place = self._text[self._place :] + self._decoder.decode(more, not more), 0
        except UnicodeDecodeError as error:
            hint = "save the file as UTF-8"
            raise UserError("is not UTF-8", file=self._path, line=self.line, hint=hint) from error
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"cannot be read: {error}", file=self._path, line=self.line) from error
        self._size, self._ended = 2 * self._size, not more

    def next(self, gap: re.Pattern[str] = _SPACE) -> str:
        """The character after the gap; "" at the end."""
        while True:
            found = gap.match(self._text, self._place)
            assert found is not None
            self.line, self._place = self.line + found[0].count("\n"), found.end()
            if self._place < len(self._text) or self._ended:
                return self._text[self._place : self._place + 1]
            self._more()

    def following(self, gap: re.Pattern[str] = _SPACE) -> str:
        """As `next`, and goes past it."""
        character = self.next(gap)
        self._place += len(character)
        return character

    def value(self) -> Any:
        """The JSON value here.

        Raises:
            UserError: it is none.
        """
        self._size = CHUNK
        while True:
            try:
                value, end = self._parse(self._text, self._place)
                if end < len(self._text) or self._ended:  # else it may go on: a number has no end of its own
                    break
            except json.JSONDecodeError as error:  # perhaps only because its end has not been read
                if self._ended or len(self._text) - self._place > LONGEST:
                    raise _invalid(error, self._path, self.line) from error
            except (ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits
                raise _invalid(error, self._path, self.line) from error
            self._more()
        self._place, self._passed = end, self._text.count("\n", self._place, end)
        return value

    def elements(self, *, end: bool) -> Found:
        """The objects of an array, after its "["; `end`: nothing may follow it."""
        while (character := self.next(_GAP)) == "{":
            line = self.line
            row = self.value()
            yield line, None, as_object(row, self._path, line)
            self.line = line + self._passed
        if character == "]":
            self._place, line = self._place + 1, self.line
            if end and self.next():
                raise UserError("has something after the array's end", file=self._path, line=line)
        elif character:
            as_object(character, self._path, self.line)
        else:
            raise UserError(
                "the array has no end", file=self._path, line=self.line, hint="write the file again: it is cut off"
            )

    def skip(self) -> None:
        """A value that is not used."""
        line = self.line
        self.value()
        self.line = line + self._passed


def field(stream: IO[bytes], path: str | Path, name: str) -> Any:
    """A field that one object has before its rows, or None."""
    scanner = _Scanner(b"", stream, path, 1)
    if scanner.following() != "{":
        return None
    while scanner.next(_GAP) == '"':
        key = scanner.value()
        if scanner.following() != ":" or key in LISTS:
            return None
        scanner.next()
        value = scanner.value()
        if key == name:
            return value
    return None


def _log(scanner: _Scanner, path: str | Path, number: int) -> Found:
    """The rows of one object over several lines."""
    scanner.following()
    fields: list[str] = []
    while scanner.next(_GAP) == '"':
        fields.append(scanner.value())
        if scanner.following() != ":":
            raise _invalid(ValueError(f"no colon after {fields[-1]!r:.80}"), path, scanner.line)
        if fields[-1] in LISTS and scanner.next() == "[":
            scanner.following()
            yield from scanner.elements(end=False)
            return
        scanner.next()
        scanner.skip()
    raise UserError(
        f"is JSON over several lines, not JSON Lines, and has no rows; its fields: {', '.join(fields[:20])[:300]}",
        file=path,
        line=number,
        expected=f"one JSON object per line, one array of objects, or an object with a list {' or '.join(LISTS)}",
        hint="write each object on one line (jq -c . FILE > rows.jsonl), or all of them as one array",
    )


def _invalid(error: Exception, path: str | Path, line: int) -> UserError:
    why, hint = str(error), "correct it, or write the file again"
    if isinstance(error, RecursionError):
        why, hint = "it is nested too deep", "delete the field that is so deep"
    elif not isinstance(error, json.JSONDecodeError) and "digits" in why:
        why, hint = "a number has thousands of digits", "write it as a string"
    elif isinstance(error, json.JSONDecodeError) and error.doc[error.pos : error.pos + 1] == "'":
        hint = "JSON has double quotes: write the rows with json.dumps"
    return UserError(
        f"is not valid JSON ({why})",
        file=path,
        line=line,
        expected="one complete JSON object per line, or one array of objects",
        hint=hint,
    )


def _torn(error: Exception, text: str) -> bool:
    """Whether the text ends too early."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return text[0] in "{[" and (error.msg.startswith(("Unterminated", "Invalid \\")) or error.pos >= len(text) - 5)


def _invalid_line(
    error: Exception, path: str | Path, number: int, text: str, following: bytes, *, first: bool
) -> UserError:
    if first and text[0] not in "{[" and ("," in text or "\t" in text):
        problem = "is a table without a column that is known, or no table at all"
        hint = "its first line must name the columns, such as id,question,response; then give it the suffix .csv"
    elif not following and _torn(error, text):
        problem = f"is not valid JSON ({error})"
        hint = "a torn last line comes from an interrupted writer: delete that line or write the file again"
        hint = "write the file again: it is cut off" if first else hint
    else:
        return _invalid(error, path, number)
    return UserError(problem, file=path, line=number, expected="one complete JSON object per line", hint=hint)


def finite(value: object) -> object:
    """With NaN and infinities as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, list | tuple) else value
