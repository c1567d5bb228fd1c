"""What a run does with each step, and why. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from w2s.flow import fingerprint
from w2s.flow.observer import StepOutcome
from w2s.flow.step import Step, ordered
from w2s.flow.store import Store
from w2s.flow.work import NO_WORK, Work

Decision = Literal["reuse", "run", "rerun", "skip"]
"""`run`: no usable output. `rerun`: output of another identity. `skip`: an input ended."""


@dataclass(frozen=True)
class PlannedStep:
    """What a run would do with a step.

    `expected_seconds` is None if the speed `rate` is unknown.
    """

    name: str
    kind: str
    decision: Decision
    reason: str
    expected_tokens: int
    expected_seconds: float | None
    rate: str = ""
    work: Work = NO_WORK


def plan(steps: Sequence[Step], folder: Path, rates: Mapping[str, float] | None = None) -> list[PlannedStep]:
    """What `runner.run` would do; writes nothing.

    `rates`: tokens per second by `Step.rate`; the folder's records come first.
    """
    store = Store(folder)
    speeds = {**(rates or {}), **recorded_rates(steps, folder)}
    known: dict[str, StepOutcome] = {}
    planned = []
    for step in ordered(steps):
        decision, reason = decide(step, store, known)
        record = store.record(step.name)
        tokens, seconds, work = 0, 0.0 if decision in ("reuse", "skip") else None, NO_WORK
        if decision == "skip":
            known[step.name] = StepOutcome("skipped", message=reason)
        elif decision == "reuse" and record:
            known[step.name] = recorded(record, reused=True)
        else:
            tokens, speed, work = step.expected_tokens, speeds.get(step.rate), step.work
            seconds = tokens / speed if tokens and speed else record["seconds"] if record else None
        planned.append(PlannedStep(step.name, step.kind, decision, reason, tokens, seconds, step.rate, work))
    return planned


FINISHED_WORK = {"train": "models", "evaluate": "evaluations", "generate": "generations"}
"""Kinds of steps that only `replace=True` replaces, and what they make."""


def replaced(steps: Sequence[Step], folder: Path) -> dict[str, list[str]]:
    """Finished steps and added files that `runner.run` would replace, by what they are."""
    store = Store(folder)
    found: dict[str, list[str]] = {}
    for step in ordered(steps):
        record = store.record(step.name)
        if record is None or record["status"] != "done":
            continue
        other = (record["fingerprint"], record["output"]) != (step.fingerprint, step.output)
        if other or step.outdated(record["result"]):
            if record["kind"] in FINISHED_WORK:
                found.setdefault(FINISHED_WORK[record["kind"]], []).append(step.name)
        elif added := store.added(record):
            found.setdefault("files added to models", []).extend(added)
    return found


def in_words(replaced: Mapping[str, Sequence[str]], most: int | None = None) -> str:
    """One line per kind of work, with all names or the first `most`."""
    return "".join(
        f"\n  {what} ({len(names)}): {', '.join(names[:most])}{', ...' if most and len(names) > most else ''}"
        for what, names in replaced.items()
    )


def recorded_rates(steps: Sequence[Step], folder: Path) -> dict[str, float]:
    """Tokens per second by `Step.rate`, from records of steps that were not resumed."""
    rates = {step.name: step.rate for step in ordered(steps)}
    totals: dict[str, tuple[int, float]] = {}
    for record in Store(folder).records():
        tokens, seconds = record["result"].get("tokens"), record["seconds"]
        if isinstance(tokens, int) and tokens > 0 and seconds > 0 and not record["resumed"] and record["name"] in rates:
            rate = rates[record["name"]]
            before = totals.get(rate, (0, 0.0))
            totals[rate] = (before[0] + tokens, before[1] + seconds)
    return {rate: tokens / seconds for rate, (tokens, seconds) in totals.items()}


def recorded(record: Mapping[str, Any], *, reused: bool) -> StepOutcome:
    """The outcome in a record."""
    return StepOutcome(record["status"], record["result"], record["seconds"], reused, record["message"])


def decide(step: Step, store: Store, known: Mapping[str, StepOutcome]) -> tuple[Decision, str]:
    """The decision and its reason; `known` has this run's outcomes so far."""
    for name in (needed.name for needed in step.inputs.values()):
        if step.needs_all and name in known and known[name].status != "done":
            message = known[name].message
            return "skip", f"{name} ended: {message}" if known[name].status == "ended" else message
    record = store.record(step.name)
    if record is None:
        fresh = "partial work is continued" if store.partial(step) else "not made yet"
        return "run", store.damaged_record(step.name) or fresh
    if record["fingerprint"] != step.fingerprint:
        return "rerun", _why(step, record, known)
    if record["output"] != step.output:
        return "rerun", f"output moves from {record['output']} to {step.output}"
    if record["status"] == "done" and (reason := step.outdated(record["result"])):
        return "rerun", reason
    for role, needed in step.inputs.items():
        if needed.name not in known:
            continue
        source = None if known[needed.name].status == "skipped" else store.record(needed.name)
        digest = source["digest"] if source else None
        if digest != record["inputs"][role]["digest"] and (source or not step.needs_all):
            return "rerun", f"input {role} has other content"
    damage = store.damage(record)
    return ("run", damage) if damage else ("reuse", "unchanged")


def _why(step: Step, record: Mapping[str, Any], known: Mapping[str, StepOutcome]) -> str:
    reasons = fingerprint.differences(record["payload"], step.payload)
    for role in sorted({*step.inputs, *record["inputs"]}):
        if role not in step.inputs or role not in record["inputs"]:
            reasons.append(f"input {role} {'added' if role in step.inputs else 'removed'}")
        elif step.inputs[role].fingerprint != record["inputs"][role]["fingerprint"]:
            name = step.inputs[role].name
            reasons.append(f"input {role} {'changed' if name in known and known[name].reused else 'reruns'}")
    return "; ".join(reasons[:3]) + (f"; {len(reasons) - 3} more" if len(reasons) > 3 else "")
