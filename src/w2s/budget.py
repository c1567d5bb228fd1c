"""The costs of a plan: tokens, model loads, memory and device time, by model and by kind of work. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from w2s import architecture, costs
from w2s.architecture import Architecture
from w2s.config import Recipe, Runtime
from w2s.errors import UserError
from w2s.flow.runner import PlannedStep
from w2s.flow.step import Step
from w2s.prompting import PLAIN

ROLES = ("weak", "strong")
CHARACTERS_A_TOKEN = 4.0
"""Assumed, and said, where a model's tokenizer is not on this machine."""
_TEXTS = 200
"""Prompts that are turned into tokens: enough for a mean, and milliseconds."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens a second, and where the figure comes from: "recorded", "probed" or "given"."""

    tokens_per_second: float
    source: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What the planned steps of one kind with one model ask for; None: unknown.

    Each step loads the model once at most. `prefill_tokens` are read, `tokens` written (or trained on). Both are
    expected where selections keep everything and adaptive sampling spares nothing: fewer as a rule, but a response may
    have more than its expected share of the limit (`steps.estimates.RESPONSE_SHARE`). `memory_bytes` is the largest
    peak of a step, over all devices and `costs.copies` of the model together (see `costs.generation_bytes`,
    `Architecture.training_bytes`).
    """

    model: str
    kind: str
    loads: int
    """At most: adapters on one base that vLLM serves in turn find it loaded (`engines.isolated.kept`)."""
    prefill_tokens: int
    tokens: int
    memory_bytes: int | None
    seconds: float | None
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class Budget:
    """The costs of a plan, the models they are of (by role), and what had to be assumed."""

    costs: tuple[Cost, ...]
    references: Mapping[str, str]
    models: Mapping[str, Architecture]
    assumed: tuple[str, ...]
    devices: int

    @property
    def seconds(self) -> float | None:
        """Of all model work; None where the speed of some of it is unknown."""
        known = [cost.seconds for cost in self.costs]
        return None if None in known else sum(filter(None, known))

    @property
    def sources(self) -> set[str]:
        """Where the rates come from."""
        return {cost.rate.source for cost in self.costs if cost.rate is not None}

    @property
    def device_hours(self) -> float | None:
        """With all devices held all the time."""
        return None if self.seconds is None else costs.device_hours(self.seconds, self.devices)


def budget(
    planned: Sequence[PlannedStep],
    steps: Sequence[Step],
    recipe: Recipe,
    rates: Mapping[str, Rate],
    parameters: Mapping[str, float] | None = None,
    devices: int | None = None,
    runtime: Runtime | None = None,
) -> Budget:
    """Sum up a plan.

    Args:
        planned: the plan of
        steps: these steps.
        recipe: theirs.
        rates: by `Step.rate`.
        parameters: of the models, by role, where the user gives them.
        devices: how many are held at once; None: what the runtime needs (`costs.devices`).
        runtime: where it is to happen.
    """
    runtime = runtime or Runtime()
    devices = devices or costs.devices(runtime)
    due = [step for step in planned if step.work.model and step.decision in ("run", "rerun")]
    references = {"weak": recipe.weak, "strong": recipe.strong}
    used = {role: reference for role, reference in references.items() if any(s.work.model == role for s in due)}
    counts = {role: int(number) for role, number in (parameters or {}).items()}
    models = {role: architecture.find(reference, counts.get(role)) for role, reference in used.items()}
    measured = {
        role: architecture.characters_a_token(reference, _prompts(steps, role)) for role, reference in used.items()
    }
    found = []
    for role in used:
        for kind in ("generate", "train"):
            group = [step for step in due if (step.work.model, step.kind) == (role, kind)]
            characters = measured[role] or CHARACTERS_A_TOKEN
            peaks = [_peak(step, models[role], recipe, characters) for step in group]
            seconds = [step.expected_seconds for step in group]
            if group:
                found.append(
                    Cost(
                        role,
                        kind,
                        len(group),
                        sum(step.work.prefill_tokens(characters) for step in group),
                        sum(step.expected_tokens for step in group),
                        None
                        if None in peaks
                        else max(filter(None, peaks), default=0) * costs.copies(kind, runtime, devices),
                        None if None in seconds else sum(filter(None, seconds)),
                        rates.get(group[0].rate),
                    )
                )
    assumed = [
        f"prompts of {references[role]} are counted at {CHARACTERS_A_TOKEN:g} characters a token: "
        "its tokenizer is not on this machine"
        for role, characters in measured.items()
        if characters is None and any(s.work.prompts for s in due if s.work.model == role)
    ]
    return Budget(tuple(found), references, models, tuple(assumed), devices)


def as_dict(planned: Sequence[PlannedStep], found: Budget) -> dict[str, Any]:
    """For JSON."""
    return {
        "steps": [asdict(step) for step in planned],
        "costs": [asdict(cost) for cost in found.costs],
        "models": {
            role: {
                "reference": found.references[role],
                "parameters": model.parameters,
                "layers": model.config.get("num_hidden_layers"),
                "kv_heads": model.kv_heads,
                "head_dim": model.head_dim,
            }
            for role, model in found.models.items()
        },
        "seconds": found.seconds,
        "devices": found.devices,
        "device_hours": found.device_hours,
        "assumed": list(found.assumed),
    }


def figures(text: str, field: str, by_role: bool = False) -> dict[str, float]:
    """A figure for both models, "2000", or one for each, "strong=70e9,weak=7e9"; `by_role` refuses the first form.

    Raises:
        UserError: neither, or not a number above zero.
    """
    expected = "strong=NUMBER,weak=NUMBER" + ("" if by_role else " or one NUMBER for both")
    parts = [part.partition("=") for part in text.split(",")]
    if not by_role and len(parts) == 1 and not parts[0][1]:
        parts = [(role, "=", text) for role in ROLES]
    found: dict[str, float] = {}
    for role, _, number in parts:
        try:
            value = float(number)
        except ValueError:
            value = 0.0
        if role.strip() not in ROLES or role.strip() in found or not 0 < value < float("inf"):
            raise UserError(f"{text!r} cannot be used", field=field, expected=expected)
        found[role.strip()] = value
    return found


def rates(generate: Mapping[str, float], train: Mapping[str, float], source: str) -> dict[str, Rate]:
    """Tokens a second by role, as rates of steps (`Step.rate`)."""
    return {
        f"{role} {kind}": Rate(figure, source)
        for kind, given in (("generate", generate), ("train", train))
        for role, figure in given.items()
    }


def _prompts(steps: Sequence[Step], role: str) -> list[str]:
    questions = next((step.given["questions"] for step in steps if step.name == "questions_train_2"), ())
    builders = (step.given["builder"] for step in steps if step.kind == "generate" and step.work.model == role)
    builder = next(builders, PLAIN)
    return [builder.prompt(question.question) for question in questions[:_TEXTS]]


def _peak(step: PlannedStep, model: Architecture, recipe: Recipe, characters: float) -> int | None:
    if step.kind == "train":
        return model.training_bytes(step.work.lora)
    return costs.generation_bytes(step.work, model, recipe.engine, recipe.dtype, characters)
