"""Folders that are made once and kept: $W2S_CACHE, else $XDG_CACHE_HOME/w2s, else ~/.cache/w2s.

A folder is made elsewhere and renamed when it is whole, so what has its name is whole; its `made` file, written last,
lists its files and their sizes, and what does not match it is made again. A lock on each name lets a second process
wait for the first instead of doing the same work; the lock of a killed process is free.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from w2s import disk
from w2s.errors import UserError, enough_memory

_MADE = "made"
_MEND = "make it on a machine with more memory that has the same W2S_CACHE, or use a smaller model"


def root() -> Path:
    """Where cached folders lie. It need not exist."""
    own, shared = os.environ.get("W2S_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else (Path(shared) if shared else Path.home() / ".cache") / "w2s"


def find(name: str) -> Path | None:
    """The cached folder of that name if it is there and whole, else None."""
    folder = root() / name
    try:
        files = json.loads((folder / _MADE).read_text(encoding="utf-8"))
        whole = all((folder / file).stat().st_size == size for file, size in files.items())
    except (OSError, ValueError, AttributeError):
        return None
    return folder if whole else None


def make(name: str, fill: Callable[[Path], None]) -> Path:
    """The cached folder of that name; where it is missing or damaged, `fill` writes its files into an empty folder.

    Raises:
        UserError: the cache cannot be written, or there is too little memory; or what `fill` raises. Nothing is kept
            then.
    """
    if (found := find(name)) is not None:
        return found
    try:
        with _locked(name):
            if (found := find(name)) is not None:  # somebody else was first
                return found
            for left in root().glob(f".{name}-*"):  # by a process that was killed, else it would hold the lock
                shutil.rmtree(left, ignore_errors=True)
            place, work = root() / name, root() / f".{name}-{uuid.uuid4().hex}"
            work.mkdir()
            try:
                with enough_memory(_MEND):
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
            mend="make room there, or set W2S_CACHE to another folder",
        ) from error


@contextmanager
def _locked(name: str) -> Iterator[None]:
    root().mkdir(parents=True, exist_ok=True)
    with open(root() / f"{name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _seal(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    (folder / _MADE).write_text(json.dumps(sizes, indent=1, sort_keys=True), encoding="utf-8")
    disk.sync(folder)
