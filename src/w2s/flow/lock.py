"""One process in a run's folder at a time."""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
from pathlib import Path

from filelock import FileLock, LeaseSettingsMismatch, SoftFileLease, Timeout

from w2s.data import disk
from w2s.errors import UserError

BEAT = 5.0
"""Seconds between heartbeats."""

EXPIRY = 60.0
"""Seconds until a silent holder counts as dead; equal in all processes."""

_NO_FLOCK = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK})

_log = logging.getLogger(__name__)


class Lock:
    """Holds a folder by two files.

    `.lock` is under `flock`, which the kernel frees when a process dies. `.lease` is for hosts that do not share
    `flock`; it expires without heartbeats.
    """

    def __init__(self, folder: Path, *, expiry: float = EXPIRY, beat: float = BEAT) -> None:
        self._folder, self._expiry, self._beat = folder, expiry, beat
        self._flock = FileLock(folder / ".lock", thread_local=False, fallback_to_soft=False)
        self._lease = SoftFileLease(
            folder / ".lease", lease_duration=expiry, heartbeat_interval=beat, thread_local=False
        )

    def __enter__(self) -> Lock:
        """Raises UserError if a live process holds it, or the folder cannot be written."""
        try:
            self._take_flock()
            try:
                self._take_lease()
            except BaseException:
                self._flock.release()
                raise
        except Timeout:
            raise self._in_use("wait for it to end, or choose another folder with --out") from None
        except LeaseSettingsMismatch:
            raise self._in_use(f"where no run is alive in this folder, delete {self._lease.lock_file}") from None
        except OSError as error:
            raise UserError(f"cannot be written ({error.strerror})", file=self._folder / ".lock") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._lease.release()
        self._flock.release()

    def check(self) -> None:
        """Raise UserError if another host has taken the lock."""
        if self._is_mine():
            return
        time.sleep(self._beat)  # another process that looks at the lease may move it for a moment
        if self._is_mine():
            return
        raise UserError(
            f"this run folder was taken over by {self._holder()}",
            file=self._folder,
            hint="let that process finish; nothing of this one's unfinished step is kept",
        )

    def _take_flock(self) -> None:
        try:
            self._flock.acquire(timeout=0)
        except Timeout:
            raise
        except OSError as error:
            if error.errno not in _NO_FLOCK:
                raise

    def _take_lease(self) -> None:
        try:
            self._lease.acquire(timeout=0)
            return
        except Timeout:
            pass
        first = self._state()

        def moved() -> bool:
            return self._state() not in (first, None)

        _log.warning("%s: waiting up to %.0f s for a sign of life of %s", self._folder, self._expiry, self._holder())
        poll = self._beat / 10
        try:
            self._lease.acquire(timeout=self._expiry + 2 * poll, poll_interval=poll, cancel_check=moved)
        except Timeout:
            if moved():
                raise
            # The lease replaces a dead holder by exchanging two names, which NFS cannot do. The flock keeps others out.
            self._lease.force_break()
            self._lease.acquire(timeout=0)

    def _state(self) -> tuple[int, ...] | None:
        try:
            status = os.stat(self._lease.lock_file)
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_ctime_ns

    def _is_mine(self) -> bool:
        owner = self._lease.owner
        return self._lease.compromise is None and owner is not None and owner.token == self._lease.token

    def _in_use(self, hint: str) -> UserError:
        return UserError(f"this run folder is in use by {self._holder()}", file=self._folder, hint=hint)

    def _holder(self) -> str:
        owner = self._lease.owner
        return "another process" if owner is None else _in_words(owner.pid, owner.hostname)


def holder(folder: Path) -> str | None:
    """The live process that holds a folder, in words; None if there is none. Takes nothing.

    A lease counts while it is fresh, and no longer than its process, if that is of this machine and in no container.
    """
    lease = SoftFileLease(folder / ".lease", lease_duration=EXPIRY, heartbeat_interval=BEAT, thread_local=False)
    try:
        owner, age = lease.owner, time.time() - os.stat(lease.lock_file).st_mtime
    except (OSError, ValueError, LeaseSettingsMismatch):
        return None
    if owner is None:
        return None
    if age > EXPIRY or (owner.hostname == socket.gethostname() and not disk.alive(owner.pid)):
        return None
    return _in_words(owner.pid, owner.hostname)


def _in_words(pid: int, hostname: str) -> str:
    host, _, container = hostname.partition("?pidns-")
    return f"process {pid} on {host}" + (" (in a container)" if container else "")
