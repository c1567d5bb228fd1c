"""`w2s check`: a line for each file that is damaged, missing or extra."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import w2s
from w2s import cli, results
from w2s.config.schema import Runtime
from w2s.errors import BranchEnds, UserError
from w2s.flow import integrity, runner
from w2s.flow.step import Context, Step


def make(context: Context) -> dict[str, Any]:
    if context.params.get("ends"):
        raise BranchEnds("nothing agrees")
    place = context.output
    if context.params.get("folder"):
        place.mkdir()
        place = place / "model.safetensors"
    place.write_bytes(b"12345")
    return {}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model and a data file of 5 bytes each, a selection that ended, and one that was skipped for that."""
    model = Step("m", make, {"folder": True}, output="models/m", kind="train")
    ended = Step("stage1_iter1", make, {"ends": True}, output="data/stage1_iter1.jsonl")
    skipped = Step("stage1_iter2", make, {}, {"data": ended}, output="data/stage1_iter2.jsonl")
    runner.run(
        [model, Step("test_m", make, {}, {"m": model}, output="data/test_m.jsonl"), skipped], tmp_path, Runtime()
    )
    for name in ("stage1_iter1", "stage1_iter2"):
        (tmp_path / "data" / f"{name}.jsonl").touch()  # as `results.write` does
    (tmp_path / "results.json").write_text("{}")
    (tmp_path / "report.html").write_text("<html></html>")
    return tmp_path


def test_a_whole_folder_is_said_to_be_whole(folder, capsys):
    checked = w2s.check(folder)
    assert (checked.files, checked.bytes, checked.problems) == (2, 10, [])
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert cli.main(["check", str(folder)]) == 0
    assert capsys.readouterr().out == "2 files on record, 0.0 MB, were read: all as written\n"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_the_state_of_a_training_that_was_stopped_is_no_damage(folder):
    """It is of another step, or of other settings of one that is done."""
    for name in ("n", "m"):
        state = folder / ".work" / f"{name}-0123456789ab" / "scratch" / "training" / "state-000000001"
        state.mkdir(parents=True)
        (state / "state.json").write_text("{}")
    assert w2s.check(folder).problems == []


PROBLEMS = {
    "models/m/model.safetensors": (b"12344", "output changed on disk: models/m/model.safetensors has other content"),
    "data/test_m.jsonl": (b"1234", "output changed on disk: data/test_m.jsonl has 4 bytes, not 5"),
    "records/test_m.json": (b"{}", "record changed on disk: records/test_m.json is not what was written"),
    "models/m/added.json": (b"", "output changed on disk: models/m/added.json is not on record"),
    "models/mine/config.json": (b"{}", "extra: models/mine/config.json is on no record"),
    "data/mine.jsonl": (b"{}", "extra: data/mine.jsonl is on no record"),
    "data/stage1_iter2.jsonl": (b"{}", "extra: data/stage1_iter2.jsonl is on no record"),
    "records/notes.txt": (b"x", "extra: records/notes.txt is on no record"),
    ".reached.json": (b"{", "record changed on disk: .reached.json is not what was written"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_is_changed_or_added_is_named(folder, name, capsys):
    content, line = PROBLEMS[name]
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    assert cli.main(["check", str(folder)]) == 2
    assert capsys.readouterr().out.splitlines()[0] == line


def test_what_is_missing_is_named(folder):
    (folder / "data" / "test_m.jsonl").unlink()
    (folder / "records" / "m.json").unlink()
    assert w2s.check(folder).problems == [
        "record missing: records/m.json",
        "output missing: data/test_m.jsonl",
        "extra: models/m/model.safetensors is on no record",
    ]


def test_large_files_are_read_whatever_is_known_of_them(folder, monkeypatch):
    monkeypatch.setattr(integrity, "LARGE", 5)
    read: list[str] = []
    hashed = integrity.disk.sha256
    monkeypatch.setattr(integrity.disk, "sha256", lambda path: read.append(path.name) or hashed(path))
    for _ in range(2):
        assert w2s.check(folder).problems == []
    assert sorted(read) == sorted(["model.safetensors", "test_m.jsonl"] * 2)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        w2s.check(tmp_path)


def test_a_report_that_was_changed_is_named(folder):
    page, table = folder / "report.html", folder / "results.json"
    page.write_text("<html></html>\n")  # of an earlier version, without a mark
    table.write_text('{"name": "r"}')
    assert w2s.check(folder).problems == []
    text, content = b"<html>0.5</html>\n", b'{"accuracy": 0.5}'
    page.write_bytes(text + results._mark(content, text))
    table.write_bytes(content)
    assert w2s.check(folder).problems == []
    for path in (page, table):
        whole = path.read_bytes()
        for spoilt in (whole.replace(b"0.5", b"0.6"), whole[:-9], bytes(len(whole))):
            path.write_bytes(spoilt)
            [problem] = w2s.check(folder).problems
            assert problem.startswith("report changed on disk: ") and path.name in problem
        path.write_bytes(whole)
    table.unlink()
    assert w2s.check(folder).problems == ["report missing: results.json; `w2s report` writes it again"]


def test_partial_work_of_a_stopped_run_is_said_and_is_no_problem(folder, capsys):
    (folder / ".work" / "m_plus-0123456789ab" / "scratch").mkdir(parents=True)
    assert cli.main(["check", str(folder)]) == 0
    line = "a stopped run left partial work of m_plus: the same `w2s run` goes on with it"
    assert capsys.readouterr().out.splitlines()[0] == line


@pytest.mark.parametrize("odd", ["a file", "records is a file", "a record is a folder", "a record is a pipe"])
def test_odd_folders_are_refused_or_named(tmp_path, odd):
    place, records = tmp_path / "run", tmp_path / "run" / "records"
    if odd == "a file":
        place.write_text("x")
    elif odd == "records is a file":
        place.mkdir()
        records.write_text("x")
    elif odd == "a record is a folder":
        (records / "m.json").mkdir(parents=True)
    else:
        records.mkdir(parents=True)
        os.mkfifo(records / "m.json")
    if odd.startswith("a record"):
        assert w2s.check(place).problems == ["record changed on disk: records/m.json is not what was written"]
    else:
        with pytest.raises(UserError, match="holds no run"):
            w2s.check(place)
