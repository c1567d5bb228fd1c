"""OlympicArena's answer types (GAIR-NLP/OlympicArena, annotation/main.py, code/judge.py)."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Literal, NamedTuple, cast

from w2s.answers import patterns
from w2s.answers.extract import MAX_ANSWER, extract
from w2s.answers.math.canonical import canonical
from w2s.config.choices import AnswerRule
from w2s.errors import UserError

AnswerType = Literal["SC", "MC", "TF", "NV", "SET", "IN", "EX", "EQ", "TUP", "MPV", "MA", "OT"]
"""Single choice, multiple choice, true/false, numeric value, set, interval, expression, equation, tuple, multi-part
values, multiple answers, other.
"""
TOLERANCE = 1.01e-5
"""The judge's largest difference of equal numbers (code/judge.py)."""

_SENTENCES: dict[str, AnswerType] = {
    "This is a multiple choice question (only one correct answer)": "SC",
    "This is a multiple choice question (more than one correct answer)": "MC",
    "This is a True or False question": "TF",
    "The answer to this question is a numerical value": "NV",
    "The answer to this question is a set": "SET",
    "The answer to this question is a range interval": "IN",
    "The answer to this question is an expression": "EX",
    "The answer to this question is an equation": "EQ",
    "The answer to this question is a tuple": "TUP",
    "This question involves multiple quantities to be determined": "MPV",
    "This question has more than one correct answer, you need to include them all": "MA",
}
_KIND = re.compile(rf"^(?:{'|'.join(map(re.escape, _SENTENCES))})\.", re.MULTILINE)
_UNIT = re.compile(r"calculated in the unit of ([^\n]{1,100}?), but ")
_BRACKETED = re.compile(r"\s*(?:\\left\s?)?\(.*\)\s*", re.DOTALL)
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
_UNIT_OPENING = re.compile(r"\\(?:mathrm|text|rm|mbox|textrm|operatorname)$|[{~\s]$")


class ExpectedAnswer(NamedTuple):
    """The answer type that a question specifies, and its unit."""

    kind: AnswerType | None = None
    unit: str | None = None


def expected_answer(question: str) -> ExpectedAnswer:
    """What `question` expects: its first type and last unit."""
    kind = _KIND.search(question)
    if kind is None:
        return ExpectedAnswer()
    units = _UNIT.findall(question)
    return ExpectedAnswer(_SENTENCES[kind[0][:-1]], units[-1] if units else None)


def read(text: str, question: str, rule: AnswerRule) -> str | None:
    """The final answer of a response; in style "olympicarena", spelled as `question` expects."""
    if rule.pattern is None:
        answer = extract(text, rule.style, flexible=rule.match != "string")
    else:
        answer = patterns.last(text, rule.pattern)
    return spell(answer, expected_answer(question)) if rule.style == "olympicarena" else answer


def spell(answer: str | None, expected: ExpectedAnswer) -> str | None:
    """`answer` in the spelling of its type, or None. Never raises.

    - SC: a capital letter. MC: "A, C". TF: "True" or "False".
    - NV: without the expected unit. MPV: a tuple. Others: as they are.
    """
    if answer is None or expected.kind is None:
        return answer
    answer = answer.strip()
    if not answer or len(answer) > MAX_ANSWER:
        return None
    kind, plain = expected.kind, " ".join(_WRAPPER.sub(" ", answer).split())
    if kind == "SC":
        return _choice(plain)
    if kind == "MC":
        return _choices(plain)
    if kind == "TF":
        return _judgement(plain)
    if kind == "NV" and expected.unit:
        return _without(answer, expected.unit)
    return f"({answer})" if kind == "MPV" and "," in answer and not _BRACKETED.fullmatch(answer) else answer


def as_text(answer: object, kind: AnswerType | None) -> str | None:
    r"""A published gold answer as one text, or None.

    A set is "\{1, 2\}", several quantities "(1, 2)", several answers "1, 2".
    """
    parts = answer if isinstance(answer, list) else [answer]
    if not parts or not all(isinstance(part, str | int | float) and not isinstance(part, bool) for part in parts):
        return None
    joined = ", ".join(str(part).strip() for part in cast("list[object]", parts))
    if len(parts) > 1 and kind in ("SET", "MPV"):
        return rf"\{{{joined}\}}" if kind == "SET" else f"({joined})"
    return joined


def within(prediction: str, gold: str, tolerance: float, relative: bool = False) -> bool:
    """Whether two written numbers differ by at most `tolerance`, if `relative` as a share of |gold|.

    False if either is no number.

    Raises:
        UserError: `tolerance` is negative or not finite.
    """
    if not 0 <= tolerance < float("inf"):
        raise UserError(f"{tolerance!r} is not a tolerance", field="tolerance", expected="a number from 0 up")
    value, reference = _value(prediction), _value(gold)
    if value is None or reference is None:
        return False
    return abs(value - reference) <= Fraction(tolerance) * (abs(reference) if relative else 1)


def _value(answer: str) -> Fraction | None:
    if len(answer) > MAX_ANSWER:
        return None
    key = canonical(answer).key
    try:
        return Fraction(key) if _RATIONAL.fullmatch(key) else None
    except ZeroDivisionError:
        return None


def _choice(answer: str) -> str | None:
    match = _LETTER.fullmatch(answer) or _LABEL.match(answer)
    if match is None:
        match = next((each for each in _NAMED.finditer(answer) if (each[1] or each[2]).isupper()), None)
    if match:
        return next(letter for letter in match.groups() if letter).upper()
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
    judgements = {(word in _TRUE) for word in words if word in _TRUE or word in _FALSE}
    if len(judgements) != 1:
        return None
    return str(judgements.pop() != ("not" in words))


def _without(answer: str, unit: str) -> str | None:
    expected = _UNIT_SPELLING.sub("", unit)
    if not expected:
        return answer
    dollar = "$" if answer.startswith("$") and answer.endswith("$") and len(answer) > 1 else ""
    body = answer[len(dollar) : len(answer) - len(dollar)]
    for split in range(len(body) - 1, max(0, len(body) - 4 * len(unit) - 60) - 1, -1):
        if _UNIT_SPELLING.sub("", body[split:]) == expected and not body[split - 1 : split].isalpha():
            while split and _UNIT_SPELLING.sub("", body[split - 1 :]) == expected:  # the wrapper belongs to the unit
                split -= 1
            while (opening := _UNIT_OPENING.search(body[:split])) is not None:
                split = opening.start()
            return body[:split].strip() or None
    return answer
