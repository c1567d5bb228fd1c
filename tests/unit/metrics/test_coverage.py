"""How often each interval that w2s prints covers the truth, by simulation.

Models are correlated: a question's difficulty is a normal variable that they share. Bounds leave four standard errors
of the simulation; where an interval covers less by its nature, its known worst case is the bound. The long version
writes the table of docs/guarantees.md: see `measured` in tests/conftest.py.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pytest
import scipy.stats

from w2s.metrics.accuracy import mean_interval, pass_at_k, student_95, wilson
from w2s.metrics.pgr import contribution, pgr_interval
from w2s.metrics.selection import selection_quality
from w2s.metrics.significance import difference_interval

Interval = tuple[float, float]
Draw = Callable[[np.random.Generator], "Interval | None"]


class Case(NamedTuple):
    """An interval in one situation: its truth, and `draw` of an interval from new questions. `least`: of coverage."""

    interval: str
    n: int
    what: str
    truth: float
    draw: Draw
    least: float = 0.95


def covered(case: Case, repeats: int) -> tuple[float, float]:
    """Coverage among all draws, where one without an interval excludes nothing; and the share with an interval."""
    generator = np.random.default_rng(20261129)
    ends = [case.draw(generator) for _ in range(repeats)]
    given = [end for end in ends if end is not None]
    missed = sum(not end[0] - 1e-9 <= case.truth <= end[1] + 1e-9 for end in given)
    return 1 - missed / repeats, len(given) / repeats


def bound(least: float, repeats: int) -> float:
    return least - 4 * math.sqrt(least * (1 - least) / repeats)


def outcomes(generator: np.random.Generator, n: int, shares: tuple[float, ...], shared: float = 0.5) -> np.ndarray:
    """Whether each model is right on n questions; `shared`: of the variance, by difficulty."""
    difficulty = generator.normal(size=n)
    own = generator.normal(size=(len(shares), n))
    ability = scipy.stats.norm.ppf(np.array(shares))[:, None]
    return math.sqrt(shared) * difficulty + math.sqrt(1 - shared) * own < ability


def accuracy_cases(sizes: tuple[int, ...], shares: tuple[float, ...]) -> Iterator[Case]:
    for n in sizes:
        for share in shares:
            # Wilson's interval, exactly: a sum over all counts. Near 1 it falls below 95 % (Brown, Cai, DasGupta 2001).
            yield Case("accuracy (Wilson)", n, f"p = {share}", share, functools.partial(_wilson, n, share), 0.92)


def _wilson(n: int, share: float, generator: np.random.Generator) -> Interval:
    return wilson(int(generator.binomial(n, share)), n)


def precision_cases(sizes: tuple[int, ...]) -> Iterator[Case]:
    """Of n questions some are kept, and those are right more often."""
    for n in sizes:

        def draw(generator: np.random.Generator, n: int = n) -> Interval:
            kept = generator.random(n) < 0.4
            right = generator.random(int(kept.sum())) < 0.9
            return selection_quality(["correct" if each else "wrong" for each in right], n).ci95

        yield Case("precision of a selection (Wilson)", n, "40 % kept, 90 % right", 0.9, draw, 0.93)


def difference_cases(sizes: tuple[int, ...], pairs: tuple[tuple[float, float], ...]) -> Iterator[Case]:
    for n in sizes:
        for a, b in pairs:

            def draw(generator: np.random.Generator, n: int = n, a: float = a, b: float = b) -> Interval:
                first, second = outcomes(generator, n, (a, b)).tolist()
                return difference_interval(first, second)

            yield Case("difference (Bonett-Price)", n, f"{a} against {b}", a - b, draw)


def pgr_cases(sizes: tuple[int, ...], gaps: tuple[tuple[float, float], ...], true: tuple[float, ...]) -> Iterator[Case]:
    for n in sizes:
        for floor, gap in gaps:
            for pgr in true:
                shares = (floor + pgr * gap, floor, floor + gap)

                def draw(
                    generator: np.random.Generator, n: int = n, shares: tuple[float, ...] = shares
                ) -> Interval | None:
                    return pgr_interval(*outcomes(generator, n, shares).tolist())

                yield Case("PGR (Fieller)", n, f"floor {floor}, gap {gap}, PGR {pgr}", pgr, draw)


def contribution_cases(sizes: tuple[int, ...], gaps: tuple[tuple[float, float], ...]) -> Iterator[Case]:
    """A PGR of 0.5, of which half is the weak labels'."""
    for n in sizes:
        for floor, gap in gaps:
            shares = (floor + gap / 2, floor + gap / 4, floor, floor + gap)

            def draw(generator: np.random.Generator, n: int = n, shares: tuple[float, ...] = shares) -> Interval | None:
                found = contribution(*outcomes(generator, n, shares).tolist())
                return None if found is None else found[1]

            yield Case("weak contribution (Fieller)", n, f"floor {floor}, gap {gap}", 0.25, draw)


def score_cases(
    sizes: tuple[int, ...], ks: tuple[int, ...], abilities: tuple[tuple[float, float], ...], of: int = 10
) -> Iterator[Case]:
    """pass@k and maj@k of ten samples per question, whose chance to be right is Beta(a, b); two answers vote."""
    for k in ks:
        passed = np.array([pass_at_k(of, c, k) for c in range(of + 1)])
        voted = np.array([(c > k / 2) + 0.5 * (c == k / 2) for c in range(k + 1)])
        for a, b in abilities:
            chance = scipy.stats.betabinom(of, a, b).pmf(np.arange(of + 1))
            votes = scipy.stats.betabinom(k, a, b).pmf(np.arange(k + 1))
            for name, table, likely in (("pass", passed, chance), ("maj", voted, votes)):
                for n in sizes:

                    def draw(
                        generator: np.random.Generator, n: int = n, table: np.ndarray = table, likely=likely
                    ) -> Interval:
                        counts = generator.multinomial(n, likely / likely.sum())
                        return mean_interval(counts @ table, counts @ table**2, n)

                    truth = float(likely @ table)
                    yield Case(f"{name}@{k} (Student)", n, f"Beta({a}, {b}), truth {truth:.3f}", truth, draw, 0.93)


def seed_cases(sizes: tuple[int, ...]) -> Iterator[Case]:
    """The mean over seeds: Student's t, exact for normal values."""
    for n in sizes:

        def draw(generator: np.random.Generator, n: int = n) -> Interval:
            values = generator.normal(0.5, 0.02, n)
            margin = student_95(n - 1) * values.std(ddof=1) / math.sqrt(n)
            return values.mean() - margin, values.mean() + margin

        yield Case("mean over seeds (Student)", n, "normal", 0.5, draw)


QUICK = [
    *accuracy_cases((50,), (0.5, 0.9)),
    *precision_cases((200,)),
    *difference_cases((50,), ((0.8, 0.7), (0.97, 0.95))),
    *pgr_cases((50, 200), ((0.3, 0.1), (0.7, 0.25)), (0, 0.5)),
    *contribution_cases((50, 200), ((0.3, 0.3),)),
    *score_cases((50,), (1, 10), ((2, 1), (3, 0.5))),
    *seed_cases((5,)),
]
LONG = [
    *accuracy_cases((50, 100, 200, 500), (0.3, 0.5, 0.8, 0.9)),
    *precision_cases((100, 500, 2000)),
    *difference_cases((50, 100, 200, 500), ((0.5, 0.5), (0.8, 0.7), (0.95, 0.9), (0.97, 0.95))),
    *pgr_cases((50, 100, 200, 500), ((0.3, 0.05), (0.3, 0.1), (0.3, 0.5), (0.7, 0.1), (0.7, 0.25), (0.9, 0.05)),
               (0, 0.5, 1)),
    *contribution_cases((50, 100, 200, 500), ((0.3, 0.1), (0.3, 0.5), (0.7, 0.25))),
    *score_cases((50, 100, 200, 500), (1, 5, 10), ((0.5, 0.5), (2, 2), (5, 1), (2, 1), (1, 0.3), (3, 0.5), (1, 8))),
    *seed_cases((3, 5, 10)),
]  # fmt: skip


def name_of(case: Case) -> str:
    return f"{case.interval}, {case.n}, {case.what}"


@pytest.mark.parametrize("case", QUICK, ids=name_of)
def test_an_interval_covers_the_truth(case: Case) -> None:
    coverage, _ = covered(case, 400)
    assert coverage >= bound(case.least, 400)


@pytest.mark.nightly
@pytest.mark.parametrize("case", LONG, ids=name_of)
def test_an_interval_covers_the_truth_in_many_situations(case: Case, measured: Callable[..., None]) -> None:
    coverage, given = covered(case, 4000)
    measured(f"coverage, {case.interval}", situations=1, coverage=coverage, given=given, situation=name_of(case))
    assert coverage >= bound(case.least, 4000)


def exact(n: int, share: float, interval: Callable[[int, int], Interval]) -> float:
    """Coverage by the probability of each count."""
    counts = np.arange(n + 1)
    likely = scipy.stats.binom.pmf(counts, n, share)
    ends = np.array([interval(int(count), n) for count in counts])
    return float(likely @ ((ends[:, 0] <= share) & (share <= ends[:, 1])))


def test_wilson_covers_95_percent_on_average_and_least_near_the_ends(measured: Callable[..., None]) -> None:
    """Where p = 0.997 and n = 50, one wrong answer already excludes p, and comes in 1 - 0.997^50 = 13.9 %."""
    assert exact(50, 0.997, wilson) == pytest.approx(0.997**50, abs=1e-6)
    shares = np.linspace(0.001, 0.999, 499)
    found = [exact(50, float(share), wilson) for share in shares]
    inside = [cover for share, cover in zip(shares, found, strict=True) if 0.1 <= share <= 0.9]
    measured("coverage, Wilson at n = 50", mean=float(np.mean(found)), least=min(found), least_inside=min(inside))
    assert np.mean(found) >= 0.95 and min(inside) >= 0.92 and 0.83 < min(found) < 0.9


def test_where_all_questions_pass_the_interval_of_the_mean_still_covers() -> None:
    """pass@10 of Beta(3, 0.5) is 0.9987: a percentile bootstrap is [1, 1] on most of 50 questions."""
    low, high = mean_interval(50, 50, 50)
    assert (low, high) == pytest.approx((1 - (1 + 2.0076) / 52, 1), abs=1e-4)
