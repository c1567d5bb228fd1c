"""Canonical forms of final answers: equal answers get equal strings, so equality is symmetric and transitive (ours).

A number becomes an exact fraction; everything else a bounded LaTeX and text normal form. What this cannot see, such as
`x+1` and `1+x`, stays different: a later judge may decide it.
"""

from __future__ import annotations

import re
from fractions import Fraction

_MAX_EXPONENT = 60  # with 30 digits a number this keeps every canonical number under 200 characters

_SYMBOLS = str.maketrans({
    "−": "-", "–": "-", "—": "-", "×": "*", "·": "*", "÷": "/", "⁄": "/", "∕": "/", "°": "", "²": "^2", "³": "^3",
    "½": " 1/2", "⅓": " 1/3", "⅔": " 2/3", "¼": " 1/4", "¾": " 3/4", "⅕": " 1/5", "⅛": " 1/8",
    "π": r"\pi ", "∞": r"\infty ", "√": r"\sqrt ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ",
    "\u00a0": " ", "\u202f": " ", "“": '"', "”": '"', "’": "'",
})  # fmt: skip
_WRAPPINGS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"), ('"', '"'))
_COMMAND_WRAPPINGS = (r"\boxed{", r"\fbox{", r"\text{", r"\textbf{", r"\mathrm{", r"\mathbf{", r"\mbox{", "{")

_INTEGER = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,9}|[0-9]{1,30})"
_DECIMAL = rf"(?:{_INTEGER}(?:\.[0-9]{{0,30}})?|\.[0-9]{{1,30}})"
_SIGNED = rf"[-+]?\s?{_DECIMAL}"
_POWER = r"(?:e|\s?(?:\*|\\times|\\cdot|x)\s?10\s?\^)\s?\{?(?P<exponent>[-+]?[0-9]{1,2})\}?"
_CURRENCY = r"(?:us\$|a\$|c\$|usd|eur|gbp|rs\.?|[$€£¥₹])"
_NUMBER = re.compile(
    rf"(?P<sign>[-+]?)\s?(?:{_CURRENCY}\s?)?(?P<inner>[-+]?)(?:"
    rf"(?P<decimal>{_DECIMAL})(?:{_POWER})?"
    rf"|10\s?\^\s?\{{?(?P<ten>[-+]?[0-9]{{1,2}})\}}?"
    rf"|(?:(?P<whole>{_INTEGER})\s)?(?P<over>{_SIGNED})\s?/\s?(?P<under>{_SIGNED})"
    rf"|(?:(?P<whole2>{_INTEGER})\s?)?\\frac\s?\{{\s?(?P<over2>{_SIGNED})\s?\}}\s?\{{\s?(?P<under2>{_SIGNED})\s?\}})"
)
_POWERED = r"(?:\s?\^\s?\{?[23]\}?)?"
_UNIT = re.compile(
    r"\s?(?:\\?%|[¢€£])$"
    r"|(?<=[0-9})\s])\\(?:text|mbox|mathrm|textrm)\{[^{}0-9]{0,60}\}" + _POWERED + "$"
    r"|(?<=[0-9])(?:mm|cm|km|kg|mg|ml|ft|lbs?|hrs?|mins?|secs?|oz|mph|kph|km/h|m/s)" + _POWERED + "$"
    r"|\s(?P<words>[a-z][a-z./'-]+(?:\s[a-z][a-z./'-]*){0,3})" + _POWERED + "$"
)
# After a number these words are part of its value or of another kind of answer, so "5 million" is not 5.
_NOT_UNITS = {
    "hundred", "thousand", "million", "billion", "trillion", "dozen", "half", "halves", "third", "thirds", "quarter",
    "quarters", "fourths", "pi", "am", "pm", "a.m.", "p.m.", "a.m", "p.m", "and", "or", "to", "than", "mod", "base",
    "by", "over", "times", "plus", "minus", "sqrt", "squared", "cubed", "factorial", "remainder",
}  # fmt: skip
_SEVERAL = re.compile(r",(?![0-9]{3})|[;<>!~]|\\(?:ne|le|ge|neq|leq|geq)\b|\bor\b|\band\b|\\text")

_LATEX = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (r"\\(?:left|right|bigl?|bigr?|displaystyle|limits)(?![a-z])", ""),
        (r"(?<=[0-9])(?:\{,\}|\\[,!]|\s?,\\!)(?=[0-9]{3}(?![0-9]))", ""),
        (r"\\(?:[,;:!> ]|quad|qquad)|~", " "),
        (r"\\[dtc]frac(?![a-z])", r"\\frac"),
        (r"\^\s?\{?\s?\\circ\s?\}?|\\degree|\bdegrees?\b", ""),
        (r"\\([$%#&])", r"\1"),
        (r"\\(?:cdot|times)(?![a-z])", "*"),
        (r"\\(le|ge|ne)q(?![a-z])", r"\\\1"),
        (r"\\frac\s?([0-9a-z])\s?([0-9a-z])(?![a-z])", r"\\frac{\1}{\2}"),
        (r"\\frac\s?([0-9a-z])\s?(?=\{)", r"\\frac{\1}"),
        (r"(\\frac\s?\{[^{}]*\})\s?([0-9a-z])(?![a-z])", r"\1{\2}"),
        (r"\\sqrt\s?([0-9])", r"\\sqrt{\1}"),
        (r"\s+", " "),
    )
)
_UNWRAP = re.compile(r"\\(?:text|textbf|textit|textrm|mbox|mathrm|mathbf|mathit|operatorname)\{([^{}]*)\}")


def canonical(answer: str) -> str:
    r"""The canonical form of a final answer of bounded length; "" where nothing is left of it. Source: ours.

    Numbers are exact: "0.50", "1/2" and "\frac12" are one half, "0.333" is not a third. A currency sign, a percent
    sign and a unit are not part of the value, as in the released code: "10%", "$10" and "10 apples" are 10.
    """
    text = _strip(answer.translate(_SYMBOLS).casefold().replace(r"\$", ""))
    for pattern, new in _LATEX:
        text = pattern.sub(new, text)
    text = _strip(text)
    left, equals, right = text.rpartition("=")
    if equals and right.strip() and left.strip() and not _SEVERAL.search(left):
        text = _strip(right)  # "x = 5" and "2 + 3 = 5" answer 5; "x = 1, y = 2" stays whole
    value = number(text)
    return _form(text) if value is None else str(value)


def number(text: str) -> Fraction | None:
    """The exact value of a written number with its currency and unit; None for anything else."""
    for _ in range(3):  # "5 square meters (%)": at most a few layers
        found = _NUMBER.fullmatch(text)
        if found:
            return _value(found)
        unit = _UNIT.search(text)
        if unit is None or not _NOT_UNITS.isdisjoint((unit["words"] or "").split()):
            break
        text = text[: unit.start()].strip()
    if text.startswith("(") and text.endswith(")"):
        found = _NUMBER.fullmatch(text[1:-1].strip())
        return _value(found) if found else None
    return None


def _value(found: re.Match[str]) -> Fraction | None:
    sign = -1 if (found["sign"] == "-") != (found["inner"] == "-") else 1
    if found["ten"]:
        return sign * _scaled(Fraction(1), found["ten"])
    if found["decimal"]:
        return sign * _scaled(_exact(found["decimal"]), found["exponent"] or "0")
    over, under = _exact(found["over"] or found["over2"]), _exact(found["under"] or found["under2"])
    if under == 0:
        return None
    whole = found["whole"] or found["whole2"]
    if whole is None:
        return sign * over / under
    return sign * (_exact(whole) + over / under) if over >= 0 and under > 0 else None


def _exact(digits: str) -> Fraction:
    digits = re.sub(r"[,\s]", "", digits)
    return Fraction(digits.rstrip(".") if digits.endswith(".") else digits)


def _scaled(value: Fraction, exponent: str) -> Fraction:
    power = max(-_MAX_EXPONENT, min(_MAX_EXPONENT, int(exponent)))
    return value * Fraction(10) ** power


def _strip(text: str) -> str:
    before = None
    while text != before:
        before = text
        text = text.strip().rstrip(".,;:!?").lstrip(":=").strip()
        for left, right in _WRAPPINGS:
            if len(text) > len(left) + len(right) and text.startswith(left) and text.endswith(right):
                inside = text[len(left) : -len(right)]
                text = inside if left not in inside and right not in inside else text
        for opening in _COMMAND_WRAPPINGS:
            if text.startswith(opening) and text.endswith("}") and _closes_last(text, len(opening)):
                text = text[len(opening) : -1]
    return text


def _closes_last(text: str, start: int) -> bool:
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position == len(text) - 1
    return False


def _form(text: str) -> str:
    text = _UNWRAP.sub(r" \1 ", text)
    text = re.sub(r"^\s*(?:the|an|a)\s", "", text)
    text = re.sub(r"([\^_])\s?\{\s?([0-9a-z])\s?\}", r"\1\2", text).replace("$", "")
    text = re.sub(r"^\(([a-j])\)$", r"\1", text.strip())
    before = next((mark for mark in ("(", "[", r"\{") if text.startswith(mark)), "")
    after = next((mark for mark in (")", "]", r"\}") if before and text.endswith(mark)), "")
    inside = text[len(before) : len(text) - len(after)] if after else text
    parts = _split(inside)
    if len(parts) > 1:  # a tuple, interval or list: each number in it is canonical too
        text = ",".join(map(_part, parts))
        text = before + text + after if after else text
    return re.sub(r"\s+", "", text)


def _part(text: str) -> str:
    value = None if re.match(r"\s*0[0-9]", text) else number(text.strip())  # "1,000,00" is not the list 1, 0, 0
    return text if value is None else str(value)


def _split(text: str) -> list[str]:
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
