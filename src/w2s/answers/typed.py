r"""OlympicArena's answer types: an extracted answer in the canonical spelling of its type, before it is keyed.

Types and spellings follow GAIR-NLP/OlympicArena (annotation/main.py, code/judge.py): a choice is a capital letter,
several choices are letters, a judgement is "True" or "False", a numeric value has its unit in a field of its own. That
judge takes only few spellings of each ("A", "A: ..." and "[A]" for a choice, but neither "(A)" nor "AC"); the reading
here is ours.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Literal

from w2s.answers.canonical import canonical
from w2s.answers.extract import MAX_ANSWER
from w2s.errors import UserError

AnswerType = Literal["SC", "MC", "TF", "NV", "SET", "IN", "EX", "EQ", "TUP", "MPV", "MA", "OT"]
"""Single choice, multiple choice, true/false, numeric value, set, interval, expression, equation, tuple, multi-part
values, multiple answers, other."""

_WRAPPER = re.compile(
    r"\\(?:text|textbf|textrm|mathrm|mathbf|mbox|boxed|operatorname|left|right)(?![a-zA-Z])|[{}$*~]|\\[ ,;!()]"
)
_LETTER = re.compile(r"[\[(]?\s?([A-Za-z])\s?[\])]?[.:)]?")
_LABEL = re.compile(r"[\[(]([A-Za-z])[\])]|([A-Z])\s?(?:[:.)]|-\s)")
_NAMED = re.compile(
    r"\b(?:option|choice|answer|statement|letter)s?\s?(?:is|are)?[\s:(\[]{0,4}([A-Z])\b|\b([B-HJ-Z]) is ", re.IGNORECASE
)
_CAPITAL = re.compile(r"(?<![A-Za-z0-9])[A-Z](?![A-Za-z0-9'])")
_ITEM = re.compile(r"(?:^|[,;&]|\band\b|\bor\b|\s)\s?[\[(]?([A-Z])(?=[\]):.,;&\s]|$)")
_SEPARATORS = re.compile(r"[\s,;&\[\]().]|\b(?:and|or|options?)\b", re.IGNORECASE)
_TRUE = frozenset({"true", "t", "yes", "y", "correct", "right"})
_FALSE = frozenset({"false", "f", "no", "n", "incorrect", "wrong", "untrue"})
_RATIONAL = re.compile(r"-?[0-9]{1,400}(?:/[0-9]{1,400}|\.[0-9]{1,400})?(?:[eE][-+]?[0-9]{1,3})?")
_UNIT_SPELLING = re.compile(
    r"\\(?:mathrm|text|rm|mbox|textrm|operatorname)(?![a-zA-Z])|\\cdot(?![a-zA-Z])|\\[ ,;!]|[{}~$*\s]"
)


def typed(answer: str, kind: AnswerType, unit: str | None = None) -> str | None:
    r"""`answer` in the canonical spelling of its type, or None where nothing of that type can be read. Never raises.

    Args:
        answer: as `extract` gives it: "(B) 5 apples", "A and C", "5 \mathrm{~m/s}".
        kind: "SC" gives a capital letter; "MC" its letters in order ("A, C", also out of "AC"); "TF" "True" or "False"
            (also out of yes, no, T, F, correct, incorrect); "NV" the answer without its `unit`; any other type, the
            answer as it is, without space around it.
        unit: for "NV", the unit the task states. Another unit is left: 5 km is not 5 where metres were asked for.
    """
    answer = answer.strip()
    if not answer or len(answer) > MAX_ANSWER:
        return None
    plain = " ".join(_WRAPPER.sub(" ", answer).split())
    if kind == "SC":
        return _choice(plain)
    if kind == "MC":
        return _choices(plain)
    if kind == "TF":
        return _judgement(plain)
    return _without(answer, unit) if kind == "NV" and unit else answer


def within(prediction: str, gold: str, tolerance: float, relative: bool = False) -> bool:
    """Whether two written numbers differ by no more than `tolerance`; False where either is not read as a number.

    Args:
        prediction: the answer to judge.
        gold: the reference.
        tolerance: the largest difference, in the unit of the numbers, or with `relative` as a share of |gold|
            (OlympicArena's judge: 1.01e-5, absolute).
        relative: as above.

    Raises:
        UserError: `tolerance` is negative or not finite.
    """
    if not 0 <= tolerance < float("inf"):
        raise UserError(f"{tolerance!r} is not a tolerance", field="tolerance", expected="a number from 0 up")
    ours, right = _value(prediction), _value(gold)
    if ours is None or right is None:
        return False
    return abs(ours - right) <= Fraction(tolerance) * (abs(right) if relative else 1)


def _value(answer: str) -> Fraction | None:
    if len(answer) > MAX_ANSWER:
        return None
    key = canonical(answer).key
    try:
        return Fraction(key) if _RATIONAL.fullmatch(key) else None
    except ZeroDivisionError:
        return None


def _choice(answer: str) -> str | None:
    found = _LETTER.fullmatch(answer) or _LABEL.match(answer)
    if found is None:
        found = next((f for f in _NAMED.finditer(answer) if (f[1] or f[2]).isupper()), None)
    if found:
        return next(letter for letter in found.groups() if letter).upper()
    letters = set(_CAPITAL.findall(answer)) - {"I"}
    return letters.pop() if len(letters) == 1 else None


def _choices(answer: str) -> str | None:
    squeezed = _SEPARATORS.sub("", answer)
    if re.fullmatch("[A-Z]{1,26}|[a-z]", squeezed):
        letters = set(squeezed.upper())
    else:
        letters = set(_ITEM.findall(answer)) or set(filter(None, [_choice(answer)]))
    return ", ".join(sorted(letters)) or None


def _judgement(answer: str) -> str | None:
    words = re.findall("[a-z]+", answer.casefold())
    if len(words) > 1:  # in a sentence "t", "no" and their like are words of other meaning
        first, words = words[0], [word for word in words if len(word) > 3 or word == "not"]
        words = [first] if first in ("yes", "no") else words
    said = {(word in _TRUE) for word in words if word in _TRUE or word in _FALSE}
    if len(said) != 1:
        return None
    return str(said.pop() != ("not" in words))


def _without(answer: str, unit: str) -> str | None:
    wanted = _UNIT_SPELLING.sub("", unit)
    if not wanted:
        return answer
    dollar = "$" if answer.startswith("$") and answer.endswith("$") and len(answer) > 1 else ""
    body = answer[len(dollar) : len(answer) - len(dollar)]
    for split in range(len(body) - 1, max(0, len(body) - 4 * len(unit) - 60) - 1, -1):
        if _UNIT_SPELLING.sub("", body[split:]) == wanted and not body[split - 1 : split].isalpha():
            while split and _UNIT_SPELLING.sub("", body[split - 1 :]) == wanted:  # the wrapper belongs to the unit
                split -= 1
            while (
                opened := re.search(r"\\(?:mathrm|text|rm|mbox|textrm|operatorname)$|[{~\s]$", body[:split])
            ) is not None:
                split = opened.start()
            return body[:split].strip() or None
    return answer
