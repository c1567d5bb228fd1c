"""One process in a run's folder at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from w2s.errors import UserError

BEAT_SECONDS = 5.0
STALE_SECONDS = 60.0
"""A holder on another host is dead after this long without a heartbeat: twelve missed beats."""


class Lock:
    """Holds `<folder>/.lock`: process, host, and a heartbeat in the file's modification time.

    The file is never deleted; it is read and written only under `flock`, so that judging a holder dead and
    taking its place is one action. What a killed writer left half written is a dead holder's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / ".lock"
        self._token = uuid.uuid4().hex
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="w2s-lock", daemon=True)

    def __enter__(self) -> Lock:
        """Take the lock.

        Raises:
            UserError: another process that is alive holds it.
        """
        with self._open() as file:
            holder = _read(file)
            if holder and _alive(holder, self._path):
                raise UserError(
                    f"this run folder is in use by process {holder.get('pid')} on {holder.get('host')} "
                    f"since {holder.get('since')}",
                    file=self._path.parent,
                    mend="wait for it to end, or choose another folder with --out",
                )
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            pid = os.getpid()
            mine = {"pid": pid, "born": _born(pid), "host": socket.gethostname(), "since": since, "token": self._token}
            _write(file, json.dumps(mine))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the lock back."""
        self._stop.set()
        self._thread.join()
        with self._open() as file:
            if _read(file).get("token") == self._token:
                _write(file, "")

    def check(self) -> None:
        """Raises UserError if the lock was lost: this process slept so long that another host took it for dead."""
        with self._open() as file:
            holder = _read(file)
        if holder.get("token") != self._token:
            raise UserError(
                f"this run folder was taken over by process {holder.get('pid')} on {holder.get('host')}",
                file=self._path.parent,
                mend="let that process finish; nothing of this one's unfinished step is kept",
            )

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):  # a missed beat is harmless, the next one comes
                os.utime(self._path)

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[str]]:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise UserError(f"cannot be written ({error.strerror})", file=self._path) from error
        with open(descriptor, "r+", encoding="utf-8", errors="replace") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
            file.flush()


def _read(file: IO[str]) -> dict[str, Any]:
    file.seek(0)
    try:
        holder = json.loads(file.read())
    except json.JSONDecodeError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _write(file: IO[str], text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)


def _alive(holder: dict[str, Any], path: Path) -> bool:
    if holder.get("host") != socket.gethostname():
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".clock-") as now:  # the file system's own clock
            return os.stat(now.name).st_mtime - path.stat().st_mtime <= STALE_SECONDS
    pid = int(holder.get("pid", 0))
    if pid <= 0:  # os.kill would take it for a group
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return bool(holder.get("born") == _born(pid))  # a number given to a new process is not the holder


def _born(pid: int) -> str | None:
    """When a process started, in ticks since a boot that is named; None for a zombie or where there is no /proc."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return None if state == "Z" else f"{boot}:{fields[18]}"
    except (OSError, IndexError):
        return None
