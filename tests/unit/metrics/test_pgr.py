from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.metrics.pgr import pgr, pgr_interval


def test_pgr_by_hand() -> None:
    assert pgr(0.6, 0.4, 0.8) == pytest.approx(0.5)
    assert pgr(0.3, 0.4, 0.8) == pytest.approx(-0.25)
    assert pgr(0.9, 0.4, 0.8) == pytest.approx(1.25)
    assert pgr(0.5, 0.4, 0.4) is None
    assert pgr(0.5, 0.4, 0.3) is None


def test_interval_is_exact_where_the_pairing_fixes_it() -> None:
    """x is right exactly where the ceiling is: every resample has PGR 1; unpaired resampling would spread."""
    ceiling = [i % 10 < 8 for i in range(500)]
    floor = [i % 10 < 4 for i in range(500)]
    assert pgr_interval(ceiling, floor, ceiling, seed=0) == (1.0, 1.0)
    assert pgr_interval(floor, floor, ceiling, seed=0) == (0.0, 0.0)


def test_interval_has_the_width_of_the_normal_approximation() -> None:
    """No question is right for the floor, all are for the ceiling, half for x: PGR is the share of x, n = 400, so
    its standard error is sqrt(0.25 / 400) = 0.025 and the interval 0.5 -+ 1.96 * 0.025 = (0.451, 0.549).
    """
    n = 400
    low, high = pgr_interval([i % 2 == 0 for i in range(n)], [False] * n, [True] * n, seed=3, resamples=20_000)
    assert (low, high) == pytest.approx((0.451, 0.549), abs=0.004)


def test_no_gap_no_interval() -> None:
    assert pgr_interval([True], [True], [True], seed=0) is None
    assert pgr_interval([], [], [], seed=0) is None
    # A gap of one question among 100 vanishes in 0.99^100 = 37 % of the resamples.
    assert pgr_interval([True] * 100, [False] + [True] * 99, [True] * 100, seed=0) is None


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=40), st.integers(0, 5))
def test_interval_depends_on_the_seed_and_not_on_the_order(rows: list, seed: int) -> None:
    shuffled = random.Random(1).sample(rows, len(rows))
    intervals = [pgr_interval(*zip(*table, strict=True), seed=seed, resamples=200) for table in (rows, shuffled)]
    assert intervals[0] == intervals[1]


def test_lengths_must_match() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        pgr_interval([True], [True, False], [True], seed=0)


def test_fast_enough_for_a_report() -> None:
    n = 100_000
    start = time.process_time()
    pgr_interval([True] * n, [False] * n, [True] * n, seed=0, resamples=10_000)
    assert time.process_time() - start < 3  # a loop over questions and resamples would take minutes
