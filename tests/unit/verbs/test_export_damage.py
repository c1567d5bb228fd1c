"""`w2s export` after graded answers changed: no card has figures that its run does not hold any more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import w2s
from w2s import models
from w2s.config import load
from w2s.config.schema import Runtime
from w2s.data import jsonl
from w2s.errors import UserError
from w2s.flow import runner
from w2s.flow.step import Step

FIGURES = {"accuracy": 0.0, "ci95": [0.0, 0.6], "correct": 0, "n": 4, "pgr": None, "pgr_ci95": None}
RESULTS = {"name": "tiny", "task": "arith", "seed": 0, "models": {"weak_floor": FIGURES, "m_plus": FIGURES}}
RESULTS["selection"] = {"stage1_iter2": {"kept": 4, "of": 4, "precision": None}}
ANSWERS, RECORD = "data/test_weak_floor.jsonl", "records/evaluate_weak_floor.json"


def model(context: Any) -> dict[str, Any]:
    shutil.copytree(models.ASSETS / "tiny-strong", context.output)
    return {}


def rows(context: Any) -> dict[str, Any]:
    of = {"id": "q", "prompt": "?", "completion": " 4", "source": "weak", "prediction": "4", "verdict": "wrong"}
    jsonl.write(context.output, (of | {"id": f"q{number}"} for number in range(4)))
    return {}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A model, training rows, the graded answers of the floor, and results by hand."""
    folder = tmp_path / "run"
    steps = [
        Step("m_plus", model, output="models/m_plus", kind="train"),
        Step("stage1_iter2", rows, output="data/stage1_iter2.jsonl", kind="data"),
        Step("evaluate_weak_floor", rows, output=ANSWERS, kind="evaluate"),
    ]
    runner.run(steps, folder, Runtime(progress=False))
    (folder / "recipe.yaml").write_text(load.dump(load.load("tiny")))
    (folder / "results.json").write_text(json.dumps(RESULTS))
    return folder


def edited(folder: Path) -> None:
    text = (folder / ANSWERS).read_text()
    (folder / ANSWERS).write_text(text.replace('"wrong"', '"right"', 1))  # of equal length


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (edited, "test_weak_floor.jsonl has other content"),
        (lambda folder: (folder / ANSWERS).unlink(), "output missing"),
        (lambda folder: (folder / RECORD).unlink(), "no whole record"),
        (lambda folder: (folder / RECORD).write_text("{}"), "no whole record"),
    ],
)
def test_no_card_has_figures_of_changed_answers(
    run: Path, tmp_path: Path, damage: Callable[[Path], object], says: str
) -> None:
    """Of any model on it, here of the floor: `w2s report` would read its figures from the changed answers."""
    assert "README.md" in w2s.export(run, tmp_path / "sound", model="m_plus").files
    damage(run)
    with pytest.raises(UserError, match=rf"evaluate_weak_floor is on the card, and cannot be shown: .*{says}"):
        w2s.export(run, tmp_path / "out", model="m_plus")
    assert not (tmp_path / "out").exists()
    assert w2s.export(run, tmp_path / "rows", data="all").files  # that card has no figures of models


def killed(context: Any) -> dict[str, Any]:
    raise KeyboardInterrupt


def again(folder: Path, seed: int, *more: Step) -> None:
    """A run of other settings makes the model again, and then `more`."""
    made = Step("m_plus", model, {"seed": seed}, output="models/m_plus", kind="train")
    runner.run([made, *more], folder, Runtime(progress=False), replace=True)


def test_no_card_has_figures_of_an_earlier_run(run: Path, tmp_path: Path) -> None:
    """Killed after the first of two steps, the new model is beside old results."""
    with pytest.raises(KeyboardInterrupt):
        again(run, 1, Step("killed", killed, output="data/killed.jsonl", kind="data"))
    for wanted in ({"model": "m_plus"}, {"data": "all"}):
        with pytest.raises(UserError, match=r"has not ended 1 of its 2 steps(.|\n)*hint: finish the run"):
            w2s.export(run, tmp_path / "out", **wanted)
    again(run, 2)
    assert w2s.export(run, tmp_path / "out", model="m_plus").files
    with pytest.raises(UserError, match="stage1_iter2 is of an earlier run with other settings"):
        w2s.export(run, tmp_path / "rows", data="all")
