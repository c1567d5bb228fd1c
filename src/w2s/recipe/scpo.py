"""Self-consistency preference optimisation, ScPO (Prasad et al. 2024, arXiv 2411.04109). No weak labels.

Theirs starts from an instruct model. Ours starts from `majority_sft`: a base has no zero-shot answers to vote on.
"""

from __future__ import annotations

from w2s.flow.step import Step
from w2s.method.pairs import Pair
from w2s.method.selector import Judged
from w2s.method.voting import rarest, vote, voter
from w2s.recipe.majority_sft import majority_sft
from w2s.recipe.weak_to_strong import Supervision
from w2s.steps.graph import Graph

TAUS = (0.5, 0.7)
"""Least share of the majority, in round 1 and 2 (paper)."""
BETA, NLL = 0.5, 1.0
"""Scale of the margin, weight of the NLL (paper)."""


def most_against_least(question: Judged, seed: int, tau: float) -> list[Pair] | str:
    """The first sample of the majority against the first of the rarest answer, weighted by (V+ - V-) / n.

    Of equally rare answers the last to come. Reasons: "no_answer", "low_confidence", "all_samples_agree", "cut".
    """
    majority = vote(question.samples)
    if majority.key is None:
        return "no_answer"
    if majority.confidence < tau:
        return "low_confidence"
    least = rarest(majority)
    if least == majority.key:
        return "all_samples_agree"
    chosen, rejected = (voter(question.samples, key) for key in (majority.key, least))
    if chosen is None or rejected is None or chosen.cut or rejected.cut:
        return "cut"
    weight = (majority.counts[majority.key] - majority.counts[least]) / majority.n
    share = majority.confidence
    return [Pair(chosen.id, chosen.question, chosen.response, rejected.response, None, share, share, weight)]


def scpo(g: Graph, start: Supervision) -> Step:
    """Two rounds: the model samples, and learns to prefer its majority; the reference is the round's first model."""
    model = majority_sft(g, start)
    training = g.recipe.preference.model_copy(update={"beta": BETA, "nll_weight": NLL})
    for number, tau in enumerate(TAUS, start=1):
        samples = g.every_sample(f"scpo_{number}_samples", model)
        what = f"ScPO, round {number}: the majority against the rarest answer"
        pairs = g.contrast(
            f"scpo_{number}_pairs", most_against_least, what=what, settings={"tau": tau}, samples=samples
        )
        model = g.prefer("scpo" if number == len(TAUS) else f"scpo_{number}", model, pairs, "dpo_nll", training)
    g.evaluate("scpo", model, what="self-consistency preferences", against=("majority_sft", "m_plus", "weak_icl"))
    return model
