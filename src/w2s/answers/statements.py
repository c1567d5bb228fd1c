"""What boxes, `<answer>` tags and sentences state as the final answer (ours).

A sentence that supposes ("If n were 5"), comments or describes counts only without another statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from w2s.answers.boxes import MAX_ANSWER, boxed_answers, placeholder
from w2s.answers.formulas import balanced
from w2s.answers.math.number import unit_word
from w2s.answers.written import MATH, NUMBER, bounded, quantity, without_marks
from w2s.config.choices import Style

WINDOW = MAX_ANSWER + 200  # an answer with its wrappers and lead words
MAX_MARKS = 50  # of each kind only the last ones are tried; reading one that says nothing may take 100 us

SAYS = re.compile(
    r"(?<![A-Za-z])(?:final |correct )?ans(?:wers?)?(?![A-Za-z0-9]|_[A-Za-z0-9]|\s(?:key|sheet|format|tag)s?\b)"
    r"[^\n.:=]{0,60}?"
    r"(?:(?P<mark>[:=])|\b(?:is|are|was|be|becomes|equals)\b)",
    re.IGNORECASE,
)
HEADING = re.compile(r"^[#*_> \t]*(?:the )?(?:final |correct )?answer[*_ \t]*$(?P<mark>)", re.IGNORECASE | re.MULTILINE)
PHRASE = re.compile(r"answer is\b(?P<mark>(?!))?", re.IGNORECASE)
_TAG_NAME = r"(?:final[_ -]?)?ans(?:wer)?"
_TAG = re.compile(
    rf"<(?P<name>{_TAG_NAME})(?:\s[^<>]{{1,60}})?>(?!\s*tags?\b)"
    rf"(?P<inside>[^<]*(?:<(?!/?{_TAG_NAME}>)[^<]*)*)",
    re.IGNORECASE,
)
_CLOSED_TAG = re.compile(rf"</{_TAG_NAME}>", re.IGNORECASE)
_EMPTY_BOX = re.compile(r"\$?\\f?box(?:ed)?\s?\{(?P<inside>[^{}]*)\}")
_BOXED_LEAD = re.compile(r"\\text[a-z]*\s?\{[^{}]*\b(?:is|are|equals)\s*:?\s*\}\s*(?=[-0-9$\\(])")
_LEAD = re.compile(
    r"(?:[\s*_:~]|(?:therefore|thus|then|hence|now|also|simply|just|indeed|approximately|about|equal to|given by"
    r"|as follows|that)\b,?){0,40}",
    re.IGNORECASE,
)
_NOTHING = re.compile(
    r"(?:not|correct|incorrect|right|wrong|reasonable|found|obtained|calculated|computed|determined|below|above|shown"
    r"|because|as|clear|unknown|unclear|in the)\b",
    re.IGNORECASE,
)
_SUPPOSES = re.compile(
    r"\b(?:if|suppose|supposing|assuming|imagine|had|instead|in general|in (?:the )?case of|tempt(?:ed|ing)"
    r"|mistaken(?:ly)?|naively)\b"
    r"|\b(?:may|might|could|would|many|some|people|students?|one|others?)\b.{0,60}"
    r"\b(?:say|think|thought|guess|believe|claim|conclude|write|get)s?\b",
    re.IGNORECASE,
)
_WOULD = re.compile(r"\b(?:would|could|might|may)\b", re.IGNORECASE)
_ABOUT = re.compile(
    r"\b(?:th(?:is|at)|your|any|each|every|what|which|whether|an?|wrong|incorrect|common|naive|tempting|initial"
    r"|previous|earlier|old)\s(?:(?!the\s)\w+\s)?$"
    r"|\b(?:whether|hope\sthat|(?:wrong|not\strue|untrue)\sthat)\sthe\s(?:\w+\s)?$",
    re.IGNORECASE,
)
_DESCRIBES = re.compile(
    r"(?:rounded|in|greater|less|more|larger|smaller|at|between|consistent|expected|positive|negative|always|also|same"
    r"|the same|close|divisible|even|odd|valid|verified|confirmed|supported|based|from|within|under|over|an?"
    r"|easy|easily|hard|simple|straightforward|obvious|helpful|useful|complete|independent|unique|final|known)\b"
)
_COMMENT = re.compile(r"\b(?:hope|let me know|feel free|check|this|your)\b[^.!?]*$", re.IGNORECASE)
_BULLET = re.compile(r"[-–*•][ ]+")
_SENTENCE_END = re.compile(
    r"(?<!\.[A-Z])(?<!\s[A-Z])(?<!\bMr)(?<!\bDr)(?<!\bMs)(?<!\bSt)(?<!\bMrs)(?:[.!?](?=\s+[A-Z$*])|[.?](?=\s+\\))"
    r"|[ ](?:because|since)[ ]"
)
_SENTENCES = re.compile(r"(?:[.!?:]|;(?!\s+(?:then|so)\b))[$)\]*\"']{0,3}\s+")
_REMARK = re.compile(
    r",\s+(?!(?:and|or|where|for|with|when|if|mod|pi|sin|cos|tan|log|ln|sqrt)\b)[a-z]{2,}\b(?!\s?=).*"
    r"|\s+\((?!mod\b|base\b|in\b|for\b|where\b)[^()]*(?<![\\A-Za-z])[a-z]{3,}[^()]*\)\W*$"
)
_VERB = re.compile(r"(?:\b(?:is|are|was|were|be|equals?|becomes?|has|have|gives?|costs?|needs?|gets?|makes?)\b|=)\s+")
_OTHER_VERB = re.compile(
    r"\b(?:had|take|share|earn|pay|buy|sell|use|receive|collect|eat|read|walk|drive|run|travel|save|contain|weigh|produce"
    r"|score|last|require|hold|measure|own|owe|spend|leave|total|took|spent|paid|bought|sold|made|gave|ate|left|got|held"
    r"|comes? to|amounts? to|adds? up to|(?:earn|us|receiv|collect|walk|sav|weigh|produc|scor|requir|total)e?d)s?\s+"
)
_AMOUNT = re.compile(r"(?:only|exactly|about|approximately|still|now|just|a total of|in total)\s+")
_PROSE = re.compile(r"(?:^|\s)(?:It|He|We|[A-Za-z]{3,})(?=[\s:,])")


def statement(text: str, style: Style) -> tuple[str | None, bool]:
    """The answer of the last readable statement, or None, and whether it counts in full."""
    weaker = None
    for answer, strong in _statements(text, style):
        if strong:
            return answer, True
        weaker = weaker or answer
    return weaker, False


def _statements(text: str, style: Style) -> Iterator[tuple[str, bool]]:
    if _TAG.search(text):
        text = _CLOSED_TAG.sub("\n</answer>\n", text)
    marks = [(box.begin, box.end, inside, True) for box, inside in boxed_answers(text)]
    marks += [(tag.start(), tag.start("inside"), tag["inside"], False) for tag in _TAG.finditer(text)]
    for start, after, inside, box in sorted(marks)[: -MAX_MARKS - 1 : -1]:
        yield from sentences(text, style, SAYS, HEADING, after=after)
        answer = boxed_answer(inside, style) if box else _tagged(inside, style)
        if answer:
            yield answer, True
        text = text[:start]
    yield from sentences(text, style, SAYS, HEADING)


def sentences(text: str, style: Style, *marks: re.Pattern[str], after: int = 0) -> Iterator[tuple[str, bool]]:
    """The answers after `marks`, the last first, and whether each counts in full."""
    matches = [match for mark in marks for match in mark.finditer(text, after)]
    for mark in sorted(matches, key=lambda match: match.end(), reverse=True)[:MAX_MARKS]:
        window = text[mark.end() : mark.end() + WINDOW]
        lead = _LEAD.match(window)
        value = window[lead.end() :] if lead else window
        if lead and "\n" in lead[0] and (bullet := _BULLET.match(value)):
            value = value[bullet.end() :]
        if not value or _NOTHING.match(value) or ((box := _EMPTY_BOX.match(value)) and placeholder(box["inside"])):
            continue
        opening = text[max(text.rfind("\n", 0, mark.start()) + 1, mark.start() - WINDOW) : mark.end()]
        phrase = sentence(_emphasised(value, opening + (lead[0] if lead else "")))
        if mark["mark"] is not None and not _leads(value) and len(phrase.split()) > 3 and "inal" not in mark[0]:
            goes_on = text[text.find(phrase, mark.end()) + len(phrase) :].strip(" .*\n")
            if goes_on:  # "Answer: Anna had 3 apples. ..." opens the reasoning
                continue
        answer = _answer(phrase, style)
        weak = _weak(mark, opening, value, marked=":" in mark[0] or (lead is not None and ":" in lead[0]))
        if answer and not (weak and _COMMENT.search(opening) and not re.search(r"[0-9\\$]", answer)):
            yield answer, not weak


def _weak(mark: re.Match[str], opening: str, value: str, marked: bool) -> bool:
    before = opening[: len(opening) - len(mark[0])]
    before = _SENTENCES.split(before)[-1]
    if _SUPPOSES.search(before) or _WOULD.search(mark[0]) or _ABOUT.search(before):
        return True
    if before.count("(") > before.count(")"):
        return True
    if marked or _leads(value):
        return False
    prose = not re.search(r"[0-9\\$]", value.partition("\n")[0])
    return _DESCRIBES.match(value) is not None or (prose and re.match(r"[a-z]{2}", value) is not None)


def _leads(value: str) -> bool:
    return NUMBER.match(value) is not None or value.startswith(("$", "\\", "("))


def _emphasised(value: str, before: str) -> str:
    before = before.rpartition("\n")[2]
    for mark in ("**", "__"):
        if before.count(mark) % 2:
            return value.partition(mark)[0]
    return value.partition("*")[0] if before.replace("**", "").lstrip("* ").count("*") % 2 else value


def sentence(value: str) -> str:
    """The first sentence of `value`, or the mathematics it opens with."""
    math = MATH.match(value)
    if math:
        rest = value[math.end() :].partition("\n")[0]
        rest = rest[: end.start()] if (end := _SENTENCE_END.search(rest)) else rest
        if not re.search(r"[0-9$\\]", rest):
            return math[math.lastgroup or 0].strip().rstrip(".,")
    line = value.partition("\n")[0]
    end = _SENTENCE_END.search(line)
    return without_marks(line[: end.start()] if end else line)


def _tagged(inside: str, style: Style) -> str | None:
    lines = [line for line in inside.splitlines() if line.strip()]
    phrase = without_marks(lines[-1].strip().removeprefix("####")) if lines else ""
    return None if placeholder(phrase) or phrase in ("and", "tags") else _answer(phrase, style)


def boxed_answer(phrase: str, style: Style) -> str | None:
    """The answer in a box."""
    if style in ("gsm8k", "number"):
        return bounded(quantity(phrase, whole=True))
    return bounded(_BOXED_LEAD.sub("", phrase, count=1))


def _answer(phrase: str, style: Style) -> str | None:
    if style in ("gsm8k", "number"):
        return bounded(quantity(_value(phrase)))
    if style != "text":
        if not re.search(r"[0-9\\$]", phrase) and len(phrase.split()) > 8:
            return None
        phrase = _value(phrase)
    bare = phrase.strip("$\\{}[]()<>.,:;*_|#'\" \t")
    if not bare or placeholder(bare.removeprefix("boxed{")):
        return None
    return bounded(phrase)


def _value(phrase: str) -> str:
    """The value: "There are 58 ways" says 58."""
    if _leads(phrase) or re.match(r"[A-Za-z]\w{0,3}\s?=", phrase):
        remark = next((each for each in _REMARK.finditer(phrase, 1) if balanced(phrase[: each.start()])), None)
        return without_marks(phrase[: remark.start()]) if remark else phrase
    inside = [math.span() for math in MATH.finditer(phrase)]
    for verb in [*list(_VERB.finditer(phrase))[::-1], *_OTHER_VERB.finditer(phrase)]:
        amount = _AMOUNT.match(phrase, verb.end())
        value = phrase[amount.end() if amount else verb.end() :]
        if any(begin < verb.start() < end for begin, end in inside):
            continue
        if not _leads(value) or not _PROSE.search(phrase, 0, verb.start() + 1):
            continue
        remark = next((each for each in _REMARK.finditer(value, 1) if balanced(value[: each.start()])), None)
        value = value[: remark.start()] if remark else value
        math = MATH.match(value)
        number = None if math else NUMBER.match(value)
        if number is None:
            return without_marks(sentence(value))
        word = re.match(r"\s+([A-Za-z]+)\b(?!\s?[=+*/^])", value[number.end() :])
        if word and unit_word(word[1].casefold()):
            return number[0]
        return without_marks(value)
    return phrase
