"""What becomes of a question in Stage II: one rule, whether all samples are there or some are still to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Outcome = Literal[
    "chosen",
    "rejected",
    "no_answer",
    "low_confidence",
    "unsure",
    "not_confident",
    "all_samples_agree",
    "empty_weak_text",
]
"""The weak text's role in the question's pairs, or the reason why there are none.

`not_confident` is for a question that is not drawn to the end: one of the three before it, and it is not known which.
"""


class Fate(NamedTuple):
    """`key` is the majority answer and `pairs` the number of pairs; None and 0 where the question is dropped."""

    outcome: Outcome
    key: str | None = None
    pairs: int = 0

    @property
    def kind(self) -> Fate:
        """The fate, with the three reasons for which a vote is not confident enough taken as one."""
        return Fate("not_confident") if self.outcome in ("no_answer", "low_confidence", "unsure") else self


class Weak(NamedTuple):
    """Of a weak answer, all that the rule asks: its key, and whether its text is empty."""

    key: str | None
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Thresholds of Stage II, both inclusive (paper: confidence 0.6; released code: reject_confidence 0.8)."""

    confidence: float
    reject_confidence: float
    max_pairs: int = 1

    def fate(self, winner: str | None, votes: int, n: int, weak: Weak, agreeing: int, others: int) -> Fate:
        """The fate of a question with all its samples. Source: paper, released code.

        Args:
            winner: the majority answer; None where no sample has one.
            votes: its votes, of
            n: samples.
            weak: the weak answer.
            agreeing: different texts among the samples that answer `winner`.
            others: different texts, empty ones aside, among the other samples.
        """
        if winner is None:
            return Fate("no_answer")
        if votes / n < self.confidence:
            return Fate("low_confidence")
        if weak.key == winner:
            pairs = min(others, self.max_pairs)
            return Fate("chosen", winner, pairs) if pairs else Fate("all_samples_agree")
        if votes / n < self.reject_confidence:
            return Fate("unsure")
        if weak.empty:
            return Fate("empty_weak_text")
        return Fate("rejected", winner, min(agreeing, self.max_pairs))
