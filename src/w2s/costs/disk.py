"""Bytes that a run writes, from the sizes of its models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from w2s.config.schema import Runtime
from w2s.costs import estimates
from w2s.costs.state import training_state_bytes
from w2s.flow.decisions import PlannedStep
from w2s.models.architecture import Architecture

ROW = 100
"""Bytes of a response's row beside its texts."""

CHARACTERS = 4.0
"""Bytes per token of a response (plain English)."""

GRADED = 2
"""A response is written, and again where it is graded or selected."""


@dataclass(frozen=True, slots=True)
class StepBytes:
    """Of one step.

    Args:
        kept: written and kept; None: the model's size is unknown.
        beside: more while the step runs.
        freed: of earlier outputs that it replaces.
    """

    name: str
    kept: int | None
    beside: int = 0
    freed: int = 0


def of_steps(
    planned: Sequence[PlannedStep],
    models: Mapping[str, Architecture],
    runtime: Runtime,
    freed: Mapping[str, int] | None = None,
) -> list[StepBytes]:
    """Of the steps that run, in their order; selections count with the responses that they keep."""
    due = [step for step in planned if step.decision in ("run", "rerun") and step.kind in ("generate", "train")]
    sized = [(step, models[step.work.model]) for step in due]
    return [
        StepBytes(step.name, kept(step, model), beside(step, model, runtime), (freed or {}).get(step.name, 0))
        for step, model in sized
    ]


def kept(step: PlannedStep, model: Architecture) -> int | None:
    """Bytes of a step's output, and of what is made from it."""
    return model.saved_bytes(step.work.lora) if step.kind == "train" else GRADED * _responses(step)


def beside(step: PlannedStep, model: Architecture, runtime: Runtime) -> int:
    """Bytes of partial work, which goes when the step ends: a generation's journal, a training's saved states."""
    if step.kind == "generate":
        return _responses(step)
    return training_state_bytes(model, step.work.lora, runtime) or 0


def most(steps: Iterable[StepBytes]) -> int | None:
    """The highest sum at any time of a run: an old output stays until the new one is whole. None: unknown."""
    now = highest = 0
    for step in steps:
        if step.kept is None:
            return None
        highest = max(highest, now + step.kept + step.beside)
        now += step.kept - step.freed
    return highest


def _responses(step: PlannedStep) -> int:
    work = step.work
    question = work.prompt_characters / max(1, work.prompts)
    response = CHARACTERS * estimates.responses(1, work.new_tokens)
    return round(work.rows * (ROW + question + response))
