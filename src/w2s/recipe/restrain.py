"""RESTRAIN, offline: pairs weighted by how far votes can be trusted (after arXiv 2510.02172). No weak labels.

Theirs is online, with GRPO. Ours is one round of weighted DPO from `majority_sft`, with the paper's three ideas: all
answers count by their votes, questions count by the vote of the frozen base, and a small majority is never a positive.
"""

from __future__ import annotations

import math

from w2s.flow.step import Step
from w2s.method.pairs import Pair
from w2s.method.selector import Judged
from w2s.method.voting import rarest, vote
from w2s.recipe.majority_sft import majority_sft
from w2s.recipe.weak_to_strong import Supervision
from w2s.steps.graph import Graph

KAPPA, SIGMA = 0.3, 0.5
"""Least majority of a positive answer; width of the weights' bell (ours)."""


def all_votes(question: Judged, seed: int, kappa: float, sigma: float) -> list[Pair] | str:
    """Each answer but the rarest, against the rarest, weighted by u * w_j.

    u: the share of the frozen base's majority ("base_samples"). w_j: exp(-((1 - share_j) / sigma)^2 / 2), normalised
    over answers. Reasons: "no_answer", "low_confidence", "all_samples_agree", "cut".
    """
    votes, base = vote(question.samples), vote(question.sets["base_samples"])
    if votes.key is None or base.key is None:
        return "no_answer"
    share = votes.confidence
    if min(share, base.confidence) < kappa:
        return "low_confidence"
    least = rarest(votes)
    if least == votes.key:
        return "all_samples_agree"
    bell = {key: math.exp(-(((1 - count / votes.n) / sigma) ** 2) / 2) for key, count in votes.counts.items()}
    whole = {sample.key: sample for sample in reversed(question.samples) if not sample.cut}
    if least not in whole:
        return "cut"
    return [
        Pair(yes.id, yes.question, yes.response, whole[least].response, None, share, share, base.confidence * weight)
        for key, weight in ((key, bell[key] / sum(bell.values())) for key in bell if key != least and key in whole)
        if (yes := whole[key])
    ] or "cut"


def restrain(g: Graph, start: Supervision) -> Step:
    """DPO from `majority_sft` on its own votes, weighted."""
    start_model, settings = majority_sft(g, start), {"kappa": KAPPA, "sigma": SIGMA}
    sets = {
        "samples": g.every_sample("restrain_samples", start_model),
        "base_samples": g.own_samples(start.demonstrations),
    }
    what = "RESTRAIN, offline: every answer against the rarest, by votes"
    pairs = g.contrast("restrain_pairs", all_votes, what=what, settings=settings, **sets)
    model = g.prefer("restrain", start_model, pairs, "dpo")
    g.evaluate("restrain", model, what="preferences weighted by votes", against=("majority_sft", "m_plus", "weak_icl"))
    return model
