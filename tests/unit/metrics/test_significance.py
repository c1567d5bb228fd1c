from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from w2s.metrics.significance import difference_interval, mcnemar

outcomes = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60)


def table(only_a: int, only_b: int, both: int = 0) -> tuple[list[bool], list[bool]]:
    return [True] * only_a + [False] * only_b + [True] * both, [False] * only_a + [True] * only_b + [True] * both


def test_mcnemar_by_hand() -> None:
    """8 against 2: 2 * (C(10,0) + C(10,1) + C(10,2)) / 2^10 = 2 * 56 / 1024 = 0.109375. 5 against 0: 2 / 32."""
    assert mcnemar(*table(8, 2)) == 0.109375
    assert mcnemar(*table(5, 0, both=7)) == 0.0625
    assert mcnemar(*table(3, 3)) == 1.0
    assert mcnemar([], []) == 1.0
    with pytest.raises(ValueError, match="differ in length"):
        mcnemar([True], [])


@given(outcomes)
def test_mcnemar_is_a_symmetric_probability(rows: list) -> None:
    a, b = [x for x, _ in rows], [y for _, y in rows]
    assert mcnemar(a, b) == mcnemar(b, a)
    assert 0 < mcnemar(a, b) <= 1


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 5))
def test_mcnemar_is_the_exact_binomial_test_of_scipy(only_a: int, only_b: int, both: int) -> None:
    """To a relative error of 1e-9, in the tail too."""
    discordant = only_a + only_b
    p = scipy.stats.binomtest(only_a, discordant, 0.5).pvalue if discordant else 1.0
    assert mcnemar(*table(only_a, only_b, both)) == pytest.approx(p, rel=1e-9, abs=1e-300)


def test_mcnemar_on_many_questions() -> None:
    """10,000 discordant pairs, 5,100 against 4,900: z = 199 / 100 (continuity corrected), p = 0.0466."""
    assert mcnemar(*table(5_100, 4_900)) == pytest.approx(0.0466, abs=2e-4)


def test_difference_by_hand() -> None:
    """150 against 50 of 1000: (151 - 51) / 1002 = 0.0998004; sqrt((202 / 1002 - 0.0099601) / 1002) = 0.0138295, times
    1.959964 = 0.0271053: (0.0726951, 0.1269057). Never another in 50: 0 -+ 1.959964 sqrt(2 / 52 / 52) = 0.0533040.

    6 against 16 of 161 (Cavo et al. 2012): -0.1195 to -0.0032 in the package `contingencytables` of Fagerland et al.
    """
    assert difference_interval(*table(150, 50, both=800)) == pytest.approx((0.0726951, 0.1269057), abs=1e-6)
    assert difference_interval(*table(0, 0, both=50)) == pytest.approx((-0.0533040, 0.0533040), abs=1e-6)
    assert difference_interval(*table(6, 16, both=139)) == pytest.approx((-0.1195, -0.0032), abs=5e-5)
    assert all(math.isnan(end) for end in difference_interval([], []))
    with pytest.raises(ValueError, match="differ in length"):
        difference_interval([True], [])


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_difference_is_wald_s_interval_with_two_questions_more(only_a: int, only_b: int, both: int) -> None:
    """By scipy's normal interval: the mean of the differences (1, -1, 0), with one 1 and one -1 added."""
    a, b = table(only_a, only_b, both)
    if not a:
        return
    differences = np.array([*(x - y for x, y in zip(a, b, strict=True)), 1, -1])
    low, high = scipy.stats.norm.interval(0.95, differences.mean(), differences.std() / len(differences) ** 0.5)
    assert difference_interval(a, b) == pytest.approx((max(-1, low), min(1, high)), abs=1e-9)


@given(outcomes.filter(bool))
def test_difference_lies_in_its_interval_which_is_no_point_and_mirrors(rows: list) -> None:
    a, b = [x for x, _ in rows], [y for _, y in rows]
    low, high = difference_interval(a, b)
    assert -1 <= low <= (sum(a) - sum(b)) / len(rows) <= high <= 1
    assert high - low > 1 / (len(rows) + 2)
    assert difference_interval(b, a) == pytest.approx((-high, -low), abs=1e-12)
    assert difference_interval(a[::-1], b[::-1]) == (low, high)


@pytest.mark.parametrize("only_a, only_b", [(0.1, 0), (0.05, 0.05), (0.2, 0.1), (0.3, 0)])
def test_difference_covers_where_few_pairs_differ(only_a: float, only_b: float) -> None:
    """All 231 outcomes of 20 questions, by their probability (trinomial).

    With 0.1 and 0 there is no discordant pair in 0.9^20 = 12 % of them: a percentile bootstrap is [0, 0] there.
    """
    covered = 0.0
    for a, b in itertools.product(range(21), repeat=2):
        if a + b > 20:
            continue
        low, high = difference_interval(*table(a, b, both=20 - a - b))
        ways = math.comb(20, a) * math.comb(20 - a, b)
        weight = ways * only_a**a * only_b**b * (1 - only_a - only_b) ** (20 - a - b)
        covered += weight * (low <= only_a - only_b <= high)
    assert covered >= 0.95
