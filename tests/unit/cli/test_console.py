from __future__ import annotations

import io

import pytest
from rich.console import Console

from w2s.cli import console, progress
from w2s.costs.budget import Budget, Cost, Rate
from w2s.flow.decisions import PlannedStep
from w2s.flow.observer import Silent, StepOutcome
from w2s.flow.step import Step
from w2s.models.architecture import Architecture


def nothing(context):
    return {}


STEP = Step(name="weak_answers", run=nothing)


def shown(terminal: bool) -> str:
    stream = io.StringIO()
    with progress.observer(console=Console(file=stream, force_terminal=terminal, width=120)) as observer:
        observer.started(STEP, "not made yet", 2, 9)
        observer.progress(STEP, 5, 10, 1000)
        observer.progress(STEP, 10, 10, 2000)
        observer.shown(STEP, "first [example]")
        observer.shown(STEP, "the next one of this kind")
        observer.finished(STEP, StepOutcome("done", {"tokens": 3000, "kept": 4, "of": 5}, seconds=2.0))
        observer.reused(STEP, StepOutcome("done", {}, seconds=2.0, reused=True))
        observer.ended(STEP, StepOutcome("ended", message="[nothing] agreed"))
        observer.skipped(STEP, StepOutcome("skipped", message="an input ended"))
    return stream.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_every_event_is_shown(terminal):
    text = shown(terminal)
    for part in ("weak_answers", "kept 4 of 5", "1,500 tokens/s", "reused", "[nothing] agreed", "an input ended"):
        assert part in text
    assert ("\x1b[" in text) == terminal
    assert "first [example]" in text and "the next one" not in text


def test_plain_lines_are_one_an_event():
    assert shown(False).splitlines()[:3] == [
        "[2/9] weak_answers: starts (not made yet)",
        "[2/9] weak_answers: first [example]",
        "[2/9] weak_answers: done in 2.0 s; kept 4 of 5, 1,500 tokens/s",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_where_a_training_resumes_is_one_line(terminal):
    """A fresh one tells that it begins at step 0."""
    stream = io.StringIO()
    with progress.observer(console=Console(file=stream, force_terminal=terminal, width=120)) as observer:
        for name, begin in (("m_plus", 1200), ("m_pro_dpo", 0)):
            step = Step(name=name, run=nothing, kind="train")
            observer.started(step, "partial work is continued", 1, 2)
            for done in range(begin, begin + 3):
                observer.progress(step, done, 3000, 0)
    text = stream.getvalue()
    assert text.count("m_plus: resumes at step 1,200 of 3,000") == text.count("resumes") == 1


def test_silence():
    with progress.observer(show=False) as observer:
        assert isinstance(observer, Silent)


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.24, "4.2 s"), (59.96, "1 min 00 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")]
)
def test_durations(seconds, text):
    assert console.took(seconds) == text


def test_a_plan_gives_reasons_and_sums(capsys):
    console.print_plan(
        [
            PlannedStep("a", "generate", "reuse", "unchanged", 0, 0.0),
            PlannedStep("b", "train", "rerun", "seed changed from 0 to 1", 1500, 30.0),
            PlannedStep("c", "train", "run", "not made yet", 500, None),
        ]
    )
    text = capsys.readouterr().out
    assert "seed changed from 0 to 1" in text
    assert "1 reuse, 1 rerun, 1 run; about 2,000 tokens, 30.0 s and 1 steps whose speed is not known yet" in text


def test_what_adaptive_sampling_spared_is_said():
    done = StepOutcome("done", {"of": 780, "of_all": 1000, "tokens": 7800}, seconds=10.0)
    assert progress.summary(done) == "780 of 1,000 samples (22.0% saved), 780 tokens/s"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "elsewhere"), (3 * 2**20, "3.0 MiB"), (3 * 2**29, "1.5 GiB"), (2**41, "2,048.0 GiB")]
)
def test_memory(number, text):
    assert console.memory(number) == text


@pytest.fixture
def narrow(monkeypatch):
    """Tables are printed as on a terminal of 80 columns."""
    monkeypatch.setattr(console, "print_out", lambda content: Console(width=80).print(content))


def test_the_names_of_the_paper_stand_on_one_line_at_80_columns(narrow, capsys):
    name = "precision_control_stage1_iter2"
    console.print_plan([PlannedStep(name, "train", "rerun", "not made yet", 1_568_000, 15_600.0)])
    row = next(line for line in capsys.readouterr().out.splitlines() if name in line)
    assert row.split() == [name, "rerun", "not", "made", "yet", "1,568,000", "4", "h", "20", "min"]


def test_a_plan_cuts_no_name_and_no_figure_at_80_columns(narrow, capsys):
    """A step and a model of a user's own, with the widest figures."""
    step = "precision_control_my_strategy_of_two_weak_teachers_stage1_iter3"
    model, reference = "weak_teacher_of_my_own", "hub/" + "m" * 60
    cost = Cost(model, "generate", 123, 999_999, 1_234_567_890, 129 * 2**30, 45_000.0, Rate(123_456.0, "recorded"))
    found = Budget((cost,), {model: reference}, {model: Architecture(68_976_648_192, {})}, (), 1)
    console.print_plan(
        [PlannedStep(step, "train", "rerun", "seed changed from 0 to 1", 1_234_567_890, 432_000.0)], found
    )
    lines = capsys.readouterr().out.splitlines()
    assert f"{model}  {reference}, 69 B parameters" in lines
    tables = [line for line in lines if line.startswith(" ") and line.strip()]
    assert max(map(len, tables)) <= 80 and not any("…" in line for line in lines)
    first = "".join(line[:20].split()[0] for line in tables if not line.startswith("  "))
    assert step in first and model in first
    text = " ".join(" ".join(tables).split())
    assert all(figure in text for figure in ("1,234,567,890", "120 h 00 min", "1.23 B", "999,999", "129.0 GiB"))
    assert all(figure in text for figure in ("123", "123,456", "recorded", "12 h 30 min", "from 0"))


def test_what_was_cut_is_said_of_responses_and_of_what_was_dropped_for_it():
    generated = StepOutcome("done", {"of": 1200, "cut_off": 1100})
    assert progress.summary(generated) == "1,100 of 1,200 cut at the token limit"
    selected = StepOutcome("done", {"kept": 1, "of": 3, "dropped": {"cut": 2}})
    assert progress.summary(selected) == "kept 1 of 3, 2 dropped: cut at the token limit"
    assert progress.summary(StepOutcome("done", {"kept": 1, "of": 1, "dropped": {}, "cut_off": 0})) == "kept 1 of 1"
