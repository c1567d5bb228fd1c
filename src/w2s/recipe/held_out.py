"""Answers to train_2, and to questions of train_1 whose gold nobody learnt: for strategies that calibrate (ours)."""

from __future__ import annotations

from w2s.errors import UserError
from w2s.flow.step import Step
from w2s.recipe.weak_to_strong import Supervision
from w2s.steps.graph import Graph

EVERY = 3
"""One question of so many is held back."""


def held(g: Graph) -> tuple[Step, Step]:
    """The questions of train_1 that the weak model learns, and those that are held back."""
    return g.shared().parts("train_1", EVERY)


def answers(g: Graph, start: Supervision, strategy: str) -> dict[str, Step]:
    """By role: "weak", "strong", "samples", the same with "held_" for what is held back, and what of it is "right".

    The weak model learns the rest of train_1, and gives the demonstrations: both sides are answered in one way. The
    control has no weak answers, only their demonstrations.

    Raises:
        UserError: the task has no train_1, or one too small.
    """
    g = g.shared()
    m, M = g.recipe.weak, g.recipe.strong
    if len(g.sources.questions.get("train_1", ())) < EVERY:
        raise UserError(
            f"{strategy} calibrates on a part of train_1, which this task lacks",
            field="strategies",
            expected=f"a task with {EVERY} questions of train_1 or more",
            hint=f"give task.train_1 with gold, or leave {strategy} out",
        )
    rest, kept_back = held(g)
    weak = g.fine_tune("rest_weak", m, g.gold_examples("train_1", m, rest), training=g.recipe.weak_training)
    d_weak = g.answer("rest_answers", weak)
    shown = g.demonstrations("rest_demonstrations", d_weak)
    of_held = {
        "held_weak": g.answer("held_answers", weak, "train_1", only=kept_back),
        "held_strong": g.answer("held_icl_answers", M, "train_1", shown, only=kept_back),
        "held_samples": g.every_sample("held_samples", M, shown, only=kept_back),
    }
    by_role = {
        "weak": d_weak,
        "strong": g.answer("rest_icl_answers", M, demonstrations=shown),
        "samples": g.every_sample("rest_samples", M, shown),
        "right": g.right_answers("held_right", kept_back, **of_held),
        **of_held,
    }
    return {role: step for role, step in by_role.items() if start.shown is None or "weak" not in role}
