"""Self-training on M's own majority, without weak labels: what every weak-to-strong method must beat.

LMSI (Huang et al. 2022, arXiv 2210.11610) learns from all completions of the majority, self-consistency's of Wang et
al. 2022 (arXiv 2203.11171). Ours learns from one completion per question: sampled ones are noisier than greedy ones.
"""

from __future__ import annotations

from w2s.flow.step import Step
from w2s.method.selector import Judged, Target
from w2s.method.voting import vote, voter
from w2s.recipe.weak_to_strong import Supervision
from w2s.steps.graph import Graph


def own_majority(question: Judged, confidence: float) -> list[Target] | str:
    """M's few-shot answer "strong" where the majority of "samples" has it, else the first sample that does.

    Reasons: "no_answer", "low_confidence".
    """
    majority = vote(question.samples)
    if majority.key is None:
        return "no_answer"
    if majority.confidence < confidence:
        return "low_confidence"
    text = voter([question.strong, *question.samples], majority.key)
    return [Target(text, "majority")] if text is not None else "no_answer"


def majority_sft(g: Graph, start: Supervision) -> Step:
    """M, fine-tuned on its own few-shot majority at or above tau (`selection.confidence`)."""
    M, settings = g.recipe.strong, {"confidence": g.recipe.selection.confidence}
    samples = g.own_samples(start.demonstrations)
    what = "majority SFT: the strong model's few-shot majority"
    kept = g.keep("majority_sft_kept", own_majority, what=what, settings=settings, strong=start.icl, samples=samples)
    model = g.fine_tune("majority_sft", M, kept)
    g.evaluate("majority_sft", model, what="strong, fine-tuned on its own majority", against=("m_plus", "weak_icl"))
    return model
