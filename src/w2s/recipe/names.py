"""Names of models that a comparison may have, whether or not the recipe makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from w2s.config.choices import LOSSES, TRL_LOSSES
from w2s.config.schema import Baseline, Recipe
from w2s.recipe.baselines import control_of
from w2s.recipe.strategies import STRATEGIES, Strategy


def built_in(recipe: Recipe, chosen: Mapping[str, Strategy]) -> list[str]:
    """All that baselines and built-in strategies could evaluate, and the controls of the `chosen` strategies."""
    stage1 = (1, 2, *range(3, recipe.stage1_iterations + 1))
    names = [
        *get_args(Baseline),
        *(f"stage1_iter{i}_{side}_ft" for i in stage1 for side in ("weak", "icl", "hybrid")),
        "m_plus",
        *(f"m_pro_{loss}" for loss in (*LOSSES, *TRL_LOSSES)),
        *recipe.preference.models,
        *(name for name in STRATEGIES if name != "weak_to_strong"),  # each evaluates one model, of its own name
        *(control_of(name, strategy) for name, strategy in {**STRATEGIES, **chosen}.items()),
    ]
    return list(dict.fromkeys(names))
