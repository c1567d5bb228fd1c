"""Shared questions are shown, recorded and planned, whatever is done about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from w2s import cli
from w2s.config import load
from w2s.config.schema import Runtime
from w2s.data import jsonl
from w2s.flow import observer, runner
from w2s.flow.step import Step
from w2s.steps.graph import Graph


class Watching(observer.Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def shown(self, step: Step, text: str) -> None:
        self.texts.append(f"{step.name}: {text}")


@pytest.fixture
def overrides(tmp_path: Path) -> list[str]:
    """train_2 has one question of train_1 ("a") and one of test ("t"); "b 1" and "b 2" differ in numbers only."""
    texts = {"train_1": ["a", "b 1"], "train_2": ["A!", "c", "T", "b 2"], "test": ["t"]}
    for split, asked in texts.items():
        rows = [{"id": f"{split}-{n}", "question": text, "answer": "1"} for n, text in enumerate(asked)]
        jsonl.write(tmp_path / f"{split}.jsonl", rows)
    return ["task.name=jsonl", *(f"task.{split}={tmp_path / split}.jsonl" for split in texts)]


def questions(overrides: list[str]) -> list[Step]:
    steps = Graph(load.load("tiny", overrides)).steps
    assert [step.name for step in steps] == ["overlap", "questions_train_1", "questions_train_2", "questions_test"]
    return steps


def run(steps: list[Step], folder: Path) -> tuple[dict[str, observer.StepOutcome], list[str]]:
    watching = Watching()
    return runner.run(steps, folder, Runtime(), watching), watching.texts


@pytest.mark.parametrize(("policy", "done", "left"), [("drop", "dropped", 2), ("allow", "kept", 4)])
def test_what_is_shared_is_shown_and_recorded(
    overrides: list[str], tmp_path: Path, policy: str, done: str, left: int
) -> None:
    outcome, shown = run(questions([*overrides, f"task.overlap={policy}"]), tmp_path / "run")
    assert shown == [
        f"overlap: 1 of 4 train_2 questions are also in test: {done}\n"
        f"1 of 4 train_2 questions are also in train_1: {done}\n"
        "1 of 4 train_2 questions differ from one of train_1 in numbers only: kept"
    ]
    found: dict[str, Any] = json.loads((tmp_path / "run/records/overlap.json").read_text())["result"]
    assert found["policy"] == policy
    assert found["shared"] == {"train_1 in test": 0, "train_2 in test": 1, "train_2 in train_1": 1}
    assert found["examples"]["train_2 in train_1"] == [["train_2-0", "train_1-0"]]
    assert [row for _, row in jsonl.read(tmp_path / "run/data/overlap.jsonl")] == [
        {"level": "shared", "split": "train_2", "id": "train_2-2", "in": "test", "of": "test-0", "decision": done},
        {"level": "shared", "split": "train_2", "id": "train_2-0", "in": "train_1", "of": "train_1-0",
         "decision": done},
        {"level": "other_numbers", "split": "train_2", "id": "train_2-3", "in": "train_1", "of": "train_1-1",
         "decision": "kept"},
    ]  # fmt: skip
    assert outcome["questions_train_2"].result == {"of": left}


def test_another_test_split_is_counted_anew_where_the_questions_stay(overrides: list[str], tmp_path: Path) -> None:
    """Under `allow`, train_2 is the same questions whatever test has: its own record would go on telling of the old."""
    allowed = [*overrides, "task.overlap=allow"]
    run(questions(allowed), tmp_path / "run")
    jsonl.write(tmp_path / "test.jsonl", [{"id": "n", "question": "new", "answer": "1"}])
    outcome, _ = run(questions(allowed), tmp_path / "run")
    assert outcome["questions_train_2"].reused and not outcome["overlap"].reused
    assert outcome["overlap"].result["shared"]["train_2 in test"] == 0


def test_a_plan_tells_it_too(overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plan", *overrides, "task.overlap=allow", "--out", str(tmp_path / "run")]
    assert cli.main(command) == 0
    assert "1 of 4 train_2 questions are also in test: kept\n" in capsys.readouterr().out
    assert cli.main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["overlap"]["shared"]["train_2 in test"] == 1
