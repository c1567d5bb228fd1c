"""Paired comparison of two models on the same questions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from w2s.metrics.accuracy import Z95


def mcnemar(a: Sequence[bool], b: Sequence[bool]) -> float:
    """Exact two-sided p of McNemar's test."""
    only_a, only_b = _discordant(a, b)
    m, smaller = only_a + only_b, min(only_a, only_b)
    term, tail = 1, 1  # C(m, 0) and its running sum, in exact integers
    for i in range(smaller):
        term = term * (m - i) // (i + 1)
        tail += term
    return min(1.0, 2 * tail / 2**m)


def difference_interval(a: Sequence[bool], b: Sequence[bool]) -> tuple[float, float]:
    """95 % interval of accuracy(a) - accuracy(b), adjusted Wald; NaN without questions.

    Source: Bonett and Price 2012.
    """
    only_a, only_b = _discordant(a, b)
    if not a:
        return math.nan, math.nan
    n = len(a) + 2
    share_a, share_b = (only_a + 1) / n, (only_b + 1) / n
    difference = share_a - share_b
    margin = Z95 * math.sqrt((share_a + share_b - difference**2) / n)
    return max(-1.0, difference - margin), min(1.0, difference + margin)


def _discordant(a: Sequence[bool], b: Sequence[bool]) -> tuple[int, int]:
    if len(a) != len(b):
        raise ValueError(f"paired outcomes differ in length: {len(a)} and {len(b)}")
    return sum(x and not y for x, y in zip(a, b, strict=True)), sum(y and not x for x, y in zip(a, b, strict=True))
