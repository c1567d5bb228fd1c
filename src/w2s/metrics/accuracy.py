"""Accuracy, pass@k and maj@k, with their intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from w2s.records import Verdict

Z95 = 1.959963984540054
"""Two-sided 95 % normal quantile."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Counts of verdicts; NaN for n = 0. `ci95`: Wilson."""

    correct: int
    n: int
    no_answer: int
    undecided: int
    accuracy: float
    ci95: tuple[float, float]


def accuracy(verdicts: Sequence[Verdict]) -> Accuracy:
    """Summarise verdicts; no answer and undecided count as not correct."""
    counts = Counter(verdicts)
    correct, n = counts["correct"], len(verdicts)
    share = correct / n if n else math.nan
    return Accuracy(correct, n, counts["no_answer"], counts["undecided"], share, wilson(correct, n))


def accuracy_by_group(verdicts: Mapping[str, Verdict], groups: Mapping[str, Hashable]) -> dict[Hashable, Accuracy]:
    """Accuracy per group; mappings by question id."""
    members: dict[Hashable, list[Verdict]] = {}
    for id, verdict in verdicts.items():
        members.setdefault(groups.get(id), []).append(verdict)
    return {group: accuracy(members[group]) for group in sorted(members, key=lambda group: (group is None, str(group)))}


def summary(verdicts: Mapping[str, Verdict], groups: Mapping[str, Mapping[str, Hashable]]) -> dict[str, Any]:
    """Accuracy as JSON: counts, shares of n, and for each name in `groups` counts per group; None is no group."""
    overall = accuracy(list(verdicts.values()))
    return {
        "accuracy": overall.accuracy,
        "ci95": list(overall.ci95),
        "correct": overall.correct,
        "n": overall.n,
        "no_answer": overall.no_answer / overall.n,
        "undecided": overall.undecided / overall.n,
        **{
            name: {
                str(group): {"correct": of.correct, "n": of.n, "ci95": list(of.ci95)}
                for group, of in accuracy_by_group(verdicts, by).items()
                if group is not None
            }
            for name, by in groups.items()
        },
    }


def wilson(correct: int, n: int) -> tuple[float, float]:
    """95 % Wilson interval (Wilson 1927); (0, 1) for n = 0.

    It covers 95 % on average over shares; near the ends less for some, such as 86 % for a share of 0.997 and n = 50.
    """
    if not 0 <= correct <= n:
        raise ValueError(f"correct must be between 0 and n, not {correct} of {n}")
    if n == 0:
        return 0.0, 1.0
    share, square = correct / n, Z95**2
    centre = (share + square / (2 * n)) / (1 + square / n)
    margin = Z95 / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    # At the ends the exact bound is the end itself; rounding would leave 1e-17.
    return (0.0 if correct == 0 else centre - margin), (1.0 if correct == n else centre + margin)


def mean_interval(total: float, squares: float, n: int) -> tuple[float, float]:
    """95 % interval of the mean of n scores from 0 to 1, by their sum and sum of squares; (0, 1) for n = 0.

    Student's t with two questions added, of scores 0 and 1 (ours, after Bonett and Price 2012).
    """
    if not 0 <= squares <= total + 1e-9 * n <= (1 + 2e-9) * n:
        raise ValueError(f"scores are from 0 to 1: not sum {total}, squares {squares}, n {n}")
    if n == 0:
        return 0.0, 1.0
    mean = (total + 1) / (n + 2)
    margin = student_95(n + 1) * math.sqrt(((squares + 1) / (n + 2) - mean**2) / (n + 1))
    return max(0.0, mean - margin), min(1.0, mean + margin)


def student_95(freedom: int) -> float:
    """Two-sided 95 % quantile of Student's t: a table, and from 10 degrees of freedom a series.

    Source: Abramowitz and Stegun 1964, 26.7.5.
    """
    if freedom <= len(_STUDENT):
        return _STUDENT[freedom - 1]
    z = Z95
    terms = ((z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))


_STUDENT = (12.70620, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.30600, 2.26216)


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased probability that k of n samples hold a correct one; NaN for n < k.

    Source: Chen et al. 2021 (Codex).
    """
    if not 0 <= c <= n or k < 1:
        raise ValueError(f"needs 0 <= c <= n and k >= 1, not n={n}, c={c}, k={k}")
    return math.nan if n < k else 1 - math.comb(n - c, k) / math.comb(n, k)


def maj_at_k(keys: Sequence[str | None], right: Set[str | None], k: int) -> float:
    """Majority vote of the first k keys: 1 or 0; ties split evenly (ours).

    None never wins; NaN for fewer than k.
    """
    if k < 1:
        raise ValueError(f"needs k >= 1, not {k}")
    if len(keys) < k:
        return math.nan
    counts = Counter(key for key in keys[:k] if key is not None)
    winners = [key for key, count in counts.items() if count == max(counts.values())]
    return sum(key in right for key in winners) / len(winners) if winners else 0.0
