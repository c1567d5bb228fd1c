"""Comparing final answers by their keys, and grading them against gold."""

from __future__ import annotations

from typing import Literal

from w2s.answers.canonical import canonical
from w2s.answers.extract import MAX_ANSWER, Style, extract
from w2s.answers.released import normalise
from w2s.config import Match
from w2s.errors import UserError
from w2s.records import Answered, Response

Verdict = Literal["correct", "wrong", "no_answer", "undecided"]


def key(prediction: str | None, match: Match = "equivalent") -> str | None:
    """The canonical form of a final answer: two answers are equal if and only if their keys are. Never raises.

    Args:
        prediction: an answer as `extract` gives it.
        match: "equivalent" (ours: exact numbers, then a LaTeX and text normal form) or "string" (released code).

    Returns:
        None for no answer, for one that is empty once normalised, and for one longer than 200 characters.
    """
    if prediction is None or len(prediction) > MAX_ANSWER:
        return None
    return (normalise(prediction) if match == "string" else canonical(prediction)) or None


def grade(prediction: str | None, gold: str, match: Match = "equivalent") -> Verdict:
    """The verdict on `prediction` against `gold`, a plain answer ("18", "1,200"). "undecided": too long to compare.

    Raises:
        UserError: `gold` has no canonical form, so nothing could ever be graded against it.
    """
    gold_key = key(gold, match)
    if gold_key is None:
        raise UserError(
            f"the gold answer {gold[:80]!r} cannot be read", field="answer", expected="a final answer such as 18 or 1/2"
        )
    prediction_key = key(prediction, match)
    if prediction_key is not None:
        return "correct" if prediction_key == gold_key else "wrong"
    return "undecided" if prediction is not None and len(prediction) > MAX_ANSWER else "no_answer"


def answered(response: Response, style: Style, match: Match) -> Answered:
    """`response` with its final answer read out and keyed.

    With `match="string"` the answer is also read as strictly as the released code reads it (no flexible extraction).
    """
    prediction = extract(response.response, style, flexible=match != "string")
    return Answered(
        id=response.id,
        question=response.question,
        response=response.response,
        prediction=prediction,
        key=key(prediction, match),
        sample=response.sample,
        extra=response.extra,
    )
