"""Labels by rules: which answer a question gets, if any, without gold and without a fit.

`label_model` and `calibration` give labels with probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from w2s.method import voting
from w2s.method.selector import Judged, Label, Labeller
from w2s.records import Answered

VOTE_SHARE = 0.6
"""The least share of the majority (paper: tau)."""


def unanimous(question: Judged, sources: Sequence[str]) -> Label | str:
    """The answer that all `sources` give; else "missing", "no_answer" or "disagree".

    With two models as sources this is agreement (paper, Stage I). "both_iterations" asks for the same label in both
    iterations of Stage I (ours).
    """
    given = [question.answers.get(source) for source in sources]
    if None in given:
        return "missing"
    keys = {answer.key for answer in given if answer is not None}
    key = keys.pop()
    if keys:
        return "disagree"
    return "no_answer" if key is None else Label(key, 1.0)


def vote(question: Judged, at_least: float = VOTE_SHARE) -> Label | str:
    """The majority answer of the samples (paper, Stage II); else "no_answer" or "low_confidence"."""
    majority = voting.vote(question.samples)
    if majority.key is None:
        return "no_answer"
    return Label(majority.key, majority.confidence) if majority.confidence >= at_least else "low_confidence"


def labeller(name: str, sources: Sequence[str], at_least: float | None = None) -> Labeller:
    """The rule "agreement", "both_iterations" or "vote"."""
    if name == "vote":
        return partial(vote, at_least=VOTE_SHARE if at_least is None else at_least)
    return partial(unanimous, sources=tuple(sources))


def learnable(question: Judged) -> list[str]:
    """The answers given by at least one text that is not cut. Only these can be labels; cut texts vote too."""
    given = (*question.answers.values(), *question.samples)
    return list(dict.fromkeys(answer.key for answer in given if answer.key is not None and not answer.cut))


def text(question: Judged, key: str) -> tuple[str, Answered]:
    """The source and the text from which to learn the answer `key`; a cut text is never taken.

    The last source that gives the answer is taken. The samples come next, and the first source, the weak model, last.

    Raises:
        KeyError: there is none.
    """
    first, *later = question.answers.items() or [("", None)]
    samples = (("samples", sample) for sample in question.samples)
    for source, answer in (*reversed(later), *samples, first):
        if answer is not None and answer.key == key and not answer.cut:
            return source, answer
    raise KeyError(key)


def texts(question: Judged, key: str) -> dict[str, Answered]:
    """What `text` returns, and also the weak model's text (the first source's) if it gives `key` in other words (ours).

    Only the weak text holds what the weak model knows of the task and the strong one does not.
    """
    source, chosen = text(question, key)
    found, first = {source: chosen}, next(iter(question.answers), "")
    weak = question.answers.get(first)
    if weak is not None and weak.key == key and not weak.cut and weak.response != chosen.response:
        found[first] = weak
    return found
