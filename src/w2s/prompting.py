"""The one place where a question becomes a prompt.

`Plain` is the paper's format; chat templates are in `w2s.models.chat`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

SEPARATOR = "\n\n"
"""Between demonstrations."""

STOP = ("Question:",)
"""Where the model starts another question (released code)."""


class Demonstration(Protocol):
    """A question and answer before another question."""

    @property
    def question(self) -> str: ...
    @property
    def response(self) -> str: ...


class Builder(Protocol):
    """The texts that a model reads and learns; pickled."""

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of all that decides the texts."""
        ...

    def prompt(self, question: str, demonstrations: Sequence[Demonstration] = ()) -> str:
        """`question`, after any demonstrations."""
        ...

    def completion(self, response: str) -> str:
        """What follows a prompt, without EOS."""
        ...

    def stop(self, demonstrated: bool) -> tuple[str, ...]:
        """Texts that end generation, beside EOS."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """The paper's format for base models.

    Source: released code (src/prompt, vanilla template).
    """

    @property
    def hash(self) -> str:
        return digest("plain", self.prompt("?"), self.completion("!"), SEPARATOR, STOP)

    def prompt(self, question: str, demonstrations: Sequence[Demonstration] = ()) -> str:
        """Without a trailing space."""
        shots = "".join(
            f"{self.prompt(d.question)}{_one_paragraph(self.completion(d.response))}{SEPARATOR}" for d in demonstrations
        )
        return f"{shots}Question: {question.strip()}\nAnswer:"

    def completion(self, response: str) -> str:
        """A single space, then the response."""
        return " " + response.strip()

    def stop(self, demonstrated: bool) -> tuple[str, ...]:
        """After demonstrations also their separator (ours)."""
        return (*STOP, SEPARATOR) if demonstrated else STOP


PLAIN = Plain()

prompt, completion, stop = PLAIN.prompt, PLAIN.completion, PLAIN.stop
"""The plain format, for scripts and tests."""


def digest(*content: object) -> str:
    """SHA-256 (hex) of JSON values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _one_paragraph(text: str) -> str:
    return re.sub(r"\n\s*\n", "\n", text)
