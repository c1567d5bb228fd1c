"""The one place where a question becomes a prompt: generation, SFT, preference and evaluation share it.

Two formats: `Plain`, the paper's, for base models, and a model's own chat template (`w2s.chat`), for instruct models.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

SEPARATOR = "\n\n"
"""Stands between demonstrations."""

STOP = ("Question:",)
"""Generation ends where the model starts another question (released code: stops at "Question")."""


class Demonstration(Protocol):
    """A question with its answer, shown before another question."""

    @property
    def question(self) -> str: ...
    @property
    def response(self) -> str: ...


class Builder(Protocol):
    """Makes the texts that a model reads and is trained on. A small value: it is pickled, and equal ones are alike."""

    @property
    def hash(self) -> str:
        """SHA-256 of all that decides the texts, beside question, demonstrations and response: 64 hex digits."""
        ...

    def prompt(self, question: str, demonstrations: Sequence[Demonstration] = ()) -> str:
        """The prompt for `question`, after the demonstrations if there are any."""
        ...

    def completion(self, response: str) -> str:
        """The text that follows a prompt when the answer is `response`; EOS comes after it, and is no part of it."""
        ...

    def stop(self, demonstrated: bool) -> tuple[str, ...]:
        """The texts at which generation ends, beside the model's end-of-text tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """The format of the paper, for base models.

    Source: the released code's prompt for base models, "Question: ..." and on the next line "Answer:" (src/prompt,
    vanilla template).
    """

    @property
    def hash(self) -> str:
        """Of the format's constants."""
        return digest("plain", self.prompt("?"), self.completion("!"), SEPARATOR, STOP)

    def prompt(self, question: str, demonstrations: Sequence[Demonstration] = ()) -> str:
        """The prompt for `question`, after the demonstrations if there are any. No trailing space."""
        shots = "".join(
            f"{self.prompt(d.question)}{_one_paragraph(self.completion(d.response))}{SEPARATOR}" for d in demonstrations
        )
        return f"{shots}Question: {question.strip()}\nAnswer:"

    def completion(self, response: str) -> str:
        """The text that follows a prompt: a single space, then the response."""
        return " " + response.strip()

    def stop(self, demonstrated: bool) -> tuple[str, ...]:
        """Where generation ends. After demonstrations also at their separator: a base model goes on (ours)."""
        return (*STOP, SEPARATOR) if demonstrated else STOP


PLAIN = Plain()

prompt, completion, stop = PLAIN.prompt, PLAIN.completion, PLAIN.stop
"""The plain format by itself, for scripts, benchmarks and tests. What asks for a model takes a `Builder`."""


def digest(*content: object) -> str:
    """SHA-256 of values that JSON can hold, as 64 hex digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _one_paragraph(text: str) -> str:
    return re.sub(r"\n\s*\n", "\n", text)
