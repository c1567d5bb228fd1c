"""Where a response states its final answer. Model output is hostile text: every pattern here is linear and bounded."""

from __future__ import annotations

import re
from typing import Literal

Style = Literal["gsm8k", "math", "number", "text"]

MAX_ANSWER = 400
"""Characters a final answer may have; a longer one is no answer (the longest of the released MATH answers has 226)."""
_MAX_TEXT = 20_000  # only the end of a longer response is read: 1024 tokens are about 4,000 characters

_NUMBER = re.compile(r"-?\$?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)(?:/[0-9]+)?(?:[ ]?\\?%)?")
_ANSWER_IS = re.compile(r"answer is[ \t]*:?", re.IGNORECASE)
_TAIL = re.compile(r"\.[ \t]*I hope it is correct.*$", re.IGNORECASE)
_RELEASED_MARK = {"gsm8k": "####", "math": "The answer is:"}


def extract(text: str, style: Style, flexible: bool = True) -> str | None:
    r"""The final answer as written in `text`, or None.

    Args:
        text: a response, without its prompt. What follows another "Question:" never counts.
        style: "gsm8k" reads `#### x`, "math" reads "The answer is: x" and \boxed{x}, "number" and "text" read
            "The answer is x".
        flexible: also accept the other ways a model that was not trained on the format states its answer: any of
            the marks above on any line, and at last the last number (for "text": the last line). Off, "gsm8k" and
            "math" decide exactly as the released code: the mark must stand on the last line.

    Source: released code (`flexible=False`), ours (`flexible=True`).
    """
    if not flexible and style in _RELEASED_MARK:
        return _bounded(_released(text, _RELEASED_MARK[style]))
    text = text.partition("Question:")[0][-_MAX_TEXT:].replace("</s>", "").strip()
    stated = _stated(text)
    if style == "text":
        return _bounded(stated or (text.rpartition("\n")[2] if flexible else None))
    if style == "number":
        return _bounded(_last_number(stated or (text if flexible else "")))
    if style == "math":
        return _bounded(stated or _boxed(text) or _hashes(text) or _last_number(text))
    number = _first_number((stated or "").rpartition("=")[2])
    return _bounded(_hashes(text) or number or _boxed(text) or _last_number(text))


def _bounded(answer: str | None) -> str | None:
    answer = (answer or "").strip()
    return answer if answer and len(answer) <= MAX_ANSWER else None


def _released(text: str, mark: str) -> str:
    # Released: cut at any "Question" (no colon), then the first mark of the last line, then "The answer is" there
    # with the first number after the line's last such phrase.
    line = text.partition("Question")[0].strip().rpartition("\n")[2]
    answer = line.partition(mark + " ")[2]
    if not answer:
        numbers = re.findall(r"-?[0-9]+\.?[0-9]*", line.partition("The answer is ")[2].replace(",", "")[:_MAX_TEXT])
        answer = numbers[0].rstrip(".") if numbers else ""
    return answer[:-4] if "</s>" in answer else answer


def _hashes(text: str) -> str | None:
    mark = text.rfind("####")
    return None if mark < 0 else text[mark + 4 :].partition("\n")[0].strip()


def _stated(text: str) -> str | None:
    ends = [found.end() for found in _ANSWER_IS.finditer(text)]
    if not ends:
        return None
    answer = _TAIL.sub("", text[ends[-1] :].lstrip(" \t").partition("\n")[0]).strip()
    return (answer[:-1] if answer.endswith(".") else answer) or None


def _boxed(text: str) -> str | None:
    start = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if start < 0:
        return None
    begin = text.index("{", start) + 1
    depth = 1
    for end in range(begin, min(len(text), begin + MAX_ANSWER + 1)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return text[begin:end]
    return None


def _first_number(text: str) -> str | None:
    found = _NUMBER.search(text)
    return found[0].rstrip(",") if found else None


def _last_number(text: str) -> str | None:
    found = _NUMBER.findall(text)
    return found[-1].rstrip(",") if found else None
