"""A run's progress on standard error: lines that move on a terminal, plain ones elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live as Screen
from rich.markup import escape
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from w2s.cli.console import took
from w2s.flow.observer import Entry, Observer, Silent, StepOutcome
from w2s.flow.pace import Pace, Running
from w2s.flow.step import Step

EVERY = 30.0
"""Seconds between two plain lines about one step."""


@contextmanager
def observer(show: bool = True, console: Console | None = None) -> Iterator[Observer]:
    """Lines that move in a terminal, plain lines elsewhere; silent unless `show`."""
    console = console or Console(stderr=True)
    if not show:
        yield Silent()
    elif console.is_terminal:
        live = Live(console)
        with Screen(live, console=console, refresh_per_second=4, transient=True):
            yield live
    else:
        yield Plain(console)


def summary(outcome: StepOutcome) -> str:
    """A finished step in words."""
    result, parts = outcome.result, []
    if "kept" in result and "of" in result:
        parts.append(f"kept {result['kept']} of {result['of']}")
    if cut := (result.get("dropped") or {}).get("cut"):
        parts.append(f"{cut} dropped: cut at the token limit")
    if result.get("cut_off"):
        parts.append(f"{result['cut_off']:,} of {result['of']:,} cut at the token limit")
    if "added" in result and "short" in result:
        parts.append(f"added {result['added']}" + (f", {result['short']} short" if result["short"] else ""))
    if "of_all" in result:
        parts.append(
            f"{result['of']:,} of {result['of_all']:,} samples ({1 - result['of'] / result['of_all']:.1%} saved)"
        )
    if isinstance(result.get("accuracy"), float):
        parts.append(f"accuracy {100 * result['accuracy']:.1f} %")
    if isinstance(result.get("loss_last"), float):
        parts.append(f"loss {result['loss_last']:.3f}")
    if isinstance(result.get("tokens"), int) and outcome.seconds > 0:
        parts.append(f"{result['tokens'] / outcome.seconds:,.0f} tokens/s")
    return ", ".join(parts)


def resumption(say: Callable[[str], None]) -> Callable[[int, int], None]:
    """A callback (done, total) of a training, which says where it resumes."""
    began = False

    def tell(done: int, total: int) -> None:
        nonlocal began
        if done and not began:
            say(f"resumes at step {done:,} of {total:,}")
        began = True

    return tell


class Plain:
    """A line per step's start and end, and now and then between."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._print = lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True)
        self._clock = clock
        self._pace = Pace(clock=clock)
        self._places: dict[str, str] = {}
        self._next: dict[str, float] = {}
        self._trainings: dict[str, Callable[[int, int], None]] = {}
        self._shown: set[object] = set()

    def entered(self, entry: Entry) -> None:
        self._pace = Pace(entry.planned, self._clock)
        if entry.of > 1:
            self._print(f"run {entry.number} of {entry.of}: {entry.folder}")

    def started(self, step: Step, reason: str, number: int, of: int) -> None:
        self._pace.start(step.name, number, of)
        self._places[step.name] = f"[{number}/{of}] "
        self._next[step.name] = self._clock() + EVERY
        self._print(f"{self._places[step.name]}{step.name}: starts ({reason})")
        if step.kind == "train":
            place = self._places[step.name]
            self._trainings[step.name] = resumption(lambda text: self._print(f"{place}{step.name}: {text}"))

    def progress(self, step: Step, done: int, total: int, tokens: int) -> None:
        """Where a training resumes; else a line in `EVERY` seconds."""
        self._pace.move(step.name, done, total, tokens)
        if tell := self._trainings.get(step.name):
            tell(done, total)
        if self._clock() >= self._next.get(step.name, 0.0) and step.name in self._pace.running:
            self._next[step.name] = self._clock() + EVERY
            words = ", ".join(_moving(self._pace.running[step.name], self._pace.now))
            left = self._pace.left()
            whole = "" if left is None else f"; about {took(left)} left of the run"
            self._print(f"{self._places.get(step.name, '')}{step.name}: {words}{whole}")

    def shown(self, step: Step, text: str) -> None:
        if step.run not in self._shown:  # one per kind of step: the others look alike, and records have them
            self._shown.add(step.run)
            self._print(f"{self._places.get(step.name, '')}{step.name}: {text}")

    def finished(self, step: Step, outcome: StepOutcome) -> None:
        self._pace.end(step.name, outcome)
        words = summary(outcome)
        self._print(
            f"{self._places.get(step.name, '')}{step.name}: done in {took(outcome.seconds)}"
            f"{'; ' + words if words else ''}"
        )

    def ended(self, step: Step, outcome: StepOutcome) -> None:
        self._pace.end(step.name, outcome)
        self._print(f"{step.name}: ended: {outcome.message}")

    def reused(self, step: Step, outcome: StepOutcome) -> None:
        self._pace.end(step.name, outcome)
        self._print(f"{step.name}: reused")

    def skipped(self, step: Step, outcome: StepOutcome) -> None:
        self._pace.end(step.name, outcome)
        self._print(f"{step.name}: skipped: {outcome.message}")


class Live:
    """A line for the run, and one for each step that runs; those that ended stand above."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pace, self._place = Pace(), ""
        self._trainings: dict[str, Callable[[int, int], None]] = {}
        self._shown: set[object] = set()

    def entered(self, entry: Entry) -> None:
        self._pace = Pace(entry.planned)
        if entry.of > 1:
            self._place = f"run {entry.number} of {entry.of}, "
            self._console.print(
                f"run {entry.number} of {entry.of}: {entry.folder}", highlight=False, markup=False, soft_wrap=True
            )

    def started(self, step: Step, reason: str, number: int, of: int) -> None:
        self._pace.start(step.name, number, of)
        if step.kind == "train":
            self._trainings[step.name] = resumption(lambda text: self._say(step, text))

    def progress(self, step: Step, done: int, total: int, tokens: int) -> None:
        if tell := self._trainings.get(step.name):
            tell(done, total)
        self._pace.move(step.name, done, total, tokens)

    def shown(self, step: Step, text: str) -> None:
        if step.run not in self._shown:  # as in `Plain`
            self._shown.add(step.run)
            self._say(step, text)

    def finished(self, step: Step, outcome: StepOutcome) -> None:
        self._line("green", "✓", step, outcome, took(outcome.seconds), summary(outcome))

    def ended(self, step: Step, outcome: StepOutcome) -> None:
        self._line("yellow", "–", step, outcome, "", f"ended: {outcome.message}")

    def reused(self, step: Step, outcome: StepOutcome) -> None:
        self._line("dim", "=", step, outcome, "reused", summary(outcome))

    def skipped(self, step: Step, outcome: StepOutcome) -> None:
        self._line("yellow", "–", step, outcome, "", f"skipped: {outcome.message}")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        pace, width = self._pace, options.max_width
        running = sorted(list(pace.running.values()), key=lambda each: each.number)
        if not running:
            return
        left = pace.left()
        parts = [f"{self._place}step {running[0].number} of {pace.of}", took(pace.elapsed)]
        parts += [] if left is None else [f"about {took(left)} left"]
        yield from _line(parts, len(pace.ended), pace.of, width, "bold")
        for each in running:
            yield from _line([f"  {each.name}", *_moving(each, pace.now)], each.done, each.total, width)

    def _say(self, step: Step, text: str) -> None:
        self._console.print(f"{step.name}: {text}", highlight=False, markup=False)

    def _line(self, style: str, mark: str, step: Step, outcome: StepOutcome, time: str, text: str) -> None:
        self._pace.end(step.name, outcome)
        first = f"[{style}]{mark}[/] {escape(f'{step.name:<34} {time:>12}'.rstrip())}"
        if len(step.name) > 34 or 2 + 34 + 14 + 2 + len(text) > self._console.width:
            self._console.print(first, highlight=False)
            if text:
                self._console.print(Padding(Text(text), (0, 0, 0, 4)), highlight=False)
            return
        self._console.print(first + (f"  {escape(text)}" if text else ""), highlight=False)


def _moving(step: Running, now: float) -> list[str]:
    """How far a step is, most needed first."""
    left, speed = step.left(now), step.speed(now)
    words = [f"{step.done:,} of {step.total:,}"] if step.total else ["begins"]
    words += [] if left is None else [f"{took(left)} left"]
    words += [] if speed is None else [f"{speed:,.0f} tokens/s"]
    return [*words, took(now - step.began)]


def _line(parts: list[str], done: int, total: int, width: int, style: str = "") -> Iterator[Text | Table]:
    """The parts that fit, and a bar if there is room for one; a long name has a line of its own."""
    if sum(map(len, parts[:2])) + 2 >= width:
        yield Text(parts[0], style=style, overflow="fold")
        parts = ["   ", *parts[1:]]
    text = parts[0]
    for part in parts[1:]:
        text = f"{text}  {part}" if len(text) + 2 + len(part) < width else text
    room = width - len(text) - 2
    if room < 10 or not total:
        yield Text(text, style=style, no_wrap=True, overflow="crop")
        return
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_row(Text(text, style=style, no_wrap=True), ProgressBar(total, done, width=min(24, room - 1)))
    yield grid


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description} {task.fields[name]}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False, style="dim"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


@contextmanager
def bar(name: str, console: Console | None = None) -> Iterator[Callable[[int, int, int], None]]:
    """A callback (done, total, tokens); idle outside terminals."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total, tokens: None
        return
    began = time.monotonic()
    with _progress(console) as progress:
        task = progress.add_task("", total=None, name=name, rate="")

        def move(done: int, total: int, tokens: int) -> None:
            rate = f"{tokens / (time.monotonic() - began):,.0f} tokens/s" if tokens else ""
            progress.update(task, completed=done, total=total, rate=rate)

        yield move
