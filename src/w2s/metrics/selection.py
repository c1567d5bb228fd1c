"""Quality of selected pseudo-labels, by gold verdicts: never feeds training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from w2s.metrics.accuracy import accuracy, wilson
from w2s.records import Verdict


@dataclass(frozen=True, slots=True)
class Selection:
    """`coverage` kept / of, `precision` with Wilson `ci95`; NaN without a denominator."""

    kept: int
    of: int
    correct: int
    coverage: float
    precision: float
    ci95: tuple[float, float]


def selection_quality(kept_verdicts: Sequence[Verdict], of: int) -> Selection:
    """Quality of the labels kept out of `of` questions."""
    if len(kept_verdicts) > of:
        raise ValueError(f"{len(kept_verdicts)} labels kept out of {of} questions")
    labels = accuracy(kept_verdicts)
    coverage = labels.n / of if of else math.nan
    return Selection(labels.n, of, labels.correct, coverage, labels.accuracy, labels.ci95)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What a threshold keeps, and how much of it is right: of `checked` kept questions with gold `right` are."""

    threshold: float
    kept: int
    coverage: float
    checked: int
    right: int
    precision: float
    ci95: tuple[float, float]


def risk_coverage(scores: Sequence[float], checked: Sequence[tuple[float, bool]], steps: int = 10) -> list[CurvePoint]:
    """The curve at thresholds that keep 1/steps, 2/steps, ... of the questions, and at last all that have a label.

    `scores`: -inf without a label. `checked`: of questions with gold; is it right?
    """
    ranked = sorted((score for score in scores if score > -math.inf), reverse=True)
    sizes = [round(step * len(scores) / steps) for step in range(1, steps + 1)]
    wanted = [ranked[size - 1] for size in sizes if 0 < size <= len(ranked)] + ranked[-1:]
    points = []
    for threshold in dict.fromkeys(wanted):
        kept = sum(score >= threshold for score in ranked)
        verdicts = [right for score, right in checked if score >= threshold]
        n, right = len(verdicts), sum(verdicts)
        precision, ends = (right / n, wilson(right, n)) if n else (math.nan, (math.nan, math.nan))
        points.append(CurvePoint(threshold, kept, kept / len(scores), n, right, precision, ends))
    return points
