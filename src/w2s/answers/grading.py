"""Keys of final answers, and verdicts against gold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, get_args

from w2s.answers.extract import MAX_ANSWER
from w2s.answers.math.canonical import Form, canonical
from w2s.answers.olympicarena import read
from w2s.answers.published import normalise
from w2s.config.choices import AnswerRule, Match
from w2s.errors import UserError, one_of
from w2s.records import Answered, Response, Verdict

if TYPE_CHECKING:
    from w2s.answers.workers.process import WorkerResult

_SECONDS = 0.95  # for all that worker processes read for one verdict
_PROSE = re.compile(r"(?!inf\b|emptyset\b)[a-z]{2}[a-z0-9 ]*")  # no key of mathematics is spelled like this


def key(prediction: str | None, match: Match = "equivalent") -> str | None:
    """The canonical form of a final answer: equal answers have equal keys. No prediction raises.

    `match`: "equivalent" (ours, `w2s.answers.math.canonical`) or "string" (released code).

    Returns:
        None for no answer, an empty or too long one, and mathematics not read in time (`undecided`).
    """
    return keys([prediction], match, _SECONDS)[0]


def keys(
    predictions: Sequence[str | None], match: Match = "equivalent", seconds: float | None = None
) -> list[str | None]:
    """The `key` of each prediction; `seconds`: wall clock of all workers together, None: per answer."""
    one_of("match", match, get_args(Match), "match")
    different = list(dict.fromkeys(predictions))
    table = dict(zip(different, _keys(different, match, seconds), strict=True))
    return [table[prediction] for prediction in predictions]


def _keys(predictions: Sequence[str | None], match: Match, seconds: float | None) -> list[str | None]:
    if match == "string":
        return [None if _absent(each) else normalise(str(each)) or None for each in predictions]
    forms = [None if _absent(each) else canonical(str(each)) for each in predictions]
    results = _worker_results(
        [(str(answer), form) for answer, form in zip(predictions, forms, strict=True) if form is not None], seconds
    )
    return [None if form is None else _final(form, results) for form in forms]


def undecided(prediction: str | None, key: str | None, match: Match = "equivalent") -> bool:
    """Whether `prediction` was not read in time."""
    return match == "equivalent" and key is None and not _absent(prediction) and bool(canonical(str(prediction)).key)


def grade(prediction: str | None, gold: str, match: Match = "equivalent") -> Verdict:
    """The verdict on `prediction` against `gold`, such as "18" or "x^2+1", within a second of running workers.

    "undecided": too long, or mathematics not read in time (or at all, without Math-Verify).

    Raises:
        UserError: `gold` has no canonical form, or there is no such `match`.
    """
    return grades([(prediction, gold)], match, _SECONDS)[0]


def grades(
    pairs: Sequence[tuple[str | None, str]], match: Match = "equivalent", seconds: float | None = None
) -> list[Verdict]:
    """The `grade` of each (prediction, gold); `seconds` as `keys`.

    Raises:
        UserError: as `grade`.
    """
    one_of("match", match, get_args(Match), "match")
    compared = [(prediction, gold, _form(prediction, match), _gold_form(gold, match)) for prediction, gold in pairs]
    results = _worker_results(
        [
            each
            for prediction, gold, form, gold_form in compared
            if form is not None and _open(form, gold_form)
            for each in ((str(prediction), form), (gold, gold_form))
        ],
        seconds,
    )
    return [_verdict(prediction, form, gold_form, results) for prediction, _, form, gold_form in compared]


def _verdict(prediction: str | None, form: Form | None, gold: Form, results: Mapping[str, WorkerResult]) -> Verdict:
    if form is None:
        return "undecided" if prediction is not None and len(prediction) > MAX_ANSWER else "no_answer"
    if _same(form, gold):
        return "correct"
    if not _open(form, gold):
        return "wrong"
    keys = [_final(each, results) for each in (form, gold)]
    if None not in keys and keys[0] == keys[1]:
        return "correct"
    decided = None not in keys and all(
        each.kind != "unread" or (each.key in results and results[each.key].decided) for each in (form, gold)
    )
    return "wrong" if decided else "undecided"


def _final(form: Form, results: Mapping[str, WorkerResult]) -> str | None:
    if form.kind != "unread":
        return form.key or None
    result = results.get(form.key)
    if result is None:  # there are no workers
        return form.key
    return (result.key or form.key) if result.decided else None


def _same(form: Form, gold: Form) -> bool:
    return form.key == gold.key and (form.kind == "unread") == (gold.kind == "unread")


def _open(form: Form, gold: Form) -> bool:
    """Whether workers could find two different forms equal."""
    kinds = (form.kind, gold.kind)
    if _same(form, gold) or "unread" not in kinds:
        return False
    other = gold if form.kind == "unread" else form
    return other.kind != "text" or not _PROSE.fullmatch(other.key)


def _worker_results(answers: Iterable[tuple[str, Form]], seconds: float | None) -> Mapping[str, WorkerResult]:
    unread: dict[str, str] = {}
    for answer, form in answers:
        if form.kind == "unread":
            unread.setdefault(form.key, answer)
    if not unread:
        return {}
    from w2s.answers.workers import pool  # most runs never need a worker process

    return pool.results(unread, seconds)


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


def answered(response: Response, rule: AnswerRule) -> Answered:
    """`response` with its final answer and key."""
    return answered_all([response], rule)[0]


def answered_all(responses: Sequence[Response], rule: AnswerRule) -> list[Answered]:
    """`answered` for each response, with all worker processes."""
    predictions = [read(each.response, each.question, rule) for each in responses]
    return [
        Answered(
            response.id,
            response.question,
            response.response,
            prediction,
            key,
            response.sample,
            response.extra,
            undecided(prediction, key, rule.match),
            response.cut,
        )
        for response, prediction, key in zip(responses, predictions, keys(predictions, rule.match), strict=True)
    ]
