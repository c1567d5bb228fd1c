"""Folders of finished runs, made by hand: ten test questions, and models whose right answers are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from w2s.data import jsonl, sealed
from w2s.flow import integrity
from w2s.flow.store import SCHEMA

RIGHT = {
    "weak_floor": range(0, 2),
    "full_weak_ft": range(0, 3),
    "m_plus": range(0, 6),
    "m_pro_dpo": range(0, 7),
    "strong_ceiling": range(0, 10),
}
"""Which of the ten questions per model answers rightly."""
MODELS = {
    "models": [
        {"name": "weak_floor", "what": "the weak model", "against": [], "highlight": False},
        {"name": "weak_icl", "what": "weak demonstrations", "against": [], "highlight": False},
        {"name": "full_weak_ft", "what": "every weak answer", "against": [], "highlight": False},
        {"name": "m_plus", "what": "Stage I, both", "highlight": True,
         "against": ["weak_floor", "full_weak_ft", "weak_icl", "strong_ceiling"]},
        {"name": "m_pro_dpo", "what": "Stage II, DPO", "against": ["m_plus", "weak_icl", "control_strong_only"],
         "highlight": True},
        {"name": "control_strong_only", "what": "the control", "against": [], "highlight": False},
        {"name": "strong_ceiling", "what": "gold", "against": [], "highlight": False},
    ],
    "selections": [
        {"name": "stage1_iter1", "what": "both agree"},
        {"name": "stage1_iter2", "what": "both agree again"},
        {"name": "stage2_pairs", "what": "preference pairs"},
    ],
    "floor": "weak_floor",
    "ceiling": "strong_ceiling",
}  # fmt: skip
"""What the recipe evaluates; of these models the folder has those of `RIGHT`."""
CUSTOM = {
    "models": [
        {"name": "teacher", "what": "a weak teacher", "against": [], "highlight": False},
        {"name": "prompted", "what": "strong model, prompted", "against": [], "highlight": False},
        {"name": "round_3", "what": "Stage I, third round", "against": ["teacher", "prompted"], "highlight": True},
        {"name": "m_pro_simpo", "what": "SimPO from round_3", "against": ["round_3", "control_round_3"],
         "highlight": True},
        {"name": "control_round_3", "what": "without weak answers", "against": [], "highlight": False},
        {"name": "gold_model", "what": "trained on gold", "against": [], "highlight": False},
    ],
    "selections": [{"name": "kept_by_mine", "what": "a selector of one's own"}, {"name": "control_kept", "what": ""}],
    "floor": "teacher",
    "ceiling": "gold_model",
}  # fmt: skip
"""A recipe of a user's own: no name of it is one of ours."""
CUSTOM_RIGHT = {
    "teacher": range(0, 2),
    "prompted": range(0, 5),
    "round_3": range(0, 6),
    "m_pro_simpo": range(0, 8),
    "control_round_3": range(1, 8),
    "gold_model": range(0, 10),
}


def write_record(folder: Path, name: str, result: dict[str, Any], status: str = "done", message: str = "") -> None:
    record = {
        "schema": SCHEMA,
        "name": name,
        "kind": "",
        "status": status,
        "message": message,
        "fingerprint": "",
        "payload": {},
        "inputs": {},
        "result": result,
        "seconds": 1.5,
        "resumed": False,
        "output": "",
        "files": [],
        "digest": integrity.files_digest([]),
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:00+00:00",
        "provenance": {"w2s": "9.9", "python": "3.11", "host": "secret-host"},
    }
    (folder / "records").mkdir(parents=True, exist_ok=True)
    (folder / "records" / f"{name}.json").write_text(json.dumps(sealed.seal(record)))


def write_model(folder: Path, name: str, right: range, text: str = "#### 7") -> None:
    write_record(folder, f"evaluate_{name}", {"accuracy": 0.999, "correct": 9})  # not what the rows say: these count
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
    write_record(tmp_path, "models", MODELS)
    write_record(tmp_path, "questions_train_2", {"of": 20})
    write_record(tmp_path, "stage1_iter1", {"kept": 8, "of": 20, "dropped": {"disagree": 12}})
    write_record(tmp_path, "precision_stage1_iter1", {"precision": 0.75, "ci95": [0.4, 0.9], "correct": 6, "n": 8})
    write_record(tmp_path, "stage2_pairs", {}, "ended", "no preference pair could be made")
    write_record(tmp_path, "demonstrations", {"kept": 4, "of": 20})
    return tmp_path


@pytest.fixture
def custom(tmp_path: Path) -> Path:
    """A whole run with models and selections of a user's own."""
    for name, right in CUSTOM_RIGHT.items():
        write_model(tmp_path, name, right)
    write_record(tmp_path, "models", CUSTOM)
    write_record(tmp_path, "questions_train_2", {"of": 20})
    write_record(tmp_path, "kept_by_mine", {"kept": 8, "of": 20, "dropped": {"unsure": 12}})
    write_record(tmp_path, "control_kept", {}, "ended", "nothing was kept")
    return tmp_path


def change_rows(folder: Path, name: str, **fields: Callable[[int], Any]) -> None:
    """Give the answers of a model other fields, each a function of the question's number."""
    path = folder / "data" / f"test_{name}.jsonl"
    rows = [row for _, row in jsonl.read(path)]
    jsonl.write(path, (row | {field: value(int(row["id"])) for field, value in fields.items()} for row in rows))


@pytest.fixture
def answers() -> Callable[..., None]:
    """Changes the answers of a model."""
    return change_rows


@pytest.fixture
def model() -> Callable[..., None]:
    """Adds a model, or replaces one."""
    return write_model


@pytest.fixture
def record() -> Callable[..., None]:
    """Adds a record, or replaces one."""
    return write_record
