"""JSON Lines in and out, one row at a time: UTF-8, gzip by suffix, "-" for standard streams.

Also reads arrays, tables (CSV, Parquet), inspect_ai's logs and data sets of the hub.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

from w2s.data import archives, disk, hub, json_text, tables
from w2s.data.json_text import CHUNK as _CHUNK
from w2s.data.json_text import LONGEST as LONGEST
from w2s.data.json_text import Found
from w2s.errors import UserError

_OFTEN = 4096  # rows between two words about progress

Progress = Callable[[int, int], None]
"""Gets (bytes read, bytes in all), compressed ones of gzip."""

_GZIP = b"\x1f\x8b"
_PARQUET, _ZIP = b"PAR1", b"PK\x03\x04"
_CONVERT = 'pandas.{}("FILE").to_json("rows.jsonl", orient="records", lines=True)'
_OTHER_FORMATS = {
    b"ARROW1": ("an Arrow file", f"convert it: {_CONVERT.format('read_feather')}"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "unpack it, or compress it with gzip"),
    b"BZh": ("compressed with bzip2", "unpack it, or compress it with gzip"),
    b"\xfd7zXZ": ("compressed with xz", "unpack it, or compress it with gzip"),
    b"\x04\x22\x4d\x18": ("compressed with lz4", "unpack it, or compress it with gzip"),
    b"\xff\xfe": ("UTF-16", "save the file as UTF-8"),
    b"\xfe\xff": ("UTF-16", "save the file as UTF-8"),
    b"{\0": ("UTF-16", "save the file as UTF-8"),
    b"\0{": ("UTF-16", "save the file as UTF-8"),
    **{
        b"\x80" + bytes([protocol]): (
            "a pickle, which may run code",
            "write its rows as JSON Lines where they were made",
        )
        for protocol in range(2, 6)
    },
    b"\x93NUMPY": ("a NumPy array", "write its rows as JSON Lines"),
    b"SQLite format 3": ("a database", "write its rows as JSON Lines"),
    b"version https://git-lfs": ("a pointer of Git LFS", "fetch the file itself: git lfs pull"),
    b"<!DOCTYPE": ("a web page", "download the file itself: this is what a browser shows"),
    b"<!doctype": ("a web page", "download the file itself: this is what a browser shows"),
    b"<html": ("a web page", "download the file itself: this is what a browser shows"),
}

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_encode_ascii = json.JSONEncoder(allow_nan=False).encode


def read(path: str | Path, progress: Progress | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object).

    Raises:
        UserError: the file is missing or not UTF-8; a line is torn, too long or no object.
    """
    if hub.is_hub(path):
        yield from hub.rows(path)
        return
    with _open(path) as stream:
        report = _reporter(stream, progress)
        for count, (number, _, row) in enumerate(_rows(stream, path), 1):
            if count % _OFTEN == 0:
                report()
            yield number, row
        report()


def log_status(path: str | Path) -> object:
    """How the eval of an inspect_ai log ended ("success", "cancelled", "error", "started"); None if it is not known.

    A stream is read once, for its rows.

    Raises:
        UserError: a damaged file.
    """
    if hub.is_hub(path) or not Path(path).is_file():
        return None
    with _open(path) as stream:
        start = _peek(stream)
        return archives.status(path) if start.startswith(_ZIP) else json_text.field(stream, path, "status")


class Rows:
    """A file's rows, once in order and then by position.

    Streams, gzip and arrays are copied to a temporary file.
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
        for stream in (self._copy, self._again):
            if stream is not None:
                stream.close()

    def scan(self, progress: Progress | None = None) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Yield (line number from 1, position, object); once, before any `at`."""
        with contextlib.ExitStack() as opened:
            if hub.is_hub(self._path):
                report, copied = (lambda: None), True
                found: Found = ((number, None, row) for number, row in hub.rows(self._path))
            else:
                stream = opened.enter_context(_open(self._path))
                report = _reporter(stream, progress)
                copied = not _is_regular(stream) or isinstance(stream, gzip.GzipFile)
                found = _rows(stream, self._path)
            for count, (number, position, row) in enumerate(found, 1):
                if count == 1 and (copied or position is None):
                    self._copy = cast(IO[bytes], tempfile.TemporaryFile())  # noqa: SIM115 - closed by __exit__
                if self._copy is not None:
                    with disk.writing(Path(tempfile.gettempdir())):
                        position = self._copy.tell()
                        self._copy.write(encode(row))
                if count % _OFTEN == 0:
                    report()
                assert position is not None
                yield number, position, row
            report()

    def at(self, position: int) -> dict[str, Any]:
        stream = self._copy or self._again
        if stream is None:
            stream = self._again = _open(self._path)
        stream.seek(position)
        try:
            row = json.loads(stream.readline().decode("utf-8-sig" if position == 0 else "utf-8"))
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise UserError("has changed while it was read", file=self._path, hint="start again")
        return row


def encode(row: Mapping[str, Any]) -> bytes:
    """One line of JSON; NaN and infinities become null."""
    try:
        return (_encode(row) + "\n").encode()
    except UnicodeEncodeError:
        return (_encode_ascii(row) + "\n").encode()
    except ValueError:
        if (finite := json_text.finite(row)) == row:
            raise
        return encode(cast("dict[str, Any]", finite))


def write(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows atomically and return their number."""
    if str(path) == "-":
        out = sys.stdout.buffer
        sys.stdout.flush()
        count = sum(1 for row in rows if out.write(encode(row)))
        out.flush()
        return count
    path = Path(path)
    with disk.writing(path), contextlib.ExitStack() as stack:
        try:
            stack.enter_context(disk.made(path.parent))
            out = file = stack.enter_context(disk.replacing(path))
        except OSError as error:
            raise UserError(f"cannot be written ({error.strerror})", file=path) from error
        if path.suffix == ".gz":  # mtime=0 and no name: equal rows give equal bytes
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)
            out = stack.enter_context(io.BufferedWriter(cast(io.RawIOBase, stack.enter_context(packed)), _CHUNK))
        return sum(1 for row in rows if out.write(encode(row)))


def _open(path: str | Path) -> IO[bytes]:
    if str(path) == "-":
        return sys.stdin.buffer
    try:
        stream = open(path, "rb")  # noqa: SIM115 - the caller closes it
        start = stream.peek(8)
    except OSError as error:
        raise UserError(
            f"cannot be opened ({error.strerror})", file=path, hint="check the path; it is relative to where you are"
        ) from error
    if start.startswith(_GZIP) or (str(path).endswith(".gz") and not start):
        stream.close()
        return cast(IO[bytes], gzip.open(path, "rb"))
    for magic, (name, hint) in _OTHER_FORMATS.items():
        if start.startswith(magic):
            stream.close()
            raise UserError(f"is {name}, not JSON Lines", file=path, hint=hint)
    return stream


def _is_regular(stream: IO[bytes]) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # not a file of the system's
        return False


def _reporter(stream: IO[bytes], progress: Progress | None) -> Callable[[], None]:
    if progress is None or not _is_regular(stream):
        return lambda: None
    size = os.fstat(stream.fileno()).st_size
    below = stream.fileobj if isinstance(stream, gzip.GzipFile) else stream
    return lambda: progress(below.tell(), size)


def _rows(stream: IO[bytes], path: str | Path) -> Found:
    """(line number, byte position, object); None where rows cannot be found by position."""
    start = _peek(stream)
    if start.startswith((_PARQUET, _ZIP)):
        if str(path) == "-" or isinstance(stream, gzip.GzipFile):
            raise UserError("holds a Parquet or zip file, which is not read from a stream", file=path, hint="unpack it")
        found = tables.parquet(path) if start.startswith(_PARQUET) else archives.samples(path)
        yield from ((number, None, row) for number, row in found)
        return
    first = json_text.line(stream, path, 1)
    separator = tables.delimiter(first, path) if first else None
    if separator is None:
        yield from json_text.rows(first, stream, path)
    else:
        yield from ((line, None, row) for line, row in tables.separated(first, stream, path, separator))


def _peek(stream: IO[bytes]) -> bytes:
    peek = getattr(stream, "peek", None)
    try:
        return b"" if peek is None else peek(4)[:4]
    except (OSError, EOFError, zlib.error):  # reading says what is wrong
        return b""
