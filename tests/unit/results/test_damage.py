"""A report names what is not as it was written, and says no more than the rest allows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from w2s import results as results_of_run
from w2s.config import schema
from w2s.config.schema import Runtime
from w2s.data import jsonl
from w2s.flow import runner
from w2s.flow.step import Context, Step
from w2s.results import collect, table

RUN = schema.Run(recipe=schema.Recipe(name="toy", task=schema.ArithTask()))
RIGHT = {"weak_floor": 2, "full_weak_ft": 4, "m_plus": 6, "strong_ceiling": 10}


def evaluate(context: Context) -> dict[str, Any]:
    rows = (
        {"id": str(i), "question": "?", "response": "7", "prediction": "7",
         "verdict": "correct" if i < context.params["right"] else "wrong"} for i in range(10)
    )  # fmt: skip
    jsonl.write(context.output, rows)
    return {"accuracy": context.params["right"] / 10}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    steps = [
        Step(f"evaluate_{name}", evaluate, {"right": right}, output=f"data/test_{name}.jsonl")
        for name, right in RIGHT.items()
    ]
    runner.run(steps, tmp_path, Runtime())
    return tmp_path


def printed(results: dict[str, Any]) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table.tables(results))
    return console.export_text()


def named(folder: Path, line: str) -> dict[str, Any]:
    """The results, after a look for the line in all three places."""
    results = results_of_run.write(folder, RUN)
    assert line in results["damage"] and results == json.loads((folder / "results.json").read_text())
    assert f"damage: {line}" in printed(results)
    assert f"<b>Damage:</b> {line}" in (folder / "report.html").read_text()
    return results


def test_a_whole_folder_has_no_damage(folder: Path) -> None:
    results = results_of_run.write(folder, RUN)
    assert results["damage"] == [] and "damage" not in printed(results)
    assert "Damage" not in (folder / "report.html").read_text()
    assert results["headline"]


def test_an_edited_verdict_is_named_and_counted_and_wins_nothing(folder: Path) -> None:
    """m_plus had 6 of 10 right; with 3 more PGR = (0.9 - 0.2) / (1.0 - 0.2) = 0.875: both from the same rows."""
    path = folder / "data" / "test_m_plus.jsonl"
    path.write_text(path.read_text().replace('"wrong"', '"correct"', 3))
    line = f"output changed on disk: data/test_m_plus.jsonl has {path.stat().st_size} bytes, not "
    found = next(each for each in collect.damage(folder) if each.startswith(line))
    results = named(folder, found)
    model = results["models"]["m_plus"]
    assert model["accuracy"] == 0.9 and model["pgr"] == pytest.approx(0.875)
    assert results["headline"] == []


def test_missing_answers_are_named(folder: Path) -> None:
    (folder / "data" / "test_m_plus.jsonl").unlink()
    assert "m_plus" not in named(folder, "output missing: data/test_m_plus.jsonl")["models"]


def test_an_edited_record_is_named_and_not_believed(folder: Path) -> None:
    path = folder / "records" / "evaluate_m_plus.json"
    path.write_text(path.read_text().replace("0.6", "0.999"))
    results = named(folder, "record changed on disk: records/evaluate_m_plus.json is not what was written")
    assert "m_plus" not in results["models"] and "0.999" not in json.dumps(results)


def test_a_missing_record_and_a_spoiled_list_of_records_are_named(folder: Path) -> None:
    (folder / "records" / "evaluate_m_plus.json").unlink()
    named(folder, "record missing: records/evaluate_m_plus.json")
    (folder / ".reached.json").write_bytes(b"")
    assert named(folder, "record changed on disk: .reached.json is not what was written")["models"] == {}


def test_records_of_an_earlier_run_are_not_this_run_s_damage(folder: Path) -> None:
    step = Step("evaluate_m_plus", evaluate, {"right": 6}, output="data/test_m_plus.jsonl")
    runner.run([step], folder, Runtime())
    (folder / "records" / "evaluate_weak_floor.json").write_text("{}")
    (folder / "data" / "test_strong_ceiling.jsonl").unlink()
    assert collect.damage(folder) == []
