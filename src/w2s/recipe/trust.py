"""Learn the weak answers that a small classifier trusts (after arXiv 2606.01000).

Theirs reads hidden states. Ours reads votes, agreement and texts (`w2s.method.features`); both learn from gold of
train_1 that was held back.
"""

from __future__ import annotations

from w2s.flow.step import Step
from w2s.recipe import held_out
from w2s.recipe.weak_to_strong import Supervision
from w2s.steps.graph import Graph

SHARE = 0.5
"""Share of the questions that is kept (ours)."""


def trust(g: Graph, start: Supervision) -> Step:
    """M, fine-tuned on the weak texts that are trusted most."""
    kept = g.trust("trust_kept", SHARE, what="trust: the likelier half", **held_out.answers(g, start, "trust"))
    model = g.fine_tune("trust", g.recipe.strong, kept)
    g.evaluate("trust", model, what="learnt from trusted weak texts", against=("m_plus", "weak_icl"))
    return model
