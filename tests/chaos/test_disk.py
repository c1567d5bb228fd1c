"""A disk that is full or read-only, and files that may not grow: one message, and the same command goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chaos import MOUNT_NAMESPACE, RECIPE, Commands, Stop, content, names, namespace

pytestmark = [pytest.mark.slow, pytest.mark.nightly]
MOUNTS = namespace(*MOUNT_NAMESPACE)
DISK = "mount -t tmpfs -o size={} tmpfs disk"
mounts = pytest.mark.skipif(MOUNTS is None, reason="the kernel forbids mount namespaces (unshare --mount)")


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    """Commands that see a small disk of their own, `disk`."""
    (tmp_path / "disk").mkdir()
    with Commands(tmp_path, *(MOUNTS or ()), torch=True) as running:
        yield running


def unbroken(commands: Commands) -> Path:
    ended = commands.run(*RECIPE, "--out", "unbroken")
    assert ended.code == 0, ended.said
    return commands.folder / "unbroken"


def refused(commands: Commands, problem: str, **limits: Any) -> bool:
    """Whether a run ends with this problem; else it must succeed."""
    ended = commands.run(*RECIPE, "--out", "disk/run", **limits)
    assert ended.code in (0, 2), ended.said
    if ended.code:
        assert ended.said.startswith("w2s: ") or "\nw2s: " in ended.said
        assert problem in ended.said and "Traceback" not in ended.said, ended.said
    return ended.code == 2


def same(folder: Path, whole: Path) -> None:
    assert content(folder, "models", "data") == content(whole, "models", "data")
    assert names(folder) == names(whole)


@mounts
def test_a_run_on_a_disk_that_is_full_again_and_again_ends_in_the_same_bytes(
    commands: Commands, measured: Callable[..., None]
) -> None:
    whole = unbroken(commands)
    size = sum(map(len, content(whole).values()))
    commands.shell(DISK.format("1g"))
    full = 0

    def shrunk() -> Stop:
        """Others fill the disk after the run has seen room for its files."""
        room = 65536 + full * size // 12
        return Stop(place="w2s.flow.runner:_Run.begin", shell=f"mount -o remount,size={room} disk")

    while refused(commands, "No space left on device", stop=shrunk()):
        full += 1
        assert full < 40
        commands.shell("mount -o remount,size=1g disk")
    commands.shell("cp -r disk/run copy")
    same(commands.folder / "copy", whole)
    assert full >= 8
    measured("runs on a full disk", stops=full)


@mounts
def test_a_folder_that_is_read_only_for_a_time(commands: Commands) -> None:
    commands.shell(DISK.format("1g"))
    commands.shell("mkdir disk/run && mount -o remount,ro disk")
    assert refused(commands, "cannot be written")
    commands.shell("mount -o remount,rw disk")
    assert not refused(commands, "")
    commands.shell("mount -o remount,ro disk")
    assert refused(commands, "cannot be written")
    report = commands.run("report", "disk/run")
    assert report.code == 2 and "Read-only file system" in report.said and "Traceback" not in report.said
    assert commands.run("check", "disk/run").code == 0


def test_files_that_may_not_grow(commands: Commands, measured: Callable[..., None]) -> None:
    """Limits of a file's size that are less than each file of a run, in turn."""
    whole = unbroken(commands)
    sizes = sorted({len(data) for data in content(whole).values()})
    limits = [size - 1 for size in sizes[:: len(sizes) // 8]]
    refusals = sum(refused(commands, "File too large", largest=limit) for limit in limits)
    assert not refused(commands, "")
    same(commands.folder / "disk" / "run", whole)
    assert refusals >= 5
    measured("runs whose files may not grow", stops=refusals)
