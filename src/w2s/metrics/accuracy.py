"""Accuracy with its interval, pass@k and maj@k."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass

from w2s.records import Verdict

Z95 = 1.959963984540054
"""The two-sided 95 % quantile of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Counts of verdicts; `accuracy` is correct / n (NaN for n = 0), `ci95` its Wilson interval."""

    correct: int
    n: int
    no_answer: int
    undecided: int
    accuracy: float
    ci95: tuple[float, float]


def accuracy(verdicts: Sequence[Verdict]) -> Accuracy:
    """Summarise verdicts. No answer and undecided count in `n` and not as correct, and are reported apart."""
    counts = Counter(verdicts)
    correct, n = counts["correct"], len(verdicts)
    share = correct / n if n else math.nan
    return Accuracy(correct, n, counts["no_answer"], counts["undecided"], share, wilson(correct, n))


def accuracy_by_group(verdicts: Mapping[str, Verdict], groups: Mapping[str, Hashable]) -> dict[Hashable, Accuracy]:
    """Accuracy for each group (a level, a subject); both mappings are by question id, ids without a group are None."""
    members: dict[Hashable, list[Verdict]] = {}
    for id, verdict in verdicts.items():
        members.setdefault(groups.get(id), []).append(verdict)
    return {group: accuracy(members[group]) for group in sorted(members, key=lambda group: (group is None, str(group)))}


def wilson(correct: float, n: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share; (0, 1) for n = 0, where nothing is known. Source: Wilson 1927.

    Each of the `n` may be right in part (a question, by the share of its samples), so `correct` may be a fraction. The
    interval is then conservative: a share between 0 and 1 with mean p has no more variance than p (1 - p).
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


def pass_at_k(n: int, c: int, k: int) -> float:
    """The probability that k of n samples, c of them correct, hold a correct one; NaN for n < k.

    Unbiased: 1 - C(n - c, k) / C(n, k). Source: Chen et al. 2021 (Codex).
    """
    if not 0 <= c <= n or k < 1:
        raise ValueError(f"needs 0 <= c <= n and k >= 1, not n={n}, c={c}, k={k}")
    return math.nan if n < k else 1 - math.comb(n - c, k) / math.comb(n, k)


def maj_at_k(keys: Sequence[str | None], right: Set[str | None], k: int) -> float:
    """Whether the most common key of the first k samples is one of the `right` ones: 1 or 0, or a share of tied keys.

    Ties are split evenly (ours), so the order of the k samples does not matter. None never wins. NaN for fewer than
    k samples. With a tolerance several keys may be right; they do not vote together, as a vote knows no gold.
    """
    if k < 1:
        raise ValueError(f"needs k >= 1, not {k}")
    if len(keys) < k:
        return math.nan
    counts = Counter(key for key in keys[:k] if key is not None)
    winners = [key for key, count in counts.items() if count == max(counts.values())]
    return sum(key in right for key in winners) / len(winners) if winners else 0.0
