"""One response of a row, and how layouts read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from w2s.config import choices
from w2s.data.rows import Row

Name = choices.Layout


class RawResponse(NamedTuple):
    """One response of a row.

    `question`: "" if missing. `sample`: None if not numbered. `cut`: `Row.cut`. `supplied`: the question does not stand
    in the file, but in the one of --questions.
    """

    id: str | int
    question: str
    response: str
    sample: int | None
    rest: Mapping[str, Any]
    cut: bool = False
    supplied: bool = False


class Layout(NamedTuple):
    """How to read a row.

    `several`: repeated ids are numbered in file order. `own_ids`: the layout says where ids are, and each row has one.
    """

    name: Name
    read: Callable[[Row, bool], Sequence[RawResponse]]
    several: bool = True
    own_ids: bool = False


def question_of(prompt: str) -> str:
    r"""The last question of a prompt "Question: ...\nAnswer:"; any other prompt whole."""
    text = prompt.strip()
    if not (text.startswith("Question:") and text.endswith("\nAnswer:")):
        return text
    return text.removesuffix("Answer:").rpartition("\n\nQuestion:")[2].removeprefix("Question:").strip()


def without(fields: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """All other fields."""
    return {name: value for name, value in fields.items() if name not in names}
