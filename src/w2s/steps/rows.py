"""The files between steps: how records become rows of JSON Lines and come back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from w2s import jsonl
from w2s.answers import answered_all
from w2s.records import Answered, Example, Preference, Question, Response
from w2s.streams import CHUNK


def questions(path: Path) -> Iterator[Question]:
    """Questions of a `questions_*` file, one at a time."""
    return (Question(row["id"], row["question"]) for _, row in jsonl.read(path))


def write_responses(path: Path, responses: Iterable[Response], several: bool | None = None) -> int:
    """Rows {"id", "question", "response", "sample"}; `sample` is left out where questions have one response.

    Args:
        path: the file.
        responses: in the order of the rows.
        several: whether questions may have more than one response; None finds out, and holds them all for that.
    """
    if several is None:
        responses = list(responses)
        several = any(response.sample for response in responses)
    return jsonl.write(
        path,
        (
            {"id": r.id, "question": r.question, "response": r.response} | ({"sample": r.sample} if several else {})
            for r in responses
        ),
    )


def responses(path: Path) -> Iterator[Response]:
    """Responses as `write_responses` left them, one at a time."""
    return (Response(row["id"], row["question"], row["response"], row.get("sample", 0)) for _, row in jsonl.read(path))


def read_responses(path: Path) -> list[Response]:
    """All responses as `write_responses` left them."""
    return list(responses(path))


def answers(path: Path, params: Any) -> Iterator[Answered]:
    """Responses with their final answers, read in the way `params` says ("style", "match"), some at a time."""
    rest = responses(path)
    while some := list(itertools.islice(rest, CHUNK)):
        yield from answered_all(some, params["style"], params["match"])


def read_answered(path: Path, params: Any) -> list[Answered]:
    """All responses with their final answers."""
    return list(answers(path, params))


def read_examples(path: Path, source: str) -> list[Example]:
    """Prompt-completion rows of one `source` ("weak", "icl") or of "both"; the hybrid set is both."""
    return [
        Example(row["id"], row["prompt"], row["completion"])
        for _, row in jsonl.read(path)
        if source == "both" or row.get("source", source) == source
    ]


def read_preferences(path: Path) -> list[Preference]:
    """Preference rows."""
    return [Preference(row["id"], row["prompt"], row["chosen"], row["rejected"]) for _, row in jsonl.read(path)]
