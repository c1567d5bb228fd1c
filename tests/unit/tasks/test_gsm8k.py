from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from w2s import tasks
from w2s.config import schema
from w2s.errors import UserError
from w2s.tasks import gold
from w2s.tasks import hub as hub_rows

ROWS = [
    {"question": f"Question number {n}?", "answer": f"So {n}+1 = <<{n}+1={n + 1}>>{n + 1}.\n#### {n + 1}"}
    for n in range(5)
]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A `datasets` module that serves ROWS for both published splits."""
    module = ModuleType("datasets")
    module.load_dataset = lambda name, subset, split: ROWS  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    hub_rows.published.cache_clear()
    yield module
    hub_rows.published.cache_clear()


def test_a_row_without_id_is_named_by_split_and_line(tmp_path: Path) -> None:
    file = tmp_path / "test.jsonl"
    file.write_text('{"question": "x", "answer": "#### 1"}\n\n{"id": "mine", "question": "y"}\n{"question": "z"}\n')
    task = tasks.load(schema.FilesTask(name="gsm8k", test=str(file)))
    assert [question.id for question in task.questions("test")] == ["test-1", "mine", "test-4"]


def test_the_hub_train_split_is_halved(hub: ModuleType) -> None:
    """5 published rows: 5 // 2 = 2 go to train_1, the other 3 to train_2; test is whole."""
    task = tasks.load(schema.FilesTask(name="gsm8k"))
    texts = {split: [question.question for question in task.questions(split)] for split in tasks.SPLITS}
    asked = [row["question"] for row in ROWS]
    assert texts == {"train_1": asked[:2], "train_2": asked[2:], "test": asked}
    assert [question.id for question in task.questions("train_2")] == ["train_2-1", "train_2-2", "train_2-3"]
    assert gold.load(schema.FilesTask(name="gsm8k"), "train_2")["train_2-1"].answer == "3"


def test_a_local_file_goes_before_the_hub(hub: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps({"id": 1, "question": "mine"}) + "\n")
    task = tasks.load(schema.FilesTask(name="gsm8k", train_1=str(file)))
    assert [question.question for question in task.questions("train_1")] == ["mine"]
    assert len(task.questions("test")) == 5


def test_no_network_is_a_message_with_a_cure(hub: ModuleType) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    hub.load_dataset = unreachable  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"cannot be fetched \(ConnectionError: no route.*\n.*give local files"):
        tasks.load(schema.FilesTask(name="gsm8k")).questions("train_1")


def test_without_the_package_the_message_has_a_cure(hub: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"needs the package `datasets`.*\n.*pip install datasets"):
        tasks.load(schema.FilesTask(name="gsm8k")).questions("train_1")
