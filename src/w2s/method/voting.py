"""Self-consistency: the most common answer among the samples of a question (paper, Stage II; released code)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from w2s.records import Answered


@dataclass(frozen=True, slots=True)
class Vote:
    """The outcome over `n` samples; samples without an answer are in `n` and nowhere else.

    `confidence` is the winner's share of all `n` samples, between 0 and 1; `key` is None where no sample answers.
    `counts` is by key, in the order in which the keys first came.
    """

    key: str | None
    confidence: float
    n: int
    counts: dict[str, int]


def vote(samples: Sequence[Answered]) -> Vote:
    """The majority answer of one question's samples; of tied answers the one seen first wins.

    No answer never wins but stays in the denominator. Source: released code. It lets "no answer" win and then drops
    the question; from a threshold above one half on, that is the same decision.
    """
    counts = Counter(sample.key for sample in samples if sample.key is not None)
    if not counts:
        return Vote(None, 0.0, len(samples), {})
    winner, count = counts.most_common(1)[0]
    return Vote(winner, count / len(samples), len(samples), dict(counts))
