"""A step that goes without the inputs that have ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from w2s.config.schema import Runtime
from w2s.errors import BranchEnds
from w2s.flow import runner
from w2s.flow.decisions import plan
from w2s.flow.step import Context, Step
from w2s.flow.store import Store


def make(context: Context[Any]) -> dict[str, Any]:
    if context.params["ends"]:
        raise BranchEnds("nothing agrees")
    context.output.write_text("x")
    return {}


def report(context: Context[Any]) -> dict[str, Any]:
    return {"has": sorted(context.inputs)}


def steps(ends: bool) -> list[Step]:
    first = Step("first", make, {"ends": False}, output="first")
    second = Step("second", make, {"ends": ends}, output="second")
    third = Step("third", make, {"ends": False}, {"first": first, "second": second}, output="third")
    return [Step("report", report, {}, {"first": first, "second": second, "third": third}, needs_all=False)]


def test_it_runs_and_is_made_again_once_they_are_there(tmp_path: Path) -> None:
    """`second` ends, and `third` is skipped for it; both are there in the next run, and gone in the one after."""
    outcomes = runner.run(steps(True), tmp_path, Runtime())
    assert {name: outcome.status for name, outcome in outcomes.items()} == {
        "first": "done", "second": "ended", "third": "skipped", "report": "done",
    }  # fmt: skip
    assert outcomes["report"].result == {"has": ["first"]}
    assert {step.name: step.decision for step in plan(steps(True), tmp_path)}["report"] == "reuse"
    assert runner.run(steps(True), tmp_path, Runtime())["report"].reused
    assert runner.run(steps(False), tmp_path, Runtime())["report"].result == {"has": ["first", "second", "third"]}
    assert runner.run(steps(True), tmp_path, Runtime())["report"].result == {"has": ["first"]}


def test_the_folder_says_how_many_steps_are_left(tmp_path: Path) -> None:
    runner.run(steps(True), tmp_path, Runtime())
    assert Store(tmp_path).left() == (0, 4)
    Store(tmp_path).reach(steps(True), 4)
    assert Store(tmp_path).left() == (3, 4)
    (tmp_path / ".reached.json").unlink()
    assert Store(tmp_path).left() is None
