"""The last value of a text: its last number, or the formula around it (ours)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from w2s.answers.boxes import MAX_ANSWER
from w2s.answers.written import NUMBER, last_number, number_text

_SPAN = re.compile(
    rf"\$\$(?P<a>[^$]{{1,{MAX_ANSWER}}})\$\$|(?<!\\)\$(?P<b>(?:[^$\n\\]|\\[^\n]){{1,{MAX_ANSWER}}})\$(?![0-9])"
    rf"|\\\[(?P<c>(?:[^\\]|\\[^\]]){{1,{MAX_ANSWER}}})\\\]|\\\((?P<d>(?:[^\\]|\\[^)]){{1,{MAX_ANSWER}}})\\\)"
    rf"|(?P<e>(?:[^\s$\\]|\\(?!begin|[\[(])){{0,40}}\\begin\{{(?P<name>[a-z]{{1,12}}\*?)\}}[^$]{{1,{MAX_ANSWER}}}?\\end\{{(?P=name)\}})"
)
_TEXT = re.compile(
    r"\\(?:text[a-z]*|mbox|hbox|mathrm|operatorname|(?:text)?color|begin|end)\*?\s?\{[^{}]*\}|\\[A-Za-z]+"
)
_MARKUP = re.compile(r"</?(?:[A-Za-z_]{2,20}|[bipu])>")
_WORD = re.compile(r"[A-Za-z]{3,}")
_FUNCTION = r"(?:arc)?(?:sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|pi)(?![A-Za-z])"
_JOINS = re.compile(r"(?:\s|,|;|\band\b|\bor\b)+")
_PIECE = re.compile(
    r"\\(?:text[a-z]*|mathrm|mbox|hbox|operatorname)\s?\{[^{}]*\}|\\[A-Za-z]+|\\[{}]|[0-9]+\.(?=\\)"
    rf"|{NUMBER.pattern}|[0-9]+|{_FUNCTION}|(?<![A-Za-z'’])[A-Za-z](?![A-Za-z'’])"
    r"|(?<=[-+*(0-9^])[abcxyzpqrnuv]{2}(?![A-Za-z'’])|(?<![A-Za-z])d[txyz](?![A-Za-z])"  # 3xy, dx
    r"|[-−–+*/^_=<>≤≥≠{}()\[\]|!√π∞·×÷±°²³,;]|[ \t]+"
)
_FORMULA = re.compile(rf"[-−–+*/^_<>≤≥≠(\[|√π∞·×÷±²³=]|\\[A-Za-z]+|{_FUNCTION}|[0-9][A-Za-z]")
_BEFORE = re.compile(r"(?:[-−–+]\s+|[aAI]\s+(?=[0-9$\\(]))*")  # bullets and articles
_AFTER = re.compile(r"(?<=[0-9])\s{1,3}[mgsLlNJWVKCFh]$")  # a unit
_KNOWN = re.compile(  # what "=" says no more about: arithmetic, a name
    r"(?:[-−–+*/^(){}0-9.,\s×÷·=%$!]|\\(?:cdot|times|div|[dt]?frac|left|right)(?![A-Za-z])"
    r"|(?<=[0-9)\s])[xX](?=\s?[0-9(]))*|\s*[A-Za-z](?:\([A-Za-z0-9, ]*\))?\s*"
)
_OPEN = ("/", "*", "^", "+", "×", "÷", "·")  # a run that begins like this lacks its beginning
_BESIDE = re.compile(r"(?:√|∛|sqrt|log(?:_[0-9]+)?|ln|sin|cos|tan)[ ]?[({]?[ ]?$")
_ROOT = re.compile(r"[ ]?\*?[ ]?(?:√|∛|π|sqrt\b|pi\b|\\(?:sqrt|pi|log|ln)\b)")
_UNIT = re.compile(
    r"(?:[\s~]|\\[ ,;:!])*"
    r"(?:\\(?:text[a-z]*|mathrm|mbox|hbox|operatorname)\s?\{[^{}]*\}|[A-Za-z]{2,}(?:\s[A-Za-z]+){0,4})?"
    r"(?:\^\{?[23]\}?)?\s*"
)


def last_value(text: str, numeric: bool) -> str | None:
    """The last value of `text`, or None; `numeric`: a number is expected."""
    text = _MARKUP.sub(" ", text)
    spans = list(_spans(text))
    outside = list(text)
    for begin, end, _ in spans:
        outside[begin:end] = "\x01" * (end - begin)
    plain = "".join(outside) if spans else text
    number, counts = last_number(plain)
    valued = [span for span in spans if re.search("[0-9]", span[2])]
    if spans and not numeric and spans[-1] not in valued and _closes(text, spans[-1]):
        valued.append(spans[-1])
    if valued and (number is None or not counts or valued[-1][0] > number.start()):
        return _number_of(valued[-1][2]) if numeric else _listed(text, valued)
    if number is None:
        return None
    return _around(text, plain, number, numeric)


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    at = 0
    while (span := _SPAN.search(text, at)) is not None:
        content = next(filter(None, span.group("a", "b", "c", "d", "e")))
        amount = span["b"] and (content[-1].isspace() or _WORD.search(_TEXT.sub(" ", content)))
        at = span.start() + 1 if amount else span.end()
        if not amount:
            content = content.strip()
            yield span.start(), span.end(), content if content.endswith("...") else content.rstrip(".,;").strip()


def _closes(text: str, span: tuple[int, int, str]) -> bool:
    return not text[span[1] :].strip(" .*\n") and re.fullmatch(r"\\?[A-Za-z]+'?", span[2]) is None


def _listed(text: str, spans: list[tuple[int, int, str]]) -> str:
    parts = [spans[-1]]
    for span in reversed(spans[:-1]):
        if not _JOINS.fullmatch(text, span[1], parts[0][0]) or len(parts) == 20:
            break
        parts.insert(0, span)
    return ", ".join(_right(part[2]) for part in parts)


def _number_of(content: str) -> str:
    """The number after the last "=", else all of `content`."""
    right = re.split(r"=|\\approx(?![A-Za-z])", content)[-1].strip()
    number = NUMBER.match(right)
    return number_text(number) if number and _UNIT.fullmatch(right, number.end()) else content


def _around(text: str, plain: str, number: re.Match[str], numeric: bool) -> str:
    start, end = number.span()
    if numeric and not (_BESIDE.search(plain[max(0, start - 12) : start]) or _ROOT.match(plain, end)):
        return number_text(number)
    line = plain.rfind("\n", 0, start) + 1
    stop = plain.find("\n", end)
    begin, close = _run(plain[line : stop if stop >= 0 else len(plain)], start - line)
    run = _trimmed(text[line + begin : line + close])
    if (
        len(run) > MAX_ANSWER
        or NUMBER.fullmatch(run.rstrip("!"))
        or run[:1] in _OPEN
        or not _FORMULA.search(run)
        or not balanced(run)
    ):
        return number_text(number)
    return _right(run)


def _trimmed(run: str) -> str:
    if len(run) > 2 * MAX_ANSWER:
        return run
    run = run.strip(" \t,;=*_")
    bullets = _BEFORE.match(run)
    run = run[bullets.end() :] if bullets else run
    return _AFTER.sub("", run).rstrip(" \t,;=*_-−–+/^<>≤≥")


def _right(formula: str) -> str:
    left, _, right = formula.rpartition("=")
    value = right.strip() and not re.search(r"(?<![\\A-Za-z])[A-Za-z]", right)
    return right.strip() if value and _KNOWN.fullmatch(left) else formula


def _run(line: str, at: int) -> tuple[int, int]:
    begin = depth = place = 0
    while place < len(line):
        piece = _PIECE.match(line, place)
        after = place + 1 if piece is None else piece.end()
        depth += 0 if piece is None else (piece[0][-1] in "([{") - (piece[0] in (")", "]", "}", r"\}"))
        if piece is None or depth < 0 or (depth == 0 and piece[0] in ",;"):
            if begin <= at < place:
                break
            begin, depth = after, 0
        place = after
    return begin, place


def balanced(text: str) -> bool:
    """Whether every bracket and bar of `text` closes."""
    depth = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            return False
    return depth == 0 and text.count("|") % 2 == 0
