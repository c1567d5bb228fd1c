"""Online learning from the model's own votes, TTRL (Zuo et al. 2025, arXiv 2504.16084). No weak labels.

Each sample with the answer of its group's majority is rewarded. Theirs votes with 64 samples and learns from 16 of
them, from base and instruct models; ours votes with the `sampling.n` that it learns from, and starts from
`majority_sft`: a base has no zero-shot answers to vote on. Learning rate, epochs and batch are those of `preference`.
Ours too: a fifth of the questions is held out, and training stops by `method.collapse`. Needs `trainer: trl`.
"""

from __future__ import annotations

from w2s.flow.step import Step
from w2s.recipe.majority_sft import majority_sft
from w2s.recipe.weak_to_strong import Supervision
from w2s.steps.graph import Graph


def vote_reward(g: Graph, start: Supervision) -> Step:
    """GRPO from `majority_sft`, rewarded by its own votes; the votes before it are what it may not drift away from."""
    policy = majority_sft(g, start)
    votes = g.every_sample("vote_reward_votes", policy)
    model = g.reinforce("vote_reward", policy, votes)
    g.evaluate("vote_reward", model, what="rewarded by its own votes", against=("majority_sft", "m_plus", "weak_icl"))
    return model
