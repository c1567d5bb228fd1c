"""MATH-500 as the release has it: levels, subjects, and answers that stand in the last box of each solution."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from w2s import answers
from w2s.config import schema
from w2s.data import jsonl
from w2s.tasks import gold


@pytest.fixture
def published(reference_data: Path) -> Path:
    return reference_data / "gair" / "raw" / "math_test.jsonl"


def test_the_500_questions_have_levels_and_subjects(published: Path) -> None:
    right = gold.load(schema.FilesTask(name="math", test=str(published)), "test").values()
    assert sorted(Counter(each.level for each in right).items()) == [(1, 43), (2, 90), (3, 105), (4, 128), (5, 134)]
    assert len({each.subject for each in right}) == 7 and all(each.subject for each in right)


def test_without_answers_the_last_boxes_are_the_published_answers(published: Path, tmp_path: Path) -> None:
    """So MATH from the hub, which has solutions only, has the gold that MATH-500 has."""
    rows = [{name: value for name, value in row.items() if name != "answer"} for _, row in jsonl.read(published)]
    jsonl.write(tmp_path / "solutions.jsonl", rows)
    stated, boxed = (
        gold.load(schema.FilesTask(name="math", test=str(file)), "test")
        for file in (published, tmp_path / "solutions.jsonl")
    )
    assert len(boxed) == 500
    assert [id for id in stated if answers.key(stated[id].answer) != answers.key(boxed[id].answer)] == []
