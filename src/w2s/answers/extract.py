r"""Where a response states its final answer. Model output is hostile text: every pattern here is linear and bounded.

Flexible reading (ours), in this order; "statement" is defined below:

| style | 1 | 2 | 3 | 4 | 5 |
|---|---|---|---|---|---|
| gsm8k | `#### x` | statement | bold number on the last line that has a number | last number | |
| number | statement | `#### x` | bold number, likewise | last number | |
| math | statement | `#### x` | bold number, likewise | last number | |
| olympicarena | statement | last "option X" | last number | | |
| text | statement | last line | | | |

Within a column the LAST one that can be read wins. A *statement* is a \boxed or \fbox, "the answer is x" (also "are",
"=", "equals", "would be", with up to 60 characters before the verb: "the answer to the question is therefore x"),
"Answer: x" or a heading "Answer" with x on the next line, bold or not. Three kinds of sentence state nothing: "the
answer is correct" and its like; in mathematics, prose of more than eight words without a digit; and "Answer:" before
reasoning (several sentences, or words with more lines after them), which is how few-shot demonstrations open.

\boxed follows braces (`\{` is no brace). Boxes with nothing between them but a comma, a semicolon, "and", "or", math
delimiters and a name ("x=") are one answer, joined by ", " (as Math-Verify, which also joins any two boxes less than
10 characters apart: `\boxed{1/2} = \boxed{0.5}` is "1/2,0.5" there and "0.5" here). A box that is never closed, or
that holds more than `MAX_ANSWER` characters, is none.

A number may have a sign, a currency sign, separators, a fraction or whole part, a clock or ratio part, a power of ten,
a percent sign and a scale word ("5 million"). Digits of other scripts become ASCII, and invisible marks go, but for
style "text". Where an answer is stated, "- 5" is -5 (on a line of its own after "the answer is:" it is an item of a
list), and `\sqrt{2}` and "5k" are kept whole. A minus after a digit, letter or closing bracket is an operator: "10-5"
gives 5. As the last number these count only when there is no other: digits inside words ("GPT4"), exponents and
indices, ordinals, "Step 3", list numbering. Known weakness: of a response that was cut off, or that goes on after an
unmarked conclusion, the last number is read, whatever it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Style = Literal["gsm8k", "math", "number", "text", "olympicarena"]

MAX_ANSWER = 400
"""Characters a final answer may have; a longer one is no answer (the longest of the released MATH answers has 226)."""
_MAX_READ = 1_000_000  # what follows is never looked at: a response of 128k tokens is about 500,000 characters
_MAX_TEXT = 20_000  # only the end of a longer response is read: 1024 tokens are about 4,000 characters
_WINDOW = MAX_ANSWER + 200  # an answer with its wrappers and lead words
_MAX_MARKS = 50  # of each kind only the last ones are tried; reading one that says nothing may take 100 us

_NEXT_QUESTION = re.compile(r"^[#*_> \t]{0,8}(?P<next>Q(?:uestion|UESTION)\b|question[*_]{0,2}:)", re.MULTILINE)
_NEXT_PROBLEM = re.compile(
    r"\n[#*_> \t]{0,8}(?:(?:Q|User|Human|Instruction|Problem|PROBLEM|Exercise)(?:\s[0-9]{1,3})?[*_]{0,2}:"
    r"|(?:Problem|Exercise)\s[0-9]{1,3}[*_]{0,2}$|(?:[Nn]ext|[Nn]ew)\s(?:question|problem|Question|Problem)[*_]{0,2}:"
    r"|You are participating in an international )"
    r"|</s>|<\|(?:im_end|eot_id|end_of_text|endoftext)\|>|<end_of_turn>|<eos>|\[INST\]",
    re.MULTILINE,
)

_VULGAR = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_DIGITS = r"[0-9]+(?:(?:[.,]|\{,\}|\\,|,\\!)[0-9]+)*"
_POWER = r"\^[ ]?(?:\{[ ]?[-+]?[0-9]{1,9}[ ]?\}|[-+]?[0-9]{1,9})"
_NUMBER = re.compile(
    r"(?:(?<![A-Za-z0-9)\]}%−–-])[-−–])?(?:\\?\$|[€£¥₹])?(?:(?<=[$€£¥₹])[-−–])?"
    r"(?:(?:[0-9]{1,12}[ ]?)?\\[dtc]?frac[ ]?(?:\{[0-9]{1,30}\}|[0-9])[ ]?(?:\{[0-9]{1,30}\}|[0-9])"
    rf"|(?:[0-9]{{1,12}}[ ]?)?[{_VULGAR}]"
    rf"|[0-9]{{1,12}}[ ][0-9]{{1,9}}/[0-9]{{1,9}}(?![0-9])"
    rf"|(?:{_DIGITS}|\.[0-9]+)(?:/{_DIGITS}|(?::[0-9]{{1,9}}){{1,2}})?"
    rf"(?:{_POWER}|⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]{{1,9}}|[ ]?(?:\\times|\\cdot|[x×*])[ ]?10{_POWER}|[eE][-+]?[0-9]{{1,9}}(?![\w]))?"
    r"(?:[ ]?\\?%|[ ](?:hundred|thousand|million|billion|trillion|dozen)\b)?)"
)
_INSIDE = re.compile(r"(?:[A-Za-z_\\]|[\^_]\{|\^|\b[Ss]tep[ ])$")  # what, before digits, makes them no number
_AFTER = re.compile(r"(?:st|nd|rd|th)\b|[.)][*_]{0,2}[ \t]+[A-Za-z*\\$]")
_OPERATOR = re.compile(
    r"[ ]?(?:(?:[-+*/^×÷·−–]|x)[ ]?[-(]?[0-9$\\.]|[-+*^][ ]?[a-zA-Z]\b|\\(?:times|cdot|div|pi|sqrt|pm)\b)"
    r"|[abkKnpqxyz]\b"
)
_SYMBOLIC = re.compile(r"[-−–]?[ ]?\\(?:sqrt|pi|pm|log|ln|binom|infty)(?![A-Za-z])")
_WORDED = re.compile(r"[ ](?:of|times|plus|minus|divided by|multiplied by)\b[^=]*=")
_SPACED_SIGN = re.compile(r"[-−–][ ]+(?=(?:\\?\$|[€£¥₹])?\.?[0-9])")
_BULLET = re.compile(r"[-–*•][ ]+")
_FOREIGN_DIGIT = re.compile(r"[^\D0-9]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")

_STATED = re.compile(
    r"\b(?:final |correct )?ans(?:wers?)?\b[^\n.:=]{0,60}?"
    r"(?:(?P<mark>[:=])|\b(?:is|are|was|be|becomes|equals)\b)",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"^[#*_> \t]*(?:the )?(?:final |correct )?answer[*_ \t]*$(?P<mark>)", re.IGNORECASE | re.MULTILINE
)
_PHRASE = re.compile(r"answer is\b(?P<mark>(?!))?", re.IGNORECASE)
_LEAD = re.compile(
    r"(?:[\s*_:~]|(?:therefore|thus|then|hence|now|also|simply|just|indeed|approximately|about|equal to|given by"
    r"|as follows)\b,?){0,40}",
    re.IGNORECASE,
)
_NOTHING = re.compile(
    r"(?:not|correct|incorrect|right|wrong|reasonable|found|obtained|calculated|computed|determined|below|above|shown"
    r"|because|as|clear|unknown|unclear|in the)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(
    r"(?<!\.[A-Z])(?<!\s[A-Z])(?<!\bMr)(?<!\bDr)(?<!\bMs)(?<!\bSt)(?<!\bMrs)[.!?](?=\s+[A-Z$\\*])"
    r"|[ ](?:because|since)[ ]"
)
_MATH = re.compile(
    r"\$\$(?P<a>[^$]+)\$\$|\$(?P<b>[^$\n]*[^$\s])\$(?![0-9])|\\\[(?P<c>(?:[^\\]|\\[^\]])+)\\\]"
    r"|\\\((?P<d>(?:[^\\]|\\[^)])+)\\\)"
)
_BRACE = re.compile(
    r"(?P<box>\\f?box(?:ed)?\s{0,9}\{)|\\[{}]|(?P<open>\{)|(?P<close>\})|\\boxed[ ](?P<bare>[\w.,/+-]*\w)"
)
_BETWEEN = re.compile(r"(?:\s|\$|\\[()\[\],;]|,|;|\band\b|\bor\b|[a-zA-Z]\w{0,9}\s?=|\*)*")
_SEPARATES = re.compile(r"[,;]|\band\b|\bor\b")
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_HASHES = re.compile(r"####[ \t*_]*(?:(?:the )?(?:final )?answer(?: is)?[ \t]*[:=]?[ \t*_]*)?", re.IGNORECASE)
_TITLE = re.compile(
    r"[0-9]{1,2}[.)][*_]{0,2}[ \t]+[A-Za-z*]|(?:step|part|case|method|solution|explanation)\b", re.IGNORECASE
)
_OPTION = re.compile(r"\b(?:option|choice|statement)s?[ ]\(?([A-J])\b", re.IGNORECASE)
_RELEASED_MARK = {"gsm8k": "####", "math": "The answer is:"}


def extract(text: str, style: Style, flexible: bool = True) -> str | None:
    r"""The final answer as written in `text`, or None. Never raises; the result has 1 to `MAX_ANSWER` characters.

    A new problem ends the response: "Question:" anywhere; a line that starts with "Question"; after the first line
    also one that starts with "Q:", "Problem:", "Problem 2", "Exercise:", "Instruction:", "User:" or "Human:" or as an
    OlympicArena prompt does; and a model's end-of-turn token. Of a text with `</think>` only what follows it is read.

    Args:
        text: a response, without its prompt. Only its first 1,000,000 characters count, and of these, up to a new
            problem, the last 20,000.
        style: how the task asks for the answer: `#### x` ("gsm8k"), "The answer is: x" ("math"), "The answer is x"
            with a number or text ("number", "text"), "The final answer is $\boxed{x}$" ("olympicarena").
        flexible: read as the table at the top of this module says. Off, "gsm8k" and "math" decide exactly as the
            released code (the mark must stand on the last line, a \boxed does not count), "olympicarena" as that
            benchmark's own judge (the first \boxed, and nothing else), and "number" and "text" need "answer is x".

    Source: released code (`flexible=False`; GAIR-NLP/OlympicArena code/judge.py for "olympicarena"), ours otherwise.
    """
    if not flexible and style in _RELEASED_MARK:
        return _bounded(_released(text, _RELEASED_MARK[style]))
    text = _response(text)
    if not text.isascii() and flexible and style != "text":
        text = _FOREIGN_DIGIT.sub(lambda digit: str(int(digit[0])), _INVISIBLE.sub("", text))
    if not flexible:
        if style == "olympicarena":
            return next((_bounded(text[start:end]) for _, start, end in _boxes(text)), None)
        return next(_statements(text, style, _PHRASE), None)
    if style == "gsm8k" and (answer := next(_hashes(text, style), None)):
        return answer
    stated = next(_readable(text, style), None)
    if style == "text":
        return stated or _bounded(text.rpartition("\n")[2])
    if style == "olympicarena":
        options = _OPTION.findall(text)
        return stated or _bounded((options[-1] if options else None) or _last_number(text))
    return stated or next(_hashes(text, style), None) or _bounded(_bold(text) or _last_number(text))


def boxed(text: str) -> str | None:
    r"""The content of the last \boxed of a solution, or None: how MATH states its answers (its authors' rule)."""
    return next((_bounded(text[start:end]) for _, start, end in reversed(_boxes(text))), None)


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


def _response(text: str) -> str:
    text = text[:_MAX_READ]
    if text.startswith("<think>"):
        text = text.partition("</think>")[2]
    text = text.partition("Question:")[0].strip()
    for pattern, group in ((_NEXT_QUESTION, "next"), (_NEXT_PROBLEM, 0)):
        found = pattern.search(text)
        text = text[: found.start(group)].strip() if found else text
    return text.rpartition("</think>")[2][-_MAX_TEXT:].strip()


def _readable(text: str, style: Style) -> Iterator[str]:
    """What the statements of `text` say, the last first."""
    for start, content in _joined(text)[: -_MAX_MARKS - 1 : -1]:
        yield from _statements(text, style, _STATED, _HEADING, after=start)
        answer = _reading(content, style, boxed=True)
        if answer:
            yield answer
        text = text[:start]
    yield from _statements(text, style, _STATED, _HEADING)


def _statements(text: str, style: Style, *marks: re.Pattern[str], after: int = 0) -> Iterator[str]:
    found = [match for mark in marks for match in mark.finditer(text, after)]
    for mark in sorted(found, key=lambda match: match.end(), reverse=True)[:_MAX_MARKS]:
        window = text[mark.end() : mark.end() + _WINDOW]
        lead = _LEAD.match(window)
        value = window[lead.end() :] if lead else window
        if lead and "\n" in lead[0] and (bullet := _BULLET.match(value)):
            value = value[bullet.end() :]
        if not value or _NOTHING.match(value):
            continue
        sentence = _sentence(value)
        if mark["mark"] is not None and not _leads(value) and len(sentence.split()) > 3:
            goes_on = text[text.find(sentence, mark.end()) + len(sentence) :].strip(" .*\n")
            if goes_on:  # "Answer: Anna had 3 apples. ..." opens the reasoning
                continue
        answer = _reading(sentence, style)
        if answer:
            yield answer


def _leads(value: str) -> bool:
    return _NUMBER.match(value) is not None or value.startswith(("$", "\\", "("))


def _sentence(value: str) -> str:
    """The first sentence of `value`, or the mathematics it opens with."""
    math = _MATH.match(value)
    if math:
        rest = value[math.end() :].partition("\n")[0]
        rest = rest[: end.start()] if (end := _SENTENCE_END.search(rest)) else rest
        if not re.search(r"[0-9$\\]", rest):
            return math[math.lastgroup or 0].strip().rstrip(".,")
    line = value.partition("\n")[0]
    end = _SENTENCE_END.search(line)
    return _plain(line[: end.start()] if end else line)


def _plain(phrase: str) -> str:
    """`phrase` without markdown, a final point and math delimiters around all of it."""
    phrase = phrase.strip(" \t\r*`").rstrip(".,;:").rstrip(" \t*`")
    math = _MATH.fullmatch(phrase)
    return math[math.lastgroup or 0].strip().rstrip(".,") if math else phrase


def _reading(phrase: str, style: Style, boxed: bool = False) -> str | None:
    if style in ("gsm8k", "number"):
        return _bounded(_quantity(phrase, whole=boxed))
    if style != "text" and not boxed and not re.search(r"[0-9\\$]", phrase) and len(phrase.split()) > 8:
        return None
    if not boxed and not phrase.strip("$\\{}[]()<>.,:;*_|#'\" \t"):
        return None
    return None if phrase == "ANSWER" else _bounded(phrase)  # the placeholder of the OlympicArena prompt


def _quantity(phrase: str, whole: bool = False) -> str | None:
    r"""The number that `phrase` states: the one it opens with, or the one after its last "=", or its first one.

    Args:
        phrase: "18 apples", "$5 x 3 = $15 in total", "2\pi" (kept whole, it is no number).
        whole: `phrase` is all answer, so that one with several numbers ("1 hour, 45 minutes") is kept whole.
    """
    for part in (_plain(phrase), _plain(phrase.rpartition("=")[2])):
        part = _SPACED_SIGN.sub("-", part, count=1) if _SPACED_SIGN.match(part) else part
        number = _NUMBER.match(part)
        if number is None:
            if _SYMBOLIC.match(part):
                return part
            continue
        rest = part[number.end() :]
        if _WORDED.match(rest):
            continue
        if not _OPERATOR.match(rest) and not (whole and re.search(r"^[^=(]{0,40}[0-9]", rest)):
            return _written(number)
        if "=" not in rest:
            return part
    number = _NUMBER.search(phrase)
    return None if number is None else _written(number)


def _written(number: re.Match[str]) -> str:
    closed = number.string[number.end() : number.end() + 1] == "$"
    return number[0].replace("$", "", 1) if closed and "\\$" not in number[0] else number[0]  # $18$ is mathematics


def _hashes(text: str, style: Style) -> Iterator[str]:
    for mark in list(_HASHES.finditer(text))[: -_MAX_MARKS - 1 : -1]:
        line = text[mark.end() : mark.end() + _WINDOW].partition("\n")[0].partition("####")[0].strip()
        if _TITLE.match(line) or line.endswith(":"):
            continue
        if style in ("gsm8k", "number") and not re.match(rf"[-−–$\\€£¥₹.0-9{_VULGAR}]|[a-zA-Z]\w{{0,9}}\s?=", line):
            continue
        answer = _bounded(_quantity(line, whole=True) if style in ("gsm8k", "number") else _sentence(line))
        if answer:
            yield answer


def _boxes(text: str) -> list[tuple[int, int, int]]:
    """The outermost closed boxes, in order: where each begins, and where its content begins and ends."""
    found: list[tuple[int, int, int]] = []
    opened: list[re.Match[str]] = []
    for mark in _BRACE.finditer(text):
        if mark["box"] or mark["open"]:
            opened.append(mark)
        elif mark["close"] and opened and opened[-1]["open"]:
            opened.pop()
        elif mark["close"] and opened:
            box = opened.pop()
            while found and found[-1][0] > box.start():
                found.pop()
            found.append((box.start(), box.end(), mark.start()))
        elif mark["bare"]:
            found.append((mark.start(), mark.start("bare"), mark.end()))
    return found


def _joined(text: str) -> list[tuple[int, str]]:
    """The answers in boxes, in order, with where each begins; boxes joined by "," or "and" are one answer."""
    answers: list[tuple[int, str]] = []
    before = -1
    for begin, start, end in _boxes(text):
        content = text[start:end].strip()
        between = text[before + 1 : begin] if 0 <= begin - before <= 40 else "."
        if before >= 0 and _BETWEEN.fullmatch(between) and _SEPARATES.search(between):
            answers[-1] = (answers[-1][0], (answers[-1][1] + ", " + content)[: MAX_ANSWER + 1])
        else:
            answers.append((begin, content[: MAX_ANSWER + 1]))
        before = end
    return [(begin, content) for begin, content in answers if content and len(content) <= MAX_ANSWER]


def _bold(text: str) -> str | None:
    for line in reversed(text.splitlines()):
        if _NUMBER.search(line):
            spans = [_quantity(span) for span in _BOLD.findall(line) if not span.rstrip().endswith(":")]
            return next((span for span in reversed(spans) if span), None)
    return None


def _last_number(text: str) -> str | None:
    last = otherwise = None
    for number in _NUMBER.finditer(text):
        start, end = number.span()
        line_start = text.rfind("\n", 0, start) + 1
        inside = number[0][0] not in "\\$€£¥₹" and _INSIDE.search(text[max(0, start - 7) : start])
        after = _AFTER.match(text, end)
        if inside or (after and (text[end].isalpha() or not text[max(line_start, start - 9) : start].strip(" \t*#>"))):
            otherwise = number
        else:
            last = number
    last = last or otherwise
    return None if last is None else _written(last)
