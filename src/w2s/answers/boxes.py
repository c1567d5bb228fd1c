r"""The answers in \boxed and \fbox; a box that is never closed is none."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_ANSWER = 400
"""Characters of the longest final answer."""

_BARE = (  # "\boxed 7", "\boxed\frac12", but not "\boxed at the end" and "\boxed 3 times"
    r"[-+]?[\w.,/+^-]*[0-9](?:[\w.,/+^-]*\w)?(?!\s(?:times|boxes)\b)"
    r"(?:\s?\\pi(?![A-Za-z])|\s?\\sqrt\s?\{[^{}]{1,60}\})?"
    r"|[-+−]?\s?\\[dtc]?frac\s?(?:\{[^{}]{1,60}\}|\w)\s?(?:\{[^{}]{1,60}\}|\w)"
    r"|[(\[](?=[^()\[\]]{0,60}[0-9])[^()\[\]A-Za-z\n]{1,60}[)\]]"
    r"|\\(?:sqrt|text[a-z]*|math[a-z]+|overline|underline)\s?\{[^{}]{1,60}\}"
    r"|\\(?:pi|infty|emptyset|varnothing)(?![A-Za-z])|[A-Za-z](?=\s?(?:[$.,;)]|\\[\])]|$))"
)
_BRACE = re.compile(
    r"(?P<box>\\f?box(?:ed)?\s{0,9}\{)|\\[{}]|(?P<open>\{)|(?P<close>\})"
    rf"|\\boxed(?![A-Za-z])[ ]?(?P<bare>{_BARE})",
    re.MULTILINE,
)
_AND = r"\b(?:and(?:\salso)?|or|as\swell\sas)\b"
_BETWEEN = re.compile(
    r"(?:\s|[$,;&~*]|\\[()\[\],;& ]|\\(?:q?quad|land|lor|wedge|vee)(?![A-Za-z])"
    r"|\\(?:text[a-z]*|mbox|mathrm)\s?\{\s*,?\s*(?:and(?:\salso)?|or|as\swell\sas)?\s*,?\s*\}"
    rf"|{_AND}|\\?[a-zA-Z][\w{{}}]{{0,9}}\s?=)*"
)
_SEPARATES = re.compile(rf"[,;]|{_AND}|\s\\?&\s|\\(?:land|lor|wedge|vee)(?![A-Za-z])")
_MAX_BETWEEN = 80  # characters between two boxes that are one answer
_PLACEHOLDER = re.compile(
    r"(?:\\text[a-z]*\s?\{\s*)?[<\[{]?\s?(?:(?:(?:insert|put|your|the|my|a|final|correct|numerical|numeric)[\s_-]+)*"
    r"(?:answer|result|solution|value|number)(?:[\s_-]+(?:goes\s+)?here)?|\.{2,}|\\[lc]?dots|…|_{2,}|\?+|\\ldots"
    r"|\\(?:[bc]dot|bullet|square|Box)|)\s?[>\]}]?\s*\}?",
    re.IGNORECASE,
)


class Box(NamedTuple):
    """A closed box, by offsets in the text."""

    begin: int
    start: int
    end: int


def boxed(text: str) -> str | None:
    r"""The content of the last \boxed, or None: MATH's rule for gold answers."""
    return next((answer for box in reversed(boxes(text)) if (answer := content(text, box))), None)


def content(text: str, box: Box) -> str | None:
    """The content of a box; None if empty, a placeholder or too long."""
    answer = text[box.start : box.end].strip()
    return answer if len(answer) <= MAX_ANSWER and not placeholder(answer) else None


def placeholder(text: str) -> bool:
    """Whether `text` only shows where an answer goes."""
    return _PLACEHOLDER.fullmatch(text.strip()) is not None


def boxes(text: str) -> list[Box]:
    """The outermost closed boxes of `text`, in order."""
    closed: list[Box] = []
    opened: list[re.Match[str]] = []
    for mark in _BRACE.finditer(text):
        if mark["box"] or mark["open"]:
            opened.append(mark)
        elif mark["close"] and opened and opened[-1]["open"]:
            opened.pop()
        elif mark["close"] and opened:
            box = opened.pop()
            while closed and closed[-1].begin > box.start():
                closed.pop()
            closed.append(Box(box.start(), box.end(), mark.start()))
        elif mark["bare"]:
            closed.append(Box(mark.start(), mark.start("bare"), mark.end()))
    return closed


def boxed_answers(text: str) -> list[tuple[Box, str]]:
    """Each answer, with its first box; boxes joined by a comma or "and" are one."""
    answers: list[tuple[Box, str]] = []
    before = -1
    for box in boxes(text):
        begin, start, end = box
        inside = text[start:end].strip()
        if placeholder(inside):
            continue
        between = text[before + 1 : begin] if 0 <= begin - before <= _MAX_BETWEEN else "."
        if before >= 0 and _BETWEEN.fullmatch(between) and _SEPARATES.search(between):
            joined = answers[-1][1] if inside == answers[-1][1] else answers[-1][1] + ", " + inside
            answers[-1] = (answers[-1][0], joined[: MAX_ANSWER + 1])
        else:
            answers.append((box, inside[: MAX_ANSWER + 1]))
        before = end
    return [(box, answer) for box, answer in answers if len(answer) <= MAX_ANSWER]
