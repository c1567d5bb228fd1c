"""A built-in task as files: what `w2s sample` asks, and gold that reads back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2s import tasks, verbs
from w2s.config import schema
from w2s.data import jsonl
from w2s.tasks import gold, hub
from w2s.verbs import sampling


def rows(path: Path) -> list[dict[str, object]]:
    return [row for _, row in jsonl.read(path)]


def test_the_files_are_the_questions_that_are_asked_and_their_gold(tmp_path: Path) -> None:
    told = verbs.write_task("arith", tmp_path, 4)
    assert len(told) == 8 and told[0] == f"{tmp_path}/train_1.jsonl: 4 questions"
    for split in (*tasks.SPLITS, "validation"):
        asked = sampling.questions("arith", split, 4)
        assert rows(tmp_path / f"{split}.jsonl") == [{"id": q.id, "question": q.question} for q in asked]
    files = {split: str(tmp_path / f"{split}.jsonl") for split in tasks.SPLITS}
    answers = {split: str(tmp_path / f"gold_{split}.jsonl") for split in tasks.SPLITS}
    own = schema.FilesTask(name="jsonl", gold=answers, **files)  # type: ignore[arg-type]
    for split in tasks.SPLITS:
        assert gold.load(own, split) == gold.load(tasks.by_name("arith", 4), split)


def test_a_split_whose_gold_is_not_published_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OlympicArena publishes no answers of `test`, which is train_2 here; one question in each of its six subjects."""

    def published(_: str, subject: str, split: str) -> list[dict[str, object]]:
        row = {"id": f"{subject}-{split}", "prompt": f"problem of {subject} {split}", "answer_type": "SC"}
        return [row | {"answer": [] if split == "test" else ["B"]}]

    monkeypatch.setattr(hub, "published", published)
    told = verbs.write_task("olympicarena", tmp_path)
    assert "no gold for train_2" in told[1]
    assert len(rows(tmp_path / "test.jsonl")) == 6 and not (tmp_path / "gold_train_2.jsonl").exists()
    assert rows(tmp_path / "gold_test.jsonl")[0] == {"id": "Math-val", "answer": "B"}
