"""A method of one's own, without a change in w2s: a strategy, a selector, a loss.

cd examples
w2s plan custom_recipe.yaml
w2s run custom_recipe.yaml             # ends in a table and a report, as for a built-in strategy
"""

from __future__ import annotations

from torch import Tensor

from w2s.config.schema import Preference
from w2s.flow.step import Step
from w2s.method.selector import Judged, Selected
from w2s.recipe.weak_to_strong import Supervision
from w2s.steps.graph import Graph


def two_teachers(g: Graph, start: Supervision) -> Step:
    """Stage I with two weak teachers, as many iterations as the recipe says; then Stage II."""
    M, recipe = g.recipe.strong, g.recipe

    # The second teacher: trained on the same gold, for one epoch only.
    base, once = recipe.models["second"], recipe.weak_training.model_copy(update={"epochs": 1})
    teacher = g.fine_tune("second_teacher", base, g.gold_examples("train_1", base), training=once)
    second = g.answer("second_teacher_answers", teacher)
    g.evaluate("second_teacher", teacher, what="the second weak teacher", against=["weak_floor"])

    weak, strong = start.weak, start.icl
    for i in range(1, recipe.stage1_iterations + 1):
        what = f"two teachers, iteration {i}: a teacher confirms the strong model"
        kept = g.agree(f"two_teachers_iter{i}", weak, strong, what=what, second=second)
        if i < recipe.stage1_iterations:
            weak = g.answer(f"two_teachers_iter{i}_weak", g.fine_tune(f"two_teachers_iter{i}_weak_ft", M, kept, "weak"))
            strong = g.answer(f"two_teachers_iter{i}_icl", g.fine_tune(f"two_teachers_iter{i}_icl_ft", M, kept, "icl"))
    policy = g.fine_tune("two_teachers_plus", M, kept)
    g.evaluate("two_teachers_plus", policy, what="Stage I with two teachers", against=["weak_icl"], highlight=True)

    samples = g.sample("two_teachers_samples", policy, weak=start.weak)
    pairs = g.pairs("two_teachers_pairs", start.weak, samples, what="two teachers, Stage II")
    for loss in recipe.preference.losses:
        name = f"two_teachers_pro_{loss.rpartition(':')[2]}"
        model = g.prefer(name, policy, pairs, loss)
        g.evaluate(name, model, what="Stage II with a hinge loss", against=["two_teachers_plus"], highlight=True)
    return model


two_teachers.control = False  # type: ignore[attr-defined]  # its second teacher is weak too: no control of this recipe


def confirmed(question: Judged) -> Selected | str:
    """A selector: the strong answer is kept where either teacher gives it, with that teacher's completion."""
    teachers = [question.weak, question.answers["second"]] if "second" in question.answers else [question.weak]
    if question.strong.key is None:
        return "strong_no_answer"
    for teacher in teachers:
        if teacher.key == question.strong.key:
            return Selected(teacher, question.strong)
    return "no_teacher_confirms"


def hinge(
    policy_chosen: Tensor,
    policy_rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    config: Preference,
) -> Tensor:
    """A loss: the margin of SLiC and of DPO's hinge variant, max(0, 1 - beta * (gain of chosen - of rejected))."""
    gains = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return (1 - config.beta * gains).clamp(min=0)
