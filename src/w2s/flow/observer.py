"""Events of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from w2s.flow.step import Step


@dataclass(frozen=True)
class StepOutcome:
    """How a step ended; `seconds` is of its first run."""

    status: Literal["done", "ended", "skipped"]
    result: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    reused: bool = False
    message: str = ""


class Observer(Protocol):
    """Gets the events of a run; with Ray from several threads.

    Per step `reused`, `skipped`, or `started` and `finished`; or `ended` as the last.
    """

    def started(self, step: Step, reason: str, number: int, of: int) -> None:
        """Step `number` (from 1) begins."""

    def progress(self, step: Step, done: int, total: int, tokens: int) -> None:
        """Units, and tokens (0: not counted)."""

    def shown(self, step: Step, text: str) -> None:
        """Lines for people to read."""

    def finished(self, step: Step, outcome: StepOutcome) -> None:
        """The record is written."""

    def ended(self, step: Step, outcome: StepOutcome) -> None:
        """Nothing to work on, now or (`outcome.reused`) earlier."""

    def reused(self, step: Step, outcome: StepOutcome) -> None:
        """An earlier record is used."""

    def skipped(self, step: Step, outcome: StepOutcome) -> None:
        """An input ended or was skipped."""


class Silent:
    """An observer that does nothing."""

    def started(self, step: Step, reason: str, number: int, of: int) -> None: ...
    def progress(self, step: Step, done: int, total: int, tokens: int) -> None: ...
    def shown(self, step: Step, text: str) -> None: ...
    def finished(self, step: Step, outcome: StepOutcome) -> None: ...
    def ended(self, step: Step, outcome: StepOutcome) -> None: ...
    def reused(self, step: Step, outcome: StepOutcome) -> None: ...
    def skipped(self, step: Step, outcome: StepOutcome) -> None: ...


def notify(observer: Observer, step: Step, outcome: StepOutcome) -> None:
    """Report the end of a step."""
    if outcome.status == "skipped":
        observer.skipped(step, outcome)
    elif outcome.status == "ended":
        observer.ended(step, outcome)
    elif outcome.reused:
        observer.reused(step, outcome)
    else:
        observer.finished(step, outcome)


@dataclass(frozen=True)
class Entry:
    """Run `number` (from 1) of `of`; `planned`: what is expected of its steps (`w2s.flow.decisions.PlannedStep`)."""

    folder: Path
    planned: Sequence[Any] = ()
    number: int = 1
    of: int = 1


def enter(observer: Observer | None, entry: Entry) -> None:
    """Say that a run begins, to an observer that has a method `entered`."""
    entered = getattr(observer, "entered", None)
    if entered is not None:
        entered(entry)


def measured(observer: Observer, step: Step, number: int, values: Mapping[str, float]) -> None:
    """Tell what step `number` of a training measured, to an observer that has a method `measured`."""
    tell = getattr(observer, "measured", None)
    if tell is not None:
        tell(step, number, values)


class Several:
    """Observers as one: each gets every event."""

    def __init__(self, *observers: Observer | None) -> None:
        self._observers = [each for each in observers if each is not None]

    def started(self, step: Step, reason: str, number: int, of: int) -> None:
        for each in self._observers:
            each.started(step, reason, number, of)

    def progress(self, step: Step, done: int, total: int, tokens: int) -> None:
        for each in self._observers:
            each.progress(step, done, total, tokens)

    def measured(self, step: Step, number: int, values: Mapping[str, float]) -> None:
        for each in self._observers:
            measured(each, step, number, values)

    def shown(self, step: Step, text: str) -> None:
        for each in self._observers:
            each.shown(step, text)

    def finished(self, step: Step, outcome: StepOutcome) -> None:
        for each in self._observers:
            each.finished(step, outcome)

    def ended(self, step: Step, outcome: StepOutcome) -> None:
        for each in self._observers:
            each.ended(step, outcome)

    def reused(self, step: Step, outcome: StepOutcome) -> None:
        for each in self._observers:
            each.reused(step, outcome)

    def skipped(self, step: Step, outcome: StepOutcome) -> None:
        for each in self._observers:
            each.skipped(step, outcome)
