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
from w2s.errors import UserError
from w2s.tasks import gold
from w2s.tasks import hub as hub_rows
from w2s.tasks.gold import Gold
from w2s.tasks.math import SUBJECTS

PUBLISHED = {
    "problem": "What is $1+1$?",
    "solution": "It is $\\boxed{2}.$",
    "answer": "2",
    "subject": "Algebra",
    "level": 2,
    "unique_id": "test/algebra/1.json",
}


def problems(subject: str, split: str) -> list[dict[str, Any]]:
    """Three problems of MATH a subject and split; the last of the test split is in MATH-500."""
    return [
        {
            "problem": f"{subject} {split} {n}?",
            "level": f"Level {n}",
            "type": subject,
            "solution": f"So $\\boxed{{{n}}}.$",
        }
        for n in range(1, 4)
    ]


def load_dataset(name: str, subset: str | None, split: str) -> list[dict[str, Any]]:
    if name == "HuggingFaceH4/MATH-500":
        assert (subset, split) == (None, "test")
        return [{**PUBLISHED, "problem": f"{s}  test 3?", "unique_id": f"test/{s}/3.json"} for s in SUBJECTS]
    assert name == "EleutherAI/hendrycks_math" and subset is not None
    return problems(subset, split)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from w2s.tasks import math

    module = ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    hub_rows.published.cache_clear()
    math._train.cache_clear()
    yield
    hub_rows.published.cache_clear()
    math._train.cache_clear()


def write(file: Path, *rows: dict[str, Any]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def test_the_style_is_the_task_s_own_unless_it_is_said() -> None:
    assert schema.FilesTask(name="math").answer == "math"
    assert schema.FilesTask(name="math", answer="text").answer == "text"
    assert schema.FilesTask(name="jsonl").answer == "gsm8k"


def test_the_published_formats(tmp_path: Path) -> None:
    """MATH-500 and the release's raw files; MATH itself; the release's data/test files."""
    original = {"problem": "Q2", "level": "Level 4", "type": "Geometry", "solution": "$\\boxed{\\frac{1}{2}}$"}
    tagged = {
        "source": "MATH_TRAIN_2",
        "question": "Q3",
        "solution": "s",
        "answer": "7",
        "tag": {"subject": "Algebra", "level": 1, "unique_id": "u"},
    }
    task = schema.FilesTask(name="math", test=write(tmp_path / "m.jsonl", PUBLISHED, original, tagged))
    asked = [(question.id, question.question) for question in tasks.load(task).questions("test")]
    assert asked == [("test/algebra/1.json", "What is $1+1$?"), ("test-2", "Q2"), ("u", "Q3")]
    assert list(gold.load(task, "test").values()) == [
        Gold("test/algebra/1.json", "2", "It is $\\boxed{2}.$", 2, "Algebra"),
        Gold("test-2", "\\frac{1}{2}", "$\\boxed{\\frac{1}{2}}$", 4, "Geometry"),
        Gold("u", "7", "s", 1, "Algebra"),
    ]


def test_a_problem_of_unknown_level_has_none(tmp_path: Path) -> None:
    """Two geometry problems of MATH say "Level ?"; any other text is an error still."""
    row = {"problem": "Q", "level": "Level ?", "type": "Geometry", "solution": "$\\boxed{2}$"}
    task = schema.FilesTask(name="math", test=write(tmp_path / "m.jsonl", row))
    assert gold.load(task, "test") == {"test-1": Gold("test-1", "2", "$\\boxed{2}$", None, "Geometry")}
    write(tmp_path / "m.jsonl", {**row, "level": "Level x"})
    with pytest.raises(UserError, match=r"m\.jsonl:1 \[level\]: 'Level x' is not a level"):
        gold.load(task, "test")


def test_separate_gold_files_have_the_published_format_too(tmp_path: Path) -> None:
    questions = write(tmp_path / "q.jsonl", {"unique_id": "u", "problem": "What is $1+1$?"})
    answers = write(tmp_path / "g.jsonl", {"unique_id": "u", "answer": "2", "level": "Level 3"})
    task = schema.FilesTask(name="math", test=questions, gold={"test": answers})
    assert gold.load(task, "test") == {"u": Gold("u", "2", level=3)}


def test_from_the_hub_math_500_is_test_and_the_rest_is_halved(hub: None) -> None:
    """7 subjects x 2 splits x 3 problems, 7 of which are in MATH-500 (white space apart): 35 are left, 17 and 18."""
    task = schema.FilesTask(name="math")
    asked = {split: tasks.load(task).questions(split) for split in tasks.SPLITS}
    assert {split: len(questions) for split, questions in asked.items()} == {"train_1": 17, "train_2": 18, "test": 7}
    texts = {split: {question.question for question in questions} for split, questions in asked.items()}
    everything = {row["problem"] for s in SUBJECTS for split in ("train", "test") for row in problems(s, split)}
    assert texts["train_1"] | texts["train_2"] == everything - {f"{s} test 3?" for s in SUBJECTS}
    assert not texts["train_1"] & texts["train_2"]
    assert len({text.split()[0] for text in texts["train_1"]}) > 3  # not the first subjects only
    assert asked["test"][0].id == "test/algebra/3.json"
    right = gold.load(task, "train_2")["train_2-1"]
    assert right.answer == str(right.level) and right.subject in SUBJECTS


def test_no_network_is_a_message_with_a_cure(hub: None) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    sys.modules["datasets"].load_dataset = unreachable  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"MATH-500 cannot be fetched \(ConnectionError.*\n.*give local files"):
        tasks.load(schema.FilesTask(name="math")).questions("train_1")


def test_a_row_without_problem_is_named(tmp_path: Path) -> None:
    task = schema.FilesTask(name="math", test=write(tmp_path / "m.jsonl", {"answer": "2"}))
    with pytest.raises(UserError, match=r"m\.jsonl:1 \[question\]: question is missing"):
        tasks.load(task).questions("test")
