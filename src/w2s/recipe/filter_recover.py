"""Filter by the weak model's confidence, then recover what was dropped (arXiv 2503.04249)."""

from __future__ import annotations

from w2s.flow.step import Step
from w2s.method.selector import Judged, Target
from w2s.method.voting import vote, voter
from w2s.recipe.weak_to_strong import Supervision
from w2s.steps.graph import Graph

TAU_FILTER, TAU_BOTH = 0.7, 0.6
"""The paper's thresholds: to filter alone, and with recovered questions."""


def recover(question: Judged, tau: float) -> list[Target] | str:
    """The majority of "weak_samples" at or above tau, else that of "samples", with the first completion that has it.

    Reasons: "low_confidence".
    """
    for source, samples in (("weak", question.sets["weak_samples"]), ("recovered", question.samples)):
        majority = vote(samples)
        text = voter(samples, majority.key)
        if text is not None and majority.confidence >= tau:
            return [Target(text, source)]
    return "low_confidence"


def filter_recover(g: Graph, start: Supervision) -> Step:
    """M learns from confident weak answers, answers the rest, and learns again, from the base, from both."""
    M, name = g.recipe.strong, "filter_recover"
    weak_samples = g.every_sample("weak_samples", start.weak_model, start.shown)
    what = "filter: confident weak answers"
    kept = g.keep(f"{name}_filtered", recover, what=what, settings={"tau": TAU_FILTER}, weak_samples=weak_samples)
    first = g.fine_tune(f"{name}_first", M, kept)
    samples = g.every_sample(f"{name}_samples", first)
    sets = {"weak_samples": weak_samples, "samples": samples}
    what = "recover: these, and confident answers of the model that learnt them"
    both = g.keep(f"{name}_kept", recover, what=what, settings={"tau": TAU_BOTH}, **sets)
    model = g.fine_tune(name, M, both)
    g.evaluate(name, model, what="confident weak answers, and the rest recovered", against=("m_plus", "weak_icl"))
    return model
