"""When learning from one's own majority stops: agreement with held-out votes falls while the vote share rises (ours).

Votes that are rewarded always grow together. Rewards of this kind rise, then fall ("URLVR", arXiv 2603.08660; sudden in
arXiv 2505.21444): the samples agree ever more, and on another answer than before. The papers were read in summaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

IN_A_ROW = 2
"""Checks; one alone is noisy (ours)."""


@dataclass(frozen=True, slots=True)
class Check:
    """After `step` steps.

    Args:
        share: of the majority in groups of samples, mean since the last check.
        agreement: share of held-out questions with the answer of the votes before the training, which never change.
    """

    step: int
    share: float
    agreement: float


def collapsed(checks: Sequence[Check]) -> bool:
    """Whether in each of the last `IN_A_ROW` checks agreement fell and the share rose."""
    last = checks[-IN_A_ROW - 1 :]
    if len(last) <= IN_A_ROW:
        return False
    return all(after.agreement < before.agreement and after.share > before.share for before, after in pairwise(last))


def best(checks: Sequence[Check]) -> Check:
    """The first check of the highest agreement."""
    return max(checks, key=lambda check: check.agreement)


def rewards(keys: Sequence[str | None], majority: str | None) -> list[float]:
    """1 for each sample of a question with the majority's answer (TTRL, arXiv 2504.16084), else 0."""
    return [float(key is not None and key == majority) for key in keys]
