"""A folder that two runs have used: the report tells of the last one only. Real records of a real runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from w2s import results as results_of_run
from w2s.config import schema
from w2s.config.schema import Runtime
from w2s.data import jsonl
from w2s.errors import BranchEnds
from w2s.flow import runner
from w2s.flow.step import Context, Step
from w2s.results import collect


class Killed(BaseException):
    """What a kill is to a runner."""


def evaluate(context: Context) -> dict[str, Any]:
    right = context.params["right"]
    if right is None:
        raise Killed
    jsonl.write(
        context.output,
        ({"id": str(i), "question": "?", "response": "7", "prediction": "7",
          "verdict": "correct" if i < right else "wrong"} for i in range(10)),
    )  # fmt: skip
    return {"accuracy": right / 10, "ci95": [0, 1], "correct": right, "n": 10, "no_answer": 0.0}


def select(context: Context) -> dict[str, Any]:
    context.output.write_text("")
    return {"kept": 2, "of": 10, "dropped": {}}


def nothing(context: Context) -> dict[str, Any]:
    raise BranchEnds("nothing agrees")


def evaluation(seed: int, name: str, right: int | None) -> Step:
    params = {"seed": seed, "right": right}
    return Step(f"evaluate_{name}", evaluate, params, output=f"data/test_{name}.jsonl")


def selection(name: str) -> Step:
    return Step(name, select, {}, output=f"data/{name}.jsonl")


def collected(folder: Path, seed: int) -> dict[str, Any]:
    return collect.collect(folder, schema.Run(recipe=schema.Recipe(name="toy", seed=seed, task=schema.ArithTask())))


def test_a_killed_run_shows_nothing_of_the_one_before(tmp_path: Path) -> None:
    """Seed 0 has floor 2/10, M_plus 6/10 and ceiling 10/10; seed 1 got as far as its floor, 3/10."""
    whole = [evaluation(0, "weak_floor", 2), evaluation(0, "m_plus", 6), evaluation(0, "strong_ceiling", 10)]
    runner.run(whole, tmp_path, Runtime())
    models = collected(tmp_path, 0)["models"]
    assert {name: model["accuracy"] for name, model in models.items()} == {
        "weak_floor": 0.2, "m_plus": 0.6, "strong_ceiling": 1.0,
    }  # fmt: skip
    assert models["m_plus"]["pgr"] == pytest.approx(0.5)
    broken = [evaluation(1, "weak_floor", 3), evaluation(1, "m_plus", None), evaluation(1, "strong_ceiling", 9)]
    with pytest.raises(Killed):
        runner.run(broken, tmp_path, Runtime())
    assert (tmp_path / "records" / "evaluate_strong_ceiling.json").exists()
    found = collected(tmp_path, 1)
    assert {name: model["accuracy"] for name, model in found["models"].items()} == {"weak_floor": 0.3}
    assert found["paired"] == {} and found["models"]["weak_floor"]["pgr"] is None


def test_a_run_killed_before_its_first_step_shows_nothing(tmp_path: Path) -> None:
    runner.run([evaluation(0, "m_plus", 6)], tmp_path, Runtime())
    with pytest.raises(Killed):
        runner.run([evaluation(1, "m_plus", None)], tmp_path, Runtime())
    assert collected(tmp_path, 1)["models"] == {}
    results_of_run.write(tmp_path, schema.Run(recipe=schema.Recipe(name="toy", task=schema.ArithTask())))
    assert "No model of this run has been evaluated" in (tmp_path / "report.html").read_text()


def test_what_is_no_longer_asked_for_is_not_counted(tmp_path: Path) -> None:
    control = Step("control_stage1_iter1", select, {}, output="data/control_stage1_iter1.jsonl")
    runner.run([selection("stage1_iter1"), control], tmp_path, Runtime())
    assert list(collected(tmp_path, 0)["selection"]) == ["stage1_iter1", "control_stage1_iter1"]
    outcome = runner.run([selection("stage1_iter1")], tmp_path, Runtime())
    found = collected(tmp_path, 0)
    assert list(found["selection"]) == ["stage1_iter1"]
    assert found["wall_seconds"] == pytest.approx(outcome["stage1_iter1"].seconds, abs=0.005)


def test_a_reused_run_shows_what_it_reuses(tmp_path: Path) -> None:
    steps = [evaluation(0, "m_plus", 6), selection("stage1_iter1")]
    runner.run(steps, tmp_path, Runtime())
    first = collected(tmp_path, 0)
    assert all(outcome.reused for outcome in runner.run(steps, tmp_path, Runtime()).values())
    assert collected(tmp_path, 0) == first and first["models"]["m_plus"]["accuracy"] == 0.6


def test_a_folder_that_does_not_say_what_it_reached_is_read_whole(tmp_path: Path) -> None:
    runner.run([evaluation(0, "m_plus", 6), evaluation(0, "weak_floor", 2)], tmp_path, Runtime())
    (tmp_path / ".reached.json").unlink()
    assert list(collected(tmp_path, 0)["models"]) == ["weak_floor", "m_plus"]


def files(folder: Path) -> dict[str, int]:
    results_of_run.write(folder, schema.Run(recipe=schema.Recipe(name="toy", task=schema.ArithTask())))
    return {path.name: path.stat().st_size for path in (folder / "data").glob("stage*.jsonl")}


def test_a_filter_that_ended_or_was_skipped_has_an_empty_file(tmp_path: Path) -> None:
    ended = Step("stage1_iter1", nothing, {}, output="data/stage1_iter1.jsonl")
    skipped = Step("stage1_iter2", select, {}, {"weak": ended}, output="data/stage1_iter2.jsonl")
    pairs = Step("stage2_pairs", select, {}, {"weak": skipped}, output="data/stage2_pairs.jsonl")
    runner.run([pairs, evaluation(0, "weak_floor", 2)], tmp_path, Runtime())
    assert files(tmp_path) == {"stage1_iter1.jsonl": 0, "stage1_iter2.jsonl": 0, "stage2_pairs.jsonl": 0}


def test_a_filter_that_a_broken_off_run_did_not_come_to_has_no_file(tmp_path: Path) -> None:
    """An empty file would say that nothing was kept."""
    ended = Step("stage1_iter1", nothing, {}, output="data/stage1_iter1.jsonl")
    with pytest.raises(Killed):
        runner.run([ended, evaluation(0, "weak_floor", None), selection("stage2_pairs")], tmp_path, Runtime())
    assert files(tmp_path) == {"stage1_iter1.jsonl": 0}


def test_a_broken_off_run_says_so_first_and_how_much_is_left(tmp_path: Path) -> None:
    """The floor has ended, M_plus was killed, the ceiling not begun: 2 of 3. The same command ends it."""
    broken = [evaluation(0, "weak_floor", 2), evaluation(0, "m_plus", None), evaluation(0, "strong_ceiling", 10)]
    with pytest.raises(Killed):
        runner.run(broken, tmp_path, Runtime())
    run = schema.Run(recipe=schema.Recipe(name="toy", task=schema.ArithTask(), limit=5, seed=3))
    found = results_of_run.write(tmp_path, run)
    assert found["finished"] is False
    assert found["caveats"] == [
        "unfinished: 2 of 3 steps are still to come, and the same command goes on",
        "a trial run: at most 5 questions per split (--limit)",
        "one seed (3): intervals allow for other questions, not for another seed",
    ]
    page = (tmp_path / "report.html").read_text()
    assert 0 < page.index("Unfinished: 2 of 3 steps") < page.index("<main>")
    runner.run([broken[0], evaluation(0, "m_plus", 6), broken[2]], tmp_path, Runtime())
    found = collected(tmp_path, 0)
    assert found["finished"] is True and found["caveats"] == [
        "one seed (0): intervals allow for other questions, not for another seed"
    ]


def test_a_folder_of_an_earlier_version_is_finished_if_all_its_models_are_there(tmp_path: Path) -> None:
    names = ["weak_floor", "strong_zero_shot", "weak_icl", "full_weak_ft", "m_plus"]
    run = schema.Run(
        recipe=schema.Recipe(
            name="toy", task=schema.ArithTask(), baselines=tuple(names[:4]), stage1_variants=False,
            preference={"losses": []},
        )
    )  # fmt: skip
    names += ["stage1_iter1_weak_ft", "stage1_iter1_icl_ft"]
    for last in (-1, len(names)):
        runner.run([evaluation(0, name, 3) for name in names[:last]], tmp_path, Runtime())
        (tmp_path / ".reached.json").unlink()
        assert collect.collect(tmp_path, run)["finished"] is (last > 0)
