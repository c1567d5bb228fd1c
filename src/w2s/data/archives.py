"""Rows of zip files: inspect_ai's logs (.eval)."""

from __future__ import annotations

import json
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from w2s.data.json_text import LONGEST, as_object
from w2s.errors import UserError

_ZSTANDARD = 93
_DAMAGE = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
_HEAD, _BEGUN = "header.json", "_journal/start.json"
"""What inspect_ai writes at the end, and at the beginning."""
_HEADER = 30  # bytes of an entry before its name


def samples(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number from 1, sample) of an inspect_ai log.

    Raises:
        UserError: another zip file, or a damaged one.
    """
    name = "the zip file or spreadsheet"
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [each for each in archive.infolist() if _is_sample(each.filename)]
            if not entries:
                raise UserError(
                    "is a zip file or a spreadsheet, and no log of inspect_ai",
                    file=path,
                    expected="a .eval file with samples/*.json",
                    hint="unpack it, or save the table as CSV",
                )
            for number, entry in enumerate(entries, 1):
                name = entry.filename[:200]
                yield number, _object(path, archive, entry, number)
    except _DAMAGE as error:
        raise _unreadable(path, name, error) from error


def status(path: str | Path) -> object:
    """How the eval of an inspect_ai log ended; "started" where it never did, None where the log does not say.

    Raises:
        UserError: a damaged file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if _HEAD in archive.namelist():
                return _object(path, archive, archive.getinfo(_HEAD), 1).get("status")
            return "started" if _BEGUN in archive.namelist() else None
    except _DAMAGE as error:
        raise _unreadable(path, _HEAD, error) from error


def _unreadable(path: str | Path, name: str, error: Exception) -> UserError:
    return UserError(  # ValueError: of JSON; RuntimeError: a password; NotImplementedError: another compression
        f"{name} cannot be read ({type(error).__name__}: {str(error)[:200]})",
        file=path,
        hint="write the log again; or convert it: inspect log convert --to json --output-dir FOLDER FILE",
    )


def _object(path: str | Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, number: int) -> dict[str, Any]:
    if entry.compress_type == _ZSTANDARD:
        content = _zstandard(path, entry)
    else:
        with archive.open(entry) as file:
            content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise UserError(f"{entry.filename[:200]} is longer than {LONGEST:,} bytes", file=path)
    return as_object(json.loads(content), path, number)


def _zstandard(path: str | Path, entry: zipfile.ZipInfo) -> bytes:
    """As inspect_ai writes today; `zipfile` knows it from Python 3.14 on.

    Raises:
        UserError: the library is missing.
        ValueError: the file is damaged.
    """
    try:
        import zstandard
    except ImportError as error:
        raise UserError(
            "is compressed with zstandard, which is not installed",
            file=path,
            hint="pip install zstandard, or convert the log: inspect log convert --to json --output-dir FOLDER FILE",
        ) from error
    with open(path, "rb") as file:
        file.seek(entry.header_offset)
        header = file.read(_HEADER)
        if len(header) < _HEADER or not header.startswith(b"PK\x03\x04"):
            raise ValueError("the entry has no header")
        file.seek(sum(struct.unpack("<HH", header[-4:])), os.SEEK_CUR)  # its name and extra fields
        packed = file.read(min(entry.compress_size, LONGEST))
    try:
        reader = zstandard.ZstdDecompressor(max_window_size=LONGEST).stream_reader(packed, read_across_frames=True)
        content = bytes(reader.read(LONGEST + 1))
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    if len(content) <= LONGEST and zlib.crc32(content) != entry.CRC:
        raise ValueError("the checksum differs")
    return content


def _is_sample(name: str) -> bool:
    return name.startswith("samples/") and name.endswith(".json")
