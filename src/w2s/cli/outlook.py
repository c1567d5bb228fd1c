"""The answer of a plan in a few lines: what is missing, disk, memory, time, notes. A run's status in a few more."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from w2s.cli.console import memory, took
from w2s.costs import disk
from w2s.costs.plan import Plan
from w2s.costs.roofline import First
from w2s.flow.status import Now, Status
from w2s.preflight.space import size_of

COLUMNS = 80
"""The narrowest terminal."""

NAMED = 6
"""Steps that are named for one reason, and problems of a run."""

_ORDER = ("rerun", "run", "skip", "reuse")
_INDENT = 10
_WHOLE: Any = {"break_long_words": False, "break_on_hyphens": False}


def lines(plan: Plan) -> list[str]:
    """At most `COLUMNS` wide, except for names that are longer."""
    return [line for name, text in _facts(plan) for line in _wrapped(name, text)]


def together(plan: Plan, folders: Sequence[Path]) -> list[str]:
    """What the plan of several seeds costs for all: nothing of theirs is made yet."""
    names, of = [folder.name for folder in folders[1:]], len(folders)
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    most, seconds = disk.most(plan.disk), plan.budget.seconds
    parts = [f"{sum(step.expected_tokens for step in plan.steps) * of:,} tokens"]
    parts += [f"disk {'unknown' if most is None else f'{size_of(most * of)} at most'}"]
    parts += [f"time {'unknown' if seconds is None else took(seconds * of)}"]
    why = "nothing is made yet, and a seed changes what is sampled, not what it costs"
    return [
        *_wrapped("the same", f"{', '.join(names[:NAMED])}{more}: {why}"),
        *_wrapped("together", f"{of:,} seeds: {', '.join(parts)}"),
    ]


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    refusals = [finding for finding in plan.findings if finding.refusal]
    due = any(step.decision in ("run", "rerun") for step in plan.steps)
    if not due:
        yield "missing", "nothing: every step is reused"
        return
    if not refusals:
        yield "missing", "nothing"
    for number, finding in enumerate(refusals):
        yield "" if number else "missing", f"{finding.field}: {finding.problem}" if finding.field else finding.problem
    yield "disk", _disk(plan)
    yield "memory", _memory(plan)
    yield "time", _time(plan)
    if plan.first is not None and not plan.first.here:
        yield "", f"{took(plan.first.seconds)} on {_first(plan.first)}"
    for number, text in enumerate(_steps(plan)):
        yield "" if number else "steps", text
    for finding in plan.findings:
        if not finding.refusal:
            place = f"{finding.field}: " if finding.field else ""
            yield "note", f"{place}{finding.problem}" + (f" ({finding.hint})" if finding.hint else "")


def _steps(plan: Plan) -> Iterator[str]:
    """A line per decision and reason, what changed first, with some names: of models first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for step in sorted(plan.steps, key=lambda step: step.kind != "train"):
        reason = step.reason if step.decision in ("run", "rerun", "skip") else ""
        groups.setdefault((step.decision, reason), []).append(step.name)
    for (decision, reason), names in sorted(groups.items(), key=lambda group: _ORDER.index(group[0][0])):
        line = f"{len(names):,} {decision}" + (f", {reason}" if reason else "")
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        if reason:
            line += f": {', '.join(names[:NAMED])}{more}"
        yield line
    yield "--steps shows each with its tokens and time"


def _disk(plan: Plan) -> str:
    most = disk.most(plan.disk)
    parts = ["unknown" if most is None else f"{size_of(most)} at most"]
    if plan.free_disk is not None:
        parts.append(f"{size_of(plan.free_disk)} free")
    if plan.fetched:
        parts.append(f"and {size_of(plan.fetched)} of models to fetch")
    return ", ".join(parts)


def _memory(plan: Plan) -> str:
    if any(cost.memory_bytes is None for cost in plan.budget.costs):
        return "unknown: a model's size is not known here (--parameters)"
    most = max(plan.budget.costs, key=lambda cost: cost.memory_bytes or 0, default=None)
    if most is None or not most.memory_bytes:
        return "little"
    known = memory(most.memory_bytes)
    known = f"{known} and activations" if most.kind == "train" else f"about {known}"
    free = "" if plan.free_memory is None else f", {memory(plan.free_memory)} free"
    return f"{known} ({most.model} {most.kind}){free}"


def _time(plan: Plan) -> str:
    if plan.budget.seconds is None:
        return "unknown: --speed-test measures it"
    return took(plan.budget.seconds) + ("" if plan.first is None else f" on {_first(plan.first)}")


def _first(first: First) -> str:
    device = f"one {first.device.title}" if first.devices == 1 else f"{first.devices} {first.device.title}"
    return (
        f"{device}: a first estimate, within a factor of 2 to 3, from published figures ({first.device.source}; "
        "docs/scaling.md)"
    )


def _wrapped(name: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        COLUMNS,
        initial_indent=f"{name:<{_INDENT}}",
        subsequent_indent=" " * _INDENT,
        **_WHOLE,
    )


def status(found: Status, *, named: bool = False) -> list[str]:
    """What runs now, since when, how far it is, and what is left; `named`: with the folder's name."""
    steps = f"{found.ended:,} of {found.of:,} steps" if found.of is not None else f"{found.ended:,} steps on record"
    lines = [f"{Path(found.folder).name if named else found.state}: {found.state + ', ' if named else ''}{steps} done"]
    if found.state == "running":
        lines[0] += f", by {found.holder}" + (f", for {took(_since(found.began))}" if found.began else "")
        lines += [f"  {line}" for each in found.now for line in _now(each)]
        if found.left_seconds is not None:
            lines.append(f"  about {took(found.left_seconds)} left")
        elif found.began:
            lines.append("  the time left is not known yet: no step of each kind has ended")
    lines += [f"  {line}" for line in found.problems[:NAMED]]
    if len(found.problems) > NAMED:
        lines.append(f"  and {len(found.problems) - NAMED:,} more")
    if found.state == "stopped":
        lines.append("  the same `w2s run` goes on" + _partial(found.unfinished))
    if found.problems:
        lines.append(
            "  the same `w2s run` makes again what is damaged; `w2s check` reads every file and names all damage"
        )
    return [part for line in lines for part in textwrap.wrap(line, COLUMNS, subsequent_indent="    ", **_WHOLE)]


def _partial(names: Sequence[str]) -> str:
    return f"; there is partial work of {', '.join(names)}" if names else ""


def _now(each: Now) -> list[str]:
    facts = [f"{each.done:,} of {each.total:,}"] if each.total else ["begins"]
    facts += [] if each.tokens_per_second is None else [f"{each.tokens_per_second:,.0f} tokens/s"]
    facts += [f"for {took(_since(each.since))}"]
    facts += [] if each.left_seconds is None else [f"about {took(each.left_seconds)} left"]
    return [f"step {each.number}, {each.name}: {', '.join(facts)}"]


def _since(stamp: str) -> float:
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds())
