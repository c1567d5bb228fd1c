"""Means over seeds and questions, with intervals that say what they cover; Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from w2s.metrics.accuracy import Z95, student_95

DIFFERENCE, SHARE = (1.0, -1.0), (0.0, 1.0)
"""Two questions that intervals add: one on either side, as Bonett and Price (2012) for differences of shares."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds, and 95 % intervals.

    `ci95` covers other seeds and other questions at once. `ci95_questions` covers other questions for these seeds'
    models; `ci95_seeds` other seeds on these questions (None for one seed, or where each seed has questions of its own:
    there seeds and questions change together). `p`: two-sided, that the mean is 0, from the interval of `ci95`.
    """

    mean: float
    ci95: tuple[float, float]
    ci95_questions: tuple[float, float]
    ci95_seeds: tuple[float, float] | None
    p: float


def estimate(values: Sequence[Sequence[float]], *, same: bool, added: tuple[float, float] = DIFFERENCE) -> Estimate:
    """The mean of values[seed][question], seeds weighted equally.

    `same`: question k is the same one with each seed. Then the two sources of error are crossed. The question
    interval is of the means over seeds, per question (paired; Miller 2024, arXiv 2411.00640), the seed interval is
    Student's over the seeds' means (Bouthillier et al. 2021, arXiv 2103.03098), and the squares of their half-widths
    add (Zou and Donner 2008), which is somewhat wide: what seed and question do together counts in both.

    Else each seed has drawn its own questions, and Student's interval over the seeds' means covers both; its standard
    error is never less than that of the questions alone.

    For one seed: the interval over questions (`significance.difference_interval` for differences of verdicts).
    """
    rows = [np.asarray(row, dtype=float) for row in values]
    if not rows or any(len(row) == 0 for row in rows) or (same and len({len(row) for row in rows}) > 1):
        raise ValueError(f"needs values of each seed, of as many questions: {[len(row) for row in rows]}")
    seeds = len(rows)
    means = np.array([row.mean() for row in rows])
    mean = float(means.mean())
    asked = [np.append(np.mean(rows, axis=0), added)] if same else [np.append(row, added) for row in rows]
    centre = float(np.mean([row.mean() for row in asked]))
    of_questions = sum(row.var() / len(row) for row in asked) / len(asked) ** 2
    questions = _around(centre, Z95 * math.sqrt(of_questions))
    if seeds == 1:
        return Estimate(mean, questions, questions, None, _p(centre, of_questions, 0.0, 0))
    of_seeds = float(means.var(ddof=1)) / seeds
    quantile = student_95(seeds - 1)
    if not same:
        of_both = max(of_seeds, of_questions)
        return Estimate(
            mean, _around(mean, quantile * math.sqrt(of_both)), questions, None, _p(mean, 0.0, of_both, seeds - 1)
        )
    both = math.sqrt(Z95**2 * of_questions + quantile**2 * of_seeds)
    return Estimate(
        mean,
        _around(centre, both),
        questions,
        _around(mean, quantile * math.sqrt(of_seeds)),
        _p(centre, of_questions, of_seeds, seeds - 1),
    )


def ratio(gains: Sequence[Sequence[float]], gaps: Sequence[Sequence[float]], *, same: bool) -> Estimate | None:
    """Mean gain / mean gap (a PGR, or a difference of two), by linearising; None if the gap's `ci95` includes 0.

    As `estimate`, of (gain - ratio gap) / mean gap.
    """
    gap = estimate(gaps, same=same)
    if gap.ci95[0] <= 0:
        return None
    value = float(np.mean([np.mean(row) for row in gains])) / gap.mean
    spread = [
        (np.asarray(gain, dtype=float) - value * np.asarray(of, dtype=float)) / gap.mean
        for gain, of in zip(gains, gaps, strict=True)
    ]
    around = estimate([row.tolist() for row in spread], same=same)
    seeds = around.ci95_seeds
    return Estimate(
        value,
        (value + around.ci95[0], value + around.ci95[1]),
        (value + around.ci95_questions[0], value + around.ci95_questions[1]),
        None if seeds is None else (value + seeds[0], value + seeds[1]),
        estimate(gains, same=same).p,
    )


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's correction of p-values for as many comparisons (Holm 1979), in their order."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    corrected, least = [0.0] * len(ps), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(ps) - rank) * ps[place]))
        corrected[place] = least
    return corrected


def student_tail(t: float, freedom: int) -> float:
    """Two-sided tail of Student's t (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4)."""
    angle = math.atan(abs(t) / math.sqrt(freedom))
    cosine = math.cos(angle)
    term = math.sin(angle) * (cosine if freedom % 2 else 1.0)
    total, first = (term, 3) if freedom % 2 else (term, 2)
    if freedom == 1:
        total = 0.0
    for k in range(first, freedom - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    inside = 2 / math.pi * (angle + total) if freedom % 2 else total
    return min(1.0, max(0.0, 1 - inside))


def _around(centre: float, half: float) -> tuple[float, float]:
    return centre - half, centre + half


def _p(centre: float, of_questions: float, of_seeds: float, freedom: int) -> float:
    """The level whose interval ends at 0, by bisection."""
    if centre == 0:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        level = (low + high) / 2
        square = 0.0
        if of_questions:
            square += _normal(level) ** 2 * of_questions
        if of_seeds:
            square += _student(level, freedom) ** 2 * of_seeds
        low, high = (low, level) if square < centre**2 else (level, high)
    return high


def _normal(level: float) -> float:
    return NormalDist().inv_cdf(1 - level / 2) if level > 2e-16 else 8.3


def _student(level: float, freedom: int) -> float:
    """The t with this two-sided tail, by bisection on its angle."""
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        tail = student_tail(math.sqrt(freedom) * math.tan(angle), freedom)
        low, high = (angle, high) if tail > level else (low, angle)
    return math.sqrt(freedom) * math.tan(low)
