"""A recipe as a graph of steps."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from w2s.config import load, references
from w2s.config.schema import Run
from w2s.data import disk, hub
from w2s.errors import UserError
from w2s.flow.step import Step
from w2s.flow.store import Store

_HINT = "give another folder with --out"


@dataclass(frozen=True)
class Prepared:
    """A resolved recipe, its folder and its steps."""

    run: Run
    folder: Path
    steps: list[Step]


def prepare(
    source: str = "tiny",
    overrides: Sequence[str] = (),
    *,
    out: str | Path | None = None,
    limit: int | None = None,
    seed: int | None = None,
    planning: bool = False,
    one_of_several: bool = False,
) -> Prepared:
    """Read a preset or recipe file with overrides, and build its steps.

    `out` None: `runs/NAME`, or `runs/NAME-limit-N`. `planning`: models may be missing. `one_of_several`: the folder is
    seed-N in `out`, and `{seed}` in overrides stands for N.

    Raises:
        UserError: unusable recipe or data, or outputs over inputs.
    """
    options = [f"{name}={value}" for name, value in (("limit", limit), ("seed", seed)) if value is not None]
    if one_of_several:
        overrides = [override.replace("{seed}", str(seed)) for override in overrides]
    run = load.load(source, [*overrides, *options])
    folder = Path(out) if out is not None else Path("runs") / _folder_name(run)
    folder = folder / f"seed-{seed}" if one_of_several else folder
    with hub.without_retries() if planning else contextlib.nullcontext():
        steps = build(run, planning)
    _refuse_to_overwrite_inputs(run, source, folder, steps)
    return Prepared(run, folder, steps)


def _folder_name(run: Run) -> str:
    limit = run.recipe.limit
    return run.recipe.name if limit is None else f"{run.recipe.name}-limit-{limit}"


def _refuse_to_overwrite_inputs(run: Run, source: str, folder: Path, steps: Sequence[Step]) -> None:
    outputs = {folder / step.output for step in steps if step.output}
    real = {disk.resolved(output) for output in outputs}
    for field, place in inputs(run).items():
        here = disk.resolved(place)
        if real & {here, *here.parents} or any(disk.same(place, output) for output in outputs if output.exists()):
            raise UserError(f"the run would be written over its input {place}", file=folder, field=field, hint=_HINT)
    store, recipe = Store(folder), folder / "recipe.yaml"
    if disk.same(Path(source), recipe) and recipe.is_file():
        record = store.record("recipe")
        if record is None or store.damage(record):
            raise UserError("the run would be written over its own recipe file", file=recipe, hint=_HINT)


def inputs(run: Run) -> dict[str, Path]:
    """Inputs of a recipe, by field."""
    recipe = run.recipe
    task = recipe.task.model_dump(include={"train_1", "train_2", "test", "gold", "folder"})
    named = {f"task.{field}": value for field, value in task.items() if isinstance(value, str)}
    named |= {f"task.gold.{split}": value for split, value in (task.get("gold") or {}).items()}
    models = {"weak": recipe.weak, "strong": recipe.strong}
    models |= {f"models.{name}": reference for name, reference in recipe.models.items()}
    named |= {field: references.parse(reference).source for field, reference in models.items()}
    return {field: Path(value) for field, value in named.items() if Path(value).exists()}


def build(run: Run, planning: bool = False) -> list[Step]:
    """All steps in order.

    Raises:
        UserError: unusable recipe or data.
    """
    from w2s.recipe import baselines, names, strategies  # NumPy and more: after mistakes in a recipe have been reported
    from w2s.recipe.weak_to_strong import supervise
    from w2s.steps import settings
    from w2s.steps.graph import Graph

    g = Graph(run, planning)
    listed = run.recipe.strategies
    strategies.refuse_weighted(listed, run.recipe.trainer)
    chosen = {name: strategies.find(name) for name in (strategies.every(g) if listed == ("all",) else listed)}
    start = supervise(g)
    baselines.untrained(g, start)
    baselines.naive(g, start)
    made = {name: strategies.build(name, strategy, g, start) for name, strategy in chosen.items()}
    controls = baselines.controls(g, start, chosen)
    for name, model in made.items():
        g.strategy(name, model, controls.get(name))
    baselines.ceiling(g)
    return [settings.step(run), *g.finish(baselines.FLOOR, baselines.CEILING, names.built_in(run.recipe, chosen))]
