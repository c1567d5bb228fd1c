"""The final answer that a response states (ours). Every pattern is linear and bounded: model output is hostile text.

Flexible: the first of these that can be read; of several of one kind, the last.

| style | order |
|---|---|
| gsm8k | `#### x`, statement, bold number, last value |
| number, math | statement, `#### x`, bold number, last value |
| olympicarena | statement, "option X", last value |
| text | statement, last line |

*Statement*: a box, `<answer>` tag, "the answer is x", "Answer: x". *Last value*: the last number or its formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

from w2s.answers.boxes import MAX_ANSWER, boxes, content
from w2s.answers.formulas import last_value
from w2s.answers.published import released_answer
from w2s.answers.response import own_part
from w2s.answers.statements import MAX_MARKS, PHRASE, WINDOW, sentence, sentences, statement
from w2s.answers.written import MATH, NUMBER, VULGAR, bounded, quantity, without_marks
from w2s.config.choices import Style
from w2s.errors import one_of

__all__ = ["MAX_ANSWER", "extract"]

_FOREIGN_DIGIT = re.compile(r"[^\D0-9]")
_FOREIGN_SPACE = re.compile("(?<=[0-9])[\u00a0\u2007\u2009\u202f](?=[0-9])")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_HASHES = re.compile(r"####[ \t*_]*(?:(?:the )?(?:final )?answer(?: is)?[ \t]*[:=]?[ \t*_]*)?", re.IGNORECASE)
_TITLE = re.compile(
    r"[0-9]{1,2}[.)][*_]{0,2}[ \t]+[A-Za-z*]|(?:step|part|case|method|solution|explanation)\b", re.IGNORECASE
)
_OPTION = re.compile(r"\b(?:option|choice|statement)s?[ ]\(?([A-J])\b", re.IGNORECASE)
_RELEASED_MARK = {"gsm8k": "####", "math": "The answer is:"}
_NUMERIC = ("gsm8k", "number")
_STYLES = get_args(Style)


def extract(text: str, style: Style, flexible: bool = True) -> str | None:
    r"""The final answer as written in `text`, or None. No text raises.

    Source: released code (`flexible=False`; GAIR-NLP/OlympicArena code/judge.py for "olympicarena"), ours otherwise.

    Args:
        text: a response. Of its first 1,000,000 characters, after `</think>` and before a new problem, the last 20,000.
        style: the form of the answer: `#### x` ("gsm8k"), "The answer is: x" ("math"), "The answer is x" ("number",
            "text"), "The final answer is $\boxed{x}$" ("olympicarena").
        flexible: as the table; otherwise the released rule, for "number" and "text" ours.

    Raises:
        UserError: no such style.
    """
    one_of("answer style", style, _STYLES, "style")
    if not flexible and style in _RELEASED_MARK:
        return bounded(released_answer(text, _RELEASED_MARK[style]))
    text = own_part(text)
    if not text.isascii() and flexible and style != "text":
        text = _FOREIGN_DIGIT.sub(lambda digit: str(int(digit[0])), _INVISIBLE.sub("", text))
        text = _FOREIGN_SPACE.sub(" ", text)
    if not flexible:
        if style == "olympicarena":
            return next((content(text, box) for box in boxes(text)), None)
        return next((answer for answer, _ in sentences(text, style, PHRASE)), None)
    if style == "gsm8k" and (answer := next(_hashes(text, style), None)):
        return answer
    stated, sure = statement(text, style)
    if style == "text":
        return stated or bounded(text.rpartition("\n")[2])
    numeric = style in _NUMERIC
    if style == "olympicarena":
        options = _OPTION.findall(text)
        return stated or bounded((options[-1] if options else None) or last_value(text, numeric))
    marked = None if sure else next(_hashes(text, style), None)
    return marked or stated or bounded(_bold(text, numeric) or last_value(text, numeric))


def _hashes(text: str, style: Style) -> Iterator[str]:
    for mark in list(_HASHES.finditer(text))[: -MAX_MARKS - 1 : -1]:
        line = text[mark.end() : mark.end() + WINDOW].partition("\n")[0].partition("####")[0].partition("</")[0].strip()
        if _TITLE.match(line) or line.endswith(":"):
            continue
        if style in _NUMERIC and not re.match(rf"[-−–$\\€£¥₹.0-9{VULGAR}]|[a-zA-Z]\w{{0,9}}\s?=", line):
            continue
        answer = bounded(quantity(line, whole=True) if style in _NUMERIC else sentence(line))
        if answer:
            yield answer


def _bold(text: str, numeric: bool) -> str | None:
    for line in reversed(text.splitlines()):
        if NUMBER.search(line):
            spans = [span for span in _BOLD.findall(line) if not span.rstrip().endswith(":")]
            return next((value for span in reversed(spans) if (value := _bold_value(span, numeric))), None)
    return None


def _bold_value(span: str, numeric: bool) -> str | None:
    plain = without_marks(span)
    if not NUMBER.search(span):
        return None
    if not MATH.search(span) and (
        numeric or re.fullmatch(r"(?:\s+[A-Za-z]{2,}|[.,!])*", NUMBER.sub("", plain, count=1))
    ):
        return quantity(span)
    return last_value(span, numeric)
