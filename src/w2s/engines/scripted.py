"""An engine without a model: a function or a table answers. For tests, examples and trying out a task."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from w2s.engines.base import Completion, Decoding, Request, groups
from w2s.errors import UserError

Answer = Callable[[Request, Decoding], str]

BATCH = 64
"""Requests a batch."""


class ScriptedEngine:
    """Answers come from `answer`: a function of request and decoding, or question id -> texts by sample.

    With a table, sample k gets text k modulo the number of texts. Tokens are words. Stop strings and
    `max_new_tokens` act as in a real engine.
    """

    def __init__(self, answer: Answer | Mapping[str, Sequence[str]]) -> None:
        self._answer = _lookup(answer) if isinstance(answer, Mapping) else answer

    def plan(self, requests: Sequence[Request], decoding: Decoding) -> list[list[Request]]:
        """Batches of at least `BATCH` requests, the samples of a question together."""
        batches: list[list[Request]] = []
        for group in groups(requests, len):
            if not batches or len(batches[-1]) >= BATCH:
                batches.append([])
            batches[-1] += group
        return batches

    def run(self, batch: Sequence[Request], decoding: Decoding) -> list[Completion]:
        """Ask the function or the table, then cut as a real engine would."""
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
        """Words."""
        return len(text.split())

    def close(self) -> None:
        """Nothing to give back."""


def _words(text: str) -> list[str]:
    """Words with the white space before them, so that joining them keeps line breaks."""
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
            raise UserError(f"the script has no text for question {request.id!r}", mend="add the id to the table")
        return texts[request.sample % len(texts)]

    return answer


def load(model: str | Path, **options: object) -> ScriptedEngine:
    """The engine for the reference "scripted:module:function"; the options of real engines have no effect.

    Raises:
        UserError: the reference has another form, or the function cannot be imported.
    """
    kind, _, place = str(model).partition(":")
    module, _, function = place.partition(":")
    if kind != "scripted" or not module or not function:
        raise UserError(
            f"the scripted engine cannot load {str(model)!r}", field="model", expected="scripted:module:function"
        )
    try:
        answer = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"{place} cannot be imported ({error})", field="model", mend="check the name and PYTHONPATH"
        ) from error
    return ScriptedEngine(answer)
