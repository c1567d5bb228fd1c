from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.metrics.accuracy import accuracy, accuracy_by_group, maj_at_k, pass_at_k, wilson


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


def test_wilson_of_a_question_that_is_right_in_part() -> None:
    """4 of 10 samples of 1 question: centre (0.4 + 1.92073) / 4.84146 = 0.47935; margin 1.95996 / 4.84146 *
    sqrt(0.24 + 0.960365) = 0.404829 * 1.095612 = 0.443536: (0.03581, 0.92288), where 0 of 1 had (0, 0.79346).
    """
    assert wilson(0.4, 1) == pytest.approx((0.03581, 0.92288), abs=1e-5)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, 10 * n), st.just(n))))
def test_wilson_holds_the_share_and_mirrors(counts: tuple[int, int]) -> None:
    """Of questions with ten samples each, and of whole ones."""
    correct, n = counts[0] / 10, counts[1]
    low, high = wilson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    assert wilson(n - correct, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


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


def test_maj_at_k() -> None:
    assert maj_at_k(["1", "2", "1"], {"1"}, 3) == 1.0
    assert maj_at_k(["1", "2", "2"], {"1"}, 3) == 0.0
    assert maj_at_k(["1", "2", "2"], {"1"}, 2) == 0.5  # a tie of two
    assert maj_at_k([None, None, "1"], {"1"}, 3) == 1.0
    assert maj_at_k([None, None], {"1"}, 2) == 0.0
    assert math.isnan(maj_at_k(["1"], {"1"}, 2))
    assert maj_at_k(["1.001", "1.002", "3"], {"1.001", "1.002"}, 3) == pytest.approx(2 / 3)  # a tie of three, two right
