"""A disk that refuses in the middle of a write: one message with the file and what helps, and nothing half-written."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from w2s import results
from w2s.config.schema import Runtime
from w2s.data import disk, jsonl
from w2s.engines import journal
from w2s.engines.base import Decoding, Request
from w2s.engines.scripted import ScriptedEngine
from w2s.errors import UserError
from w2s.flow import runner
from w2s.flow.step import Context, Step

LARGEST = 20_000


@pytest.fixture
def small_files() -> Iterator[None]:
    """The system refuses files of more than `LARGEST` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock")


def write(context: Context[Any]) -> dict[str, Any]:
    with open(context.output, "wb") as file:  # as a library of others would
        file.write(bytes(context.params["size"]))
    return {}


def talk(context: Context[Any]) -> dict[str, Any]:
    return {"text": 2 * LARGEST * "x"}


def refuse(context: Context[Any]) -> dict[str, Any]:
    number = context.params["number"]
    if not number:
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    raise OSError(number, os.strerror(number))


def test_a_step_whose_output_does_not_fit_is_named_and_has_no_output(small_files: None, tmp_path: Path) -> None:
    step = Step("big", write, {"size": 2 * LARGEST}, output="data/big.jsonl")
    with pytest.raises(UserError, match=r"data/big\.jsonl: cannot be used \(File too large\)\n  hint: raise the limit"):
        runner.run([step], tmp_path, Runtime())
    assert not (tmp_path / "data").exists() and not list((tmp_path / "records").glob("*"))


def test_a_record_that_does_not_fit_leaves_the_step_unfinished(small_files: None, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"records/talk\.json: cannot be used \(File too large\)"):
        runner.run([Step("talk", talk)], tmp_path, Runtime())
    assert left(tmp_path) == [".reached.json"]


def test_rows_and_texts_that_do_not_fit_leave_what_was_there(small_files: None, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    jsonl.write(path, [{"id": 1}])
    with pytest.raises(UserError, match=r"rows\.jsonl: cannot be used \(File too large\)"):
        jsonl.write(path, [{"text": 2 * LARGEST * "x"}])
    with pytest.raises(UserError, match=r"rows\.jsonl: cannot be used \(File too large\)"):
        disk.write(path, 2 * LARGEST * "x")
    assert path.read_text() == '{"id": 1}\n' and left(tmp_path) == ["rows.jsonl"]


def test_a_journal_that_does_not_fit_is_named_and_keeps_its_batches(small_files: None, tmp_path: Path) -> None:
    """Two batches of 64 requests, of which only the first fits: 64 x 200 bytes."""
    requests = [Request(f"q{n}", 0, f"{n}?") for n in range(128)]
    engine, file = ScriptedEngine(lambda request, decoding: 150 * "x"), tmp_path / "journal"
    with pytest.raises(UserError, match=r"journal: cannot be used \(File too large\)"):
        journal.generate(engine, requests, Decoding(8, 1.0, 1.0, (), 0), file)
    assert len(journal._recover(file)) == 1


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "make room on the disk; the same command goes on"),
        (errno.EDQUOT, "make room on the disk; the same command goes on"),
        (errno.EROFS, "choose a folder that can be written"),
        (errno.EACCES, "check the rights of the file and its folder"),
        (errno.EIO, "check the disk"),
        (errno.ESTALE, "check the disk"),
    ],
)
def test_each_refusal_of_the_system_has_its_hint(tmp_path: Path, number: int, hint: str) -> None:
    """`write` names no file in its errors: only the step knows it."""
    with pytest.raises(UserError) as caught:
        runner.run([Step("m", refuse, {"number": number}, output="models/m")], tmp_path, Runtime())
    problem = f"{tmp_path}/models/m: cannot be used ({os.strerror(number)})"
    assert str(caught.value) == f"{problem}\n  hint: {hint}"


def test_a_library_s_own_error_for_a_full_disk_is_one_too(tmp_path: Path) -> None:
    """As safetensors words it."""
    with pytest.raises(UserError, match=r"models/m: cannot be used \(Error while .*\n  hint: make room"):
        runner.run([Step("m", refuse, {"number": 0}, output="models/m")], tmp_path, Runtime())


def test_a_report_that_does_not_fit_leaves_the_old_one(small_files: None, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(UserError, match=r"report\.html: cannot be used \(File too large\)"):
        results._replace(tmp_path / "report.html", bytes(2 * LARGEST))
    assert (tmp_path / "report.html").read_text() == "old" and left(tmp_path) == ["report.html"]


def test_an_error_that_is_not_the_system_s_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), disk.writing(tmp_path):
        1 / 0  # noqa: B018
