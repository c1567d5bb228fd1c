"""How many questions can be kept with a promise: a fixed-sequence test (Learn then Test, arXiv 2110.01052).

The null hypothesis of a threshold: of the labels that it keeps, less than the promised share is right. It is tested on
questions with gold, from the same population, to which nothing was fitted. If the threshold keeps k of them and `wrong`
are wrong, the p-value is P(Binomial(k, 1 - precision) <= wrong); the hypothesis is rejected where this is at most
1 - confidence. The thresholds and their order are fixed without this gold, and testing stops at the first hypothesis
that is not rejected; so the probability of any false rejection is at most 1 - confidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

_STEPS = 40
_ALLOWED = 3


class Promise(NamedTuple):
    """At least the share `precision` of the kept labels is right, with probability `confidence`.

    The probability is over the choice of the gold questions. The share is the expected one in the population; among few
    kept questions it also varies by chance.
    """

    precision: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """`kept` of `of` questions have a score of `threshold` or more, and the promise holds for it.

    `checked` gold answers, which the scores do not depend on, gave it: `checked_kept` have such a score, `wrong` of
    these are wrong.
    """

    promise: Promise
    kept: int
    of: int
    threshold: float
    checked: int
    checked_kept: int
    wrong: int


@dataclass(frozen=True, slots=True)
class NoCertificate:
    """No threshold passed.

    `needed`: how many gold answers would be enough, about, if they came out like these; None: more would not help.
    """

    promise: Promise
    of: int
    checked: int
    reason: str
    needed: int | None


def tail(wrong: int, n: int, risk: float) -> float:
    """P(Binomial(n, risk) <= wrong)."""
    if wrong >= n or risk <= 0:
        return 1.0
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
        + i * math.log(risk) + (n - i) * math.log1p(-risk)
        for i in range(wrong + 1)
    ]  # fmt: skip
    return min(1.0, math.fsum(math.exp(each) for each in logs))


def least_kept(promise: Promise, wrong: int = 0) -> int:
    """The fewest kept questions with gold that can pass, `wrong` of them wrong."""
    kept = wrong + 1
    while tail(wrong, kept, 1 - promise.precision) > 1 - promise.confidence:
        kept += 1
    return kept


def thresholds(scores: Sequence[float], checked: int, promise: Promise) -> list[float]:
    """The thresholds to test, highest first, from scores of questions without gold and the number of golds.

    They keep 1/40, 2/40, ... of the questions, and at last all that have a label. The first keeps enough to pass
    with three wrong ones, or with fewer if half of the golds are too few for that: a threshold that keeps few questions
    may fail by chance, and the sequence would end there.
    """
    wrong = next((each for each in range(_ALLOWED, 0, -1) if 2 * least_kept(promise, each) <= checked), 0)
    least = min(least_kept(promise, wrong) / max(checked, 1), 1)
    ranked = sorted(scores, reverse=True)
    shares = [step / _STEPS for step in range(1, _STEPS + 1) if step / _STEPS >= least]
    chosen = [ranked[max(round(share * len(ranked)), 1) - 1] for share in shares if ranked]
    labelled = [score for score in ranked if score > -math.inf]
    return list(dict.fromkeys([*(each for each in chosen if each > -math.inf), *labelled[-1:]]))


def certify(
    scores: Sequence[float], checked: Sequence[tuple[float, bool]], promise: Promise
) -> Certificate | NoCertificate:
    """The largest selection that the promise can be given for.

    Args:
        scores: of the questions to select from; larger is surer; -inf: no label.
        checked: of each question with gold, its label's score and whether it is right. The scores must not depend on
            this gold.
        promise: what must hold.
    """
    return first_to_last(thresholds(scores, len(checked), promise), scores, checked, promise)


def first_to_last(
    sequence: Sequence[float], scores: Sequence[float], checked: Sequence[tuple[float, bool]], promise: Promise
) -> Certificate | NoCertificate:
    """The last threshold of a sequence before the first that fails; both arguments as in `certify`."""
    passed = None
    golds = np.array(checked, dtype=float).reshape(-1, 2)
    of = np.asarray(scores)
    attempts = [_at(threshold, of, golds, promise) for threshold in sequence]
    for attempt in attempts:
        if tail(attempt.wrong, attempt.checked_kept, 1 - promise.precision) > 1 - promise.confidence:
            break
        passed = attempt
    return passed or _refusal(attempts, len(scores), len(checked), promise)


def _at(threshold: float, scores: np.ndarray, checked: np.ndarray, promise: Promise) -> Certificate:
    """The certificate that a threshold would have."""
    right = checked[checked[:, 0] >= threshold, 1]
    kept = int((scores >= threshold).sum())
    return Certificate(promise, kept, len(scores), threshold, len(checked), len(right), int((right == 0).sum()))


def _refusal(attempts: Sequence[Certificate], of: int, checked: int, promise: Promise) -> NoCertificate:
    if not attempts:
        return NoCertificate(promise, of, checked, "no question has a label", None)
    needed = next((each for each in map(_needed, attempts) if each is not None), None)
    least, first = least_kept(promise), attempts[0]
    if first.checked_kept < least:
        reason = f"only {first.checked_kept:,} kept questions have gold to test with, and at least {least:,} are needed"
    else:
        reason = f"of {first.checked_kept:,} kept questions with gold to test with, {first.wrong:,} are wrong"
    return NoCertificate(promise, of, checked, reason, needed)


def _needed(attempt: Certificate) -> int | None:
    """How many golds would do, about, if shares stay as they are; None: none would.

    By the normal approximation: the share of wrong ones must lie z standard deviations below the risk.
    """
    if not attempt.checked_kept:
        return None
    share, risk = attempt.checked_kept / attempt.checked, 1 - attempt.promise.precision
    room = risk - attempt.wrong / attempt.checked_kept
    if room <= 0:
        return None
    z = max(NormalDist().inv_cdf(attempt.promise.confidence), 0)
    kept = max(z**2 * risk * (1 - risk) / room**2, least_kept(attempt.promise))
    return max(math.ceil(kept / share), attempt.checked + 1)
