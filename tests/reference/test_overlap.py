"""The released GSM8K split: what the guard must find there (data from GAIR-NLP/weak-to-strong-reasoning, 596a0b6)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from w2s import config, gold, tasks

_BESIDE = Path(__file__).parents[3] / "shared" / "data"
RAW = Path(os.environ.get("W2S_REFERENCE_DATA") or _BESIDE) / "gair" / "raw"

pytestmark = pytest.mark.skipif(
    not RAW.is_dir(), reason=f"no reference data in {RAW}: set W2S_REFERENCE_DATA to the folder that has gair/raw"
)


@pytest.fixture(scope="module")
def task() -> config.FilesTask:
    paths = {split: str(RAW / f"gsm8k_{split}.jsonl") for split in tasks.SPLITS}
    return config.FilesTask(name="gsm8k", **paths)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def prepared(task: config.FilesTask) -> tasks.Prepared:
    return tasks.prepare(task)


def test_the_279_shared_questions_are_found_and_dropped_from_train_2(prepared: tasks.Prepared) -> None:
    """7,000 questions less 279 leave 6,721; test shares none with either. With digits masked there are 6 more."""
    overlap = prepared.overlap
    assert {pair: len(found) for pair, found in overlap.shared.items()} == {
        ("train_1", "test"): 0, ("train_2", "test"): 0, ("train_2", "train_1"): 279,
    }  # fmt: skip
    assert overlap.near["train_2", "train_1"] == 6
    assert {split: len(questions) for split, questions in prepared.questions.items()} == {
        "train_1": 7000, "train_2": 6721, "test": 1319,
    }  # fmt: skip


def test_repeats_within_a_split_are_counted_and_kept(prepared: tasks.Prepared) -> None:
    """6,873 different questions in train_1 (7,000 - 127), 6,850 in train_2 (7,000 - 150)."""
    assert prepared.overlap.repeated == {"test": 0, "train_1": 127, "train_2": 150}


def test_masked_the_guard_drops_285(task: config.FilesTask) -> None:
    masked = tasks.prepare(task.model_copy(update={"overlap_masked": True}))
    assert len(masked.overlap.dropped["train_2"]["in_train_1"]) == 285


@pytest.mark.parametrize("split, size", [("train_1", 7000), ("train_2", 7000), ("test", 1319)])
def test_all_released_gold_is_read(task: config.FilesTask, split: str, size: int) -> None:
    table = gold.load(task, split)
    assert len(table) == size
    for right in table.values():
        assert right.solution is not None and "<<" not in right.solution
        assert gold.worked(right, "gsm8k") == right.solution
