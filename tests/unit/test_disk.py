from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from w2s import disk


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
