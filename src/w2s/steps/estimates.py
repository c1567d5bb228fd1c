"""What a plan expects of a step before it has run: tokens, and the work that they cost. No result depends on it."""

from __future__ import annotations

from collections.abc import Sequence

from w2s.costs import Role, Work
from w2s.flow.step import Step
from w2s.records import Question
from w2s.steps import select

RESPONSE_SHARE = 0.35
"""Share of `max_new_tokens` a response is expected to use (measured on `tiny`: 41 of 112)."""


def responses(count: int, new_tokens: int) -> float:
    """Tokens of so many responses, each of at most `new_tokens`."""
    return count * new_tokens * RESPONSE_SHARE


def examples(count: int, new_tokens: int) -> float:
    """Tokens of so many training examples: the response, and about as much before it."""
    return responses(count, new_tokens) * 2


def most_examples(data: Step, source: str, questions: int) -> int:
    """What a training set can have at most: selections are not known before they are made.

    Args:
        data: the step that makes the set.
        source: which of its rows are trained on: "weak", "icl" or "both".
        questions: those of the split that it was made from.
    """
    return questions * (2 if data.run in (select.agree, select.augment) and source == "both" else 1)


def answering(
    model: Role, questions: Sequence[Question], around: int, *, samples: int, shots: int, new_tokens: int
) -> Work:
    """The work of so many samples a question.

    Args:
        model: whose model answers.
        questions: at least one.
        around: characters of a prompt without its question.
        samples: responses a question.
        shots: demonstrations before each question.
        new_tokens: the most that a response may have.
    """
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
