"""A user's own pattern for the final answer, with a limit on its time: the texts are hostile."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import regex

from w2s.answers.boxes import MAX_ANSWER
from w2s.errors import UserError

SECONDS = 2.0
"""For one text; a pattern without nested repeats needs milliseconds."""
_SUCH = r"such as 'Final answer: (\S+)': the answer is the group, or all that matches"
_MAX_TEXT = 20_000  # the end of a longer response, as where we read ourselves


@lru_cache(maxsize=8)
def compiled(pattern: str) -> Any:
    """The pattern. UserError: it is none."""
    if not pattern:
        raise UserError("is empty", field="--pattern", expected=_SUCH)
    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        raise UserError(
            f"{pattern!r:.200} is no regular expression ({error})",
            field="--pattern",
            expected=_SUCH,
        ) from error


def last(text: str, pattern: str) -> str | None:
    """The last match in `text` that is not empty, or None: its group "answer", else the first that matched, else all.

    Raises:
        UserError: it is no pattern, or it takes longer than `SECONDS`.
    """
    expression = compiled(pattern)
    found = None
    try:
        for match in expression.finditer(text[-_MAX_TEXT:], timeout=SECONDS):
            found = match if match.end() > match.start() else found  # \d* also matches nothing, at the text's end
    except TimeoutError as error:
        raise UserError(
            f"took longer than {SECONDS:.0f} seconds on a text of {len(text):,} characters",
            field="--pattern",
            hint="avoid repeats of repeats, such as (a+)+ or (.*)*: their time doubles with each character",
        ) from error
    if found is None:
        return None
    if "answer" in expression.groupindex:
        answer = found["answer"]
    else:
        took_part = (group for group in found.groups() if group is not None)
        answer = next(took_part, None) if expression.groups else found[0]
    answer = (answer or "").strip()
    return answer if answer and len(answer) <= MAX_ANSWER else None
