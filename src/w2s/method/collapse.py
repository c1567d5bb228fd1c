"""When to stop learning from one's own majority: the vote share rises, and agreement with the first votes falls (ours).

A model that is rewarded for its majority agrees with itself more and more. Its accuracy rises at first, then falls
("URLVR", arXiv 2603.08660; suddenly in arXiv 2505.21444): its samples come to agree on another answer than before. The
papers were read in summaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

IN_A_ROW = 2
"""So many checks in a row decide; one alone is noisy (ours)."""


@dataclass(frozen=True, slots=True)
class Check:
    """After `step` steps.

    Args:
        share: the majority's share of a question's samples, mean since the last check.
        agreement: share of held-out questions whose answer is still the majority of before the training.
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
    """The check with the highest agreement; of equal ones the first."""
    return max(checks, key=lambda check: check.agreement)


def rewards(keys: Sequence[str | None], majority: str | None) -> list[float]:
    """1 for each sample of a question with the majority's answer (TTRL, arXiv 2504.16084), else 0."""
    return [float(key is not None and key == majority) for key in keys]
