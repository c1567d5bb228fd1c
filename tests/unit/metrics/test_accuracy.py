from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from w2s.metrics.accuracy import (
    accuracy,
    accuracy_by_group,
    maj_at_k,
    mean_interval,
    pass_at_k,
    student_95,
    summary,
    wilson,
)
from w2s.records import Verdict


def test_wilson_by_hand() -> None:
    """8 of 10: z^2 = 3.8415; centre (0.8 + 0.19207) / 1.38415 = 0.71674; margin 1.95996 / 1.38415 *
    sqrt(0.016 + 0.0096036) = 1.41601 * 0.160011 = 0.226578: (0.49016, 0.94332).
    0 of 10: upper end z^2 / (n + z^2) = 3.8415 / 13.8415 = 0.27753.
    """
    assert wilson(8, 10) == pytest.approx((0.49016, 0.94332), abs=1e-5)
    assert wilson(0, 10) == pytest.approx((0, 0.27753), abs=1e-5)
    assert wilson(10, 10) == pytest.approx((0.72247, 1), abs=1e-5)
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="11 of 10"):
        wilson(11, 10)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_mirrors(counts: tuple[int, int]) -> None:
    correct, n = counts
    low, high = wilson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    assert wilson(n - correct, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@given(st.integers(1, 10**5).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_that_of_scipy(counts: tuple[int, int]) -> None:
    interval = scipy.stats.binomtest(*counts).proportion_ci(0.95, method="wilson")
    assert wilson(*counts) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_mean_interval_by_hand() -> None:
    """Ten scores of 1, with 0 and 1 added: mean 11/12, variance 11/144, / 11 = 1/144; 2.20099 / 12 = 0.183416.

    Ten of 0.5: mean 6/12, squares 3.5/12, variance 1/24, / 11; 2.20099 * sqrt(1/264) = 0.135461.
    """
    assert mean_interval(10, 10, 10) == pytest.approx((0.733251, 1), abs=1e-5)
    assert mean_interval(5, 2.5, 10) == pytest.approx((0.364539, 0.635461), abs=1e-5)
    assert mean_interval(0, 0, 0) == (0, 1)
    with pytest.raises(ValueError, match="from 0 to 1"):
        mean_interval(11, 11, 10)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_mean_interval_is_student_s_with_two_more_scores_and_holds_the_mean(scores: list[float]) -> None:
    more = np.array([*scores, 0, 1])
    expected = scipy.stats.t.interval(0.95, len(more) - 1, more.mean(), scipy.stats.sem(more))
    low, high = mean_interval(sum(scores), sum(score**2 for score in scores), len(scores))
    assert (low, high) == pytest.approx((max(0, expected[0]), min(1, expected[1])), abs=2e-4)
    assert low <= np.mean(scores) + 1e-12 and np.mean(scores) <= high + 1e-12


def test_student_is_that_of_scipy() -> None:
    """The series is worst at ten degrees of freedom."""
    for freedom in range(1, 300):
        assert student_95(freedom) == pytest.approx(scipy.stats.t.ppf(0.975, freedom), abs=2e-4)


def test_accuracy_counts_every_verdict() -> None:
    result = accuracy(["correct", "wrong", "no_answer", "undecided", "correct"])
    assert (result.correct, result.n, result.no_answer, result.undecided) == (2, 5, 1, 1)
    assert result.accuracy == 0.4
    assert result.ci95 == wilson(2, 5)
    assert math.isnan(accuracy([]).accuracy)


def test_accuracy_by_group() -> None:
    verdicts = {"a": "correct", "b": "wrong", "c": "correct", "d": "correct"}
    result = accuracy_by_group(verdicts, {"a": 1, "b": 1, "c": 2})
    assert {group: (part.correct, part.n) for group, part in result.items()} == {1: (1, 2), 2: (1, 1), None: (1, 1)}


def test_a_summary_has_shares_of_all_and_counts_per_group() -> None:
    """Of four questions one is correct, one has no answer and one is undecided; "d" has no level."""
    verdicts: dict[str, Verdict] = {"a": "correct", "b": "no_answer", "c": "undecided", "d": "wrong"}
    found = summary(verdicts, {"per_level": {"a": 1, "b": 1, "c": "x", "d": None}})
    assert [found[name] for name in ("accuracy", "correct", "n", "no_answer", "undecided")] == [0.25, 1, 4, 0.25, 0.25]
    assert {level: (of["correct"], of["n"]) for level, of in found["per_level"].items()} == {"1": (1, 2), "x": (0, 1)}


def test_pass_at_k_by_hand() -> None:
    """n=5, c=2, k=2: 1 - C(3,2)/C(5,2) = 1 - 3/10."""
    assert pass_at_k(5, 2, 2) == pytest.approx(0.7)
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    assert pass_at_k(5, 4, 2) == 1.0
    assert pass_at_k(5, 0, 5) == 0.0
    assert math.isnan(pass_at_k(4, 1, 5))
    with pytest.raises(ValueError, match="c=3"):
        pass_at_k(2, 3, 1)


@given(st.integers(1, 7), st.integers(0, 7), st.integers(1, 7))
def test_pass_at_k_is_the_share_of_subsets_with_a_correct_one(n: int, c: int, k: int) -> None:
    c, k = min(c, n), min(k, n)
    subsets = list(itertools.combinations(range(n), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(min(subset) < c for subset in subsets) / len(subsets))


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_a_hypergeometric_probability(counts: tuple[int, int, int]) -> None:
    """A correct one among k of n samples, taken without replacement, c of n being correct."""
    n, c, k = counts
    assert pass_at_k(n, c, k) == pytest.approx(scipy.stats.hypergeom.sf(0, n, c, k), abs=1e-9)


@given(st.integers(1, 7), st.integers(0, 7))
def test_pass_at_1_is_the_accuracy_and_more_samples_never_hurt(n: int, c: int) -> None:
    c = min(c, n)
    values = [pass_at_k(n, c, k) for k in range(1, n + 1)]
    assert values[0] == pytest.approx(c / n)
    assert values == sorted(values) and values[-1] == (c > 0)


def test_maj_at_k() -> None:
    assert maj_at_k(["1", "2", "1"], {"1"}, 3) == 1.0
    assert maj_at_k(["1", "2", "2"], {"1"}, 3) == 0.0
    assert maj_at_k(["1", "2", "2"], {"1"}, 2) == 0.5  # a tie of two
    assert maj_at_k([None, None, "1"], {"1"}, 3) == 1.0
    assert maj_at_k([None, None], {"1"}, 2) == 0.0
    assert math.isnan(maj_at_k(["1"], {"1"}, 2))
    assert maj_at_k(["1.001", "1.002", "3"], {"1.001", "1.002"}, 3) == pytest.approx(2 / 3)  # a tie of three, two right


@given(st.lists(st.sampled_from(["1", "2", "3", None]), min_size=1, max_size=5), st.sets(st.sampled_from(["1", "2"])))
def test_maj_at_k_is_the_share_of_wins_when_ties_are_broken_by_a_random_order(keys: list, right: set) -> None:
    """Over all orders of the samples, the first of the most common answers wins; `k` takes no other samples.

    A tie of answers with equal counts is won by each in the same number of orders.
    """
    wins = []
    for order in itertools.permutations(keys):
        votes = [key for key in order if key is not None]
        wins.append(bool(votes) and max(votes, key=votes.count) in right)
    assert maj_at_k([*keys, "1", "2"], right, len(keys)) == pytest.approx(sum(wins) / len(wins))
