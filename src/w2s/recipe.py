"""The paper as a readable program (Yang, Ma, Liu 2024, arXiv 2407.13647). Builds the graph of steps; runs nothing.

m is the weak model, M the strong one. Gold of `train_2` is used by the ceiling and by reports, by nothing else.
"""

from __future__ import annotations

from w2s.config import Run
from w2s.flow.step import Step
from w2s.steps.graph import Graph
from w2s.steps.sources import Model


def build(run: Run, planning: bool = False) -> list[Step]:
    """All steps of a run, each after what it needs; those of a plan can do without the models.

    Raises:
        UserError: something in the recipe or its data cannot be used; nothing has been computed yet.
    """
    recipe, g = run.recipe, Graph(run, planning)
    asked = set(recipe.baselines)
    m, M = recipe.weak, recipe.strong

    # The weak model learns from gold train_1 and answers train_2: D_weak.
    weak_model: Model = m  # a task without train_1 takes it as it comes
    if "train_1" in g.questions:
        weak_model = g.fine_tune("weak_floor", m, g.gold_examples("train_1", m), training=recipe.weak_training)
    d_weak = g.answer("weak_answers", weak_model, "train_2")

    # M answers train_2 with demonstrations from D_weak (weak ICL): D_icl.
    demonstrations = g.demonstrations("demonstrations", d_weak)
    d_icl = g.answer("icl_answers", M, "train_2", demonstrations)

    # Stage I and Stage II.
    weak_to_strong(g, d_weak, d_icl, demonstrations)

    # The baselines beside them.
    if "weak_floor" in asked:
        g.evaluate("weak_floor", weak_model)
    if "strong_zero_shot" in asked:
        g.evaluate("strong_zero_shot", M)
    if "weak_icl" in asked:
        g.evaluate("weak_icl", M, demonstrations)
    if "full_weak_ft" in asked:
        g.evaluate("full_weak_ft", g.fine_tune("full_weak_ft", M, g.all_examples("full_weak", d_weak)))
    if "strong_ceiling" in asked:
        g.evaluate("strong_ceiling", g.fine_tune("strong_ceiling", M, g.gold_examples("train_2", M)))

    # The control: the same two stages, with M's own few-shot majority in the place of the weak answers. Of the weak
    # model only the demonstrations remain, here and in D_icl.
    if "control_strong_only" in asked:
        draws = g.sample("control_samples", M, demonstrations)
        d_self = g.majority("control_answers", draws)
        weak_to_strong(g, d_self, d_icl, demonstrations, control=True)
    return g.steps


def weak_to_strong(g: Graph, d_weak: Step, d_icl: Step, demonstrations: Step, control: bool = False) -> None:
    """Both stages: from two sets of answers to M_plus and the M_pro models (paper, sections on Stage I and II)."""
    M, recipe = g.recipe.strong, g.recipe
    mark = "control_" if control else ""

    # Stage I, iteration 1: learn from what the weak and the ICL answers agree on, each time from the base.
    agreed = first_agreement(g, f"{mark}stage1_iter1", d_weak, d_icl, demonstrations)
    weak_ft = g.fine_tune(f"{mark}stage1_iter1_weak_ft", M, agreed, "weak")
    icl_ft = g.fine_tune(f"{mark}stage1_iter1_icl_ft", M, agreed, "icl")

    # Stage I, iteration 2: the two fine-tuned models answer zero-shot and are filtered against each other.
    d_weak_ft = g.answer(f"{mark}iter1_weak_ft_answers", weak_ft, "train_2")
    d_icl_ft = g.answer(f"{mark}iter1_icl_ft_answers", icl_ft, "train_2")
    agreed_again = g.agree(f"{mark}stage1_iter2", d_weak_ft, d_icl_ft)
    m_plus = g.fine_tune(f"{mark}m_plus", M, agreed_again, "both")

    # Stage II: M_plus's confident votes judge the weak answers; M_plus learns from the contrast.
    samples = g.sample(f"{mark}m_plus_samples", m_plus, weak=d_weak)
    pairs = g.pairs(f"{mark}stage2_pairs", d_weak, samples)
    losses = recipe.preference.losses[:1] if control else recipe.preference.losses
    m_pro = [g.prefer(f"{mark}m_pro_{loss}", m_plus, pairs, loss) for loss in losses]

    if control:
        g.evaluate("control_strong_only", m_pro[0])
        return
    trained = {"stage1_iter1_weak_ft": weak_ft, "stage1_iter1_icl_ft": icl_ft}
    if recipe.stage1_variants:
        for name, data, source in (
            ("stage1_iter1_hybrid_ft", agreed, "both"),
            ("stage1_iter2_weak_ft", agreed_again, "weak"),
            ("stage1_iter2_icl_ft", agreed_again, "icl"),
        ):
            trained[name] = g.fine_tune(name, M, data, source)
    trained["m_plus"] = m_plus
    trained |= {f"m_pro_{loss}": model for loss, model in zip(losses, m_pro, strict=True)}
    for name, model in trained.items():  # no training between them: vLLM loads the base of their adapters once
        g.evaluate(name, model)


def first_agreement(g: Graph, name: str, d_weak: Step, d_icl: Step, demonstrations: Step) -> Step:
    """The Stage I set of iteration 1: what both agree on; where the recipe says so (MATH), filled up to a number.

    The control's is filled up likewise: it is to differ in the weak answers only, and has the same demonstrations.
    """
    M, selection = g.recipe.strong, g.recipe.selection
    if selection.augment_to is None:
        return g.agree(name, d_weak, d_icl)
    agreed = g.agree(f"{name}_agreed", d_weak, d_icl, augmented=True)
    more = d_icl  # the questions on which they disagree, as in the released data; or those where a sample agrees
    if selection.augment == "sampled":
        more = g.sample_missed(f"{name}_samples", M, demonstrations, agreed, d_weak)
    return g.augment(name, agreed, d_weak, more)
