"""An engine without a model, for tests and examples."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from w2s.config import functions
from w2s.engines.base import Completion, Decoding, Loading, Request, groups
from w2s.errors import UserError

Answer = Callable[[Request, Decoding], str]

BATCH = 64
"""Requests per batch."""


class ScriptedEngine:
    """Completions come from `answer`: a function, or question id -> completions (sample k modulo their number).

    Tokens are words.
    """

    def __init__(self, answer: Answer | Mapping[str, Sequence[str]]) -> None:
        self._answer = _lookup(answer) if isinstance(answer, Mapping) else answer

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        """Batches of `BATCH` requests or more."""
        batches: list[list[Request]] = []
        for group in groups(requests, len):
            if not batches or len(batches[-1]) >= BATCH:
                batches.append([])
            batches[-1] += group
        return batches

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        return [self._complete(request, decoding) for request in batch]

    def _complete(self, request: Request, decoding: Decoding) -> Completion:
        text = self._answer(request, decoding)
        text = text[: min((text.find(stop) for stop in decoding.stop if stop in text), default=len(text))]
        words = text.split()
        if len(words) <= decoding.max_new_tokens:
            return Completion(request.id, request.sample, text.strip(), len(words), "stop")
        text = "".join(itertools.islice(_words(text), decoding.max_new_tokens))
        return Completion(request.id, request.sample, text.strip(), decoding.max_new_tokens, "length")

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def close(self) -> None:
        """Free nothing."""


def _words(text: str) -> list[str]:
    words, start = [], 0
    for word in text.split():
        end = text.index(word, start) + len(word)
        words.append(text[start:end])
        start = end
    return words


def _lookup(table: Mapping[str, Sequence[str]]) -> Answer:
    def answer(request: Request, decoding: Decoding) -> str:
        texts = table.get(request.id)
        if not texts:
            raise UserError(f"the script has no text for question {request.id!r}", hint="add the id to the table")
        return texts[request.sample % len(texts)]

    return answer


def load(model: str | Path, loading: Loading) -> ScriptedEngine:
    """The engine for "scripted:module:function".

    Raises:
        UserError: another form, or the function cannot be imported.
    """
    kind, _, function = str(model).partition(":")
    if kind != "scripted" or not functions.is_reference(function):
        raise UserError(
            f"the scripted engine cannot load {str(model)!r}", field="model", expected="scripted:module:function"
        )
    return ScriptedEngine(functions.load(function, "model"))
