"""A report names what is not as it was written, and says no more than the rest allows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import w2s
from w2s import results as results_of_run
from w2s.config import load, schema
from w2s.config.schema import Runtime
from w2s.data import jsonl
from w2s.errors import UserError
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


@pytest.fixture
def study(folder: Path, tmp_path: Path) -> Path:
    """Seeds 0 and 1, equal; in seed 1 three wrong answers of m_plus were made right by hand, so 9 of 10."""
    parts, out = list(folder.iterdir()), tmp_path / "study"
    for seed in (0, 1):
        place = out / f"seed-{seed}"
        place.mkdir(parents=True)
        for part in parts:
            (shutil.copytree if part.is_dir() else shutil.copy)(part, place / part.name)
        (place / "recipe.yaml").write_text(load.dump(load.load("tiny", [f"seed={seed}"])))
    edit(out / "seed-1", "m_plus")
    return out


def edit(folder: Path, name: str) -> None:
    path = folder / "data" / f"test_{name}.jsonl"
    path.write_text(path.read_text().replace('"wrong"', '"correct"', 3))


def test_over_seeds_edited_answers_do_not_count(study: Path) -> None:
    """Of seed 0 alone: 0.6, and PGR (0.6 - 0.2) / (1.0 - 0.2) = 0.5. The floor has both seeds."""
    results = w2s.report(study)
    plus = results["models"]["m_plus"]
    assert plus["by_seed"] == {"0": 0.6} and plus["accuracy"] == 0.6 and plus["pgr"] == pytest.approx(0.5)
    assert results["paired"]["m_plus vs weak_floor"]["by_seed"] == pytest.approx({"0": 0.4})
    assert results["models"]["weak_floor"]["by_seed"] == {"0": 0.2, "1": 0.2}
    assert "not all seeds have m_plus: their means are over those that have" in results["caveats"]
    assert any(line.startswith("seed 1: output changed on disk: data/test_m_plus") for line in results["damage"])


def test_over_seeds_no_pgr_rests_on_an_edited_floor(study: Path) -> None:
    """full_weak_ft: (0.4 - 0.2) / (1.0 - 0.2) = 0.25 in seed 0; with the floor of seed 1, 0.5 by hand, it is -0.2."""
    edit(study / "seed-1", "weak_floor")
    full = w2s.report(study)["models"]["full_weak_ft"]
    assert full["by_seed"] == {"0": 0.4, "1": 0.4}
    assert full["pgr"] == pytest.approx(0.25) and full["pgr_spread"] == pytest.approx([0.25, 0.25])


def test_edited_answers_are_not_compared(study: Path) -> None:
    seed_0, seed_1 = study / "seed-0", study / "seed-1"
    found = w2s.compare(seed_0, seed_1)
    assert {row["model"] for row in found.rows} == RIGHT.keys() - {"m_plus"}
    assert f"{seed_1}: left out, as their answers are damaged: m_plus" in found.caveats
    for name in RIGHT:
        (seed_1 / "data" / f"test_{name}.jsonl").write_text("")
    with pytest.raises(UserError, match="has no sound answers: output changed on disk"):
        w2s.compare(seed_0, seed_1)
