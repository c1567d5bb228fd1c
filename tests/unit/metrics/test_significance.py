from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.metrics.significance import bootstrap_difference, mcnemar

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


def test_mcnemar_on_many_questions() -> None:
    """10,000 discordant pairs, 5,100 against 4,900: z = 199 / 100 (continuity corrected), p = 0.0466."""
    start = time.process_time()
    assert mcnemar(*table(5_100, 4_900)) == pytest.approx(0.0466, abs=2e-4)
    assert time.process_time() - start < 3


def test_difference_has_the_width_of_the_normal_approximation() -> None:
    """n = 1000, 150 against 50: mean 0.1, variance (0.2 - 0.01) / 1000, error 0.013784: 0.1 -+ 0.02702."""
    a, b = table(150, 50, both=800)
    assert bootstrap_difference(a, b, seed=1, resamples=20_000) == pytest.approx((0.07298, 0.12702), abs=0.0015)


def test_difference_of_equal_models_is_zero() -> None:
    a = [i % 3 == 0 for i in range(50)]
    assert bootstrap_difference(a, a, seed=0) == (0.0, 0.0)
    assert all(math.isnan(end) for end in bootstrap_difference([], [], seed=0))


@given(outcomes.filter(bool), st.integers(0, 5))
def test_difference_is_seeded_and_independent_of_order(rows: list, seed: int) -> None:
    ends = [
        bootstrap_difference([x for x, _ in order], [y for _, y in order], seed=seed, resamples=100)
        for order in (rows, rows[::-1])
    ]
    assert ends[0] == ends[1]
    assert -1 <= ends[0][0] <= ends[0][1] <= 1
