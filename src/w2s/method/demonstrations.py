"""Which weak answers the strong model sees as few-shot demonstrations, chosen without gold.

The paper's release fixes four by hand ("carefully selected") or draws them at random; `selected` replaces the hand by
a check that needs no gold: does the text's own arithmetic hold, and does its answer follow from it (ours)?
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

from w2s.method.agreement import by_id
from w2s.records import Answered
from w2s.seeds import derive

_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,4}|[0-9]{1,15})(?:\.[0-9]{1,10})?|\.[0-9]{1,10}"
_TERM = rf"-?\$?(?:{_NUMBER})%?"  # no optional spaces inside: they would make failing matches exponential
_EQUATION = re.compile(
    rf"(?<![-+*/×÷(.0-9])(?<![-+*/×÷=] )(?P<left>{_TERM}(?:\s?[-+*/x×÷]\s?{_TERM}){{1,12}})"
    rf"\s?=\s?(?P<right>{_TERM})(?![0-9])(?!\s?[-+*/x×÷]\s?\$?[0-9])"
)
_TOKEN = re.compile(rf"({_NUMBER})\s?(%?)|([-+*/x×÷])")
_KEY = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30}|/[1-9][0-9]{0,29})?")
_MAX_TEXT = 10_000  # characters; a longer text is never preferred


def choose(weak: Iterable[Answered], *, k: int, mode: Literal["random", "selected"], seed: int) -> list[Answered]:
    """Choose `k` demonstrations among the weak answers that have a final answer; fewer where there are fewer.

    "random": a uniform draw (paper's ablation). "selected": texts that check themselves (`checks_itself`), one from
    each number of equations in turn, beginning with the most frequent number, so that lengths differ; where these are
    too few, the rest is drawn at random from the others. The choice depends on `seed` and the answers, not on their
    order, and never on gold.

    Raises:
        UserError: an id comes twice.
    """
    candidates = [answer for _, answer in sorted(by_id(weak, "the weak answers").items()) if answer.key is not None]
    generator = random.Random(derive(seed, "demonstrations", mode))
    generator.shuffle(candidates)
    if mode == "random":
        return candidates[:k]
    by_steps: dict[int, list[Answered]] = {}
    for answer in candidates:
        if checks_itself(answer):
            by_steps.setdefault(len(equations(answer.response)), []).append(answer)
    lengths = sorted(by_steps, key=lambda steps: (-len(by_steps[steps]), steps))
    preferred = [by_steps[steps][turn] for turn in range(k) for steps in lengths if turn < len(by_steps[steps])]
    chosen = {answer.id for answer in preferred}
    return (preferred + [answer for answer in candidates if answer.id not in chosen])[:k]


def checks_itself(answer: Answered) -> bool:
    """Whether every "=" of the text belongs to a true equation and the final answer is the last computed result.

    A right side rounded to two or more decimals counts as true. Text that cannot be read this way (algebra, units
    inside a computation) does not check itself. Source: ours.
    """
    text = answer.response
    found = equations(text)
    if answer.key is None or not _KEY.fullmatch(answer.key) or "Question:" in text:
        return False
    if not found or text.count("=") != len(found) or not all(_holds(left, right) for left, right in found):
        return False
    return Fraction(answer.key) in {_value(found[-1][1]), _amount(found[-1][1])}


def equations(text: str) -> list[tuple[str, str]]:
    """(left, right) of each written computation `a op b ... = c`, in order; none for a very long text."""
    if len(text) > _MAX_TEXT:
        return []
    return [(found["left"], found["right"]) for found in _EQUATION.finditer(text)]


def _holds(left: str, right: str) -> bool:
    value = _value(left)
    if value is None:
        return False
    decimals = len(right.rstrip(" %").partition(".")[2])
    slack = Fraction(1, 2 * 10**decimals) if decimals >= 2 else Fraction(0)
    for stated, scale in ((_value(right), 1), (_amount(right), 100 if "%" in left else 1)):
        if stated is not None and abs(value * scale - stated) <= slack:
            return True
    return False


def _amount(text: str) -> Fraction | None:
    """The number itself, without what a percent sign does to it."""
    return _value(text.replace("%", ""))


def _value(expression: str) -> Fraction | None:
    """The exact value of a flat computation, * and / before + and -; None where it divides by zero."""
    total, product = Fraction(0), Fraction(0)
    operator, sign, expects_number = "+", 1, True
    for number, percent, symbol in _TOKEN.findall(expression):
        if symbol:
            if expects_number:
                sign = -sign if symbol == "-" else sign
            else:
                operator, sign, expects_number = symbol, 1, True
            continue
        value = sign * Fraction(number.replace(",", "")) / (100 if percent else 1)
        if operator in "+-":
            total, product = total + product, value if operator == "+" else -value
        elif operator in "/÷":
            if value == 0:
                return None
            product /= value
        else:
            product *= value
        expects_number = False
    return total + product
