"""`expiry` and `beat` are short here: what is tested is which of two events comes, and no event depends on the date."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import pytest

from w2s.errors import UserError
from w2s.flow.lock import Lock

NEVER = 1000.0
"""An expiry that no test waits for."""

HOLDER = """
import sys, time
from pathlib import Path
from w2s.flow.lock import Lock
if sys.argv[3] == "lease":
    import errno, filelock
    def refuse(self):
        raise OSError(errno.ENOSYS, "flock")
    filelock.FileLock._acquire = refuse
with Lock(Path(sys.argv[1]), expiry=float(sys.argv[2]), beat=0.05):
    print("locked", flush=True)
    time.sleep(1000)
"""

UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


@pytest.fixture
def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that has none, or one that does not share it between hosts."""

    def refuse(self: object) -> None:
        raise OSError(errno.ENOSYS, "flock")

    monkeypatch.setattr(filelock.FileLock, "_acquire", refuse)


@contextlib.contextmanager
def process(folder: Path, *command: str, expiry: float = NEVER, by: str = "both") -> Iterator[subprocess.Popen[str]]:
    """A process that holds the folder, by flock and lease or by the "lease" alone."""
    holder = subprocess.Popen(
        [*command, sys.executable, "-c", HOLDER, str(folder), str(expiry), by],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        yield holder
    finally:
        holder.kill()
        holder.wait()


def lease(folder: Path, *, expiry: float = NEVER, pid: int = 1, host: str = "elsewhere", **more: object) -> Path:
    """The record of a holder."""
    lines = {"pid": pid, "host": host, "mode": "lease", "token": "other", "duration": float(expiry), **more}
    file = folder / ".lease"
    file.write_text("filelock/2\n" + "".join(f"{name}={value}\n" for name, value in lines.items()))
    return file


@contextlib.contextmanager
def repeatedly(action: Callable[[], object]) -> Iterator[None]:
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.01):
            action()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def refused(folder: Path, match: str, expiry: float = NEVER) -> None:
    with pytest.raises(UserError, match=match), Lock(folder, expiry=expiry, beat=0.05):
        pass


def taken(folder: Path, expiry: float = NEVER) -> None:
    with Lock(folder, expiry=expiry, beat=min(expiry / 5, 0.1)) as lock:
        lock.check()
    assert not (folder / ".lease").exists()


def test_a_second_holder_is_told_who_the_first_is(tmp_path):
    with Lock(tmp_path):
        refused(tmp_path, f"in use by process {os.getpid()} on {socket.gethostname()}")
    taken(tmp_path)


@pytest.mark.parametrize("by", ["both", "lease"])
def test_a_killed_holder_is_replaced_at_once(tmp_path, by, request):
    if by == "lease":
        request.getfixturevalue("no_flock")
    with process(tmp_path, by=by) as holder:
        refused(tmp_path, f"process {holder.pid} on")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert (tmp_path / ".lease").exists()
        taken(tmp_path)


def test_a_stopped_holder_is_alive(tmp_path):
    """It misses its heartbeats, but holds its flock."""
    with process(tmp_path, expiry=0.2) as holder:
        holder.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        refused(tmp_path, f"process {holder.pid} on", expiry=0.2)


@pytest.mark.skipif(
    subprocess.run([*UNSHARE, "true"], capture_output=True).returncode != 0,
    reason="PID namespaces cannot be made here (unshare --pid)",
)
@pytest.mark.parametrize("by", ["both", "lease"])
def test_a_holder_in_another_container_is_alive_until_it_is_killed(tmp_path, by, request):
    """The same host name, and its process number is that of another process here."""
    if by == "lease":
        request.getfixturevalue("no_flock")
    with process(tmp_path, *UNSHARE, by=by) as holder:
        for _ in range(3):
            refused(tmp_path, rf"process 1 on {socket.gethostname()} \(in a container\)")
        holder.kill()  # with it the kernel kills its child, process 1 there
        assert holder.stdout is not None and holder.stdout.read() == ""
        if by == "both":
            with open(tmp_path / ".lock") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # its flock is free a moment later
        record = (tmp_path / ".lease").read_text()
        (tmp_path / ".lease").write_text(record.replace(f"duration={NEVER}", "duration=0.3"))
        taken(tmp_path, expiry=0.3)


def test_a_new_process_with_the_dead_one_s_number_is_not_the_holder(tmp_path, no_flock):
    lease(tmp_path, pid=os.getpid(), host=socket.gethostname(), start=1)
    taken(tmp_path)


@pytest.mark.parametrize("date", [0, 4_000_000_000], ids=["1970", "2096"])
def test_another_host_is_judged_by_its_heartbeat_and_not_by_dates(tmp_path, date, no_flock):
    file = lease(tmp_path)
    os.utime(file, (date, date))
    with repeatedly(lambda: os.utime(file, (date, os.stat(file).st_mtime + 1))):
        refused(tmp_path, "process 1 on elsewhere")
    file = lease(tmp_path, expiry=0.3)
    os.utime(file, (date, date))
    taken(tmp_path, expiry=0.3)


def test_a_dead_holder_is_replaced_where_names_cannot_be_exchanged(tmp_path, monkeypatch):
    monkeypatch.setattr("filelock._soft.exchange_names", lambda source, target: False)
    monkeypatch.setattr("filelock._util.exchange_names", lambda source, target: False)
    lease(tmp_path, expiry=0.3)
    taken(tmp_path, expiry=0.3)


def test_a_holder_that_ends_while_its_heartbeat_is_awaited_leaves_the_place(tmp_path):
    file = lease(tmp_path)
    threading.Timer(0.1, file.unlink).start()
    taken(tmp_path)


def test_a_lease_of_other_settings_is_not_judged(tmp_path):
    lease(tmp_path, expiry=17)
    refused(tmp_path, r"elsewhere(.|\n)*hint: where no run is alive in this folder, delete .*\.lease")


@pytest.mark.parametrize(
    "content", ["", '{"pid": 1', "[]", "filelock/2\npid=abc\n", f"filelock/2\npid={10**30}\n", "\0"]
)
def test_what_a_killed_writer_left_is_nobody_s(tmp_path, content, monkeypatch):
    monkeypatch.setattr("filelock._soft.MALFORMED_LOCK_AGE_THRESHOLD", 0.1)
    (tmp_path / ".lease").write_text(content)
    taken(tmp_path, expiry=0.5)


@pytest.mark.parametrize("content", ["", json.dumps({"pid": 1, "host": "elsewhere", "token": "other"}), "\0"])
def test_a_lock_file_of_an_older_version_does_not_matter(tmp_path, content):
    (tmp_path / ".lock").write_text(content)
    taken(tmp_path)
    assert (tmp_path / ".lock").read_text() == content


def test_the_heartbeat_is_the_lease_s_time(tmp_path):
    with Lock(tmp_path, beat=0.01):
        file = tmp_path / ".lease"
        os.utime(file, (0, 0))
        while file.stat().st_mtime == 0:
            time.sleep(0.01)


def test_a_lost_lock_is_noticed_and_left_to_the_new_holder(tmp_path):
    with Lock(tmp_path, beat=0.05) as lock:
        lock.check()
        (tmp_path / ".lease").unlink()
        lease(tmp_path, pid=77)
        with pytest.raises(UserError, match="taken over by process 77 on elsewhere"):
            lock.check()
    assert "pid=77" in (tmp_path / ".lease").read_text()


def test_a_lease_that_is_away_for_a_moment_is_not_lost(tmp_path):
    """The first look finds nothing, the second comes a beat later."""
    with Lock(tmp_path, beat=0.5) as lock:
        file = tmp_path / ".lease"
        os.rename(file, tmp_path / "aside")
        threading.Timer(0.05, os.rename, (tmp_path / "aside", file)).start()
        lock.check()
        file.unlink()
        with pytest.raises(UserError, match="taken over by another process"):
            lock.check()


CONTENDERS = """
import os, sys
from pathlib import Path
from w2s.errors import UserError
from w2s.flow.lock import Lock
go, start = os.pipe(); words, say = os.pipe(); stay, leave = os.pipe()
for _ in range(8):
    if os.fork() == 0:
        os.close(start); os.close(leave)
        if sys.argv[2] == "lease":
            import errno, filelock
            def refuse(self):
                raise OSError(errno.ENOSYS, "flock")
            filelock.FileLock._acquire = refuse
        os.read(go, 1)  # ends for all at once, when the parent closes its end
        try:
            with Lock(Path(sys.argv[1]), expiry=1000, beat=0.1) as lock:
                lock.check()
                os.write(say, b"W")
                os.read(stay, 1)
                lock.check()
        except UserError:
            os.write(say, b"L")
        os._exit(0)
os.close(start)
outcomes = b"".join(os.read(words, 1) for _ in range(8))
os.close(leave)
for _ in range(8):
    os.wait()
os.set_blocking(words, False)
try:
    outcomes += os.read(words, 8)  # a winner that has lost it since
except BlockingIOError:
    pass
print("".join(sorted(outcomes.decode())))
"""


@pytest.mark.parametrize("by", ["both", "lease"])
def test_of_many_that_see_a_dead_holder_one_takes_its_place(tmp_path, by):
    with process(tmp_path, expiry=1000) as holder:
        holder.kill()
        holder.wait()
    done = subprocess.run(
        [sys.executable, "-c", CONTENDERS, str(tmp_path), by],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == "LLLLLLLW"


def test_a_folder_that_cannot_be_written_is_the_user_s_error(tmp_path):
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file", "cannot be written")
