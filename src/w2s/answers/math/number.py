"""The exact value of a written number with currency, percent sign and unit (ours)."""

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
_MACRO = r"\\(?:text(?:rm|bf)?|mbox|math(?:rm|sf|tt|it)|rm|operatorname|unit)\s?\{[^{}0-9]{0,60}\}" + _POWERED
_UNIT = re.compile(
    r"\s?(?:\\?%|[¢€£°])$"
    rf"|{_MACRO}(?:\s?[/*]\s?{_MACRO}){{0,2}}$"
    rf"|(?<=[0-9}}])(?:{_ABBREVIATIONS})" + _POWERED + "$"
    r"|\s(?P<words>[a-z][a-z./'-]+(?:\s[a-z][a-z./'-]*){0,3})" + _POWERED + "$",
    re.IGNORECASE,
)
# After a number these words belong to its value, or to another kind of answer: "5 million" is not 5.
_PART_OF_A_VALUE = """hundred thousand million billion trillion dozen half halves third thirds quarter quarters
    fourths pi am pm a.m. p.m. a.m p.m and or to than mod base by over times plus minus sqrt squared cubed factorial
    remainder is if for where below above under over zero minus negative score gross lakh lakhs crore crores
    fifth fifths sixth sixths seventh sevenths eighth eighths ninth ninths tenth tenths twelfths hundredths thousandths
    sin cos tan cot sec csc log ln exp lg theta alpha beta gamma phi not no infinity inf
    are so dozens hundreds thousands millions billions doubled tripled halved twice
    least most minimum maximum max more less fewer greater higher lower larger smaller bigger older younger taller
    shorter longer faster slower heavier lighter closer further farther earlier later extra additional
    best worst upward upwards downward downwards tops short shy won lost overdue owed profits losses gains
    profit loss gain increase decrease rise drop surplus deficit debt discount off up down ahead behind before after
    early late north south east west northeast northwest southeast southwest clockwise counterclockwise
    anticlockwise bc bce ad ce inclusive exclusive binary ternary octal hexadecimal hex noon midnight morning
    afternoon evening"""
_NOT_UNITS = frozenset(_PART_OF_A_VALUE.split())
_SCALE = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_SCALED = re.compile(rf"(?P<number>.*[0-9])\s?(?P<scale>{'|'.join(_SCALE)})(?:\s(?P<unit>[a-z]+))?", re.IGNORECASE)
_REPEATING = re.compile(r"([-+]?)([0-9]{0,40})\.([0-9]{0,40})\s?\\(?:overline|bar)\s?\{([0-9]{1,40})\}(?:\.\.\.)?")
_REPEATED = re.compile(r"([-+]?)([0-9]{0,20})\.([0-9]{0,6}?)([0-9]{1,6}?)\4{2,}\.{3}")  # 0.333..., three times at least
_EUROPEAN = re.compile(r"([-+]?)\s?([0-9]{1,3}(?:[. ][0-9]{3})+),([0-9]{1,2})")  # 1.234,56
_GROUPS = re.compile(r"[,\s']")


def number(text: str) -> Fraction | None:
    """The exact value of a number in plain spelling (`latex.plain`), or None."""
    for _ in range(3):  # "5 square meters (%)": at most a few layers
        match = _NUMBER.fullmatch(text)
        if match:
            return _value(match)
        shorter = without_unit(text)
        if shorter == text:
            break
        text = shorter
    if text.startswith("(") and text.endswith(")"):
        match = _NUMBER.fullmatch(text[1:-1].strip())
        return _value(match) if match and "," not in text else None
    return _rarely(text)


def _rarely(text: str) -> Fraction | None:
    scaled = _SCALED.fullmatch(text)
    if scaled and (scaled["unit"] or "").casefold() not in _NOT_UNITS:
        match = _NUMBER.fullmatch(scaled["number"])
        return None if not match else _scaled(_value(match), str(_SCALE[scaled["scale"].casefold()]))
    repeating = _REPEATING.fullmatch(text) or _REPEATED.fullmatch(text)
    if repeating:
        sign, whole, fixed, period = repeating.groups()
        exactly = Fraction(int(whole + fixed or "0") + Fraction(int(period), 10 ** len(period) - 1), 10 ** len(fixed))
        return -exactly if sign == "-" else exactly
    european = _EUROPEAN.fullmatch(text)
    if european:
        return exact(european[1] + re.sub("[. ]", "", european[2]) + "." + european[3])
    return None


def without_unit(text: str) -> str:
    """`text` without one unit or percent sign at its end."""
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
    if re.fullmatch(_ABBREVIATIONS, text) or not text.isalpha():
        return True
    return len(text) > 2 and not (set(text) <= set("abcd") or set(text) <= set("xyz")) and not _VOWELS.isdisjoint(text)


def unit_word(text: str) -> bool:
    """Whether `text` is a unit, or a thing that is counted."""
    return text not in _NOT_UNITS and len(text) > 1 and _word(text)


def oversized(text: str) -> bool:
    """Whether `text` is a scientific number too large or small to compute."""
    match = _NUMBER.fullmatch(text)
    return match is not None and _value(match) is None and (match["exponent"] or match["ten"]) is not None


def _value(match: re.Match[str]) -> Fraction | None:
    sign = -1 if (match["sign"] == "-") != (match["inner"] == "-") else 1
    if match["ten"]:
        return _scaled(Fraction(sign), match["ten"])
    if match["decimal"]:
        return _scaled(sign * exact(match["decimal"]), match["exponent"] or "0")
    over, under = exact(match["over"] or match["over2"]), exact(match["under"] or match["under2"])
    if under == 0:
        return None
    whole = match["whole"] or match["whole2"]
    if whole is None:
        return sign * over / under
    return sign * (exact(whole) + over / under) if 0 <= over < under else None


def exact(digits: str) -> Fraction:
    """The value of digits with grouping marks: "1,234.50"."""
    digits = _GROUPS.sub("", digits)
    if digits.count(".") > 1:
        digits = digits.replace(".", "")
    return Fraction(digits.rstrip("."))


def _scaled(value: Fraction | None, exponent: str) -> Fraction | None:
    power = int(exponent)
    return value * Fraction(10) ** power if value is not None and abs(power) <= _MAX_EXPONENT else None
