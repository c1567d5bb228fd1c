"""The records that travel between layers. None of them has room for a gold answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["correct", "wrong", "no_answer", "undecided"]
"""What grading says about an answer; `undecided`: it, or gold, was not read in time."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question to answer. It has no answer field: gold is behind `w2s.gold`."""

    id: str
    question: str


@dataclass(frozen=True, slots=True)
class Response:
    """A model's text for a question: chain of thought and final answer, without surrounding white space.

    `sample` counts from 0 and tells the draws of one question apart; `extra` holds unknown fields of
    the file the response was read from.
    """

    id: str
    question: str
    response: str
    sample: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answered:
    """A response with its final answer read out. A pseudo-label, never gold.

    `prediction` is the answer as written; `key` is its canonical form, equal for equal answers.
    Both are None where the response gives no answer (or the answer could not be decided in time):
    None never wins a vote and never agrees with anything (but, with `match="string"`, with None: see docs/paper.md).
    """

    id: str
    question: str
    response: str
    prediction: str | None
    key: str | None
    sample: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Example:
    """One supervised example: the loss is on `completion` only."""

    id: str
    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class Preference:
    """One preference pair over the same prompt."""

    id: str
    prompt: str
    chosen: str
    rejected: str
