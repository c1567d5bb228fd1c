"""Means over seeds and questions: figures by hand, coverage by simulation, SciPy as oracle."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from w2s.metrics import repeated
from w2s.metrics.significance import difference_interval

VERDICTS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


@given(VERDICTS)
def test_one_seed_is_the_paired_interval_of_two_models(pairs: Sequence[tuple[bool, bool]]) -> None:
    found = repeated.estimate([[float(a) - float(b) for a, b in pairs]], same=True)
    low, high = difference_interval([a for a, _ in pairs], [b for _, b in pairs])
    assert found.ci95_questions == found.ci95 and found.ci95_seeds is None
    assert (max(-1.0, found.ci95[0]), min(1.0, found.ci95[1])) == pytest.approx((low, high))


def test_two_seeds_on_the_same_questions() -> None:
    """Per question the means are 1, 0.5, 0, -0.5; with 1 and -1 added the mean is 1/6, the mean square 3.5 / 6.

    Variance 0.5833 - 0.0278 = 0.5556, of the mean 0.0926; 1.96 sqrt = 0.5964. Seeds: 0.5 and 0, of whose mean the
    variance is 0.125 / 2 = 0.0625; 12.706 sqrt = 3.1766. Together sqrt(0.5964^2 + 3.1766^2) = 3.2321.
    """
    found = repeated.estimate([[1, 1, 0, 0], [1, 0, 0, -1]], same=True)
    assert found.mean == 0.25
    assert found.ci95_questions == pytest.approx((1 / 6 - 0.5964, 1 / 6 + 0.5964), abs=1e-4)
    assert found.ci95_seeds == pytest.approx((0.25 - 3.1766, 0.25 + 3.1766), abs=1e-4)
    assert found.ci95 == pytest.approx((1 / 6 - 3.2321, 1 / 6 + 3.2321), abs=1e-4)


def test_seeds_with_questions_of_their_own() -> None:
    """Means 1/2, 1/4, 0: 0.25 +- 4.30265 * 0.25 / sqrt(3) = 0.25 +- 0.6210."""
    found = repeated.estimate([[1, 0] * 50, [1, 0, 0, 0] * 25, [0, 0, 1, -1] * 25], same=False)
    assert found.mean == 0.25 and found.ci95_seeds is None
    assert found.ci95 == pytest.approx((0.25 - 0.6210, 0.25 + 0.6210), abs=1e-4)


def test_seeds_that_agree_by_chance_are_not_certain() -> None:
    """Both means are 0, so Student's interval alone would be a point; it is not less than that of the questions."""
    found = repeated.estimate([[1, -1] * 10, [-1, 1] * 10], same=False)
    assert found.ci95[1] > found.ci95_questions[1] > 0.2


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_covers_seeds_and_questions(seeds: int, same: bool) -> None:
    """95 % or more of 400 simulated studies; within 2.7 standard errors that is 92 %. Questions alone cover less."""
    random, both, questions = np.random.default_rng(seeds), 0, 0
    for _ in range(400):
        asked = 0.3 * random.standard_normal((1 if same else seeds, 100))
        rows = 0.05 + asked + 0.05 * random.standard_normal((seeds, 1)) + 0.2 * random.standard_normal((seeds, 100))
        found = repeated.estimate(rows.tolist(), same=same)
        both += found.ci95[0] <= 0.05 <= found.ci95[1]
        questions += found.ci95_questions[0] <= 0.05 <= found.ci95_questions[1]
    assert both >= 0.92 * 400 > questions


@given(st.lists(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=20, max_size=20), min_size=1, max_size=4))
def test_p_is_below_five_percent_just_where_the_interval_excludes_0(rows: list[list[float]]) -> None:
    for same in (True, False):
        found = repeated.estimate(rows, same=same)
        excluded = not found.ci95[0] <= 0 <= found.ci95[1]
        assert (found.p < 0.05) == excluded or abs(found.p - 0.05) < 1e-4


@given(st.integers(1, 40), st.floats(0, 50))
def test_the_tail_of_student_s_t_is_scipy_s(freedom: int, t: float) -> None:
    assert repeated.student_tail(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), abs=1e-9)


def test_a_ratio_of_means() -> None:
    """Gains 0.5 and 0.3 over gaps 0.8 and 0.8: 0.4 / 0.8."""
    gains = [[1.0] * 50 + [0.0] * 50, [1.0] * 30 + [0.0] * 70]
    gaps = [[1.0] * 80 + [0.0] * 20] * 2
    found = repeated.ratio(gains, gaps, same=True)
    assert found is not None and found.mean == pytest.approx(0.5)
    assert found.ci95[0] < found.ci95_questions[0] < 0.5 < found.ci95_questions[1] < found.ci95[1]


def test_a_ratio_of_one_seed_is_near_fieller_s() -> None:
    from w2s.metrics.pgr import pgr_interval

    floor, x, ceiling = ([n < of for n in range(500)] for of in (100, 300, 450))
    fieller = pgr_interval(x, floor, ceiling)
    rows = [[[float(a) - float(b) for a, b in zip(of, floor, strict=True)]] for of in (x, ceiling)]
    found = repeated.ratio(*rows, same=True)
    assert found is not None and fieller is not None
    assert found.ci95 == pytest.approx(fieller, abs=0.01)


def test_no_ratio_without_a_gap() -> None:
    assert repeated.ratio([[1.0, 0.0]], [[1.0, -1.0]], same=True) is None


def test_holm_by_hand() -> None:
    """0.01 * 4, 0.02 * 3, then 0.03 * 2 is as much, 0.5 * 1."""
    assert repeated.holm([0.5, 0.01, 0.03, 0.02]) == pytest.approx([0.5, 0.04, 0.06, 0.06])
    assert repeated.holm([0.9, 0.9]) == [1.0, 1.0] and repeated.holm([]) == []


def test_values_must_belong_together() -> None:
    with pytest.raises(ValueError, match="as many questions"):
        repeated.estimate([[1.0], [1.0, 0.0]], same=True)
    assert math.isfinite(repeated.estimate([[1.0], [1.0, 0.0]], same=False).p)
