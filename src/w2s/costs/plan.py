"""What a run would do and cost. Computes nothing but a speed test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from w2s.config.schema import Run
from w2s.costs import budget, disk
from w2s.costs.budget import Budget, Rate
from w2s.costs.disk import StepBytes
from w2s.costs.roofline import First
from w2s.findings import Finding
from w2s.flow import decisions
from w2s.flow.decisions import PlannedStep
from w2s.flow.step import Step
from w2s.flow.store import Store


@dataclass(frozen=True)
class Assumptions:
    """What a plan assumes without records.

    Args:
        tokens_per_second: of generation, by role.
        train_tokens_per_second: by role.
        parameters: by role.
        devices: None: what the runtime needs.
        speed_test: measure first.
        device: a GPU of `costs.devices.DEVICES`, for a first estimate where no speed is known; None: this machine's.
    """

    tokens_per_second: Mapping[str, float] = field(default_factory=dict)
    train_tokens_per_second: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)
    devices: int | None = None
    speed_test: bool = False
    device: str | None = None


@dataclass(frozen=True)
class Plan:
    """Steps, costs, and overlap of the splits. `replaces`: as `decisions.replaced`.

    `w2s.preflight` adds `findings`, refusals first (with one, `run` would stop before its first step), and bytes:
    `fetched`, what is free of the run's disk and of the memory of its devices (None: unknown), and `first`, an
    estimate of the time where none is known.
    """

    steps: list[PlannedStep]
    budget: Budget
    overlap: Mapping[str, Any]
    notes: Sequence[str]
    replaces: Mapping[str, Sequence[str]] = field(default_factory=dict)
    disk: Sequence[StepBytes] = ()
    findings: Sequence[Finding] = ()
    fetched: int = 0
    free_disk: int | None = None
    free_memory: int | None = None
    first: First | None = None

    def as_dict(self) -> dict[str, Any]:
        return budget.as_dict(self.steps, self.budget) | {
            "overlap": dict(self.overlap),
            "replaces": {what: list(names) for what, names in self.replaces.items()},
            "disk": {
                "most": disk.most(self.disk),
                "free": self.free_disk,
                "fetched": self.fetched,
                "steps": {each.name: each.kept for each in self.disk},
            },
            "first_estimate": None if self.first is None else self.first.as_dict(),
            "findings": [finding.as_dict() for finding in self.findings],
        }


def plan(run: Run, steps: Sequence[Step], folder: Path, assumptions: Assumptions | None = None) -> Plan:
    """Plan a run. Speeds: records, else assumptions, else speed test."""
    assumed = assumptions or Assumptions()
    figures = {"generate": assumed.tokens_per_second, "train": assumed.train_tokens_per_second}
    rates = budget.rates(figures, "assumed")
    if assumed.speed_test:
        from w2s.costs import speed_test

        questions = next(step.resources.questions for step in steps if step.name == "questions_train_2")
        rates = budget.rates(speed_test.measure(run, questions), "measured") | rates
    rates |= {name: Rate(rate, "recorded") for name, rate in decisions.recorded_rates(steps, folder).items()}
    overlap = next(step for step in steps if step.name == "overlap")
    assert isinstance(overlap.params, Mapping)
    planned = decisions.plan(steps, folder, {name: rate.tokens_per_second for name, rate in rates.items()})
    total = budget.budget(planned, steps, run.recipe, rates, assumed.parameters, assumed.devices, run.runtime)
    sizes = disk.of_steps(planned, total.models, run.runtime, _freed(planned, folder))
    replaced = decisions.replaced(steps, folder)
    return Plan(planned, total, overlap.params, overlap.resources.notes, replaced, sizes)


def _freed(planned: Sequence[PlannedStep], folder: Path) -> dict[str, int]:
    """Bytes on record of the outputs that a run replaces."""
    store, again = Store(folder), [step.name for step in planned if step.decision in ("run", "rerun")]
    records = {name: record for name in again if (record := store.record(name)) is not None}
    return {name: sum(file["bytes"] for file in record["files"]) for name, record in records.items()}
