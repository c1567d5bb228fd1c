"""Comparing final answers by their keys, and grading them against gold.

Most answers are decided by `w2s.answers.canonical` in this process. What looks like mathematics and is more than its
grammar reads goes to Math-Verify and SymPy in worker processes (`w2s.answers.pool`), which give a key of the same kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from w2s.answers.canonical import Form, canonical
from w2s.answers.extract import MAX_ANSWER, Style
from w2s.answers.released import normalise
from w2s.answers.stated import read
from w2s.config import Match
from w2s.errors import UserError
from w2s.records import Answered, Response

if TYPE_CHECKING:
    from w2s.answers.pool import Reading

Verdict = Literal["correct", "wrong", "no_answer", "undecided"]


def key(prediction: str | None, match: Match = "equivalent") -> str | None:
    """The canonical form of a final answer: two answers are equal if and only if their keys are. Never raises.

    Args:
        prediction: an answer as `extract` gives it.
        match: "equivalent" (ours, see `w2s.answers.canonical`) or "string" (released code).

    Returns:
        None for no answer, for one that is empty once normalised, and for one longer than 400 characters. An answer
        that nothing here can read as mathematics has the key of its text.
    """
    return keys([prediction], match)[0]


def keys(predictions: Sequence[str | None], match: Match = "equivalent") -> list[str | None]:
    """The `key` of each of `predictions`; what needs worker processes is read by all of them at once."""
    if match == "string":
        return [None if _absent(each) else normalise(str(each)) or None for each in predictions]
    forms = [None if _absent(each) else canonical(str(each)) for each in predictions]
    readings = _readings(
        str(answer) for answer, form in zip(predictions, forms, strict=True) if form and form.kind == "unread"
    )
    found: list[str | None] = []
    for answer, form in zip(predictions, forms, strict=True):
        reading = readings.get(str(answer))
        found.append((reading.key if reading and reading.key else form.key if form else None) or None)
    return found


def grade(prediction: str | None, gold: str, match: Match = "equivalent") -> Verdict:
    """The verdict on `prediction` against `gold`, a final answer ("18", "1,200", "x^2+1").

    "undecided": the prediction is too long to compare, or one side is mathematics that was not read in time (or at all,
    where Math-Verify is not installed).

    Raises:
        UserError: `gold` has no canonical form, so nothing could ever be graded against it.
    """
    return grades([(prediction, gold)], match)[0]


def grades(pairs: Sequence[tuple[str | None, str]], match: Match = "equivalent") -> list[Verdict]:
    """The `grade` of each pair of a prediction and its gold; all worker processes read what needs them.

    Raises:
        UserError: as `grade`.
    """
    compared = [(prediction, gold, _form(prediction, match), _gold_form(gold, match)) for prediction, gold in pairs]
    open_pairs = [pair for pair in compared if pair[2] is not None and _open(pair[2], pair[3])]
    readings = _readings(
        answer
        for prediction, gold, form, gold_form in open_pairs
        for answer, each in ((str(prediction), form), (gold, gold_form))
        if each is not None and each.kind == "unread"
    )
    return [_verdict(*pair, readings) for pair in compared]


def _verdict(
    prediction: str | None, gold: str, form: Form | None, gold_form: Form, readings: dict[str, Reading]
) -> Verdict:
    if form is None:
        return "undecided" if prediction is not None and len(prediction) > MAX_ANSWER else "no_answer"
    if form.key == gold_form.key:
        return "correct"
    if not _open(form, gold_form):
        return "wrong"
    read = [readings.get(answer) for answer in (str(prediction), gold)]
    found = [reading.key if reading else each.key for reading, each in zip(read, (form, gold_form), strict=True)]
    if None not in found and found[0] == found[1]:
        return "correct"
    return "wrong" if all(reading is None or reading.decided for reading in read) else "undecided"


def _open(form: Form, gold: Form) -> bool:
    """Whether worker processes could find two different forms equal."""
    return form.key != gold.key and "unread" in (form.kind, gold.kind) and "text" not in (form.kind, gold.kind)


def _readings(answers: Iterable[str]) -> dict[str, Reading]:
    unread = list(dict.fromkeys(answers))
    if not unread:
        return {}
    from w2s.answers import pool  # most runs never need a worker process

    return dict(zip(unread, pool.read_many(unread), strict=True))


def _absent(prediction: str | None) -> bool:
    return prediction is None or len(prediction) > MAX_ANSWER


def _form(prediction: str | None, match: Match) -> Form | None:
    if _absent(prediction):
        return None
    form = Form(normalise(str(prediction)), "text") if match == "string" else canonical(str(prediction))
    return form if form.key else None


def _gold_form(gold: str, match: Match) -> Form:
    form = _form(gold, match)
    if form is None:
        raise UserError(
            f"the gold answer {gold[:80]!r} cannot be read", field="answer", expected="a final answer such as 18 or 1/2"
        )
    return form


def answered(response: Response, style: Style, match: Match) -> Answered:
    """`response` with its final answer read out and keyed.

    With `match="string"` the answer is also read as strictly as the released code reads it (no flexible extraction).
    """
    prediction = read(response.response, response.question, style, flexible=match != "string")
    return Answered(
        id=response.id,
        question=response.question,
        response=response.response,
        prediction=prediction,
        key=key(prediction, match),
        sample=response.sample,
        extra=response.extra,
    )
