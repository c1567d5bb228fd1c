"""A Stage I set that is augmented, from the recipe through the runner, with a scripted engine instead of models."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from w2s import recipe
from w2s.config import schema
from w2s.config.schema import Runtime
from w2s.data import jsonl
from w2s.engines.base import Decoding, Request
from w2s.flow import runner
from w2s.flow.observer import Silent

SAID = {"a": "1", "b": "2", "c": "3", "d": "4"}
"""What the weak model answers; greedily the strong one agrees on a only, and one of its samples on c."""
asked: list[tuple[str, int, float]] = []


def weak(request: Request, decoding: Decoding) -> str:
    return f"I think. The final answer is $\\boxed{{{SAID[request.id]}}}$"


def strong(request: Request, decoding: Decoding) -> str:
    asked.append((request.id, request.sample, decoding.temperature))
    right = request.id == "a" or (decoding.temperature and request.id == "c" and request.sample == 1)
    return f"So {request.sample}. The final answer is $\\boxed{{{SAID[request.id] if right else 9}}}$"


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("augmenting")
    module.weak, module.strong = weak, strong  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "augmenting", module)
    asked.clear()


def stage_1(folder: Path, **selection: Any) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """The results of the first Stage I set and of its precision, and its rows."""
    questions, test = folder / "train_2.jsonl", folder / "test.jsonl"
    answers = {"a": "1", "b": "2", "c": "9", "d": "9"}
    jsonl.write(questions, ({"id": i, "question": f"{i}?", "answer": answer} for i, answer in answers.items()))
    jsonl.write(test, [{"id": "t", "question": "t?", "answer": "1"}])
    made = schema.Recipe(
        name="scripted",
        task=schema.FilesTask(name="olympicarena", train_2=str(questions), test=str(test)),  # it has no train_1
        weak="scripted:augmenting:weak",
        strong="scripted:augmenting:strong",
        engine="scripted",
        few_shot=schema.FewShot(k=1),
        sampling=schema.Sampling(n=3),
        selection=schema.Selection(**selection),
        baselines=(),
    )
    steps = {step.name: step for step in recipe.build(schema.Run(recipe=made))}
    outcome = runner.run([steps["precision_stage1_iter1"]], folder / "run", Runtime(), Silent())
    rows = [row for _, row in jsonl.read(folder / "run" / "data" / "stage1_iter1.jsonl")]
    return outcome["stage1_iter1"].result, outcome["precision_stage1_iter1"].result, rows


def test_only_what_was_not_kept_is_asked_again(tmp_path: Path) -> None:
    """a is kept and right. b, c and d are asked three times each; c is added, and its weak text is wrong."""
    result, precision, rows = stage_1(tmp_path, augment_to=3)
    again = [(i, k) for i, k, temperature in asked if temperature]
    assert sorted(again) == [(i, k) for i in "bcd" for k in range(3)]
    assert [(row["id"], row["source"], row.get("added", False)) for row in rows] == [
        ("a", "weak", False), ("a", "icl", False), ("c", "weak", True), ("c", "icl", True),
    ]  # fmt: skip
    assert rows[3]["completion"].startswith(" So 1.")
    assert (result["kept"], result["of"], result["added"], result["short"]) == (1, 4, 1, 1)
    assert (precision["precision"], precision["n"]) == (1.0, 1)
    assert (precision["added_precision"], precision["added_n"]) == (0.0, 1)


def test_where_enough_agree_nothing_is_asked_again(tmp_path: Path) -> None:
    result, precision, rows = stage_1(tmp_path, augment_to=1)
    assert not any(temperature for *_, temperature in asked)
    assert ([row["id"] for row in rows], result["added"], result["short"]) == (["a", "a"], 0, 0)
    assert "added_precision" not in precision


def test_as_in_the_released_data(tmp_path: Path) -> None:
    result, precision, rows = stage_1(tmp_path, augment_to=4, augment="disagreeing")
    assert not any(temperature for *_, temperature in asked)
    assert [row["id"] for row in rows[:2]] == ["a", "a"] and {row["id"] for row in rows if row.get("added")} == set(
        "bcd"
    )
    assert (result["kept"], result["added"], result["short"]) == (1, 3, 0)
    assert (precision["added_correct"], precision["added_n"]) == (1, 3)  # b: the weak text counts
