"""What five fixed comparisons show, by rule: no verdict says more than its interval.

The compared result is fixed before any figure: the model that the first strategy stands for. The best of several would
be chosen on the test questions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from w2s.metrics.repeated import holm
from w2s.results.outline import NAIVE, Outline, is_control

Relation = Literal["above", "below", "no effect", "not distinguished"]

LEVEL = 0.05
"""Of Holm's corrected p. Ours."""
MARGIN = 0.02
"""A difference whose whole interval is inside this margin, in shares, is no effect. Ours."""
PROMPTED = "weak_icl"
"""Shown weak answers, not trained; results.json fixes the name."""

QUESTIONS: dict[str, tuple[str, str]] = {
    "teacher": ("Does it beat its teacher?", "its teacher"),
    "filter": ("Does it beat naive training on all weak answers?", "naive training on all weak answers"),
    "stage2": ("Does Stage II add to Stage I?", "Stage I alone"),
    "prompting": ("Does it beat prompting with weak answers?", "prompting with weak answers"),
    "control": ("Do the weak labels matter?", "its control"),
}
"""Each with its words, and what the result is compared with."""


class Asked(NamedTuple):
    """One of `QUESTIONS`: a result and the model it is compared with."""

    question: str
    result: str
    other: str

    @property
    def test(self) -> str:
        return f"{self.result} vs {self.other}"


def endpoint(outline: Outline, names: Collection[str]) -> str | None:
    """The model that the run is about: of the first strategy, else the last result of those there are."""
    first = [each.model for each in outline.strategies[:1]]
    found = [name for name in (*first, *reversed(outline.highlighted)) if name in names]
    return found[0] if found else None


def asked(outline: Outline, names: Collection[str]) -> list[Asked]:
    """The questions that a run with these models can answer."""
    result = endpoint(outline, names)
    if result is None:
        return []
    against = next(entry.against for entry in outline.models if entry.name == result)
    stage1 = next((name for name in against if name in outline.highlighted), None)
    control = next((each.control for each in outline.strategies if each.model == result), None)
    others = {
        "teacher": outline.floor,
        "filter": NAIVE,
        "stage2": stage1,
        "prompting": PROMPTED,
        "control": control or next(filter(is_control, against), None),
    }
    return [
        Asked(each, result, other) for each, other in others.items() if other and other in names and other != result
    ]


def correct(paired: Mapping[str, dict[str, Any]], questions: Sequence[Asked], field: str) -> None:
    """Add `p_holm`: Holm's correction of `field`, of the questions' tests and of all others apart.

    The questions are fixed before any figure, so what else a run compares does not weaken them (ours).
    """
    first = {each.test for each in questions}
    for family in (first, paired.keys() - first):
        tests = [test for name, test in paired.items() if name in family]
        for test, p in zip(tests, holm([test[field] for test in tests]), strict=True):
            test["p_holm"] = p


def relation(ci95: Sequence[float], corrected_p: float) -> Relation:
    """What the interval of a difference of shares, as printed to 0.1 points, and Holm's corrected p allow to say.

    "above" and "below" need both: an interval without 0, and p of at most `LEVEL`. "no effect": an interval inside
    `MARGIN` on either side.
    """
    low, high = (round(100 * bound, 1) for bound in ci95)
    if corrected_p <= LEVEL and low > 0:
        return "above"
    if corrected_p <= LEVEL and high < 0:
        return "below"
    if -100 * MARGIN < low <= 0 <= high < 100 * MARGIN:
        return "no effect"
    return "not distinguished"


def verdicts(questions: Sequence[Asked], paired: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By question: the two models, the difference as in `paired`, and the relation."""
    return {
        each.question: {"result": each.result, "other": each.other}
        | {field: paired[each.test][field] for field in ("difference", "ci95", "p_holm", "n")}
        | {"relation": relation(paired[each.test]["ci95"], paired[each.test]["p_holm"])}
        for each in questions
        if each.test in paired
    }


def title(found: Mapping[str, Mapping[str, Any]], result: str) -> str:
    """All verdicts on `result`, in words, in one sentence."""
    words: dict[Relation, str] = {
        "above": "better than",
        "below": "worse than",
        "no effect": f"within {100 * MARGIN:g} points of",
        "not distinguished": "not distinguished from",
    }
    by = {each: [QUESTIONS[name][1] for name, of in found.items() if of["relation"] == each] for each in words}
    parts = [f"{words[each]} {_listed(names)}" for each, names in by.items() if names]
    return f"The strong model after {result} is {'; '.join(parts)}." if parts else ""


def answer(verdict: Mapping[str, Any]) -> str:
    """One word or two."""
    words = {
        "above": "yes",
        "below": "no: worse",
        "no effect": f"within {100 * MARGIN:g} points",
        "not distinguished": "not shown",
    }
    return words[verdict["relation"]]


def sentence(verdict: Mapping[str, Any], result: str, other: str) -> str:
    """The verdict with difference and interval; `result` and `other` in words."""
    difference, low, high = (_points(share) for share in (verdict["difference"], *verdict["ci95"]))
    interval = f"{difference:+.1f} points (95 % {low:+.1f} to {high:+.1f})"
    if verdict["relation"] in ("above", "below"):
        return f"{result} is {'better' if low > 0 else 'worse'} than {other}: {interval}."
    if verdict["relation"] == "no effect":
        return f"{result} is within {100 * MARGIN:g} points of {other}: {interval}."
    clear = low > 0 or high < 0
    why = f"; {p_is(verdict['p_holm'])} after correction" if clear else ""
    return f"{result} is not distinguished from {other}: {interval}{why}."


def p_value(p: float) -> str:
    """A p-value, never zero: three decimals below 0.1, as a level is there, and two above."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_is(p: float) -> str:
    """The same in a sentence."""
    shown = p_value(p)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _points(share: float) -> float:
    return round(100 * share, 1) + 0.0  # without the sign of -0.0
