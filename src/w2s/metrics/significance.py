"""Is one model better than another on the same questions? Both tests are paired."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def mcnemar(a: Sequence[bool], b: Sequence[bool]) -> float:
    """The exact two-sided p of McNemar's test; position i of `a` and `b` is the same question.

    Only questions on which exactly one is correct count: p = min(1, 2 P(X <= smaller)) with X ~ Binomial(m, 1/2).
    """
    only_a, only_b = _discordant(a, b)
    m, smaller = only_a + only_b, min(only_a, only_b)
    term, tail = 1, 1  # C(m, 0) and its running sum, in exact integers
    for i in range(smaller):
        term = term * (m - i) // (i + 1)
        tail += term
    return min(1.0, 2 * tail / 2**m)


def bootstrap_difference(
    a: Sequence[bool], b: Sequence[bool], *, seed: int, resamples: int = 2000
) -> tuple[float, float]:
    """The 95 % percentile interval of accuracy(a) - accuracy(b), a paired bootstrap over questions.

    Position i of `a` and `b` is the same question. (NaN, NaN) without questions.
    """
    only_a, only_b = _discordant(a, b)
    n = len(a)
    if n == 0:
        return math.nan, math.nan
    # Three outcomes matter (a alone, b alone, the rest), so n draws of questions are one multinomial draw.
    shares = np.array([only_a, only_b, n - only_a - only_b]) / n
    draws = np.random.default_rng(seed).multinomial(n, shares, size=resamples)
    low, high = np.percentile((draws[:, 0] - draws[:, 1]) / n, [2.5, 97.5])
    return float(low), float(high)


def _discordant(a: Sequence[bool], b: Sequence[bool]) -> tuple[int, int]:
    if len(a) != len(b):
        raise ValueError(f"paired outcomes differ in length: {len(a)} and {len(b)}")
    return sum(x and not y for x, y in zip(a, b, strict=True)), sum(y and not x for x, y in zip(a, b, strict=True))
