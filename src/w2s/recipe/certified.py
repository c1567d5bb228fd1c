"""Ours: learn the answers that a certificate covers, weighted by their probabilities.

1. A label model over all answers of both models, calibrated on half of the gold of train_1 that was held back, says how
   probably each answer is right. M learns what is probable, in two halves.
2. Each half's model answers the questions of the other half, and of those held back: one source more, and not memory.
3. Label model and calibration again. The other half of the held-back gold says how much can be kept with the promise
   (`w2s.method.certified`), and M learns that from the base: its own text and the weak one, if both give the answer.
"""

from __future__ import annotations

from w2s.flow.step import Step
from w2s.recipe import crossfit, held_out
from w2s.recipe.weak_to_strong import Supervision
from w2s.steps.graph import Graph

LIKELY = 0.9
"""The least probability of what is learnt first; no promise, so that the gold for the test stays unseen (ours)."""
PRECISION, CONFIDENCE = 0.9, 0.9
"""At least this share of what is kept is right, with this probability."""


def certified(g: Graph, start: Supervision) -> Step:
    """M, fine-tuned from the base on what is certified."""
    answers = held_out.answers(g, start, "certified")
    first = g.probable("certified_first", LIKELY, what=f"first: probably right, by {LIKELY:.0%}", **answers)
    judges = crossfit.models(g, "certified_first", first)
    answers["again"] = crossfit.answers(g, "certified_again", judges, "train_2", g.questions["train_2"])
    answers["held_again"] = crossfit.answers(g, "certified_held_again", judges, "train_1", held_out.held(g)[1])
    what = f"certified: {PRECISION:.0%} right with {CONFIDENCE:.0%} confidence"
    kept = g.certify("certified_kept", PRECISION, CONFIDENCE, what=what, **answers)
    model = g.fine_tune("certified", g.recipe.strong, kept)
    g.evaluate("certified", model, what="learnt from what is certified", against=("m_plus", "weak_icl"), highlight=True)
    return model
