"""Comparing final answers by their keys, and grading them against gold.

Most answers are decided by `w2s.answers.canonical` in this process. What looks like mathematics and is more than its
grammar reads goes to Math-Verify and SymPy in worker processes (`w2s.answers.pool`), which give a key of the same kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from w2s.answers.canonical import Form, canonical
from w2s.answers.extract import MAX_ANSWER, Style
from w2s.answers.released import normalise
from w2s.answers.stated import read
from w2s.choices import Match
from w2s.errors import UserError
from w2s.records import Answered, Response, Verdict

if TYPE_CHECKING:
    from w2s.answers.pool import Reading

_SECONDS = 0.95  # for all that worker processes have to read for one verdict
_PROSE = re.compile(r"(?!inf\b|emptyset\b)[a-z]{2}[a-z0-9 ]*")  # a text that no reading is spelled like


def key(prediction: str | None, match: Match = "equivalent") -> str | None:
    """The canonical form of a final answer: two answers are equal if and only if their keys are. Never raises.

    Args:
        prediction: an answer as `extract` gives it.
        match: "equivalent" (ours, see `w2s.answers.canonical`) or "string" (released code).

    Returns:
        None for no answer, for one that is empty once normalised or longer than 400 characters, and for mathematics
        that worker processes did not read in time (`undecided`). An answer that nothing here can read as mathematics
        has the key of its text.
    """
    return keys([prediction], match, _SECONDS)[0]


def keys(
    predictions: Sequence[str | None], match: Match = "equivalent", seconds: float | None = None
) -> list[str | None]:
    """The `key` of each of `predictions`; what needs worker processes is read by all of them at once.

    Args:
        predictions: answers as `extract` gives them.
        match: as `key`.
        seconds: the wall clock for all worker processes together; None: as long as it takes, each answer in time.
    """
    if match == "string":
        return [None if _absent(each) else normalise(str(each)) or None for each in predictions]
    forms = [None if _absent(each) else canonical(str(each)) for each in predictions]
    readings = _readings(
        [(str(answer), form) for answer, form in zip(predictions, forms, strict=True) if form is not None], seconds
    )
    return [None if form is None else _final(form, readings) for form in forms]


def undecided(prediction: str | None, key: str | None, match: Match = "equivalent") -> bool:
    """Whether `prediction` has no `key` because it was not read in time, and not because it is no answer."""
    return match == "equivalent" and key is None and not _absent(prediction) and bool(canonical(str(prediction)).key)


def grade(prediction: str | None, gold: str, match: Match = "equivalent") -> Verdict:
    """The verdict on `prediction` against `gold`, a final answer ("18", "1,200", "x^2+1").

    "correct" if and only if both have one key, where both are decided. It takes at most a second once worker processes
    are started, which takes one or two, and not more than 20 where they hang; most answers need none.

    "undecided": the prediction is too long to compare, or one side is mathematics that was not read in time (or at all,
    where Math-Verify is not installed).

    Raises:
        UserError: `gold` has no canonical form, so nothing could ever be graded against it.
    """
    return grades([(prediction, gold)], match, _SECONDS)[0]


def grades(
    pairs: Sequence[tuple[str | None, str]], match: Match = "equivalent", seconds: float | None = None
) -> list[Verdict]:
    """The `grade` of each pair of a prediction and its gold; all worker processes read what needs them.

    Args:
        pairs: predictions with their gold.
        match: as `grade`.
        seconds: as `keys`.

    Raises:
        UserError: as `grade`.
    """
    compared = [(prediction, gold, _form(prediction, match), _gold_form(gold, match)) for prediction, gold in pairs]
    readings = _readings(
        [
            each
            for prediction, gold, form, gold_form in compared
            if form is not None and _open(form, gold_form)
            for each in ((str(prediction), form), (gold, gold_form))
        ],
        seconds,
    )
    return [_verdict(prediction, form, gold_form, readings) for prediction, _, form, gold_form in compared]


def _verdict(prediction: str | None, form: Form | None, gold: Form, readings: Mapping[str, Reading]) -> Verdict:
    if form is None:
        return "undecided" if prediction is not None and len(prediction) > MAX_ANSWER else "no_answer"
    if _same(form, gold):
        return "correct"
    if not _open(form, gold):
        return "wrong"
    found = [_final(each, readings) for each in (form, gold)]
    if None not in found and found[0] == found[1]:
        return "correct"
    decided = None not in found and all(
        each.kind != "unread" or (each.key in readings and readings[each.key].decided) for each in (form, gold)
    )
    return "wrong" if decided else "undecided"


def _final(form: Form, readings: Mapping[str, Reading]) -> str | None:
    """The key of a form: what worker processes make of it, where it is unread."""
    if form.kind != "unread":
        return form.key or None
    reading = readings.get(form.key)
    if reading is None:  # there are no workers
        return form.key
    return (reading.key or form.key) if reading.decided else None


def _same(form: Form, gold: Form) -> bool:
    """Whether two forms are equal as they stand; one unread text has one reading, whatever it is."""
    return form.key == gold.key and (form.kind == "unread") == (gold.kind == "unread")


def _open(form: Form, gold: Form) -> bool:
    """Whether worker processes could find two different forms equal."""
    kinds = (form.kind, gold.kind)
    if _same(form, gold) or "unread" not in kinds:
        return False
    other = gold if form.kind == "unread" else form
    return other.kind != "text" or not _PROSE.fullmatch(other.key)


def _readings(answers: Iterable[tuple[str, Form]], seconds: float | None) -> Mapping[str, Reading]:
    """The readings of the unread among `answers`, by their forms' keys: equal texts have one in this process."""
    unread: dict[str, str] = {}
    for answer, form in answers:
        if form.kind == "unread":
            unread.setdefault(form.key, answer)
    if not unread:
        return {}
    from w2s.answers import readings  # most runs never need a worker process

    return readings.readings(unread, seconds)


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
    """`response` with its final answer read out (`stated.read`) and keyed."""
    return answered_all([response], style, match)[0]


def answered_all(responses: Sequence[Response], style: Style, match: Match) -> list[Answered]:
    """Each of `responses` as `answered`; what needs worker processes is read by all of them at once."""
    predictions = [read(each.response, each.question, style, match) for each in responses]
    return [
        Answered(each.id, each.question, each.response, prediction, key, each.sample, each.extra)
        for each, prediction, key in zip(responses, predictions, keys(predictions, match), strict=True)
    ]
