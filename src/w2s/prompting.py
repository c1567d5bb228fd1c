"""The one place where a question becomes a prompt: generation, SFT, preference and evaluation share it.

Source: the released code's prompt for base models, "Question: ...\\nAnswer:" (src/prompt, vanilla template).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

STOP = ("Question:",)
"""Generation ends where the model starts another question (released code: stops at "Question")."""


class _Demonstration(Protocol):
    @property
    def question(self) -> str: ...
    @property
    def response(self) -> str: ...


def prompt(question: str, demonstrations: Sequence[_Demonstration] = ()) -> str:
    """The prompt for `question`, after the demonstrations if there are any. No trailing space."""
    shots = "".join(f"{prompt(d.question)}{completion(d.response)}\n\n" for d in demonstrations)
    return f"{shots}Question: {question.strip()}\nAnswer:"


def completion(response: str) -> str:
    """The text that follows a prompt: a single space, then the response."""
    return " " + response.strip()
