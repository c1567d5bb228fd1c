"""Baselines, control and ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from w2s.recipe.strategies import Strategy, needs_control
from w2s.recipe.weak_to_strong import Supervision, weak_to_strong
from w2s.steps.graph import Graph

FLOOR, CEILING, CONTROL = "weak_floor", "strong_ceiling", "control_strong_only"


def untrained(g: Graph, start: Supervision) -> None:
    """The weak floor; M zero-shot; M shown weak answers."""
    M, wanted = g.recipe.strong, g.recipe.baselines
    if FLOOR in wanted:
        tuned = "weak model, fine-tuned on gold train_1 where the task has one"
        what = tuned if "train_1" in g.questions else "weak model as it comes: the task has no train_1"
        g.evaluate(FLOOR, start.weak_model, what=what)
    if "strong_zero_shot" in wanted:
        g.evaluate("strong_zero_shot", M, what="strong base, as it comes")
    if "weak_icl" in wanted:
        g.evaluate("weak_icl", M, start.demonstrations, what="strong base, shown weak demonstrations")


def naive(g: Graph, start: Supervision) -> None:
    """M fine-tuned on every weak answer."""
    if "full_weak_ft" in g.recipe.baselines:
        examples = g.all_examples("full_weak", start.weak)
        model = g.fine_tune("full_weak_ft", g.recipe.strong, examples)
        g.evaluate("full_weak_ft", model, what="strong, fine-tuned on every weak answer")


def controls(g: Graph, start: Supervision, strategies: Mapping[str, Strategy]) -> dict[str, str]:
    """Build each strategy again without weak labels (ours).

    M, shown weak demonstrations, takes the place of the weak model, and its majority that of the weak answers. Within a
    control `g.evaluate` does nothing: only its last model is evaluated, here.

    Returns the name of each strategy's control.
    """
    if CONTROL not in g.recipe.baselines:
        return {}
    names = {}
    for name, strategy in strategies.items():
        if needs_control(strategy):
            own = g.majority("control_answers", g.sample("control_samples", g.recipe.strong, start.demonstrations))
            M = g.recipe.strong
            model = strategy(g.control(), replace(start, weak_model=M, weak=own, shown=start.demonstrations))
            names[name] = control_of(name, strategy)
            what = "the strong model's own majority in place of the weak answers; only the demonstrations are weak"
            g.evaluate(names[name], model, what=what if strategy is weak_to_strong else f"control of {name}")
    return names


def control_of(name: str, strategy: Strategy) -> str:
    """The name of a strategy's control."""
    return CONTROL if strategy is weak_to_strong else f"control_{name.rpartition(':')[2]}"


def ceiling(g: Graph) -> None:
    """M fine-tuned on gold `train_2`; apart from this model only reports use that gold."""
    if CEILING in g.recipe.baselines:
        model = g.fine_tune(CEILING, g.recipe.strong, g.gold_examples("train_2", g.recipe.strong))
        g.evaluate(CEILING, model, what="strong, fine-tuned on gold train_2")
