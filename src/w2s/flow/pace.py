"""How long the rest of a run takes, by the speeds of steps that have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from w2s.flow.decisions import PlannedStep
from w2s.flow.observer import StepOutcome


@dataclass(slots=True)
class Running:
    """A step that runs now; `first`: units and tokens that were there when it began, of an earlier run."""

    name: str
    number: int
    began: float
    done: int = 0
    total: int = 0
    tokens: int = 0
    first: tuple[int, int] | None = None

    def move(self, done: int, total: int, tokens: int) -> None:
        if self.first is None:
            self.first = done, tokens
        self.done, self.total, self.tokens = done, total, tokens

    def speed(self, now: float) -> float | None:
        """Tokens per second of this run."""
        new, seconds = self.tokens - (self.first or (0, 0))[1], now - self.began
        return new / seconds if new > 0 and seconds > 0 else None

    def left(self, now: float) -> float | None:
        """Seconds, by the units so far."""
        new = self.done - (self.first or (0, 0))[0]
        return (now - self.began) * (self.total - self.done) / new if new > 0 else None


class Pace:
    """Steps that run, and what is left.

    Args:
        planned: all steps of the run, with what is expected of each that is due.
        clock: seconds.
    """

    def __init__(self, planned: Sequence[PlannedStep] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._planned = {step.name: step for step in planned}
        self._clock = clock
        self._seen: dict[str, tuple[float, float]] = {}  # by rate: tokens, seconds
        self._small: list[float] = []  # seconds of steps that no tokens are expected of
        self.of, self.began = len(planned), clock()
        self.ended: set[str] = set()
        self.running: dict[str, Running] = {}

    def start(self, name: str, number: int, of: int) -> None:
        self.of = of
        self.running[name] = Running(name, number, self._clock())

    def move(self, name: str, done: int, total: int, tokens: int) -> None:
        if name in self.running:
            self.running[name].move(done, total, tokens)

    def end(self, name: str, outcome: StepOutcome) -> None:
        """A step has ended, or was reused or skipped."""
        running = self.running.pop(name, None)
        self.ended.add(name)
        step = self._planned.get(name)
        if running is None or step is None or outcome.status != "done" or outcome.reused:
            return
        tokens, resumed = outcome.result.get("tokens"), (running.first or (0, 0)) != (0, 0)
        if not step.expected_tokens:
            self._small.append(outcome.seconds)
        elif isinstance(tokens, int) and tokens > 0 and outcome.seconds > 0 and not resumed:
            before = self._seen.get(step.rate, (0.0, 0.0))
            self._seen[step.rate] = before[0] + tokens, before[1] + outcome.seconds

    @property
    def elapsed(self) -> float:
        return self._clock() - self.began

    @property
    def now(self) -> float:
        return self._clock()

    def left(self) -> float | None:
        """Seconds of all that is not done; None where a speed is not known yet."""
        total = 0.0
        for step in self._planned.values():
            if step.name in self.ended or step.decision in ("reuse", "skip"):
                continue
            expected, running = self._expected(step), self.running.get(step.name)
            if running is not None:
                rest = running.left(self.now)
                spent = self.now - running.began
                expected = rest if rest is not None else None if expected is None else max(0.0, expected - spent)
            if expected is None:
                return None
            total += expected
        return total if self._planned else None

    def _expected(self, step: PlannedStep) -> float | None:
        if not step.expected_tokens:
            return sum(self._small) / len(self._small) if self._small else 0.0
        seen = self._seen.get(step.rate)
        if seen is not None:
            return step.expected_tokens * seen[1] / seen[0]
        if step.expected_seconds is not None:
            return step.expected_seconds
        seen_now = list(self._seen.items())  # another thread may add to it
        alike = [of for rate, of in seen_now if rate.split()[-1:] == step.rate.split()[-1:]]  # another model
        tokens, seconds = (sum(of[place] for of in alike) for place in (0, 1))
        return step.expected_tokens * seconds / tokens if tokens else None
