from __future__ import annotations

import io

import pytest
from rich.console import Console

from w2s import console
from w2s.flow.runner import PlannedStep, Silent, StepOutcome
from w2s.flow.step import Step


def nothing(context):
    return {}


STEP = Step(name="weak_answers", run=nothing)


def shown(terminal: bool) -> str:
    stream = io.StringIO()
    with console.observer(console=Console(file=stream, force_terminal=terminal, width=120)) as observer:
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


def test_silence():
    with console.observer(show=False) as observer:
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
    assert console.summary(done) == "drew 780 of 1,000 samples (22.0% spared), 780 tokens/s"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "elsewhere"), (3 * 2**20, "3.0 MiB"), (3 * 2**29, "1.5 GiB"), (2**41, "2,048.0 GiB")]
)
def test_memory(number, text):
    assert console.memory(number) == text
