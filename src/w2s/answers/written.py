"""Numbers in a text, with sign, currency, separators, fraction, power, scale word (ours).

"10-5" gives 5. Exponents, indices, ordinals and list numbers count only without other numbers.
"""

from __future__ import annotations

import re

from w2s.answers.boxes import MAX_ANSWER

VULGAR = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_DIGITS = (
    r"(?:(?!0)[0-9]{1,3}(?:[ '’][0-9]{3})+(?![0-9/:'’])(?![ ][0-9])(?:[.,][0-9]+)?"  # 6 500, 6'500
    r"|[0-9]+(?:(?:[.,]|\{,\}|\\,|,\\![ ]?)[0-9]+)*)"
)
_POWER = r"\^[ ]?(?:\{[ ]?[-+]?[0-9]{1,9}[ ]?\}|[-+]?[0-9]{1,9})"
NUMBER = re.compile(
    r"(?:(?<![A-Za-z0-9)\]}%−–-])[-−–])?(?:\\?\$|[€£¥₹])?(?:(?<=[$€£¥₹])[-−–])?"
    r"(?:(?:[0-9]{1,12}[ ]?)?\\[dtc]?frac[ ]?(?:\{[0-9]{1,30}\}|[0-9])[ ]?(?:\{[0-9]{1,30}\}|[0-9])"
    rf"|(?:[0-9]{{1,12}}[ ]?)?[{VULGAR}]"
    rf"|[0-9]{{1,12}}[ ][0-9]{{1,9}}/[0-9]{{1,9}}(?![0-9])"
    rf"|(?:{_DIGITS}|\.[0-9]+)(?:/{_DIGITS}|(?::[0-9]{{1,9}}){{1,2}})?"
    rf"(?:{_POWER}|⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]{{1,9}}|[ ]?(?:\\times|\\cdot|[x×*])[ ]?10{_POWER}|[eE][-+]?[0-9]{{1,9}}(?![\w]))?"
    r"(?:[ ]?\\?%|[ ](?:hundred|thousand|million|billion|trillion|dozen)\b)?)"
)
_INSIDE = re.compile(r"(?:[A-Za-z_\\]|[\^_]\{|\^|\b[Ss]tep[ ])$")  # what, before digits, makes them no number
_AFTER = re.compile(r"(?:st|nd|rd|th)\b|[.)][*_]{0,2}[ \t]+[A-Za-z*\\$]")
_LABEL = re.compile(
    r"\b(?:step|day|week|month|year|part|page|case|question|problem|grade|level|room|group|team|chapter|option|item|line"
    r"|row|figure|table)[ ]$",
    re.IGNORECASE,
)
_OPERATOR = re.compile(
    r"[ ]?(?:(?:[-+*/^×÷·−–]|x)[ ]?[-(]?[0-9$\\.]|[-+*^][ ]?[a-zA-Z]\b|\\(?:times|cdot|div|pi|sqrt|pm)\b)"
    r"|[abkKnpqxyz]\b"
)
_SYMBOLIC = re.compile(r"[-−–]?[ ]?\\(?:sqrt|pi|pm|log|ln|binom|infty)(?![A-Za-z])")
_OPERATION_IN_WORDS = re.compile(r"[ ](?:of|times|plus|minus|divided by|multiplied by)\b[^=]*=")
_SPACED_SIGN = re.compile(r"[-−–][ ]+(?=(?:\\?\$|[€£¥₹])?\.?[0-9])")
MATH = re.compile(
    r"\$\$(?P<a>[^$]+)\$\$|\$(?P<b>[^$\n]*[^$\s])\$(?![0-9])|\\\[(?P<c>(?:[^\\]|\\[^\]])+)\\\]"
    r"|\\\((?P<d>(?:[^\\]|\\[^)])+)\\\)"
)


def bounded(answer: str | None) -> str | None:
    """`answer` without spaces around it; None if empty or too long."""
    answer = (answer or "").strip()
    return answer if answer and len(answer) <= MAX_ANSWER else None


def without_marks(phrase: str) -> str:
    """`phrase` without markdown, final point and math delimiters."""
    phrase = phrase.strip(" \t\r*`").rstrip(".,;:").rstrip(" \t*`")
    math = MATH.fullmatch(phrase)
    return math[math.lastgroup or 0].strip().rstrip(".,") if math else phrase


def quantity(phrase: str, whole: bool = False) -> str | None:
    """The number that `phrase` opens with, or after "=", or the first; `whole`: all of `phrase` is the answer."""
    for part in (without_marks(phrase), without_marks(phrase.rpartition("=")[2])):
        part = _SPACED_SIGN.sub("-", part, count=1) if _SPACED_SIGN.match(part) else part
        number = NUMBER.match(part)
        if number is None:
            if _SYMBOLIC.match(part):
                return part
            continue
        rest = part[number.end() :]
        if _OPERATION_IN_WORDS.match(rest):
            continue
        if not _OPERATOR.match(rest) and not (whole and re.search(r"^[^=(]{0,40}[0-9]", rest)):
            return number_text(number)
        if "=" not in rest:
            return part
    number = NUMBER.search(phrase)
    return None if number is None else number_text(number)


def number_text(number: re.Match[str]) -> str:
    """A match of `NUMBER` without a "$" that opens mathematics."""
    closed = number.string[number.end() : number.end() + 1] == "$"
    text = number[0].replace("$", "", 1) if closed and "\\$" not in number[0] else number[0]
    if " " in text and _LABEL.search(number.string[max(0, number.start() - 12) : number.start()]):
        return text.partition(" ")[2]  # "on day 2 500 people came"
    return text


def last_number(text: str) -> tuple[re.Match[str] | None, bool]:
    """The last number of `text`, and whether it stands alone."""
    last = otherwise = None
    for number in NUMBER.finditer(text):
        start, end = number.span()
        line_start = text.rfind("\n", 0, start) + 1
        inside = number[0][0] not in "\\$€£¥₹" and _INSIDE.search(text[max(0, start - 7) : start])
        after = _AFTER.match(text, end)
        if inside or (after and (text[end].isalpha() or not text[max(line_start, start - 9) : start].strip(" \t*#>"))):
            otherwise = number
        else:
            last = number
    return last or otherwise, last is not None
