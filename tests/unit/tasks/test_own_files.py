from __future__ import annotations

import json
from pathlib import Path

import pytest

from w2s import config, tasks
from w2s.errors import UserError
from w2s.records import Question


def written(file: Path, *rows: object) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def test_questions_come_in_file_order_without_gold(tmp_path: Path) -> None:
    file = written(
        tmp_path / "a.jsonl",
        {"id": 2, "question": "x?", "answer": "4", "solution": "s"},
        {"id": "b", "question": "y?", "answer": ["nonsense"], "level": "?"},
    )
    task = tasks.load(config.FilesTask(name="jsonl", train_1=file))
    assert task.questions("train_1") == [Question("2", "x?"), Question("b", "y?")]


@pytest.mark.parametrize("rows, says", [
    ([{"id": 1, "question": "x"}, {"id": "1", "question": "y"}], r"a\.jsonl:2 \[id\]: id '1' already stands in .*:1"),
    ([{"question": "x"}], r"a\.jsonl:1 \[id\]: the row has no id"),
    ([{"id": 1, "question": "  "}], r"a\.jsonl:1 \[question\]: question is empty"),
    ([{"id": 1, "question": 5}], r"a\.jsonl:1 \[question\]: question is a number"),
    ([{"id": 1}], r"a\.jsonl:1 \[question\]: question is missing"),
    ([], r"a\.jsonl: the file has no rows"),
    ([[1]], r"a\.jsonl:1: is not a JSON object"),
])  # fmt: skip
def test_bad_rows_are_named(tmp_path: Path, rows: list[object], says: str) -> None:
    task = tasks.load(config.FilesTask(name="jsonl", test=written(tmp_path / "a.jsonl", *rows)))
    with pytest.raises(UserError, match=says):
        task.questions("test")


def test_a_torn_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"id": 1, "question": "x"}\n{"id": 2, "ques')
    with pytest.raises(UserError, match=r"a\.jsonl:2: is not valid JSON"):
        tasks.load(config.FilesTask(name="jsonl", test=str(file))).questions("test")


def test_missing_files_and_splits_are_named(tmp_path: Path) -> None:
    task = tasks.load(config.FilesTask(name="jsonl", test=str(tmp_path / "none.jsonl")))
    with pytest.raises(UserError, match=r"none\.jsonl: cannot be opened"):
        task.questions("test")
    with pytest.raises(UserError, match=r"\[task\.train_2\]: the jsonl task has no file for train_2"):
        task.questions("train_2")
    with pytest.raises(UserError, match="no split 'dev'"):
        task.questions("dev")
