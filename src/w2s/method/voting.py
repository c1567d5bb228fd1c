"""Self-consistency: samples vote, and the vote judges the weak completion (paper, Stage II)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from w2s.records import Answered


@dataclass(frozen=True, slots=True)
class Vote:
    """The majority answer (None: no sample has one), its share of all `n` samples, and votes per answer.

    `n` includes samples without an answer. `counts` is in order of first votes.
    """

    key: str | None
    confidence: float
    n: int
    counts: Mapping[str, int]


def vote(samples: Sequence[Answered]) -> Vote:
    """The majority vote of one question's samples; of tied answers the first wins.

    A sample without an answer has no vote, but counts in the denominator (released code: the same where the share is
    above one half). A cut sample votes if its answer stands before the cut (released code: the same).
    """
    counts = Counter(sample.key for sample in samples if sample.key is not None)
    if not counts:
        return Vote(None, 0.0, len(samples), {})
    winner, count = counts.most_common(1)[0]
    return Vote(winner, count / len(samples), len(samples), counts)


def rarest(votes: Vote) -> str:
    """The answer with the fewest votes; of equally rare ones the one that came last."""
    return min(reversed([*votes.counts]), key=lambda key: votes.counts[key])


def voter(samples: Sequence[Answered], key: str | None) -> Answered | None:
    """The first sample that gives the answer `key`, if possible one that is not cut; None: no sample gives it."""
    giving = [sample for sample in samples if sample.key == key and key is not None]
    return next((sample for sample in giving if not sample.cut), next(iter(giving), None))


@dataclass(frozen=True, slots=True)
class PairRule:
    """The settings of Stage II. Both thresholds are inclusive.

    Args:
        confidence: tau, the least share of the majority (paper: 0.6).
        reject_confidence: the least share of the majority to reject the weak completion (released code: 0.8).
        max_pairs: per question (released code: 1 on GSM8K, 3 on MATH).
    """

    confidence: float
    reject_confidence: float
    max_pairs: int = 1


Role = Literal["chosen", "rejected"]
"""The weak completion's side of a pair."""
Reason = Literal["no_answer", "low_confidence", "unsure", "empty_weak_text", "cut"]
"""Why there are no pairs; "unsure": the weak answer differs, and the share is below `reject_confidence`; "cut": the
weak text is cut."""


def decide(weak: Answered, majority: Vote, rule: PairRule) -> Role | Reason:
    """The weak completion's role against the majority, or the reason why it has none.

    Source: paper, released code. A weak completion without an answer may be rejected; an empty or cut one is never used
    (ours).
    """
    if majority.key is None:
        return "no_answer"
    if majority.confidence < rule.confidence:
        return "low_confidence"
    agrees = weak.key == majority.key
    if not agrees and majority.confidence < rule.reject_confidence:
        return "unsure"
    if not agrees and not weak.response.strip():
        return "empty_weak_text"
    if weak.cut:
        return "cut"
    return "chosen" if agrees else "rejected"
