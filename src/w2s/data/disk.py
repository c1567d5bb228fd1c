"""Hashes of files, and atomic writes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO

from w2s.errors import UserError, system_error


def opened(path: Path) -> BufferedReader:
    """A regular file, for reading.

    Raises:
        OSError: it is none (a pipe would wait, a device has no end), or cannot be read.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return file


def read(path: Path) -> bytes:
    """As `opened`, its content."""
    with opened(path) as file:
        return file.read()


def sha256(path: Path) -> str:
    """Of a file's bytes, hexadecimal; as `opened`."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file where writing fails: the system's errors name none.

    Raises:
        UserError: a full disk, missing rights, ... (`w2s.errors.system_error`).
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # safetensors has a class of its own for a full disk
        known = system_error(error, path)
        if known is None:
            raise
        raise known from error


def resolved(path: Path) -> Path:
    """The real path; links in a circle stay."""
    return Path(os.path.realpath(path))


def same(first: Path, second: Path) -> bool:
    """Whether two paths are one file or folder; hard links count."""
    try:
        if resolved(first) == resolved(second):
            return True
        one, other = first.stat(), second.stat()
    except (OSError, ValueError):  # nothing there, or no path at all
        return False
    return stat.S_ISREG(one.st_mode) and os.path.samestat(one, other)


def alike(first: Path, second: Path) -> bool:
    """Whether two regular files have the same bytes, and some."""
    if not first.is_file() or not second.is_file():
        return False
    return first.stat().st_size == second.stat().st_size > 0 and sha256(first) == sha256(second)


def inside(path: Path, place: Path) -> bool:
    """Whether a path is `place` or in it."""
    return same(path, place) or resolved(place) in resolved(path).parents


@contextlib.contextmanager
def made(folder: Path) -> Iterator[None]:
    """The folder is there; a block that fails leaves none that was made for it and is empty."""
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for each in new:
            with contextlib.suppress(OSError):
                each.rmdir()
        raise


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file that replaces `path` when the block succeeds; the last writer stays.

    A device or a pipe is written to.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        with open(path, "wb") as device:
            yield device
        return
    sweep(path)
    file = _new_part(path)
    part = Path(file.name)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # NFS says only now that its disk is full
            os.replace(part, path)  # still locked: nobody sweeps it before it has its name
    finally:
        part.unlink(missing_ok=True)


def _new_part(path: Path) -> IO[bytes]:
    """A file of its own, locked; containers share process numbers."""
    while True:
        file = open(path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part"), "xb")  # noqa: SIM115
        if lock(file) and os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # swept before it was locked


def sweep(path: Path) -> None:
    """Remove temporary files of killed processes here."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        middle = part.name[len(path.name) + 2 : -len(".part")]
        if named := re.fullmatch("([0-9]{1,7})(-[0-9a-f]{8})?", middle):
            with contextlib.suppress(OSError):
                _remove_abandoned(part, int(named[1]))


def _remove_abandoned(part: Path, pid: int) -> None:
    """The lock decides: numbers come again, and mean nothing in another container."""
    if part.is_dir() and not part.is_symlink():
        if not alive(pid):
            shutil.rmtree(part)
        return
    with open(part, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        except OSError:  # no locks on this file system
            if alive(pid):
                return
        part.unlink()


def alive(pid: int) -> bool:
    """Whether a process of this number runs here; one that may not be asked does."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def lock(file: IO[bytes]) -> bool:
    """Hold an open file until it is closed; False: another process does."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks on this file system
        pass
    return True


def sync(place: Path) -> None:
    """Wait until a file, or all of a folder, is on the disk."""
    for path in (*place.rglob("*"), place):
        if path.is_file() or path.is_dir():  # not a link to nothing
            _sync(path)


def move(source: Path, place: Path) -> None:
    """Rename over `place`, durably; `sync` the source before."""
    os.replace(source, place)
    _sync(place.parent)


def write(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a file atomically; one writer at a time.

    Without `durable`, a power cut can lose the file.

    Raises:
        UserError: as `writing`.
    """
    part = path.with_name(f".{path.name}.part")
    with writing(path):
        try:
            part.write_text(text, encoding="utf-8", errors="backslashreplace")
            if durable:
                _sync(part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        if durable:
            _sync(path.parent)


def remove(path: Path) -> None:
    """Remove a file durably."""
    path.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
