"""Parts and sides of an answer; keys of words and quantities (ours)."""

from __future__ import annotations

import re

from w2s.answers.math.number import number, unit_word

_SEPARATOR = re.compile(r"\s*(?:[,;]\s*(?:(?:and|or)\b)?|\b(?:and|or)\b)\s*")
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9]|,[0-9])")
RELATION = re.compile(r"\\(?:le|ge|ne|approx|equiv|sim|in|to)(?![A-Za-z])|[=<>]")
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


def encloses(text: str) -> bool:
    """Whether the bracket that opens `text` closes at its end."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            return position == len(text) - 1
    return False


def split(text: str, tight: bool = False) -> list[str]:
    """The parts of `text` at top-level commas, semicolons, "and" and "or".

    Thousands stay together; if `tight`, only where other commas have a space behind them.
    """
    thousands: set[int] = set()
    if not tight or ", " in text:
        thousands = {at for run in _THOUSANDS.finditer(text) for at in range(run.start(), run.end())}
    parts, depth, start, position = [], 0, 0, 0
    while position < len(text):
        character = text[position]
        depth += (character in "([{") - (character in ")]}")
        if depth <= 0 and position not in thousands and character in ",;ao ":
            separator = _SEPARATOR.match(text, position)
            word = character in "ao" and position > 0 and (text[position - 1].isalnum() or text[position - 1] == "\\")
            if separator and not word:
                parts.append(text[start : separator.start()].strip())
                start = position = separator.end()
                continue
        position += 1
    return [*parts, text[start:].strip()]


def sides_of(text: str) -> tuple[list[str], list[str]]:
    """The top-level relation signs of `text`, and the sides between them."""
    depth, signs, sides, start = 0, [], [], 0
    position = 0
    while position < len(text):
        character = text[position]
        depth += (character in "([{") - (character in ")]}")
        sign = RELATION.match(text, position) if depth <= 0 and character in "\\=<>" else None
        if sign:
            signs.append(sign[0])
            sides.append(text[start:position].strip())
            start = position = sign.end()
        else:
            position += 1
    return signs, [*sides, text[start:].strip()]


def mathematical(text: str) -> bool:
    """Whether `text` looks like mathematics, not prose."""
    return text.isascii() and _MATHEMATICAL.search(text) is not None and _PROSE.search(text) is None


def prose(text: str) -> bool:
    """Whether `text` is words, not a product."""
    return (_SEVERAL.fullmatch(text) is not None and _FUNCTION.search(text) is None) or bool(
        _NOT_AVAILABLE.fullmatch(text)
    )


def text_key(text: str) -> str:
    """The key of a text: words without case, articles and spaces, mathematics without spaces."""
    listed = "..." in text and not _PROSE.search(text)
    if not (mathematical(text) or listed) or _NOT_AVAILABLE.fullmatch(text):
        text = _ARTICLE.sub("", text.casefold())
    text = re.sub(r"([\^_])\s?\{\s?([0-9A-Za-z])\s?\}", r"\1\2", text).replace("$", "").replace("°", "")
    return re.sub(r"(?<![0-9])\s+|\s+(?![0-9])", "", text)  # "1 2" is not 12


def quantities(text: str) -> str | None:
    """The key of "2 hours and 30 minutes" and its like, or None."""
    if not _QUANTITIES.fullmatch(text):
        return None
    numbers: dict[str, str] = {}
    for part in _QUANTITY.findall(text):
        letter = re.search(r"[A-Za-z]", part)
        assert letter is not None  # the pattern needs one
        words = part[letter.start() :].casefold().split()
        value = number(part[: letter.start()].strip())
        if value is None or not unit_word(words[0]):
            return None
        words[-1] = _singular(words[-1])
        unit = " ".join(words)
        if unit in numbers:
            return None
        numbers[unit] = str(value)
    return ";".join(f"{numbers[unit]} {unit}" for unit in sorted(numbers))


def _singular(word: str) -> str:
    word = word.rstrip(".")
    word = _UNITS.get(word, word)
    word = word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith("ss") else word
    return _UNITS.get(word, word)
