"""The newest responses of a run, from its journals and its files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from w2s.cli.verbs import app
from w2s.data import jsonl
from w2s.verbs import latest
from w2s.verbs.latest import Sample


def journal(folder: Path, name: str, *batches: list[tuple[str, str]], when: int) -> Path:
    file = folder / ".work" / f"{name}-0123456789ab" / "scratch" / "journal-0.jsonl"
    file.parent.mkdir(parents=True)
    rows = [{"batch": "d", "completions": [[id, 0, text, 3, "stop"] for id, text in batch]} for batch in batches]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    os.utime(file, (when, when))
    return file


def test_they_come_from_the_newest_file(tmp_path: Path) -> None:
    jsonl.write(tmp_path / "data" / "weak_answers.jsonl", [{"id": 7, "question": "?", "response": "old"}])
    os.utime(tmp_path / "data" / "weak_answers.jsonl", (50, 50))
    file = journal(tmp_path, "m_plus_samples", [("a", "one"), ("b", "two")], [("c", "three")], when=100)
    newest = [Sample("m_plus_samples", "b", "two"), Sample("m_plus_samples", "c", "three")]
    assert latest.samples(tmp_path, 2) == newest
    with open(file, "a") as stream:
        stream.write('{"batch": "d", "completions": [["d", 0, "torn')
    os.utime(file, (100, 100))
    assert latest.samples(tmp_path, 2) == newest
    os.utime(file, (10, 10))
    assert latest.samples(tmp_path, 2) == [Sample("weak_answers", "7", "old")]


@pytest.mark.parametrize("text", ["", "null", "[]", '{"completions": 5}', '{"completions": [[]]}', "[" * 100_000])
def test_a_damaged_file_is_passed_over(tmp_path: Path, text: str) -> None:
    journal(tmp_path, "x", when=100).write_text(text)
    assert latest.samples(tmp_path, 5) == []


def test_of_a_large_file_only_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of 48 bytes: the last 120 hold two whole ones and the end of a third."""
    rows = [{"id": f"{n:02}", "question": "?", "response": f"{n:02}"} for n in range(30)]
    jsonl.write(tmp_path / "data" / "a.jsonl", rows)
    assert (tmp_path / "data" / "a.jsonl").stat().st_size == 30 * 48
    monkeypatch.setattr(latest, "TAIL", 120)
    assert [sample.id for sample in latest.samples(tmp_path, 9)] == ["28", "29"]


def test_a_hostile_text_moves_no_cursor() -> None:
    sample = Sample("s", "a\x1b", " wins\x1b[2J\x07\u202e\r\nnext é ")
    assert latest.lines(sample) == [r"s, question a\x1b:", r"    wins\x1b[2J\x07\u202e\r", "    next é"]
    assert max(map(len, latest.lines(Sample("s", "a", "x" * 500)))) == 80


def test_the_command_shows_them(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "a.json").write_text("{}")
    jsonl.write(tmp_path / "data" / "test_m.jsonl", [{"id": "q", "question": "?", "response": "4 + 4 = 8.\n#### 8"}])
    done = CliRunner().invoke(app, ["status", str(tmp_path), "--samples", "1"])
    assert done.stdout.splitlines()[-3:] == ["test_m, question q:", "    4 + 4 = 8.", "    #### 8"]
