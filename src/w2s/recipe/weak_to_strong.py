"""The paper's method as a program (Yang, Ma, Liu 2024, arXiv 2407.13647). Builds steps; runs nothing.

m is the weak model, M the strong one. `w2s.method` has the rules; `steps.graph`, `steps.selecting` and `steps.builder`
have the methods of `g`. `recipe.baselines` has the baselines and the control, which is `weak_to_strong` again, from
another `Supervision`.
"""

from __future__ import annotations

from dataclasses import dataclass

from w2s.flow.step import Step
from w2s.recipe import crossfit
from w2s.steps.graph import Graph
from w2s.steps.sources import ModelSource


@dataclass(frozen=True)
class Supervision:
    """What a strategy starts from.

    Args:
        weak_model: m, fine-tuned on gold `train_1` if there is one; in the control M, untrained.
        weak: D_weak, the answers of `weak_model` to `train_2`; in the control the majority of M's few-shot samples.
        demonstrations: some of m's answers, also in the control.
        icl: D_icl, M's few-shot answers after `demonstrations`, also in the control.
        shown: demonstrations to give to `weak_model` whenever it answers: None; in the control `demonstrations`.
    """

    weak_model: ModelSource
    weak: Step
    demonstrations: Step
    icl: Step
    shown: Step | None = None


def supervise(g: Graph) -> Supervision:
    """Weak m learns gold `train_1`; m and strong M answer `train_2`."""
    m, M = g.recipe.weak, g.recipe.strong
    weak_model: ModelSource = m
    if "train_1" in g.questions:
        weak_model = g.fine_tune("weak_floor", m, g.gold_examples("train_1", m), training=g.recipe.weak_training)
    d_weak = g.answer("weak_answers", weak_model)
    demonstrations = g.demonstrations("demonstrations", d_weak)
    d_icl = g.answer("icl_answers", M, demonstrations=demonstrations)
    return Supervision(weak_model, d_weak, demonstrations, d_icl)


def weak_to_strong(g: Graph, start: Supervision) -> Step:
    """Both stages: M_plus, and an M_pro per loss. Returns the first M_pro, or M_plus without losses."""
    M, recipe, last = g.recipe.strong, g.recipe, g.recipe.stage1_iterations

    # Stage I. Keep the questions on which both final answers agree. Fine-tune the base on the weak completions kept,
    # and separately on the ICL completions kept. These two models answer zero-shot; their answers are D_weak and D_icl
    # of the next iteration. After the last one, the base learns both completions: M_plus.
    # Models that only `stage1_variants` requests are for the report.
    d_weak, d_icl = start.weak, start.icl
    trained: dict[str, Step] = {}
    for i in range(1, last + 1):
        agreed = agreement(g, i, d_weak, d_icl, start)
        if i < last or recipe.stage1_variants:
            trained[f"stage1_iter{i}_weak_ft"] = weak_ft = g.fine_tune(f"stage1_iter{i}_weak_ft", M, agreed, "weak")
            trained[f"stage1_iter{i}_icl_ft"] = icl_ft = g.fine_tune(f"stage1_iter{i}_icl_ft", M, agreed, "icl")
        if i < last:
            if recipe.stage1_variants:
                trained[f"stage1_iter{i}_hybrid_ft"] = g.fine_tune(f"stage1_iter{i}_hybrid_ft", M, agreed, "both")
            d_weak = g.answer(f"iter{i}_weak_ft_answers", weak_ft)
            d_icl = g.answer(f"iter{i}_icl_ft_answers", icl_ft)
    m_plus = g.fine_tune("m_plus", M, agreed, "both")

    # Stage II. M_plus answers `sampling.n` times (10). Where the share of its majority is at least tau,
    # `selection.confidence` (paper: 0.6), a weak completion with the majority's answer is chosen; from
    # `selection.reject_confidence` on (released code: 0.8), one with another answer is rejected.
    # M_plus learns from these pairs. Their weak completions are `start.weak`, not those of the last iteration.
    m_pro: dict[str, Step] = {}
    if recipe.preference.losses:
        if recipe.crossfit == 1:
            samples = g.sample("m_plus_samples", m_plus, weak=start.weak)  # weak: for early stopping alone
        else:  # ours: in place of M_plus, two models vote, each on questions that it has not learnt
            samples = crossfit.samples(g, "crossfit", agreed)
        pairs = g.pairs("stage2_pairs", start.weak, samples, what="Stage II: weak completions against the majority's")
        m_pro = {name: g.prefer(name, m_plus, pairs, loss) for name, loss in recipe.preference.models.items()}

    # Evaluation comes last, with no training in between: vLLM loads the base of the adapters once.
    for name, model in trained.items():
        g.evaluate(name, model, what=_stage1(name))
    g.evaluate(
        "m_plus",
        m_plus,
        what=f"Stage I.{last}, both" + (": the policy of Stage II" if m_pro else ""),
        against=("weak_floor", "full_weak_ft", "weak_icl", "control_strong_only", "strong_ceiling"),
        highlight=True,
    )
    for name, model in m_pro.items():
        what = f"Stage II, {name.removeprefix('m_pro_').upper()} from m_plus"
        g.evaluate(name, model, what=what, against=("m_plus", "weak_icl", "control_strong_only"), highlight=True)
    return next(iter(m_pro.values()), m_plus)


def agreement(g: Graph, iteration: int, d_weak: Step, d_icl: Step, start: Supervision) -> Step:
    """The questions on which both agree; in iteration 1 more are added if `selection.augment_to` says so (MATH)."""
    name, selection = f"stage1_iter{iteration}", g.recipe.selection
    what = f"Stage I.{iteration}: both final answers agree"
    if selection.augment_to is None or iteration > 1:
        return g.agree(name, d_weak, d_icl, what=what)
    agreed = g.agree(f"{name}_agreed", d_weak, d_icl, augmented=True)
    more = d_icl  # adds questions on which they disagree, as in the released data; "sampled": where a sample agrees
    if selection.augment == "sampled":
        more = g.sample_missed(f"{name}_samples", g.recipe.strong, start.demonstrations, agreed, d_weak)
    return g.augment(name, agreed, d_weak, more, what=what)


def _stage1(name: str) -> str:
    iteration, source = name.removeprefix("stage1_iter").split("_", 1)
    completions = {"weak_ft": "agreed weak completions", "icl_ft": "agreed ICL completions", "hybrid_ft": "both"}
    if iteration != "1":
        completions |= {
            "weak_ft": f"agreed completions of I.{int(iteration) - 1} weak-ft",
            "icl_ft": f"agreed completions of I.{int(iteration) - 1} icl-ft",
        }
    return f"Stage I.{iteration}, {completions[source]}"
