"""Digits with a base (`41_7`), and clock times ("3:30 p.m.") (ours)."""

from __future__ import annotations

import re

_WORDS = "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_NUMBERS = _WORDS.split()
_BASES = {
    **{name: str(base) for base, name in enumerate(_NUMBERS, 2)},
    "binary": "2", "ternary": "3", "octal": "8", "hexadecimal": "16", "hex": "16",
}  # fmt: skip
_BASE = rf"[0-9]{{1,2}}|{'|'.join(_NUMBERS)}"
_BASED = re.compile(
    r"\(?\s?(?P<digits>[0-9A-F]{1,400})\s?\)?\s?(?:"
    rf"_\s?\{{?\s?\(?\s?(?:base\s)?\s?(?P<index>{_BASE})\s?\)?\s?\}}?"
    rf"|,?\s?\(?\s?(?:in\s)?base[\s-]?\s?\{{?(?P<base>{_BASE})\}}?\s?\)?"
    r"|\s(?:\(\s?)?(?:in\s)?(?P<name>binary|ternary|octal|hexadecimal|hex)\s?\)?)",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"(?P<hour>0?[1-9]|1[0-2])(?:\s?[:.]\s?(?P<minute>[0-5][0-9]))?\s?"
    r"(?:(?P<half>[ap])\.?\s?m\.?|in the (?P<part>morning|afternoon|evening)|(?P<named>noon|midnight))",
    re.IGNORECASE,
)
_BARE_TIME = re.compile(r"0([0-9]:[0-5][0-9])")
_LIKELY = re.compile(
    r"^(?:[0-9(][^=]*(?:_|base|[:m]|ing|noon|night|ary|al|hex)|[0-9A-Fa-f]+\s?(?:_|\(?(?:in )?(?:base|hex))"
    r"|noon|midnight)",
    re.IGNORECASE,
)


def likely(text: str) -> bool:
    """Whether `based` or `clock` may read `text`."""
    return len(text) <= 500 and _LIKELY.match(text) is not None


def based(text: str) -> str | None:
    """The key of digits with their base, "41_7", or None."""
    match = _BASED.fullmatch(text)
    if match is None:
        return None
    base = (match["index"] or match["base"] or match["name"]).casefold()
    base = _BASES.get(base, base.lstrip("0"))
    if not (match["index"] or match["digits"][0].isdigit() or base == "16"):
        return None
    return f"{match['digits'].upper()}_{base}"


def clock(text: str) -> str | None:
    """The key of a time with its half of the day, or None: "10:30" may be a ratio."""
    words = text.casefold()
    if words in ("noon", "midnight"):
        return "12:00pm" if words == "noon" else "0:00"
    bare = _BARE_TIME.fullmatch(text)
    if bare:
        return bare[1]
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    hour, minute = int(match["hour"]), match["minute"] or "00"
    if match["named"] and (hour, minute) != (12, "00"):
        return None
    afternoon = words.endswith("noon") or match["part"] == "evening" or (match["half"] or "").casefold() == "p"
    if afternoon and hour < 12:
        return f"{hour + 12}:{minute}"
    if hour == 12 and not afternoon and match["named"] != "noon":
        return f"0:{minute}"
    return f"{hour}:{minute}{'pm' if afternoon else 'am'}"
