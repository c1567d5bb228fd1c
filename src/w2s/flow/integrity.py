"""Whether records and files are unchanged."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from w2s.data import disk, sealed

LARGE = 2 * 2**30
"""Bytes; such a file is not hashed again while its size, times and inode stay."""

_SEALED_SINCE = 2


class _Typed(BaseModel):
    model_config = ConfigDict(strict=True)


class _File(_Typed):
    path: str
    bytes: int
    sha256: str


class _Input(_Typed):
    step: str
    fingerprint: str
    digest: str | None


class _Record(_Typed):
    name: str
    kind: str
    status: Literal["done", "ended"]
    message: str
    fingerprint: str
    payload: dict[str, Any]
    inputs: dict[str, _Input]
    result: dict[str, Any]
    seconds: float
    resumed: bool
    output: str
    files: list[_File]
    digest: str
    started: str
    finished: str
    provenance: dict[str, str]


def files_digest(files: list[dict[str, Any]]) -> str:
    """One digest for all files."""
    ordered = [{key: file[key] for key in ("path", "bytes", "sha256")} for file in files]
    return hashlib.sha256(json.dumps(ordered).encode()).hexdigest()


def is_record(content: Any, name: str, newest: int) -> bool:
    """Whether this is the unchanged record of step `name`."""
    if not isinstance(content, dict) or content.get("name") != name:
        return False
    if content.get("schema") not in range(1, newest + 1):
        return False
    if (content["schema"] >= _SEALED_SINCE or sealed.SEAL in content) and not sealed.is_sealed(content):
        return False
    try:
        _Record.model_validate(content)
    except ValidationError:
        return False
    return content["digest"] == files_digest(content["files"])


class Hashes:
    """Compares files with their sha256; `.hashed.json` remembers large ones."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / ".hashed.json"
        self._known: dict[str, Any] | None = None
        self._changed = False
        self._lock = threading.Lock()

    def equal(self, path: Path, sha256: str, *, read: bool = False) -> bool:
        """Whether the file has this sha256; `read` hashes large files again too.

        Raises:
            OSError: the file cannot be read.
        """
        status = path.stat()
        name = os.path.relpath(path, self._folder)
        known = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, sha256]
        large = status.st_size >= LARGE
        if large and not read and self._remembered().get(name) == known:
            return True
        if disk.sha256(path) != sha256:
            return False
        if large:
            with self._lock:
                self._remembered()[name] = known
                self._changed = True
        return True

    def save(self) -> None:
        with self._lock:
            if self._changed:
                disk.write(self._file, json.dumps(self._known, indent=1) + "\n", durable=False)
            self._changed = False

    def _remembered(self) -> dict[str, Any]:
        if self._known is None:
            try:
                known = json.loads(disk.read(self._file))
            except (OSError, ValueError, RecursionError):
                known = {}
            self._known = known if isinstance(known, dict) else {}
        return self._known
