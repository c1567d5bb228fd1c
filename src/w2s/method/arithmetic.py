"""Arithmetic that a text writes down, such as `48/2 = 24`."""

from __future__ import annotations

import re
from fractions import Fraction

_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,4}|[0-9]{1,15})(?:\.[0-9]{1,10})?|\.[0-9]{1,10}"
_TERM = rf"-?\$?(?:{_NUMBER})%?"  # no optional spaces inside: they would make failing matches exponential
_EQUATION = re.compile(
    rf"(?<![-+*/×÷(.0-9])(?<![-+*/×÷=] )(?P<left>{_TERM}(?:\s?[-+*/x×÷]\s?{_TERM}){{1,12}})"
    rf"\s?=\s?(?P<right>{_TERM})(?![0-9])(?!\s?[-+*/x×÷]\s?\$?[0-9])"
)
_TOKEN = re.compile(rf"({_NUMBER})\s?(%?)|([-+*/x×÷])")
_MAX_TEXT = 10_000  # characters; of a longer text nothing is read


def equations(text: str) -> list[tuple[str, str]]:
    """Each written `a op b ... = c` as (left, right); none for a very long text."""
    if len(text) > _MAX_TEXT:
        return []
    return [(match["left"], match["right"]) for match in _EQUATION.finditer(text)]


def is_true(left: str, right: str) -> bool:
    """Whether both sides are equal; the right one may be rounded to two or more decimals, and be in per cent."""
    result = value(left)
    if result is None:
        return False
    decimals = len(right.rstrip(" %").partition(".")[2])
    slack = Fraction(1, 2 * 10**decimals) if decimals >= 2 else Fraction(0)
    stated = (value(right), 1), (amount(right), 100 if "%" in left else 1)
    return any(each is not None and abs(result * scale - each) <= slack for each, scale in stated)


def amount(text: str) -> Fraction | None:
    """The value, per cent signs left out."""
    return value(text.replace("%", ""))


def value(expression: str) -> Fraction | None:
    """The value of `a op b ...`, * and / first; None: a division by zero."""
    total, product = Fraction(0), Fraction(0)
    operator, sign, expects_number = "+", 1, True
    for number, percent, symbol in _TOKEN.findall(expression):
        if symbol:
            if expects_number:
                sign = -sign if symbol == "-" else sign
            else:
                operator, sign, expects_number = symbol, 1, True
            continue
        operand = sign * Fraction(number.replace(",", "")) / (100 if percent else 1)
        if operator in "+-":
            total, product = total + product, operand if operator == "+" else -operand
        elif operator in "/÷":
            if operand == 0:
                return None
            product /= operand
        else:
            product *= operand
        expects_number = False
    return total + product
