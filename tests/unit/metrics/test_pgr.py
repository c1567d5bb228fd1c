from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.metrics.pgr import contribution, pgr, pgr_interval
from w2s.metrics.significance import difference_interval


def test_pgr_by_hand() -> None:
    assert pgr(0.6, 0.4, 0.8) == pytest.approx(0.5)
    assert pgr(0.3, 0.4, 0.8) == pytest.approx(-0.25)
    assert pgr(0.9, 0.4, 0.8) == pytest.approx(1.25)
    assert pgr(0.5, 0.4, 0.4) is None
    assert pgr(0.5, 0.4, 0.3) is None


def test_interval_by_hand() -> None:
    """100 questions: the floor has none, the ceiling all, x half. With half a question of each of x, floor, ceiling and
    two of them: n = 103, gap and gain 100 / 103 = 0.970874 and 50 / 103 = 0.485437; gap^2 has mean (100 + 2) / 103,
    gain^2 (50 + 2) / 103, their product (50 + 1) / 103, since x and ceiling are both against the floor half twice.

    Variances 0.990291 - 0.942596 = 0.047695, 0.504854 - 0.235649 = 0.269205 and 0.495146 - 0.471298 = 0.023847, each
    times z^2 / 103 = 0.0372960: the quadratic is 0.940817 r^2 - 2 * 0.470409 r + 0.225609, its roots
    0.5 -+ sqrt(0.470409^2 - 0.940817 * 0.225609) / 0.940817 = 0.5 -+ 0.100991.
    """
    half = [n % 2 == 0 for n in range(100)]
    interval = pgr_interval(half, [False] * 100, [True] * 100)
    assert interval == pytest.approx((0.399009, 0.600991), abs=2e-5)


def test_interval_has_the_width_of_the_normal_approximation() -> None:
    """No question is right for the floor, all are for the ceiling, half for x: PGR is the share of x, n = 4000, so
    its standard error is sqrt(0.25 / 4000) = 0.0079057 and the interval 0.5 -+ 0.015495.
    """
    n = 4000
    low, high = pgr_interval([i % 2 == 0 for i in range(n)], [False] * n, [True] * n)
    assert (low, high) == pytest.approx((0.484505, 0.515495), abs=1e-4)


def test_a_model_that_answers_as_the_ceiling_has_an_interval_around_1() -> None:
    """That 500 questions show no difference does not mean that there is none; the more, the narrower."""
    widths = []
    for n in (100, 500, 5000):
        ceiling, floor = [i % 10 < 8 for i in range(n)], [i % 10 < 4 for i in range(n)]
        low, high = pgr_interval(ceiling, floor, ceiling)
        assert low < 1 < high and pgr_interval(floor, floor, ceiling) == pytest.approx((1 - high, 1 - low))
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True) and widths[-1] < 0.01


def test_the_gap_is_measurable_where_its_interval_is_clear_of_0() -> None:
    """As Bonett and Price's, which adds two questions and not three: 100 questions, the ceiling alone right on some.

    5 of them: 6 / 102 against 1 / 102, -0.1 to 9.9 points; 6: 0.3 to 11.4.
    """
    for more in (5, 6):
        floor, ceiling = [False] * more + [True] * (100 - more), [True] * 100
        low, _ = difference_interval(ceiling, floor)
        assert (pgr_interval(ceiling, floor, ceiling) is None) == (low <= 0) == (more == 5)
    assert pgr_interval([True], [True], [True]) is None
    assert pgr_interval([], [], []) is None
    assert pgr_interval([True] * 9, [True] * 9, [False] * 9) is None


rows = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=40)


@given(rows)
def test_interval_holds_the_pgr_whatever_the_order(rows: list) -> None:
    x, floor, ceiling = zip(*rows, strict=True)
    interval = pgr_interval(x, floor, ceiling)
    shuffled = zip(*random.Random(1).sample(rows, len(rows)), strict=True)
    assert pgr_interval(*shuffled) == (interval if interval is None else pytest.approx(interval))
    if interval is not None:
        assert interval[0] <= pgr(*(float(np.mean(of)) for of in (x, floor, ceiling))) <= interval[1]


@given(rows)
def test_interval_is_the_set_of_values_that_a_paired_test_keeps(rows: list) -> None:
    """At either end r the mean of (x - floor) - r (ceiling - floor) is 1.96 standard errors from 0, counted over the
    questions and half a question of each pattern in which the models differ.
    """
    interval = pgr_interval(*zip(*rows, strict=True))
    if interval is None:
        return
    patterns = [pattern for pattern in itertools.product((0, 1), repeat=3) if len(set(pattern)) > 1]
    table = np.array(rows + patterns, dtype=float)
    weights = np.array([1.0] * len(rows) + [0.5] * len(patterns))
    for end in interval:
        values = (table[:, 0] - table[:, 1]) - end * (table[:, 2] - table[:, 1])
        mean = np.average(values, weights=weights)
        variance = np.average((values - mean) ** 2, weights=weights) / weights.sum()
        assert abs(mean) == pytest.approx(1.959964 * variance**0.5, rel=1e-5)


def test_lengths_must_match() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        pgr_interval([True], [True, False], [True])


def test_the_contribution_by_hand() -> None:
    """100 questions: floor and control have none, the ceiling all, x half; with four questions n = 104.

    Gain 50 / 104, gap 100 / 104; gain^2 has mean 52 / 104, gap^2 102 / 104, their product 50 / 104. With z^2 / 104 =
    0.0369371 the quadratic is 0.922480 r^2 - 2 * 0.461595 r + 0.221208, its roots 0.500385 -+ 0.102898.
    """
    half, none, every = [n % 2 == 0 for n in range(100)], [False] * 100, [True] * 100
    value, interval = contribution(half, none, none, every)
    assert value == 0.5 and interval == pytest.approx((0.397487, 0.603283), abs=2e-5)


def test_a_control_that_is_as_good_leaves_no_contribution() -> None:
    half, none, every = [n % 2 == 0 for n in range(100)], [False] * 100, [True] * 100
    value, (low, high) = contribution(half, half, none, every)
    assert value == 0 and low == pytest.approx(-high) and 0 < high < 0.03
    assert contribution(half, none, half, half) is None
