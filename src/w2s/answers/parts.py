"""The parts of a list, the sides of a relation: an answer split at its top level (ours)."""

from __future__ import annotations

import re

_SEPARATOR = re.compile(r"\s*(?:[,;]\s*(?:(?:and|or)\b)?|\b(?:and|or)\b)\s*")
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9]|,[0-9])")
SIGN = re.compile(r"\\(?:le|ge|ne|approx|equiv|sim|in|to)(?![A-Za-z])|[=<>]")


def encloses(text: str) -> bool:
    """Whether the bracket that opens `text` closes at its end."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            return position == len(text) - 1
    return False


def split(text: str, tight: bool = False) -> list[str]:
    """The parts of `text` at its top-level commas, semicolons, "and" and "or".

    Thousands ("1,234, 5,678") stay together; with `tight` only where other commas have a space behind them.
    """
    kept: set[int] = set()
    if not tight or ", " in text:
        kept = {at for run in _THOUSANDS.finditer(text) for at in range(run.start(), run.end())}
    parts, depth, start, position = [], 0, 0, 0
    while position < len(text):
        character = text[position]
        depth += (character in "([{") - (character in ")]}")
        if depth <= 0 and position not in kept and character in ",;ao ":
            found = _SEPARATOR.match(text, position)
            word = character in "ao" and position > 0 and (text[position - 1].isalnum() or text[position - 1] == "\\")
            if found and not word:
                parts.append(text[start : found.start()].strip())
                start = position = found.end()
                continue
        position += 1
    return [*parts, text[start:].strip()]


def sides_of(text: str) -> tuple[list[str], list[str]]:
    """The signs of relation at the top level of `text` and what stands between them."""
    depth, signs, sides, start = 0, [], [], 0
    position = 0
    while position < len(text):
        character = text[position]
        depth += (character in "([{") - (character in ")]}")
        found = SIGN.match(text, position) if depth <= 0 and character in "\\=<>" else None
        if found:
            signs.append(found[0])
            sides.append(text[start:position].strip())
            start = position = found.end()
        else:
            position += 1
    return signs, [*sides, text[start:].strip()]
