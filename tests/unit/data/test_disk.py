from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import pytest

from w2s.data import disk


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the disk, in order: the names that were synced, and "rename"."""
    calls: list[str] = []
    names: dict[int, str] = {}
    opened, replaced = os.open, os.replace

    def noting(path: Path, flags: int) -> int:
        descriptor = opened(path, flags)
        names[descriptor] = Path(path).name
        return descriptor

    def renaming(old: Path, new: Path) -> None:
        calls.append("rename")
        replaced(old, new)

    monkeypatch.setattr(os, "open", noting)
    monkeypatch.setattr(os, "fsync", lambda descriptor: calls.append(names[descriptor]))
    monkeypatch.setattr(os, "replace", renaming)
    return calls


def test_half_a_surrogate_pair_is_written_as_its_escape(tmp_path: Path) -> None:
    disk.write(tmp_path / "record.json", json.dumps({"id": "é\ud800"}, ensure_ascii=False))
    assert (tmp_path / "record.json").read_text(encoding="utf-8") == '{"id": "é\\ud800"}'
    assert json.loads((tmp_path / "record.json").read_bytes()) == {"id": "é\ud800"}


def test_a_folder_is_synced_with_all_that_is_in_it(tmp_path: Path, seen: list[str]) -> None:
    (tmp_path / "made" / "deep").mkdir(parents=True)
    (tmp_path / "made" / "deep" / "file").write_text("x")
    (tmp_path / "made" / "link").symlink_to("nowhere")
    disk.sync(tmp_path / "made")
    assert sorted(seen) == ["deep", "file", "made"]


def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_the_call_ends(
    tmp_path: Path, seen: list[str]
) -> None:
    path = tmp_path / "record"
    path.write_text("old")
    disk.write(path, "new")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]
    assert seen == [".record.part", "rename", tmp_path.name]


def test_what_need_not_be_durable_is_whole_and_waits_for_nothing(tmp_path: Path, seen: list[str]) -> None:
    disk.write(tmp_path / "reached", "new", durable=False)
    assert (tmp_path / "reached").read_text() == "new" and len(list(tmp_path.iterdir())) == 1
    assert seen == ["rename"]


def test_what_is_removed_is_gone_from_the_disk_as_well(tmp_path: Path, seen: list[str]) -> None:
    (tmp_path / "record").write_text("old")
    for _ in range(2):
        disk.remove(tmp_path / "record")
    assert not list(tmp_path.iterdir()) and seen == [tmp_path.name] * 2


def test_the_hash_is_of_the_bytes(tmp_path: Path) -> None:
    """`printf 6 | sha256sum`."""
    (tmp_path / "six").write_text("6")
    assert disk.sha256(tmp_path / "six") == "e7f6c011776e8db7cd330b54174fd76f7d0216b612387a5ffcfb81e6f0919683"


WRITER = """
import sys, time
from pathlib import Path
from w2s.data import disk
with disk.replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    time.sleep(600)
"""


def writer(path: Path) -> subprocess.Popen[str]:
    """A process in the midst of writing `path`."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "writing\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def parts(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.endswith(".part")}


def test_what_a_killed_writer_left_goes_with_the_next_writer_of_the_same_file(tmp_path: Path) -> None:
    """Not what a living one is writing, not another file's, and nothing that only looks alike."""
    path, other = tmp_path / "a[1].jsonl", tmp_path / "b.jsonl"
    killed, alive, killed_other = writer(path), writer(path), writer(other)
    try:
        kill(killed)
        kill(killed_other)
        (tmp_path / ".a[1].jsonl.mine.part").write_text("x")
        with disk.replacing(path) as file:
            file.write(b"whole")
        assert path.read_bytes() == b"whole"
        left = sorted(re.sub("-[0-9a-f]{8}", "", name) for name in parts(tmp_path))
        assert left == sorted(
            [f".a[1].jsonl.{alive.pid}.part", f".b.jsonl.{killed_other.pid}.part", ".a[1].jsonl.mine.part"]
        )
    finally:
        kill(alive)
    disk.sweep(path)
    disk.sweep(other)
    assert parts(tmp_path) == {".a[1].jsonl.mine.part"}


def test_writers_of_two_containers_share_a_process_number_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is process 7 of its container: the other one's file stays while it writes, and goes once it was killed."""
    path = tmp_path / "a"
    process = writer(path)
    monkeypatch.setattr(os, "getpid", lambda: process.pid)
    try:
        with disk.replacing(path) as file:
            file.write(b"whole")
        assert path.read_bytes() == b"whole" and len(parts(tmp_path)) == 1
    finally:
        kill(process)
    monkeypatch.setattr(disk, "alive", lambda pid: True)
    disk.sweep(path)
    assert parts(tmp_path) == set()


def test_a_file_that_is_swept_before_its_writer_locks_it_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, locked = tmp_path / "a", disk.lock

    def sweeping(file: IO[bytes]) -> bool:
        monkeypatch.setattr(disk, "lock", locked)
        disk.sweep(path)
        return locked(file)

    monkeypatch.setattr(disk, "lock", sweeping)
    with disk.replacing(path) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole" and list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_locked_the_process_s_number_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "flock")

    monkeypatch.setattr(fcntl, "flock", refuse)
    path, dead = tmp_path / "a", dead_process()
    for pid in (os.getpid(), dead):
        (tmp_path / f".a.{pid}-00000000.part").write_text("x")
    with disk.replacing(path) as file:
        file.write(b"whole")
    assert parts(tmp_path) == {f".a.{os.getpid()}-00000000.part"}


def dead_process() -> int:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    return int(ended.stdout)


def test_a_folder_that_a_killed_process_was_making_is_swept_too(tmp_path: Path) -> None:
    part = tmp_path / f".model.{dead_process()}.part"
    (part / "deep").mkdir(parents=True)
    disk.sweep(tmp_path / "model")
    assert not part.exists()


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(KeyError), disk.replacing(path) as file:
        file.write(b"new")
        raise KeyError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    path, read = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    with disk.replacing(path) as file:
        file.write(b"rows")
    reader.join()
    assert read == [b"rows"] and path.is_fifo()


def test_same_and_inside_follow_links(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("x")
    (folder / "deep").mkdir(parents=True)
    os.link(file, tmp_path / "hard")
    (tmp_path / "soft").symlink_to("file")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "to_folder").symlink_to("folder")
    assert all(disk.same(file, tmp_path / name) for name in ("file", "hard", "soft", "folder/../file"))
    assert not any(disk.same(file, tmp_path / name) for name in ("folder", "none", "circle"))
    assert disk.same(tmp_path / "none", tmp_path / "folder" / ".." / "none")
    assert disk.inside(folder / "deep" / "new", tmp_path / "to_folder") and disk.inside(folder, folder)
    assert not disk.inside(folder, folder / "deep")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "nothing", "loop"])
def test_only_regular_files_are_opened(tmp_path: Path, kind: str) -> None:
    """A pipe without a writer would wait for ever, and /dev/zero has no end."""
    path = tmp_path / "file"
    {
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "folder": path.mkdir,
        "nothing": lambda: path.symlink_to("nowhere"),
        "loop": lambda: path.symlink_to("file"),
    }[kind]()
    for reader in (disk.read, disk.sha256):
        with pytest.raises(OSError):
            reader(path)


def test_links_in_a_circle_have_a_path(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert disk.same(tmp_path / "a", tmp_path / "a") and not disk.inside(tmp_path / "a", tmp_path / "c")
