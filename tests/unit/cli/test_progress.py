"""What a run shows while it goes on: moving lines on a terminal, few plain ones in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from w2s.cli import progress
from w2s.flow.decisions import PlannedStep
from w2s.flow.observer import Entry, StepOutcome
from w2s.flow.step import Step


def nothing(context):
    return {}


LONG = "precision_control_my_strategy_of_two_weak_teachers_stage1_iteration_number_3_again"
PLANNED = [PlannedStep(name, "generate", "run", "", 1000, 60.0, "weak generate") for name in ("a", LONG, "c")]


def screen(live: progress.Live, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(live)
    return console.file.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize("width", [80, 120])
def test_one_line_for_the_run_and_one_for_the_step(tmp_path, width):
    console = Console(file=io.StringIO(), width=width)
    live = progress.Live(console)
    live.entered(Entry(tmp_path, PLANNED, 2, 5))
    assert screen(live, width) == [""]
    live.started(Step("a", nothing), "not made yet", 1, 3)
    live.progress(Step("a", nothing), 0, 4000, 0)
    run, step = screen(live, width)
    assert run.startswith("run 2 of 5, step 1 of 3  0.0 s  about 3 min 00 s left")
    assert step.startswith("  a  0 of 4,000  0.0 s")
    assert max(len(run), len(step)) <= width and "…" not in run + step
    assert console.file.getvalue().split("\n")[0] == f"run 2 of 5: {tmp_path}"


def test_the_longest_name_is_whole_at_80_columns():
    live = progress.Live(Console(file=io.StringIO(), width=80))
    live.started(Step(LONG, nothing), "not made yet", 1, 3)
    live.progress(Step(LONG, nothing), 340, 4000, 1_000_000)
    lines = screen(live, 80)
    assert "".join(line.strip() for line in lines[1:3]).startswith(LONG)
    assert "340 of 4,000" in lines[-1] and max(map(len, lines)) <= 80


def test_what_has_ended_stands_on_lines_that_fit():
    console = Console(file=io.StringIO(), width=80)
    live = progress.Live(console)
    result = {"kept": 4, "of": 4000, "dropped": {"cut": 17}, "tokens": 3000, "accuracy": 0.5, "cut_off": 17}
    live.finished(Step("control_stage1_iter2", nothing), StepOutcome("done", result, 2.0))
    live.finished(Step("m_plus", nothing), StepOutcome("done", {"loss_last": 0.5}, 185.0))
    live.skipped(Step(LONG, nothing), StepOutcome("skipped", message="an input ended: [nothing] agreed"))
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert max(map(len, lines)) <= 80 and "…" not in console.file.getvalue()
    assert lines[0] == f"✓ {'control_stage1_iter2':<34} {'2.0 s':>12}"
    assert "    kept 4 of 4000, 17 dropped: cut at the token limit, 17 of 4,000 cut at the" in lines
    assert f"✓ {'m_plus':<34} {'3 min 05 s':>12}  loss 0.500" in lines
    assert lines[-1] == "    skipped: an input ended: [nothing] agreed"


def test_a_log_gets_a_line_in_thirty_seconds():
    """1,000 rows, one per second: at 30 s a tenth is done, at 60 s the next, and no line between."""
    now = [0.0]
    console = Console(file=io.StringIO(), width=80)
    plain, step = progress.Plain(console, lambda: now[0]), Step("a", nothing, kind="generate")
    plain.entered(Entry(None, PLANNED))
    plain.started(step, "not made yet", 1, 3)
    for done in range(75):
        now[0] = float(done)
        plain.progress(step, done, 1000, 10 * done)
    plain.finished(step, StepOutcome("done", {}, 75.0))
    assert console.file.getvalue().splitlines() == [
        "[1/3] a: starts (not made yet)",
        "[1/3] a: 30 of 1,000, 16 min 10 s left, 10 tokens/s, 30.0 s; about 18 min 10 s left of the run",
        "[1/3] a: 60 of 1,000, 15 min 40 s left, 10 tokens/s, 1 min 00 s; about 17 min 40 s left of the run",
        "[1/3] a: done in 1 min 15 s",
    ]
