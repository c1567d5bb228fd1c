"""A finished run's folder, made by hand: ten test questions, and models whose right answers are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from w2s import jsonl
from w2s.flow.store import SCHEMA

RIGHT = {
    "weak_floor": range(0, 2),
    "full_weak_ft": range(0, 3),
    "m_plus": range(0, 6),
    "m_pro_dpo": range(0, 7),
    "strong_ceiling": range(0, 10),
}
"""Which of the ten questions a model answers rightly."""


def write_record(folder: Path, name: str, result: dict[str, Any], status: str = "done", message: str = "") -> None:
    record = {
        "schema": SCHEMA,
        "name": name,
        "status": status,
        "message": message,
        "result": result,
        "seconds": 1.5,
        "finished": "2026-01-01T00:00:00+00:00",
        "provenance": {"w2s": "9.9", "python": "3.11", "host": "secret-host"},
    }
    (folder / "records").mkdir(parents=True, exist_ok=True)
    (folder / "records" / f"{name}.json").write_text(json.dumps(record))


def write_model(folder: Path, name: str, right: range, text: str = "#### 7") -> None:
    correct = len(right)
    result = {
        "model": name, "accuracy": correct / 10, "ci95": [correct / 20, min(1.0, correct / 8)],
        "correct": correct, "n": 10, "no_answer": 0.1, "undecided": 0.0,
        "per_level": {"1": {"correct": min(correct, 5), "n": 5}, "2": {"correct": max(0, correct - 5), "n": 5}},
    }  # fmt: skip
    write_record(folder, f"evaluate_{name}", result)
    # Each model's file has an order of its own: whoever joins by position gets other numbers.
    order = list(range(10))[len(name) % 10 :] + list(range(10))[: len(name) % 10]
    jsonl.write(
        folder / "data" / f"test_{name}.jsonl",
        (
            {
                "id": str(i), "question": f"Question {i}?", "response": text, "prediction": "7",
                "verdict": "correct" if i in right else "wrong", "level": 1 + i // 5,
            }
            for i in order
        ),
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The whole run."""
    for name, right in RIGHT.items():
        write_model(tmp_path, name, right)
    write_record(tmp_path, "questions_train_2", {"of": 20})
    write_record(tmp_path, "stage1_iter1", {"kept": 8, "of": 20, "dropped": {"disagree": 12}})
    write_record(tmp_path, "precision_stage1_iter1", {"precision": 0.75, "ci95": [0.4, 0.9], "correct": 6, "n": 8})
    write_record(tmp_path, "stage2_pairs", {}, "ended", "no preference pair could be made")
    write_record(tmp_path, "demonstrations", {"kept": 4, "of": 20})
    return tmp_path


@pytest.fixture
def model() -> Callable[..., None]:
    """Adds a model, or replaces one."""
    return write_model


@pytest.fixture
def record() -> Callable[..., None]:
    """Adds a record, or replaces one."""
    return write_record
