from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from w2s.errors import UserError
from w2s.flow import lock as lock_module
from w2s.flow.lock import STALE_SECONDS, Lock


def holder(folder: Path, **changes: object) -> None:
    mine = {"pid": os.getpid(), "born": lock_module._born(os.getpid()), "host": socket.gethostname(), "token": "other"}
    (folder / ".lock").write_text(json.dumps({**mine, **changes}))


def test_a_second_holder_is_told_who_the_first_is(tmp_path):
    with (
        Lock(tmp_path),
        pytest.raises(UserError, match=f"process {os.getpid()} on {socket.gethostname()}"),
        Lock(tmp_path),
    ):
        pass
    with Lock(tmp_path):
        pass


def test_a_dead_process_of_this_host_loses_it(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    holder(tmp_path, pid=process.pid)
    with Lock(tmp_path) as lock:
        lock.check()


def test_a_new_process_with_the_dead_one_s_number_is_not_the_holder(tmp_path):
    holder(tmp_path, born="another boot:1")
    with Lock(tmp_path):
        pass


def test_a_zombie_is_dead(tmp_path):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        holder(tmp_path, pid=pid)
        with Lock(tmp_path):
            pass
    finally:
        os.waitpid(pid, 0)


@pytest.mark.parametrize(("age", "taken"), [(STALE_SECONDS - 20, False), (STALE_SECONDS + 20, True)])
def test_another_host_is_judged_by_its_heartbeat(tmp_path, age, taken):
    holder(tmp_path, host="elsewhere", pid=1)
    path = tmp_path / ".lock"
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))
    if taken:
        with Lock(tmp_path):
            pass
    else:
        with pytest.raises(UserError, match="process 1 on elsewhere"), Lock(tmp_path):
            pass


@pytest.mark.parametrize("content", ["", '{"pid": 1', "[]", "{}", '{"pid": -1}', "\x00"])
def test_what_a_killed_writer_left_is_nobody_s(tmp_path, content):
    (tmp_path / ".lock").write_text(content)
    if content == '{"pid": -1}':
        holder(tmp_path, pid=-1)
    with Lock(tmp_path):
        pass


def test_the_heartbeat_is_the_file_s_time(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "BEAT_SECONDS", 0.01)
    with Lock(tmp_path):
        path = tmp_path / ".lock"
        os.utime(path, (0, 0))
        for _ in range(1000):
            if path.stat().st_mtime > 0:
                break
            lock_module.time.sleep(0.01)
        assert path.stat().st_mtime > 0


def test_a_lost_lock_is_noticed_and_left_to_the_new_holder(tmp_path):
    with Lock(tmp_path) as lock:
        holder(tmp_path, pid=77, host="elsewhere")
        with pytest.raises(UserError, match="taken over by process 77 on elsewhere"):
            lock.check()
    assert json.loads((tmp_path / ".lock").read_text())["pid"] == 77


def test_of_many_that_see_a_dead_holder_one_takes_its_place(tmp_path):
    code = """
import os, sys
from pathlib import Path
from w2s.errors import UserError
from w2s.flow.lock import Lock
go, start = os.pipe(); said, say = os.pipe(); stay, leave = os.pipe()
for _ in range(8):
    if os.fork() == 0:
        os.close(start); os.close(leave)
        os.read(go, 1)  # ends for all at once, when the parent closes its end
        try:
            with Lock(Path(sys.argv[1])):
                os.write(say, b"W")
                os.read(stay, 1)
        except UserError:
            os.write(say, b"L")
        os._exit(0)
os.close(start)
words = b"".join(os.read(said, 1) for _ in range(8))
os.close(leave)
for _ in range(8):
    os.wait()
print("".join(sorted(words.decode())))
"""
    holder(tmp_path, born="another boot:1")
    src = str(Path(lock_module.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={"PYTHONPATH": src},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "LLLLLLLW"


def test_a_folder_that_cannot_be_written_is_the_user_s_error(tmp_path):
    with pytest.raises(UserError, match="cannot be written"), Lock(tmp_path / "missing"):
        pass
