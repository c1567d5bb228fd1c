"""Expected tokens and work of a step; results never depend on them."""

from __future__ import annotations

from collections.abc import Sequence

from w2s.flow.work import Role, Work
from w2s.records import Question

RESPONSE_SHARE = 0.35
"""Of `max_new_tokens` (measured on `tiny`)."""


def responses(count: int, new_tokens: int) -> float:
    """Expected tokens of `count` responses."""
    return count * new_tokens * RESPONSE_SHARE


def examples(count: int, new_tokens: int) -> float:
    """Expected tokens of training examples: a response, and as many before it."""
    return responses(count, new_tokens) * 2


def answering(
    model: Role, questions: Sequence[Question], around: int, *, samples: int, shots: int, new_tokens: int
) -> Work:
    """The work of answering `questions`; `around`: characters of a prompt without its question."""
    lengths = [around + len(question.question) for question in questions]
    return Work(
        model=model,
        prompts=len(lengths),
        prompt_characters=sum(lengths),
        longest_prompt=max(lengths),
        shown_characters=shots * sum(lengths) // len(lengths),
        shown_tokens=int(responses(shots, new_tokens)),
        rows=len(lengths) * samples,
        new_tokens=new_tokens,
    )
