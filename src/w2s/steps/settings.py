"""The resolved recipe of a run, as its first step: under the folder's lock, with a record like all the rest."""

from __future__ import annotations

from typing import Any

from w2s import presets
from w2s.config import Run
from w2s.flow.step import Context, Step


def step(run: Run) -> Step:
    """The step that writes `recipe.yaml`; nothing depends on it, so writing it again reruns nothing."""
    return Step(name="recipe", run=write, params=run.model_dump(mode="json"), output="recipe.yaml", kind="data")


def write(context: Context) -> dict[str, Any]:
    """Write the recipe so that `w2s run` and `w2s report` can read it back."""
    context.output.write_text(presets.dump(Run.model_validate(dict(context.params))), encoding="utf-8")
    return {}
