"""Records as JSON Lines rows between steps."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from w2s.answers import answered_all
from w2s.config.choices import AnswerRule
from w2s.data import jsonl
from w2s.data.selections import CHUNK
from w2s.records import Answered, Example, Preference, Question, Response


def questions(path: Path) -> Iterator[Question]:
    """Questions of a file, lazily."""
    return (Question(row["id"], row["question"]) for _, row in jsonl.read(path))


def write_responses(path: str | Path, responses: Iterable[Response], several: bool | None = None) -> int:
    """Rows {"id", "question", "response", "sample"}; no `sample` without `several`, `tokens` and `cut` as `marks`.

    None: found out, with all in memory.
    """
    if several is None:
        responses = list(responses)
        several = any(response.sample for response in responses)
    return jsonl.write(
        path,
        (
            {"id": r.id, "question": r.question, "response": r.response}
            | ({"sample": r.sample} if several else {})
            | marks(r)
            for r in responses
        ),
    )


def marks(response: Response) -> dict[str, Any]:
    """`tokens` and `cut` of a generated response; of another (a demonstration), only that it is cut."""
    if response.tokens is not None:
        return {"tokens": response.tokens, "cut": response.cut}
    return {"cut": True} if response.cut else {}


def responses(path: Path) -> Iterator[Response]:
    """Responses of a file, lazily."""
    return (
        Response(
            row["id"],
            row["question"],
            row["response"],
            row.get("sample", 0),
            cut=row.get("cut", False),
            tokens=row.get("tokens"),
        )
        for _, row in jsonl.read(path)
    )


def read_responses(path: Path) -> list[Response]:
    """All responses of a file."""
    return list(responses(path))


def answers(path: Path, rule: AnswerRule) -> Iterator[Answered]:
    """Responses with final answers, lazily."""
    rest = responses(path)
    while some := list(itertools.islice(rest, CHUNK)):
        yield from answered_all(some, rule)


def read_answered(path: Path, rule: AnswerRule) -> list[Answered]:
    """All responses with final answers."""
    return list(answers(path, rule))


def read_examples(path: Path, source: str) -> list[Example]:
    """Prompt-completion rows of one `source` ("weak", "icl"), or "both"."""
    return [
        Example(row["id"], row["prompt"], row["completion"], row.get("weight", 1.0), row.get("first_weight"))
        for _, row in jsonl.read(path)
        if source == "both" or row.get("source", source) == source
    ]


def read_preferences(path: Path) -> list[Preference]:
    """Preference rows."""
    return [
        Preference(row["id"], row["prompt"], row["chosen"], row["rejected"], row.get("weight", 1.0))
        for _, row in jsonl.read(path)
    ]
