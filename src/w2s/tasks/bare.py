"""The final answer of a gold field that holds more (ours)."""

from __future__ import annotations

import re

from w2s import answers
from w2s.answers import Style
from w2s.answers.boxes import MAX_ANSWER, boxed_answers
from w2s.answers.math.canonical import canonical
from w2s.answers.math.text import quantities
from w2s.answers.written import NUMBER, number_text

_QUOTED = re.compile(r"[\[(]\s*(['\"])([^'\"\n]*)\1\s*,?\s*[\])]")
_NOTHING = re.compile(r"nan|null|\[\s*\]|\{\s*\}|\?+|\{\s*['\"]\w{1,40}['\"]\s*:.*\}", re.IGNORECASE | re.DOTALL)
_SEVERAL_QUOTED = re.compile(r"\[\s*(['\"])[^'\"\n]*\1\s*,.*\]", re.DOTALL)
_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])")
_STATES = re.compile(r"\banswer(?:\s\w+)?\s(?:is|are)\b|\banswer\s*:|<(?:final_)?answer>", re.IGNORECASE)
_REMARK = re.compile(r"(?<=\S)\s+(?:\((?!mod\b|base\b|in\b)[^()]*[A-Za-z]{3,}[^()]*\)|\[[A-Za-z][A-Za-z -]*\])$")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_COMMAND = re.compile(r"\\[a-z]+\s?\{[^{}]*\}")
_SENTENCES = re.compile(r"[.!?]\s+[A-Z$\\]|\n")
_NUMERIC = ("gsm8k", "number")
_EITHER = re.compile(r"\b(?:or|either|between)\b", re.IGNORECASE)
_FEW = 4  # words of prose, from which on an answer in mathematics is a sentence


def is_sentence(text: str) -> bool:
    """Whether `text` has four words or more."""
    return len(_WORD.findall(_COMMAND.sub(" ", text))) >= _FEW


def bare_answer(text: str, style: Style) -> str | None:
    """The final answer in a gold field: 30 in "['30']", "#### 30", "30 (thirty)", "The area is 30".

    None: several answers, or none stated.
    """
    if style == "text":
        return text
    if _NOTHING.fullmatch(text):
        return None
    if _SEVERAL_QUOTED.fullmatch(text):
        return None
    quoted = _QUOTED.fullmatch(text)
    text = quoted[2].strip() if quoted else text
    if _BOX.search(text):
        return next((answer for _, answer in reversed(boxed_answers(text))), None)
    if "####" in text:
        return text.rpartition("####")[2].strip()
    if _STATES.search(text):
        return answers.extract(text, style)
    if style == "olympicarena" or not re.search("[0-9]", text):
        return text
    if len(text) > MAX_ANSWER:
        return None
    without = _REMARK.sub("", text)
    if without != text and _mathematical(without) and not _mathematical(text):
        return without
    if is_sentence(text) and _SENTENCES.search(text):
        return None
    if style in _NUMERIC and _EITHER.search(text):
        return None
    if _mathematical(text) or quantities(text):
        return text
    read = answers.extract(f"The answer is: {text}", "math")
    if read is not None and read != text and _mathematical(read):
        return read
    return _only_number(text) if style in _NUMERIC else text


def _only_number(text: str) -> str:
    numbers = list(NUMBER.finditer(text))
    return number_text(numbers[0]) if len(numbers) == 1 else text


def _mathematical(text: str) -> bool:
    return canonical(text).kind in ("number", "math")
