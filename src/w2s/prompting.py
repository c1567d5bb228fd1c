"""The one place where a question becomes a prompt: generation, SFT, preference and evaluation share it.

Source: the released code's prompt for base models, "Question: ..." and on the next line "Answer:" (src/prompt, vanilla
template).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

SEPARATOR = "\n\n"
"""Stands between demonstrations."""

STOP = ("Question:",)
"""Generation ends where the model starts another question (released code: stops at "Question")."""


class _Demonstration(Protocol):
    @property
    def question(self) -> str: ...
    @property
    def response(self) -> str: ...


def prompt(question: str, demonstrations: Sequence[_Demonstration] = ()) -> str:
    """The prompt for `question`, after the demonstrations if there are any. No trailing space."""
    shots = "".join(f"{prompt(d.question)}{_one_paragraph(completion(d.response))}{SEPARATOR}" for d in demonstrations)
    return f"{shots}Question: {question.strip()}\nAnswer:"


def stop(demonstrated: bool) -> tuple[str, ...]:
    """Where generation ends. After demonstrations also at their separator: a base model goes on with another (ours)."""
    return (*STOP, SEPARATOR) if demonstrated else STOP


def _one_paragraph(text: str) -> str:
    return re.sub(r"\n\s*\n", "\n", text)


def completion(response: str) -> str:
    """The text that follows a prompt: a single space, then the response."""
    return " " + response.strip()
