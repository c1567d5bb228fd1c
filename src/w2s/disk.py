"""Files as bytes on a disk: their hash, and writes that a kill or a power cut leaves whole or undone."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(place: Path) -> None:
    """Return when a file, or a folder with all that is in it, is on the disk. Raises OSError where it cannot be."""
    for path in (*place.rglob("*"), place):
        if path.is_file() or path.is_dir():  # not a link to nothing
            _sync(path)


def move(made: Path, place: Path) -> None:
    """Rename, in the place of what has that name, and return when the new name is on the disk.

    What is moved should be `sync`ed before: else a power cut can leave the name with half of the content.
    """
    os.replace(made, place)
    _sync(place.parent)


def write(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a file that appears whole or not at all, and return when it is on the disk. One writer at a time.

    Half a surrogate pair, which an id may have and UTF-8 has not, is written as the escape that JSON has for it. If it
    need not be `durable`, the call does not wait for the disk: a kill leaves it whole or undone, and only a power cut
    can lose or empty it.
    """
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8", errors="backslashreplace")
    if not durable:
        os.replace(part, path)
        return
    _sync(part)
    move(part, path)


def remove(path: Path) -> None:
    """Remove a file, if it is there, and return when its name is off the disk."""
    path.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
