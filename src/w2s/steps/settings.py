"""The resolved recipe, a run's first step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.config import load
from w2s.config.schema import Run
from w2s.flow.step import Context, Step


def step(run: Run) -> Step:
    """Writes `recipe.yaml`; no step depends on it."""
    return Step(name="recipe", run=write, params=run.model_dump(mode="json"), output="recipe.yaml", kind="data")


def write(context: Context[Mapping[str, Any]]) -> dict[str, Any]:
    """Write the recipe for `w2s run` and `w2s report`."""
    context.output.write_text(load.dump(Run.model_validate(dict(context.params))), encoding="utf-8")
    return {}
