"""Time left, by hand, on a clock of the test's own."""

from __future__ import annotations

from w2s.flow.decisions import PlannedStep
from w2s.flow.observer import StepOutcome
from w2s.flow.pace import Pace


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def planned(name: str, tokens: int, rate: str, seconds: float | None = None, decision: str = "run") -> PlannedStep:
    return PlannedStep(name, rate.split()[-1] if rate else "", decision, "", tokens, seconds, rate)  # type: ignore[arg-type]


STEPS = [
    planned("old", 0, "", 0.0, "reuse"),
    planned("a", 1000, "weak generate"),
    planned("b", 3000, "strong generate"),
    planned("c", 500, "strong train", 20.0),
    planned("d", 0, ""),
]


def done(tokens: int | None = None, seconds: float = 0.0) -> StepOutcome:
    return StepOutcome("done", {} if tokens is None else {"tokens": tokens}, seconds)


def test_the_speed_of_one_model_stands_for_another_of_its_kind() -> None:
    """a: 1,000 tokens in 10 s. b has 3,000, so 30 s; c is known to take 20."""
    clock = Clock()
    pace = Pace(STEPS, clock)
    assert pace.left() is None
    pace.start("a", 2, 5)
    clock.now += 10
    pace.end("a", done(1000, 10.0))
    assert pace.left() == 30 + 20 and pace.elapsed == 10


def test_a_running_step_is_judged_by_its_rows() -> None:
    """A quarter of b's rows in 4 s leaves 12 s; c takes 20."""
    clock = Clock()
    pace = Pace(STEPS, clock)
    pace.end("a", done())
    pace.start("b", 3, 5)
    pace.move("b", 0, 40, 0)
    clock.now += 4
    pace.move("b", 10, 40, 800)
    assert pace.running["b"].left(clock.now) == 12 and pace.running["b"].speed(clock.now) == 200
    assert pace.left() == 12 + 20


def test_a_resumed_step_is_judged_by_what_is_new() -> None:
    """From 20 of 40 on, 10 rows in 5 s leave 5 s; its speed is not taken for others."""
    clock = Clock()
    pace = Pace(STEPS, clock)
    pace.end("a", done())
    pace.start("b", 3, 5)
    pace.move("b", 20, 40, 1500)
    clock.now += 5
    pace.move("b", 30, 40, 2250)
    assert pace.running["b"].left(clock.now) == 5 and pace.running["b"].speed(clock.now) == 150
    pace.end("b", done(3000, 5.0))
    assert pace.left() == 20 and not pace._seen


def test_steps_without_tokens_take_as_long_as_those_before() -> None:
    pace = Pace([*STEPS[-1:], planned("e", 0, "")], Clock())
    pace.start("d", 1, 2)
    pace.end("d", done(seconds=3.0))
    assert pace.left() == 3.0
    assert Pace().left() is None
