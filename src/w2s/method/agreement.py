"""Stage I: keep the questions on which both models agree (paper; released code)."""

from __future__ import annotations

from w2s.method.selector import Judged, Selected
from w2s.records import Answered


def agrees(weak: Answered, strong: Answered, *, nothing_agrees: bool = False) -> bool:
    """Whether both give the same final answer: answer(D_weak) = answer(D_icl).

    Two responses without an answer agree only with `nothing_agrees` (as in the released sets), and only if neither is
    empty (ours).
    """
    if weak.key is None and strong.key is None:
        return nothing_agrees and all(_has_text(answer) for answer in (weak, strong))
    return weak.key == strong.key


def select(question: Judged, *, nothing_agrees: bool | None = None) -> Selected | str:
    """The selector "agreement": both responses, or "disagree", "weak_no_answer", "strong_no_answer".

    `nothing_agrees` None: true where answers are compared as strings.
    """
    weak, strong = question.weak, question.strong
    if nothing_agrees is None:
        nothing_agrees = question.match == "string"
    if agrees(weak, strong, nothing_agrees=nothing_agrees):
        return Selected(weak, strong)
    if weak.key is None:
        return "weak_no_answer"
    return "strong_no_answer" if strong.key is None else "disagree"


def _has_text(answer: Answered) -> bool:
    # An undecided answer was not read in time: it may have an answer.
    return bool(answer.response.strip()) and not answer.undecided
