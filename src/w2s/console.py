"""What a run shows while it works: a live bar in a terminal, plain lines elsewhere. All of it on standard error."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from w2s.budget import Budget
from w2s.flow.runner import Observer, PlannedStep, Silent, StepOutcome
from w2s.flow.step import Step


@contextmanager
def observer(show: bool = True, console: Console | None = None) -> Iterator[Observer]:
    """The observer that suits where the output goes; with `show` False, one that says nothing."""
    console = console or Console(stderr=True)
    if not show:
        yield Silent()
    elif console.is_terminal:
        with _progress(console) as progress:
            yield Live(progress)
    else:
        yield Plain(console)


def took(seconds: float) -> str:
    """A duration for people: 4.2 s, 3 min 05 s, 2 h 07 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def summary(outcome: StepOutcome) -> str:
    """What a finished step did, in a few words: kept, accuracy, loss, speed, whichever its result has."""
    result, parts = outcome.result, []
    if "kept" in result and "of" in result:
        parts.append(f"kept {result['kept']} of {result['of']}")
    if "added" in result and "short" in result:
        parts.append(f"added {result['added']}" + (f", {result['short']} short" if result["short"] else ""))
    if "of_all" in result:
        parts.append(
            f"drew {result['of']:,} of {result['of_all']:,} samples ({1 - result['of'] / result['of_all']:.1%} spared)"
        )
    if isinstance(result.get("accuracy"), float):
        parts.append(f"accuracy {100 * result['accuracy']:.1f} %")
    if isinstance(result.get("loss_last"), float):
        parts.append(f"loss {result['loss_last']:.3f}")
    if isinstance(result.get("tokens"), int) and outcome.seconds > 0:
        parts.append(f"{result['tokens'] / outcome.seconds:,.0f} tokens/s")
    return ", ".join(parts)


class Plain:
    """One line when a step starts and one when it is done."""

    def __init__(self, console: Console) -> None:
        self._print = lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True)
        self._places: dict[str, str] = {}
        self._shown: set[object] = set()

    def started(self, step: Step, reason: str, number: int, of: int) -> None:
        self._places[step.name] = f"[{number}/{of}] "
        self._print(f"{self._places[step.name]}{step.name}: starts ({reason})")

    def progress(self, step: Step, done: int, total: int, tokens: int) -> None:
        """Too often for lines."""

    def shown(self, step: Step, text: str) -> None:
        if step.run not in self._shown:  # one of each kind: the others look alike, and the records have them
            self._shown.add(step.run)
            self._print(f"{self._places.get(step.name, '')}{step.name}: {text}")

    def finished(self, step: Step, outcome: StepOutcome) -> None:
        words = summary(outcome)
        self._print(
            f"{self._places.get(step.name, '')}{step.name}: done in {took(outcome.seconds)}"
            f"{'; ' + words if words else ''}"
        )

    def ended(self, step: Step, outcome: StepOutcome) -> None:
        self._print(f"{step.name}: ended: {outcome.message}")

    def reused(self, step: Step, outcome: StepOutcome) -> None:
        self._print(f"{step.name}: reused")

    def skipped(self, step: Step, outcome: StepOutcome) -> None:
        self._print(f"{step.name}: skipped: {outcome.message}")


class Live:
    """A bar for each step that runs, with its rate and the time it still needs; a line for each that is done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, tuple[float, int]] = {}
        self._shown: set[object] = set()

    def started(self, step: Step, reason: str, number: int, of: int) -> None:
        self._tasks[step.name] = self._progress.add_task(f"[{number}/{of}]", total=None, name=step.name, rate=reason)

    def progress(self, step: Step, done: int, total: int, tokens: int) -> None:
        # What a resumed step finds done says nothing about speed.
        began, before = self._began.setdefault(step.name, (time.monotonic(), tokens))
        elapsed, made = time.monotonic() - began, tokens - before
        rate = f"{made / elapsed:,.0f} tokens/s" if elapsed > 0.5 and made > 0 else ""
        self._progress.update(self._tasks[step.name], completed=done, total=total, rate=rate)

    def shown(self, step: Step, text: str) -> None:
        if step.run not in self._shown:  # as in `Plain`
            self._shown.add(step.run)
            self._progress.console.print(f"{step.name}: {text}", highlight=False, markup=False, soft_wrap=True)

    def finished(self, step: Step, outcome: StepOutcome) -> None:
        self._line("green", "✓", step.name, f"{took(outcome.seconds):>12}  {summary(outcome)}")

    def ended(self, step: Step, outcome: StepOutcome) -> None:
        self._line("yellow", "–", step.name, f"ended: {outcome.message}")

    def reused(self, step: Step, outcome: StepOutcome) -> None:
        self._line("dim", "=", step.name, f"{'reused':>12}  {summary(outcome)}")

    def skipped(self, step: Step, outcome: StepOutcome) -> None:
        self._line("yellow", "–", step.name, f"skipped: {outcome.message}")

    def _line(self, style: str, mark: str, name: str, text: str) -> None:
        if name in self._tasks:
            self._progress.remove_task(self._tasks.pop(name))
            self._began.pop(name, None)
        self._progress.console.print(f"[{style}]{mark}[/] {escape(f'{name:<42}')} {escape(text)}", highlight=False)


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
    """A callback (done, total, tokens) that moves a bar in a terminal and does nothing elsewhere."""
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


def print_out(content: RenderableType) -> None:
    """Print to standard output; into a file or pipe wide enough that no row is folded."""
    console = Console()
    (console if console.is_terminal else Console(width=160)).print(content)


def print_facts(facts: Sequence[tuple[str, str]], title: str = "") -> None:
    """Two columns of plain text."""
    width = max((len(name) for name, _ in facts), default=0)
    lines = [f"{name:<{width}}  {value}" for name, value in facts]
    print("\n".join([*([f"{title}"] if title else []), *(f"  {line}" if title else line for line in lines)]))


def print_plan(planned: Sequence[PlannedStep], budget: Budget | None = None) -> None:
    """Each step with its decision and reason, tokens and time expected, and the sums below."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("step", "decision", "why"):
        table.add_column(header, no_wrap=header != "why")
    for header in ("tokens", "time"):
        table.add_column(header, justify="right", no_wrap=True)
    for step in planned:
        seconds = "?" if step.expected_tokens else ""
        table.add_row(
            step.name,
            Text(step.decision, style="dim" if step.decision == "reuse" else "bold"),
            Text(step.reason),
            f"{step.expected_tokens:,}" if step.expected_tokens else "",
            took(step.expected_seconds) if step.expected_seconds else seconds,
        )
    print_out(table)
    if budget is not None and budget.costs:
        print_out(_costs(budget))
        print("\n".join(budget.assumed), end="\n" if budget.assumed else "")
    counts = Counter(step.decision for step in planned)
    decided = ", ".join(f"{count} {decision}" for decision, count in counts.items())
    tokens = sum(step.expected_tokens for step in planned)
    total = sum(step.expected_seconds or 0.0 for step in planned)
    unknown = sum(step.expected_seconds is None and step.expected_tokens > 0 for step in planned)
    times = [took(total)] if total or not unknown else []
    times += [f"{unknown} steps whose speed is not known yet"] if unknown else []
    print(f"{decided}; about {tokens:,} tokens, {' and '.join(times)}")
    if budget is not None and budget.device_hours and (budget.devices > 1 or "given" in budget.sources):
        devices = f"{budget.devices} device{'s' if budget.devices > 1 else ''}"
        print(f"at these rates: {budget.device_hours:,.3g} GPU-hours on {devices}")


def _costs(budget: Budget) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", overflow="fold")
    for header in ("parameters", "work", "loads, at most", "tokens read", "tokens", "peak memory", "tokens/s", "time"):
        table.add_column(header, justify="left" if header == "work" else "right", no_wrap=True)
    for cost in budget.costs:
        parameters = budget.models[cost.model].parameters
        table.add_row(
            f"{cost.model}: {budget.references[cost.model]}",
            "unknown" if parameters is None else _large(parameters),
            cost.kind,
            str(cost.loads),
            f"{cost.prefill_tokens:,}" if cost.prefill_tokens else "",
            f"{cost.tokens:,}",
            "unknown" if cost.memory_bytes is None else memory(cost.memory_bytes),
            f"{cost.rate.tokens_per_second:,.0f} {cost.rate.source}" if cost.rate else "unknown",
            "unknown" if cost.seconds is None else took(cost.seconds),
        )
    return table


def memory(number: int) -> str:
    """Bytes for people: 23.4 MiB, 1.5 GiB; nothing for none, which is another machine's."""
    if not number:
        return "elsewhere"
    return f"{number / 2**20:,.1f} MiB" if number < 2**30 else f"{number / 2**30:,.1f} GiB"


def _large(number: float) -> str:
    for unit, name in ((1e9, "B"), (1e6, "M")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return f"{number:,.0f}"
