"""Answers that are words, or quantities in several units: what of them counts when they are compared (ours)."""

from __future__ import annotations

import re

from w2s.answers.number import number, unit_word

_MATHEMATICAL = re.compile(
    r"[\\^_]|[0-9A-Za-z)}\]!]\s*[-+*/<>=|]\s*[0-9A-Za-z({\[\\]|[0-9A-Za-z)}\]|]\s*[<>=]\s*-?\s*[0-9A-Za-z(|]"
)
_PROSE = re.compile(r"(?<![\\A-Za-z{])[A-Za-z]{3,}")  # Math-Verify would read "area" as a r e a
_ARTICLE = re.compile(r"^\s*(?:the|an|a)\s", re.IGNORECASE)
_SEVERAL = re.compile(r"[A-Za-z]{2,}(?:\s[A-Za-z]{2,})+")
_FUNCTION = re.compile(r"\b(?:pi|sin|cos|tan|cot|sec|csc|sqrt|log|ln|exp)\b")
_NOT_AVAILABLE = re.compile(r"N/[Aa]")
_ONE = r"-?[$€£]?[0-9][0-9.,]{0,20}(?:\s?[0-9]{1,9}/[0-9]{1,9})?\s?[A-Za-z][A-Za-z.]*(?:\s(?!and\b|or\b)[A-Za-z]+){0,2}"
_QUANTITIES = re.compile(rf"{_ONE}(?:(?:\s?,)?\s(?:and\s)?{_ONE}){{1,5}}", re.IGNORECASE)
_QUANTITY = re.compile(_ONE, re.IGNORECASE)
_UNITS = {
    "hr": "hour", "h": "hour", "min": "minute", "sec": "second", "ft": "foot", "feet": "foot", "inches": "inch",
    "in": "inch", "lb": "pound", "oz": "ounce", "yd": "yard",
}  # fmt: skip


def mathematical(text: str) -> bool:
    """Whether `text` looks like mathematics, and not like prose."""
    return text.isascii() and _MATHEMATICAL.search(text) is not None and _PROSE.search(text) is None


def prose(text: str) -> bool:
    """Whether `text` is words, although their letters could be products: "dog cat", but not "x y" or "ab"."""
    return (_SEVERAL.fullmatch(text) is not None and _FUNCTION.search(text) is None) or bool(
        _NOT_AVAILABLE.fullmatch(text)
    )


def text_key(text: str) -> str:
    """The key of a text: of words without case, articles and spaces, of mathematics without spaces."""
    listed = "..." in text and not _PROSE.search(text)
    if not (mathematical(text) or listed) or _NOT_AVAILABLE.fullmatch(text):
        text = _ARTICLE.sub("", text.casefold())
    text = re.sub(r"([\^_])\s?\{\s?([0-9A-Za-z])\s?\}", r"\1\2", text).replace("$", "").replace("°", "")
    return re.sub(r"(?<![0-9])\s+|\s+(?![0-9])", "", text)  # "1 2" is not 12


def quantities(text: str) -> str | None:
    """The key of a quantity in several units, or of several things: "2 hours and 30 minutes", "3 apples, 2 pears".

    Here units count, since only they say which number is which. None for anything else.
    """
    if not _QUANTITIES.fullmatch(text):
        return None
    found: dict[str, str] = {}
    for part in _QUANTITY.findall(text):
        at = re.search(r"[A-Za-z]", part)
        assert at is not None  # the pattern asks for a letter
        words = part[at.start() :].casefold().split()
        value = number(part[: at.start()].strip())
        if value is None or not unit_word(words[0]):
            return None
        words[-1] = _singular(words[-1])
        unit = " ".join(words)
        if unit in found:
            return None
        found[unit] = str(value)
    return ";".join(f"{found[unit]} {unit}" for unit in sorted(found))


def _singular(word: str) -> str:
    word = word.rstrip(".")
    word = _UNITS.get(word, word)
    word = word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith("ss") else word
    return _UNITS.get(word, word)
