"""How good a selection of pseudo-labels is. This needs gold verdicts: it reports, and never feeds training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from w2s.metrics.accuracy import accuracy
from w2s.records import Verdict


@dataclass(frozen=True, slots=True)
class Selection:
    """`coverage` is kept / of, `precision` the share of kept labels that are correct, `ci95` its Wilson interval.

    Shares are NaN where they have no denominator.
    """

    kept: int
    of: int
    correct: int
    coverage: float
    precision: float
    ci95: tuple[float, float]


def selection_quality(kept_verdicts: Sequence[Verdict], of: int) -> Selection:
    """The quality of a selection that kept one label for each verdict, out of `of` questions."""
    if len(kept_verdicts) > of:
        raise ValueError(f"{len(kept_verdicts)} labels kept out of {of} questions")
    labels = accuracy(kept_verdicts)
    coverage = labels.n / of if of else math.nan
    return Selection(labels.n, of, labels.correct, coverage, labels.accuracy, labels.ci95)
