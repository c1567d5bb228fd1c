"""Records between layers, without gold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["correct", "wrong", "no_answer", "undecided"]
"""`undecided`: an answer, or gold, was not read in time."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, without its answer."""

    id: str
    question: str


@dataclass(frozen=True, slots=True)
class Response:
    """A response, stripped; `sample` counts from 0, `extra` holds unknown fields.

    `cut`: it ends at the token limit, and not where its model would have ended it. `tokens`: None if not counted.
    """

    id: str
    question: str
    response: str
    sample: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)
    cut: bool = False
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A response with its final answer: a pseudo-label, never gold.

    `key`: the canonical form of `prediction`, equal for equal answers. None: no answer, or not read in time
    (`undecided`); it wins no vote. `cut`: as in `Response`; its answer votes, and its text is not trained on.
    """

    id: str
    question: str
    response: str
    prediction: str | None
    key: str | None
    sample: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)
    undecided: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """The loss is on `completion` only.

    Args:
        weight: of its loss.
        first_weight: its weight before the first step (`losses.weighted_sft`); None: `weight`.
    """

    id: str
    prompt: str
    completion: str
    weight: float = 1.0
    first_weight: float | None = None


@dataclass(frozen=True, slots=True)
class Preference:
    """A preference pair over one prompt; `weight` is of its loss."""

    id: str
    prompt: str
    chosen: str
    rejected: str
    weight: float = 1.0
