"""Which base models the steps of a run use, and for what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from w2s.config.schema import Run
from w2s.findings import Finding
from w2s.flow.step import Step
from w2s.models import Model, find
from w2s.models.kinds import Hub, Served


def models(run: Run, running: Sequence[Step]) -> dict[str, Model]:
    """The base models that these steps use, by the field that names them."""
    recipe = run.recipe
    named = {"weak": recipe.weak, "strong": recipe.strong}
    named |= {f"models.{name}": reference for name, reference in recipe.models.items()}
    used = [base for step in running if step.work.model and (base := _base(step)) is not None]
    return {
        field: base
        for field, reference in named.items()
        if (base := next((model for model in used if _is(model, reference, run)), None)) is not None
    }


def _base(step: Step) -> Model | None:
    while "model" in step.inputs:
        step = step.inputs["model"]
    model: Model | None = getattr(step.resources, "model", None)
    return model


def _is(model: Model, reference: str, run: Run) -> bool:
    """Whether `model`, perhaps pinned, is that of a reference."""
    found = find(reference, run.runtime.offline, may_be_missing=True)
    if (found.layers, found.quantize) != (model.layers, model.quantize):
        return False
    same_name = isinstance(model.kind, Hub) and isinstance(found.kind, Hub) and model.kind.name == found.kind.name
    return same_name or found.kind == model.kind


def without_weights(run: Run, running: Sequence[Step]) -> Iterator[Finding]:
    """Refusals of servers and scripts where a step needs weights, and of scripts that would need them."""
    fields = {id(model): field for field, model in models(run, running).items()}
    engine, told = run.recipe.engine, set()
    for step in running:
        base = _base(step) if step.work.model else None
        if base is None:
            continue
        served, field = isinstance(base.kind, Served), fields.get(id(base), step.work.model)
        if served and step.kind == "train":
            problem = f"{base} has no weights here, and {step.name} is trained from it"
        elif served and step.kind == "generate" and engine in ("transformers", "vllm"):
            problem = f"{base} has no weights here, and engine={engine} loads them"
        elif step.kind == "generate" and engine == "scripted" and ("model" in step.inputs or not served):
            field, problem = "engine", f"the scripted engine loads no weights, and {step.name} is by {base}"
        else:
            continue
        if field not in told:
            told.add(field)
            yield Finding(problem, field, "give a model with weights, and engine=transformers or vllm", refusal=True)
