from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from w2s import tasks
from w2s.config import schema
from w2s.errors import BranchEnds, UserError
from w2s.tasks import gold
from w2s.tasks import hub as hub_rows
from w2s.tasks.gold import Gold
from w2s.tasks.olympicarena import SUBJECTS

PROMPT = (
    "You are participating in an international Biology competition and need to solve the following question.\n"
    "This is a multiple choice question (only one correct answer).\n\nproblem:\nWhich one?\n\n"
    "You can solve it step by step.\n"
    'Please end your response with: "The final answer is $\\boxed{ANSWER}$", where ANSWER should be one of the '
    "options: [A, B]."
)


def row(identity: str, **fields: Any) -> dict[str, Any]:
    subject = identity.partition("_")[0]
    plain = {"problem": "Which one?", "prompt": PROMPT, "answer": None, "answer_type": "SC", "unit": None}
    return {"id": identity, **plain, "subject": subject, "language": "EN", **fields}


def load_dataset(name: str, subset: str | None, split: str) -> list[dict[str, Any]]:
    """Of each subject and split one question is used; the others are Chinese, or their answers are code or open."""
    assert name == "GAIR/OlympicArena" and subset in SUBJECTS
    return [
        row(f"{subset}_{split}_zh", language="ZH"),
        row(f"{subset}_{split}_code", answer_type="CODE"),
        row(f"{subset}_{split}_open", answer_type="OT"),
        row(f"{subset}_{split}", answer=["B"] if split == "val" else []),
    ]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    hub_rows.published.cache_clear()
    yield
    hub_rows.published.cache_clear()


def test_the_release_s_splits_and_filters(hub: None) -> None:
    task = schema.FilesTask(name="olympicarena")
    loaded = tasks.load(task)
    assert (loaded.style, loaded.splits) == ("olympicarena", ("train_2", "test"))
    assert [question.id for question in loaded.questions("train_2")] == [f"{s}_test" for s in SUBJECTS]
    assert [question.id for question in loaded.questions("test")] == [f"{s}_val" for s in SUBJECTS]
    assert gold.load(task, "test")["Math_val"] == Gold("Math_val", "B", subject="Math")


def test_the_question_is_the_published_prompt_as_the_release_shows_it(hub: None) -> None:
    question = tasks.load(schema.FilesTask(name="olympicarena")).questions("test")[0].question
    assert question == PROMPT.replace("\n\nproblem:\nWhich", "\n\nQuestion: Which")


def test_without_train_1_there_are_two_splits_and_no_gold_for_train_2(hub: None) -> None:
    task = schema.FilesTask(name="olympicarena", overlap="allow")
    assert {split: len(found) for split, found in tasks.prepare(task).questions.items()} == {"train_2": 6, "test": 6}
    with pytest.raises(BranchEnds, match="no gold for train_2"):
        gold.load(task, "train_2")
    with pytest.raises(UserError, match="the olympicarena task has no split 'train_1'"):
        tasks.load(task).questions("train_1")


def test_a_local_file_has_the_published_fields_and_the_same_filter(tmp_path: Path) -> None:
    file = tmp_path / "o.jsonl"
    rows = [row("Math_1", answer=["A"]), row("Math_2", language="ZH"), {"id": 3, "question": "Mine?", "answer": "4"}]
    file.write_text("".join(json.dumps(each) + "\n" for each in rows))
    task = schema.FilesTask(name="olympicarena", train_1=str(file), train_2=str(file), test=str(file))
    assert tasks.load(task).splits == tasks.SPLITS
    assert [question.id for question in tasks.load(task).questions("train_1")] == ["Math_1", "3"]
    assert [right.answer for right in gold.load(task, "test").values()] == ["A", "4"]
