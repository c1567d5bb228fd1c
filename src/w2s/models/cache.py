"""Folders made once and kept: $W2S_CACHE, else $XDG_CACHE_HOME/w2s, else ~/.cache/w2s.

`made`, written last, lists files and sizes. One lock per name.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from w2s.data import disk
from w2s.errors import UserError, enough_memory

_MADE = "made"
_HINT = "make it on a machine with more memory that has the same W2S_CACHE, or use a smaller model"


def root() -> Path:
    """The cache folder; it may not exist."""
    own, shared = os.environ.get("W2S_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else (Path(shared) if shared else Path.home() / ".cache") / "w2s"


def find(name: str) -> Path | None:
    """The cached folder if whole, else None."""
    folder = root() / name
    try:
        files = json.loads(disk.read(folder / _MADE))
        whole = all((folder / file).stat().st_size == size for file, size in files.items())
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return folder if whole else None


def make(name: str, fill: Callable[[Path], None]) -> Path:
    """The cached folder; `fill` writes a missing or damaged one.

    Raises:
        UserError: the cache cannot be written, or memory is short.
    """
    if (found := find(name)) is not None:
        return found
    try:
        root().mkdir(parents=True, exist_ok=True)
        with FileLock(root() / f"{name}.lock", fallback_to_soft=False):
            if (found := find(name)) is not None:  # somebody else was first
                return found
            for left in root().glob(f".{name}-*"):  # by a process that was killed, else it would hold the lock
                shutil.rmtree(left, ignore_errors=True)
            place, work = root() / name, root() / f".{name}-{uuid.uuid4().hex}"
            work.mkdir()
            try:
                with enough_memory(_HINT), disk.writing(place):
                    fill(work)
                _seal(work)
                if place.exists():
                    os.replace(place, root() / f".{name}-damaged")
                disk.move(work, place)
            finally:
                for left in root().glob(f".{name}-*"):
                    shutil.rmtree(left, ignore_errors=True)
            return place
    except OSError as error:
        raise UserError(
            f"the cache cannot be written ({error.strerror or error})",
            file=root(),
            hint="free some space there, or set W2S_CACHE to another folder",
        ) from error


def _seal(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    (folder / _MADE).write_text(json.dumps(sizes, indent=1, sort_keys=True), encoding="utf-8")
    disk.sync(folder)
