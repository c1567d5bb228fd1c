"""Tables, and figures in words."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from w2s.costs.budget import Budget
from w2s.flow.decisions import PlannedStep

WORDS = 30
"""Least characters of a column of words; with less room they stand below."""


def took(seconds: float) -> str:
    """As 4.2 s, 3 min 05 s."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def print_out(content: RenderableType) -> None:
    """To standard output; 160 columns outside terminals, without spaces at ends of lines."""
    console = Console()
    if console.is_terminal:
        console.print(content)
        return
    console = Console(width=160)
    with console.capture() as captured:
        console.print(content)
    print("\n".join(line.rstrip() for line in captured.get().split("\n")), end="")


def print_facts(facts: Sequence[tuple[str, str]], title: str = "", indent: int | None = None) -> None:
    """Two columns; on a terminal words are wrapped within the second."""
    indent = (2 if title else 0) if indent is None else indent
    width, columns = max((len(name) for name, _ in facts), default=0), _columns()
    lines = [title] if title else []
    for name, value in facts:
        first = f"{'':<{indent}}{name:<{width}}  "
        room = columns - len(first) >= WORDS
        if not room:
            lines.append(first.rstrip())
        lines += textwrap.wrap(
            value,
            columns,
            initial_indent=first if room else f"{'':<{indent + 4}}",
            subsequent_indent=f"{'':<{len(first) if room else indent + 4}}",
            break_long_words=False,
            break_on_hyphens=False,
        ) or [first.rstrip()]
    print("\n".join(lines))


def print_words(text: str) -> None:
    """One text; on a terminal its lines end between words."""
    print("\n".join(textwrap.wrap(text, _columns(), break_long_words=False, break_on_hyphens=False)))


def _columns() -> int:
    """Of the terminal; elsewhere lines are not wrapped."""
    console = Console()
    return console.width if console.is_terminal else 10**6


def print_plan(planned: Sequence[PlannedStep], budget: Budget | None = None, *, rows: bool = True) -> None:
    """A plan's costs and sums; `rows`: with a row per step."""
    if rows:
        _print_rows(planned)
    if budget is not None and budget.costs:
        print_facts([(name, _model(budget, name)) for name in dict.fromkeys(cost.model for cost in budget.costs)])
        print_out(_costs(budget))
        for line in budget.assumed:
            print_words(line)
    counts = Counter(step.decision for step in planned)
    decided = ", ".join(f"{count} {decision}" for decision, count in counts.items())
    tokens = sum(step.expected_tokens for step in planned)
    total = sum(step.expected_seconds or 0.0 for step in planned)
    unknown = sum(step.expected_seconds is None and step.expected_tokens > 0 for step in planned)
    times = [took(total)] if total or not unknown else []
    times += [f"{unknown} steps whose speed is not known yet"] if unknown else []
    advice = "; --speed-test measures it" if unknown else ""
    print_words(f"{decided}; about {tokens:,} tokens, {' and '.join(times)}{advice}")
    if budget is not None and budget.device_hours and (budget.devices > 1 or "assumed" in budget.sources):
        devices = f"{budget.devices} device{'s' if budget.devices > 1 else ''}"
        print(f"at these rates: {budget.device_hours:,.3g} GPU-hours on {devices}")


def _print_rows(planned: Sequence[PlannedStep]) -> None:
    table = _table(("step", "decision", "why"), ("tokens", "time"))
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


def _table(words: Sequence[str], figures: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for header in words:
        table.add_column(header, overflow="fold")
    for header in figures:
        table.add_column(header, justify="right", no_wrap=header != "tokens/s", overflow="fold")
    return table


def _model(budget: Budget, name: str) -> str:
    parameters = budget.models[name].parameters
    return f"{budget.references[name]}, {'unknown' if parameters is None else _large(parameters)} parameters"


def _costs(budget: Budget) -> Table:
    figures = ("most\nloads", "tokens\nread", "tokens", "memory", "tokens/s", "time")
    table = _table(("model", "work"), figures)
    for cost in budget.costs:
        table.add_row(
            cost.model,
            cost.kind,
            str(cost.loads),
            _large(cost.prefill_tokens) if cost.prefill_tokens else "",
            _large(cost.tokens),
            "unknown" if cost.memory_bytes is None else memory(cost.memory_bytes),
            f"{cost.rate.tokens_per_second:,.0f} {cost.rate.source}" if cost.rate else "unknown",
            "unknown" if cost.seconds is None else took(cost.seconds),
        )
    return table


def memory(number: int) -> str:
    """As 23.4 MiB; 0 is a server's."""
    if not number:
        return "elsewhere"
    return f"{number / 2**20:,.1f} MiB" if number < 2**30 else f"{number / 2**30:,.1f} GiB"


def _large(number: float) -> str:
    for unit, name in ((1e9, "B"), (1e6, "M")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return f"{number:,.0f}"
