"""JSON Lines in and out: UTF-8, gzip by suffix, "-" for standard input or output, atomic writes."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

from w2s.errors import UserError


def read(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) for each non-blank line.

    Raises:
        UserError: the file is missing, is not UTF-8, or a line is torn or not a JSON object.
    """
    with _open(path) as stream:
        number = 0
        while True:
            number += 1
            try:
                raw = stream.readline()
            except (OSError, EOFError) as error:
                raise UserError(f"cannot be read: {error}", file=path, line=number) from error
            if not raw:
                return
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if not text:
                    continue
                row = json.loads(text)
            except UnicodeDecodeError as error:
                raise UserError("is not UTF-8", file=path, line=number, mend="save the file as UTF-8") from error
            except (json.JSONDecodeError, RecursionError) as error:
                raise UserError(
                    f"is not valid JSON ({error})",
                    file=path,
                    line=number,
                    expected="one complete JSON object a line",
                    mend="a torn last line comes from an interrupted writer: delete that line or write the file again",
                ) from error
            if not isinstance(row, dict):
                raise UserError("is not a JSON object", file=path, line=number, expected='a line like {"id": ...}')
            yield number, row


def _open(path: str | Path) -> IO[bytes]:
    if str(path) == "-":
        return sys.stdin.buffer
    try:
        if str(path).endswith(".gz"):
            return cast(IO[bytes], gzip.open(path, "rb"))
        return open(path, "rb")
    except OSError as error:
        raise UserError(
            f"cannot be opened ({error.strerror})", file=path, mend="check the path; it is relative to where you are"
        ) from error


def dumps(row: Mapping[str, Any]) -> str:
    """One line of JSON, without the newline; field order is kept."""
    return json.dumps(row, ensure_ascii=False)


def write(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows to `path` and return their number. The file appears whole or not at all."""
    if str(path) == "-":
        return sum(1 for row in rows if sys.stdout.write(dumps(row) + "\n"))
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(part, "wb")  # noqa: SIM115 - closed by the stack below
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", file=path) from error
    try:
        with contextlib.ExitStack() as stack:
            raw: Any = stack.enter_context(file)
            if path.suffix == ".gz":  # mtime=0 and no name: equal rows give equal bytes
                raw = stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0))
            text = stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline="\n"))
            count = sum(1 for row in rows if text.write(dumps(row) + "\n"))
            text.flush()
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count
