"""Costs of a plan by model and kind of work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from w2s import models
from w2s.config.schema import Recipe, Runtime
from w2s.costs import memory
from w2s.errors import UserError
from w2s.flow.decisions import PlannedStep
from w2s.flow.step import Step
from w2s.models import architecture
from w2s.models.architecture import Architecture
from w2s.prompting import PLAIN

ROLES = ("weak", "strong")
CHARACTERS_PER_TOKEN = 4.0
"""Assumed without a local tokenizer."""
_SAMPLE = 200
"""Prompts tokenised."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens per second; `source`: "recorded", "measured" or "assumed"."""

    tokens_per_second: float
    source: str


@dataclass(frozen=True, slots=True)
class Cost:
    """Expected needs of the steps of one model and kind; None: unknown.

    Args:
        model: "weak" or "strong".
        kind: "generate" or "train".
        loads: at most.
        prefill_tokens: read.
        tokens: written, or trained on.
        memory_bytes: over all devices, without activations and the process itself.
        seconds: of all steps.
        rate: their speed.
        least_bytes: of memory; what surely does not fit into less (`memory.least_bytes`).
    """

    model: str
    kind: str
    loads: int
    prefill_tokens: int
    tokens: int
    memory_bytes: int | None
    seconds: float | None
    rate: Rate | None
    least_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """Costs of a plan, with models by role."""

    costs: tuple[Cost, ...]
    references: Mapping[str, str]
    models: Mapping[str, Architecture]
    assumed: tuple[str, ...]
    devices: int

    @property
    def seconds(self) -> float | None:
        known = [cost.seconds for cost in self.costs]
        return None if None in known else sum(filter(None, known))

    @property
    def sources(self) -> set[str]:
        return {cost.rate.source for cost in self.costs if cost.rate is not None}

    @property
    def device_hours(self) -> float | None:
        """With all devices reserved throughout."""
        return None if self.seconds is None else memory.device_hours(self.seconds, self.devices)


def budget(
    planned: Sequence[PlannedStep],
    steps: Sequence[Step],
    recipe: Recipe,
    rates: Mapping[str, Rate],
    parameters: Mapping[str, float] | None = None,
    devices: int | None = None,
    runtime: Runtime | None = None,
) -> Budget:
    """Sum up a plan: `rates` by `Step.rate`, `parameters` by role."""
    runtime = runtime or Runtime()
    devices = devices or memory.devices(runtime)
    due = [step for step in planned if step.work.model and step.decision in ("run", "rerun")]
    references = {"weak": recipe.weak, "strong": recipe.strong}
    used = {
        role: models.find(reference, offline=True, may_be_missing=True)
        for role, reference in references.items()
        if any(step.work.model == role for step in due)
    }
    sizes = {role: int(number) for role, number in (parameters or {}).items()}
    architectures = {role: architecture.find(model, sizes.get(role)) for role, model in used.items()}
    measured = {role: architecture.characters_per_token(model, _prompts(steps, role)) for role, model in used.items()}
    groups = {
        (role, kind): [step for step in due if (step.work.model, step.kind) == (role, kind)]
        for role in used
        for kind in ("generate", "train")
    }
    totals = []
    for (role, kind), group in groups.items():
        if not group:
            continue
        characters = measured[role] or CHARACTERS_PER_TOKEN
        needed = [_memory(step, architectures[role], recipe, characters) for step in group]
        most = None if None in needed else max(filter(None, needed), default=0)
        known = [memory.least_bytes(kind, s.work, architectures[role], recipe.engine, recipe.dtype) for s in group]
        least = None if None in known else max(filter(None, known), default=0)
        copies = memory.copies(kind, runtime, devices)
        seconds = [step.expected_seconds for step in group]
        totals.append(
            Cost(
                model=role,
                kind=kind,
                loads=len(group),
                prefill_tokens=sum(step.work.prefill_tokens(characters) for step in group),
                tokens=sum(step.expected_tokens for step in group),
                memory_bytes=None if most is None else most * copies,
                least_bytes=None if least is None else least * memory.least_copies(kind, runtime),
                seconds=None if None in seconds else sum(filter(None, seconds)),
                rate=rates.get(group[0].rate),
            )
        )
    assumed = [
        f"prompts of {references[role]} are counted at {CHARACTERS_PER_TOKEN:g} characters per token: "
        "its tokenizer is not on this machine"
        for role, characters in measured.items()
        if characters is None and any(step.work.prompts for step in due if step.work.model == role)
    ]
    return Budget(tuple(totals), references, architectures, tuple(assumed), devices)


def as_dict(planned: Sequence[PlannedStep], total: Budget) -> dict[str, Any]:
    """The plan and its costs for JSON."""
    return {
        "steps": [asdict(step) for step in planned],
        "costs": [asdict(cost) for cost in total.costs],
        "models": {
            role: {
                "reference": total.references[role],
                "parameters": model.parameters,
                "layers": model.config.get("num_hidden_layers"),
                "kv_heads": model.kv_heads,
                "head_dim": model.head_dim,
            }
            for role, model in total.models.items()
        },
        "seconds": total.seconds,
        "devices": total.devices,
        "device_hours": total.device_hours,
        "assumed": list(total.assumed),
    }


def figures(text: str | None, field: str, by_role: bool = False) -> dict[str, float]:
    """Figures by role, from "2000" (not with `by_role`) or "strong=70e9,weak=7e9".

    Raises:
        UserError: another form, or not positive.
    """
    if text is None:
        return {}
    expected = "strong=NUMBER,weak=NUMBER" + ("" if by_role else " or one NUMBER for both")
    parts = [part.partition("=") for part in text.split(",")]
    if not by_role and len(parts) == 1 and not parts[0][1]:
        parts = [(role, "=", text) for role in ROLES]
    values: dict[str, float] = {}
    for role, _, number in parts:
        try:
            value = float(number)
        except ValueError:
            value = 0.0
        if role.strip() not in ROLES or role.strip() in values or not 0 < value < float("inf"):
            raise UserError(f"{text!r} cannot be used", field=field, expected=expected)
        values[role.strip()] = value
    return values


def rates(figures: Mapping[str, Mapping[str, float]], source: str) -> dict[str, Rate]:
    """Rates by `Step.rate`, from figures by kind and role."""
    return {
        f"{role} {kind}": Rate(figure, source) for kind, by_role in figures.items() for role, figure in by_role.items()
    }


def _prompts(steps: Sequence[Step], role: str) -> list[str]:
    questions = next((step.resources.questions for step in steps if step.name == "questions_train_2"), ())
    builders = (step.resources.builder for step in steps if step.kind == "generate" and step.work.model == role)
    builder = next(builders, PLAIN)
    return [builder.prompt(question.question) for question in questions[:_SAMPLE]]


def _memory(step: PlannedStep, model: Architecture, recipe: Recipe, characters_per_token: float) -> int | None:
    if step.kind == "train":
        return model.training_bytes(step.work.lora)
    return memory.generation_bytes(step.work, model, recipe.engine, recipe.dtype, characters_per_token)
