r"""What kind of answer a question asks for, read from its own words, and an answer spelled in that kind.

Every OlympicArena question says which type of answer it wants and in which unit ("This is a True or False question.",
"calculated in the unit of cm"; that benchmark's paper, appendix on prompts). It is no secret of the gold, a response
file always has it, and nothing else has to travel with a response. A question without such a sentence asks for no kind.
"""

from __future__ import annotations

import re
from typing import NamedTuple, cast

from w2s.answers.extract import Style, extract
from w2s.answers.typed import AnswerType, typed
from w2s.choices import Match

TOLERANCE = 1.01e-5
"""The largest difference at which OlympicArena's judge takes two numbers as equal (code/judge.py)."""

_SENTENCES: dict[str, AnswerType] = {
    "This is a multiple choice question (only one correct answer)": "SC",
    "This is a multiple choice question (more than one correct answer)": "MC",
    "This is a True or False question": "TF",
    "The answer to this question is a numerical value": "NV",
    "The answer to this question is a set": "SET",
    "The answer to this question is a range interval": "IN",
    "The answer to this question is an expression": "EX",
    "The answer to this question is an equation": "EQ",
    "The answer to this question is a tuple": "TUP",
    "This question involves multiple quantities to be determined": "MPV",
    "This question has more than one correct answer, you need to include them all": "MA",
}
_KIND = re.compile(rf"^(?:{'|'.join(map(re.escape, _SENTENCES))})\.", re.MULTILINE)
_UNIT = re.compile(r"calculated in the unit of ([^\n]{1,100}?), but ")
_BRACKETED = re.compile(r"\s*(?:\\left\s?)?\(.*\)\s*", re.DOTALL)


class Asked(NamedTuple):
    """The type of answer that a question asks for (None: it does not say) and the unit of a numerical one."""

    kind: AnswerType | None = None
    unit: str | None = None


def asked(question: str) -> Asked:
    """What `question` asks for. The first sentence that names a type counts, and the last that names a unit."""
    kind = _KIND.search(question)
    if kind is None:
        return Asked()
    units = _UNIT.findall(question)
    return Asked(_SENTENCES[kind[0][:-1]], units[-1] if units else None)


def spelled(answer: str | None, wanted: Asked) -> str | None:
    """`answer` in the spelling of the type asked for (`typed`); None where nothing of that type can be read.

    Several quantities become a tuple, since their order counts; several answers stay a bare list, where it does not.
    """
    if answer is None or wanted.kind is None:
        return answer
    found = typed(answer, wanted.kind, wanted.unit)
    if found and wanted.kind == "MPV" and "," in found and not _BRACKETED.fullmatch(found):
        return f"({found})"
    return found


def read(text: str, question: str, style: Style, match: Match) -> str | None:
    """The final answer of a response, as `extract` finds it and, in style "olympicarena", as its question asks for it.

    Args:
        text: a response.
        question: its question, which says the type of answer; another style does not look at it.
        style: as `extract`.
        match: how the answer will be compared. One that is compared as a string is also read as strictly as the
            released code reads it (no flexible extraction): whoever selects, votes or grades reads by this one rule.
    """
    answer = extract(text, style, flexible=match != "string")
    return spelled(answer, asked(question)) if style == "olympicarena" else answer


def written(answer: object, kind: AnswerType | None) -> str | None:
    r"""A published gold answer, which may be a list, as one text; None where it is not made of texts and numbers.

    A set is written "\{1, 2\}", several quantities "(1, 2)", several answers or letters "1, 2".
    """
    parts = answer if isinstance(answer, list) else [answer]
    if not parts or not all(isinstance(part, str | int | float) and not isinstance(part, bool) for part in parts):
        return None
    joined = ", ".join(str(part).strip() for part in cast("list[object]", parts))
    if len(parts) > 1 and kind in ("SET", "MPV"):
        return rf"\{{{joined}\}}" if kind == "SET" else f"({joined})"
    return joined
