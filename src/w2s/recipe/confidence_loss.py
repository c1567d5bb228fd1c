"""Weak labels and M's own, with growing trust in the latter (Burns et al. 2023, arXiv 2312.09390).

Theirs hardens M's own prediction as it trains. Ours, for texts, takes the majority of the untrained M.
"""

from __future__ import annotations

from w2s.flow.step import Step
from w2s.method.selector import Judged, Target
from w2s.method.voting import vote, voter
from w2s.recipe.weak_to_strong import Supervision
from w2s.steps.graph import Graph

ALPHA = 0.5
"""Last weight of M's own texts (a public re-implementation); see `losses.RAMP`."""


def weak_and_own(question: Judged, alpha: float) -> list[Target] | str:
    """The weak text with 1 - alpha, the text of M's majority with alpha; weights begin at 1 and 0.

    Without a majority the weak text alone. Reasons: "weak_empty".
    """
    own = voter([question.strong, *question.samples], vote(question.samples).key)
    if not question.weak.response.strip():
        return "weak_empty"
    if own is None or own.cut:
        return [Target(question.weak, "weak")]
    return [Target(question.weak, "weak", 1 - alpha, 1.0), Target(own, "own", alpha, 0.0)]


def confidence_loss(g: Graph, start: Supervision) -> Step:
    """M, fine-tuned on every weak text and, more and more, on its own majority."""
    M, name = g.recipe.strong, "confidence_loss"
    samples = g.own_samples(start.demonstrations)
    what = "confidence loss: every weak text, and the strong model's majority"
    texts = {"weak": start.weak, "strong": start.icl, "samples": samples}
    model = g.fine_tune(name, M, g.keep(f"{name}_texts", weak_and_own, what=what, settings={"alpha": ALPHA}, **texts))
    g.evaluate(name, model, what="strong, fine-tuned with the confidence loss", against=("m_plus", "weak_icl"))
    return model
