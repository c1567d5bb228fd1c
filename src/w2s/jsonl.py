"""JSON Lines in and out: UTF-8, gzip by suffix, "-" for standard input or output, atomic writes; reads arrays too.

Everything streams: no more than one row (at most `LONGEST` bytes) is held.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import json
import os
import re
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

from w2s.errors import UserError

LONGEST = 64 * 2**20
"""Bytes that a row may have: a file without line ends is refused, and not read into memory."""
_CHUNK = 2**20
_OFTEN = 4096  # rows between two words about progress
_GAP = re.compile(r"[\s,]*")

Progress = Callable[[int, int], None]
"""Told (bytes read, bytes in all) of a regular file, compressed bytes of a compressed one."""

_encode = json.JSONEncoder(ensure_ascii=False).encode
_encode_ascii = json.JSONEncoder().encode


def read(path: str | Path, progress: Progress | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) for each non-blank line, or for each element where the file is an array.

    Raises:
        UserError: the file is missing, is not UTF-8, or a line is torn, too long or not a JSON object.
    """
    with _open(path) as stream:
        told = _teller(stream, progress)
        for count, (number, _, row) in enumerate(_rows(stream, path), 1):
            if count % _OFTEN == 0:
                told()
            yield number, row
        told()


class Rows:
    """A file whose rows are read once in order and then again by position.

    What cannot be read again (standard input, a pipe, gzip, an array) is copied to a temporary file on the way.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._copy: IO[bytes] | None = None
        self._again: IO[bytes] | None = None

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and delete the copy."""
        for stream in (self._copy, self._again):
            if stream is not None:
                stream.close()

    def scan(self, progress: Progress | None = None) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Yield (line number from 1, position, object) for each row; once, and before any `at`.

        Raises:
            UserError: as `read`.
        """
        with _open(self._path) as stream:
            told = _teller(stream, progress)
            copied = not _is_regular(stream) or isinstance(stream, gzip.GzipFile)
            for count, (number, position, row) in enumerate(_rows(stream, self._path), 1):
                if count == 1 and (copied or position is None):
                    self._copy = cast(IO[bytes], tempfile.TemporaryFile())  # noqa: SIM115 - closed by __exit__
                if self._copy is not None:
                    position = self._copy.tell()
                    self._copy.write(encode(row))
                if count % _OFTEN == 0:
                    told()
                assert position is not None
                yield number, position, row
            told()

    def at(self, position: int) -> dict[str, Any]:
        """The row at a position that `scan` gave. Raises UserError where the file has been changed since."""
        stream = self._copy or self._again
        if stream is None:
            stream = self._again = _open(self._path)
        stream.seek(position)
        try:
            row = json.loads(stream.readline().decode("utf-8-sig" if position == 0 else "utf-8"))
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise UserError("has changed while it was read", file=self._path, mend="start again")
        return row


def encode(row: Mapping[str, Any]) -> bytes:
    """One line of JSON with its newline; field order is kept. Half a surrogate pair is written as an escape."""
    try:
        return (_encode(row) + "\n").encode()
    except UnicodeEncodeError:
        return (_encode_ascii(row) + "\n").encode()


def write(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows to `path` and return their number. The file appears whole or not at all."""
    if str(path) == "-":
        out = sys.stdout.buffer
        sys.stdout.flush()
        count = sum(1 for row in rows if out.write(encode(row)))
        out.flush()
        return count
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(part, "wb")  # noqa: SIM115 - closed by the stack below
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror})", file=path) from error
    try:
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(file)
            if path.suffix == ".gz":  # mtime=0 and no name: equal rows give equal bytes
                packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)
                out = stack.enter_context(io.BufferedWriter(cast(io.RawIOBase, stack.enter_context(packed)), _CHUNK))
            count = sum(1 for row in rows if out.write(encode(row)))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count


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


def _is_regular(stream: IO[bytes]) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # not a file of the system's
        return False


def _teller(stream: IO[bytes], progress: Progress | None) -> Callable[[], None]:
    if progress is None or not _is_regular(stream):
        return lambda: None
    size = os.fstat(stream.fileno()).st_size
    below = stream.fileobj if isinstance(stream, gzip.GzipFile) else stream
    return lambda: progress(below.tell(), size)


def _rows(stream: IO[bytes], path: str | Path) -> Iterator[tuple[int, int | None, dict[str, Any]]]:
    """(line number, byte position, object) of each row; no position for an array's elements."""
    number = position = 0
    seen = False
    while raw := _line(stream, path, number := number + 1):
        text = _text(raw, path, number).strip()
        if text.startswith("[") and not seen:
            yield from ((line, None, row) for line, row in _elements(raw, stream, path, number))
            return
        if text:
            seen = True
            try:
                row = json.loads(text)
            except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
                raise _invalid(error, path, number) from error
            yield number, position, _object(row, path, number)
        position += len(raw)


def _line(stream: IO[bytes], path: str | Path, number: int) -> bytes:
    try:
        raw = stream.readline(LONGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot be read: {error}", file=path, line=number) from error
    if len(raw) > LONGEST:
        raise UserError(f"is longer than {LONGEST:,} bytes", file=path, line=number, expected="one JSON object a line")
    return raw


def _text(raw: bytes, path: str | Path, number: int) -> str:
    try:
        return raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise UserError("is not UTF-8", file=path, line=number, mend="save the file as UTF-8") from error


def _elements(raw: bytes, stream: IO[bytes], path: str | Path, number: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line of its beginning, object) of each element of the array that begins in `raw`, which is line `number`."""
    decoder = codecs.getincrementaldecoder("utf-8-sig" if number == 1 else "utf-8")()
    parse, size, ended, line = json.JSONDecoder().raw_decode, _CHUNK, False, number
    try:
        text = decoder.decode(raw)
        place = text.index("[") + 1
        line += text.count("\n", 0, place)
        while True:
            gap = _GAP.match(text, place)
            assert gap is not None
            line, place = line + gap[0].count("\n"), gap.end()
            if text.startswith("{", place):
                try:
                    row, end = parse(text, place)
                except json.JSONDecodeError as error:  # perhaps only because its end has not been read
                    if ended or len(text) - place > LONGEST:
                        raise _invalid(error, path, line) from error
                else:
                    yield line, row
                    line, place, size = line + text.count("\n", place, end), end, _CHUNK
                    continue
            elif text.startswith("]", place):
                rest = text[place + 1 :] + decoder.decode(stream.read(_CHUNK))
                if rest.strip():
                    raise UserError("has something after the array's end", file=path, line=line)
                return
            elif place < len(text):
                _object(text[place], path, line)
            if ended:
                raise UserError(
                    "the array has no end", file=path, line=line, mend="write the file again: it is cut off"
                )
            more = stream.read(size)
            text, place, size, ended = text[place:] + decoder.decode(more, not more), 0, 2 * size, not more
    except UnicodeDecodeError as error:
        raise UserError("is not UTF-8", file=path, line=line, mend="save the file as UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot be read: {error}", file=path, line=line) from error
    except (ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits
        raise _invalid(error, path, line) from error


def _object(row: object, path: str | Path, number: int) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise UserError("is not a JSON object", file=path, line=number, expected='a row like {"id": ...}')
    return row


def _invalid(error: Exception, path: str | Path, number: int) -> UserError:
    return UserError(
        f"is not valid JSON ({error})",
        file=path,
        line=number,
        expected="one complete JSON object a line",
        mend="a torn last line comes from an interrupted writer: delete that line or write the file again",
    )
