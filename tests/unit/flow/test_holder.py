"""Who holds a folder, read without taking it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from w2s.flow import lock


def test_it_is_named_while_it_holds(tmp_path: Path) -> None:
    assert lock.holder(tmp_path) is None
    with lock.Lock(tmp_path):
        assert (lock.holder(tmp_path) or "").startswith(f"process {os.getpid()} on ")
        before = sorted(path.name for path in tmp_path.iterdir())
        lock.holder(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert lock.holder(tmp_path) is None


def test_a_lease_that_nobody_refreshes_holds_nothing(tmp_path: Path) -> None:
    with lock.Lock(tmp_path):
        kept = (tmp_path / ".lease").read_bytes()
    (tmp_path / ".lease").write_bytes(kept)
    assert lock.holder(tmp_path) is not None  # this process lives, and the file is fresh
    os.utime(tmp_path / ".lease", (1.0, 1.0))
    assert lock.holder(tmp_path) is None


def test_of_another_machine_a_fresh_lease_counts(tmp_path: Path) -> None:
    with lock.Lock(tmp_path):
        kept = (tmp_path / ".lease").read_text()
    for host, words in (("elsewhere", " on elsewhere"), ("elsewhere?pidns-7", " on elsewhere (in a container)")):
        lines = [f"host={host}" if line.startswith("host=") else line for line in kept.splitlines()]
        (tmp_path / ".lease").write_text("\n".join(lines) + "\n")
        assert (lock.holder(tmp_path) or "").endswith(words)


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"filelock/2\npid=x\n", b"x" * 10_000])
def test_a_damaged_lease_holds_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".lease").write_bytes(content)
    assert lock.holder(tmp_path) is None
