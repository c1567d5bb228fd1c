"""The exact value of a written number, with its currency, percent sign and unit (ours)."""

from __future__ import annotations

import re
from fractions import Fraction

_MAX_EXPONENT = 5000  # a number with a larger one is the text it is

_GROUPED = (
    r"[0-9]{1,3}(?:,[0-9]{3}){1,9}"
    r"|[0-9]{1,3}(?: [0-9]{3}){1,9}(?![0-9/])"
    r"|[0-9]{1,3}(?:'[0-9]{3}){1,9}"
    r"|[0-9]{1,3}(?:\.[0-9]{3}){2,9}"  # one group is a decimal: 1.000 is 1
    r"|[0-9]{1,2}(?:,[0-9]{2}){1,6},000"  # 1,00,000; without the zeros it is read as a list
)
_INTEGER = rf"(?:{_GROUPED}|[0-9]{{1,400}})"
_DECIMAL = rf"(?:{_INTEGER}(?:\.[0-9]{{0,400}})?|\.[0-9]{{1,400}})"
_SIGNED = rf"[-+]?\s?{_DECIMAL}"
_POWER = r"(?:[eE]|\s?(?:\*|\\times|\\cdot|[xX])\s?10\s?\^)\s?\{?(?P<exponent>[-+]?[0-9]{1,6})\}?"
_CURRENCY = r"(?:(?:us|a|c)\$|(?:usd|eur|gbp|inr)\s|rs\.?\s?|[$€£¥₹])"
_NUMBER = re.compile(
    rf"(?P<sign>[-+]?)\s?(?:{_CURRENCY}\s?)?(?P<inner>[-+]?)(?:"
    rf"(?P<decimal>{_DECIMAL})(?:{_POWER})?"
    rf"|10\s?\^\s?\{{?(?P<ten>[-+]?[0-9]{{1,6}})\}}?"
    rf"|(?:(?P<whole>{_INTEGER})\s)?(?P<over>{_SIGNED})\s?/\s?(?P<under>{_SIGNED})"
    rf"|(?:(?P<whole2>{_INTEGER})\s?)?\\frac\s?\{{\s?(?P<over2>{_SIGNED})\s?\}}\s?\{{\s?(?P<under2>{_SIGNED})\s?\}})",
    re.IGNORECASE,
)
_POWERED = r"(?:\s?\^\s?\{?[23]\}?)?"
_VOWELS = frozenset("aeiouy")
_ABBREVIATIONS = (
    "in|dm|yds?|kw|kb|mb|gb|dl|cl|pts|mm|cm|km|kg|mg|ml|ft|lbs?|hrs?|mins?|secs?|oz|mph|kph|km/h|m/s|sq|rpm|kwh"
)
_UNIT = re.compile(
    r"\s?(?:\\?%|[¢€£°])$"
    r"|\\(?:text|mbox|mathrm|textrm|textbf|rm)\{[^{}0-9]{0,60}\}" + _POWERED + "$"
    rf"|(?<=[0-9}}])(?:{_ABBREVIATIONS})" + _POWERED + "$"
    r"|\s(?P<words>[a-z][a-z./'-]+(?:\s[a-z][a-z./'-]*){0,3})" + _POWERED + "$",
    re.IGNORECASE,
)
# After a number these words are part of its value or of another kind of answer, so "5 million" is not 5.
_PART_OF_A_VALUE = """hundred thousand million billion trillion dozen half halves third thirds quarter quarters
    fourths pi am pm a.m. p.m. a.m p.m and or to than mod base by over times plus minus sqrt squared cubed factorial
    remainder is if for where below above under over zero minus negative score gross lakh lakhs crore crores
    fifth fifths sixth sixths seventh sevenths eighth eighths ninth ninths tenth tenths twelfths hundredths thousandths
    sin cos tan cot sec csc log ln exp lg theta alpha beta gamma phi not no infinity inf
    are so"""
_NOT_UNITS = frozenset(_PART_OF_A_VALUE.split())
_SCALE = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_SCALED = re.compile(rf"(?P<number>.*[0-9])\s?(?P<scale>{'|'.join(_SCALE)})(?:\s(?P<unit>[a-z]+))?", re.IGNORECASE)
_REPEATING = re.compile(r"([-+]?)([0-9]{0,40})\.([0-9]{0,40})\s?\\(?:overline|bar)\s?\{([0-9]{1,40})\}(?:\.\.\.)?")
_REPEATED = re.compile(r"([-+]?)([0-9]{0,20})\.([0-9]{0,6}?)([0-9]{1,6}?)\4{2,}\.{3}")  # 0.333..., three times at least
_EUROPEAN = re.compile(r"([-+]?)\s?([0-9]{1,3}(?:\.[0-9]{3})+),([0-9]{1,2})")  # 1.234,56
_GROUPS = re.compile(r"[,\s']")


def number(text: str) -> Fraction | None:
    """The exact value of a written number with its currency and unit; None for anything else.

    Args:
        text: one line of plain spelling (`w2s.answers.latex.plain`), bounded in length.
    """
    for _ in range(3):  # "5 square meters (%)": at most a few layers
        found = _NUMBER.fullmatch(text)
        if found:
            return _value(found)
        shorter = without_unit(text)
        if shorter == text:
            break
        text = shorter
    if text.startswith("(") and text.endswith(")"):
        found = _NUMBER.fullmatch(text[1:-1].strip())
        return _value(found) if found and "," not in text else None
    return _rarely(text)


def _rarely(text: str) -> Fraction | None:
    """Numbers with words ("5 million"), repeating decimals and a decimal comma."""
    scaled = _SCALED.fullmatch(text)
    if scaled and (scaled["unit"] or "").casefold() not in _NOT_UNITS:
        found = _NUMBER.fullmatch(scaled["number"])
        return None if not found else _scaled(_value(found), str(_SCALE[scaled["scale"].casefold()]))
    repeating = _REPEATING.fullmatch(text) or _REPEATED.fullmatch(text)
    if repeating:
        sign, whole, fixed, period = repeating.groups()
        exactly = Fraction(int(whole + fixed or "0") + Fraction(int(period), 10 ** len(period) - 1), 10 ** len(fixed))
        return -exactly if sign == "-" else exactly
    european = _EUROPEAN.fullmatch(text)
    if european:
        return exact(european[1] + european[2].replace(".", "") + "." + european[3])
    return None


def without_unit(text: str) -> str:
    """`text` without one unit, percent sign or the like at its end."""
    unit = _UNIT.search(text)
    if unit is None or unit.start() == 0:
        return text
    words = (unit["words"] or "").casefold().split()
    if not _NOT_UNITS.isdisjoint(words) or (words and not _word(words[0])):
        return text
    if re.search(r"\{\s*[ixyznek]\s*\}", unit[0]):  # \text{i} is the number or a variable
        return text
    if unit[0].lstrip().startswith("\\") and not _NOT_UNITS.isdisjoint(re.findall(r"[a-z.]+", unit[0].casefold())[1:]):
        return text
    return text[: unit.start()].strip()


def _word(text: str) -> bool:
    """Whether `text` is a word or an abbreviated unit, not a product such as ab or xyz."""
    if re.fullmatch(_ABBREVIATIONS, text) or not text.isalpha():
        return True
    return len(text) > 2 and not (set(text) <= set("abcd") or set(text) <= set("xyz")) and not _VOWELS.isdisjoint(text)


def unit_word(text: str) -> bool:
    """Whether `text` is the word or abbreviation of a unit, or a thing that is counted."""
    return text not in _NOT_UNITS and len(text) > 1 and _word(text)


def oversized(text: str) -> bool:
    """Whether `text` is a number in scientific notation that is too large or small for its value to be written out."""
    found = _NUMBER.fullmatch(text)
    return found is not None and _value(found) is None and (found["exponent"] or found["ten"]) is not None


def _value(found: re.Match[str]) -> Fraction | None:
    sign = -1 if (found["sign"] == "-") != (found["inner"] == "-") else 1
    if found["ten"]:
        return _scaled(Fraction(sign), found["ten"])
    if found["decimal"]:
        return _scaled(sign * exact(found["decimal"]), found["exponent"] or "0")
    over, under = exact(found["over"] or found["over2"]), exact(found["under"] or found["under2"])
    if under == 0:
        return None
    whole = found["whole"] or found["whole2"]
    if whole is None:
        return sign * over / under
    return sign * (exact(whole) + over / under) if 0 <= over < under else None


def exact(digits: str) -> Fraction:
    """The value of digits with grouping marks and at most one decimal point: "1,234.50"."""
    digits = _GROUPS.sub("", digits)
    if digits.count(".") > 1:
        digits = digits.replace(".", "")
    return Fraction(digits.rstrip("."))


def _scaled(value: Fraction | None, exponent: str) -> Fraction | None:
    power = int(exponent)
    return value * Fraction(10) ** power if value is not None and abs(power) <= _MAX_EXPONENT else None
