"""The fixed-sequence test: tails and sequences by hand, an oracle, and the promise in simulation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from w2s.method import certificate
from w2s.method.certificate import Certificate, NoCertificate, Promise, certify, first_to_last, least_kept, tail

PROMISE = Promise(0.95, 0.9)


def test_tails_by_hand() -> None:
    """P(Bin(3, 1/2) <= 1) = (1 + 3) / 8; P(Bin(2, 0.1) <= 0) = 0.81."""
    assert tail(1, 3, 0.5) == pytest.approx(0.5)
    assert tail(0, 2, 0.1) == pytest.approx(0.81)
    assert tail(3, 3, 0.5) == tail(0, 0, 0.5) == 1


@pytest.mark.parametrize(
    ("wrong", "n", "risk"), [(0, 45, 0.05), (13, 250, 0.1), (4000, 100_000, 0.05), (99, 100, 0.01)]
)
def test_tails_are_scipys(wrong: int, n: int, risk: float) -> None:
    assert tail(wrong, n, risk) == pytest.approx(stats.binom.cdf(wrong, n, risk), rel=1e-8)


def test_the_fewest_that_can_pass() -> None:
    """0.95^45 = 0.0994 and 0.95^44 = 0.105: 45 without an error. With one error 77 (scipy: 0.0967; 76: 0.1008)."""
    assert least_kept(PROMISE) == 45
    assert least_kept(PROMISE, 1) == 77
    assert tail(1, 77, 0.05) == pytest.approx(0.95**77 + 77 * 0.05 * 0.95**76) and tail(1, 76, 0.05) > 0.1


def test_the_sequence_stops_at_the_first_failure() -> None:
    """Precision 1/2, confidence 3/4: k kept pass without an error from k = 2 (1/4), with one from k = 5 (6/32).

    0.9 keeps 2, none wrong: passes. 0.7 keeps 3, one wrong (4/8): fails. 0.1 keeps 8, one wrong (9/256): never tested.
    """
    checked = [(0.9, True), (0.9, True), (0.7, False), *[(0.1, True)] * 5]
    scores = [0.95, 0.9, 0.8, 0.3, -math.inf]
    result = first_to_last([0.9, 0.7, 0.1], scores, checked, Promise(0.5, 0.75))
    assert result == Certificate(Promise(0.5, 0.75), 2, 5, 0.9, 8, 2, 0)
    refused = first_to_last([0.7, 0.1], scores, checked, Promise(0.5, 0.75))
    assert isinstance(refused, NoCertificate)
    assert refused.reason == "of 3 kept questions with gold to test with, 1 are wrong"


def test_how_many_golds_would_do_by_hand() -> None:
    """Half of 2 golds are kept and right; of 4, 2 are: 1/4 passes. So 4 are needed; the first fails with 1."""
    refused = first_to_last([0.5], [0.9], [(0.6, True), (0.1, False)], Promise(0.5, 0.75))
    assert isinstance(refused, NoCertificate)
    assert refused.reason == "only 1 kept questions have gold to test with, and at least 2 are needed"
    assert refused.needed == 4


def test_more_golds_do_not_help_where_too_many_are_wrong() -> None:
    refused = first_to_last([0.5], [0.9], [(0.6, True), (0.6, False)] * 50, Promise(0.9, 0.9))
    assert isinstance(refused, NoCertificate) and refused.needed is None


def test_nothing_to_select_from_or_no_gold() -> None:
    assert isinstance(certify([], [(0.9, True)], PROMISE), NoCertificate)
    assert isinstance(certify([-math.inf], [(0.9, True)] * 100, PROMISE), NoCertificate)
    assert isinstance(certify([0.9] * 100, [], PROMISE), NoCertificate)


def test_thresholds_come_from_scores_alone_highest_first() -> None:
    """Three wrong ones pass with 132 kept of 400 golds: the first threshold keeps 14/40 >= 132/400 of 40 questions."""
    assert least_kept(PROMISE, 3) == 132
    scores = [number / 40 for number in range(1, 41)]
    sequence = certificate.thresholds(scores, 400, PROMISE)
    assert sequence == sorted(sequence, reverse=True)
    assert sequence[0] == 27 / 40 and sequence[-1] == 1 / 40
    assert sum(score >= sequence[0] for score in scores) == 14


def test_questions_without_a_label_are_never_kept() -> None:
    scores = [0.9] * 60 + [-math.inf] * 40
    assert certificate.thresholds(scores, 100, PROMISE) == [0.9]
    certified = certify(scores, [(0.9, True)] * 60 + [(-math.inf, False)] * 40, PROMISE)
    assert isinstance(certified, Certificate)
    assert (certified.kept, certified.of, certified.checked_kept) == (60, 100, 60)


@pytest.mark.nightly
def test_mapie_stops_where_we_do() -> None:
    methods = pytest.importorskip("mapie.risk_control._base_controller")
    draw = np.random.default_rng(5)
    scores, checked = _population(draw, 400, _steep), _population(draw, 300, _steep)
    promise = Promise(0.85, 0.9)
    sequence = certificate.thresholds([score for score, _ in scores], 300, promise)
    kept = [[right for score, right in checked if score >= threshold] for threshold in sequence]
    # A hair less: MAPIE rounds risk times count up, also where only the last bit is above an integer.
    risks = np.array([[(len(each) - sum(each) - 1e-9) / len(each) for each in kept]])
    counts = np.array([[len(each) for each in kept]])
    valid, p_values = methods.ltt_procedure(
        risks, np.array([[1 - promise.precision]]), 1 - promise.confidence, counts, True, _in_order(methods)
    )
    ours = [tail(len(each) - sum(each), len(each), 1 - promise.precision) for each in kept]
    assert ours == pytest.approx(list(p_values[:, 0]), rel=1e-6)
    result = certify([score for score, _ in scores], checked, promise)
    assert isinstance(result, Certificate)
    assert result.threshold == sequence[max(valid[0])]


def _in_order(methods: object) -> object:
    """MAPIE's fixed sequence in the order given; by its name it would be sorted by risk."""
    return pytest.importorskip("mapie.risk_control.fwer_control").FWERFixedSequenceTesting(1)


Right = Callable[[np.ndarray], np.ndarray]


def _steep(scores: np.ndarray) -> np.ndarray:
    return scores


def _flat_below(scores: np.ndarray) -> np.ndarray:
    """0.94 everywhere, just below the promise: no selection keeps it."""
    return np.full(len(scores), 0.94)


def _overconfident(scores: np.ndarray) -> np.ndarray:
    return np.where(scores > 0.9, 0.97, 0.7)


def _sure(scores: np.ndarray) -> np.ndarray:
    return np.where(scores > 0.3, 0.99, 0.7)


def _population(draw: np.random.Generator, n: int, right: Right) -> list[tuple[float, bool]]:
    scores = 1 - draw.random(n) ** 2
    return list(zip(scores.tolist(), (draw.random(n) < right(scores)).tolist(), strict=True))


def broken(right: Right, splits: int, questions: int, golds: int, seed: int) -> tuple[float, float]:
    """In which share of splits less than promised of what is kept is right, and in which any is kept."""
    draw = np.random.default_rng(seed)
    below = certified = 0
    for _ in range(splits):
        targets = _population(draw, questions, right)
        result = certify([score for score, _ in targets], _population(draw, golds, right), PROMISE)
        if isinstance(result, Certificate):
            kept = [is_right for score, is_right in targets if score >= result.threshold]
            certified += 1
            below += sum(kept) < PROMISE.precision * len(kept)
    return below / splits, certified / splits


@pytest.mark.parametrize("right", [_steep, _flat_below, _overconfident])
def test_the_promise_is_kept_in_150_splits(right: Right) -> None:
    """At most 10 % may be broken; with 150 splits chance adds 4 points (one standard deviation: 2.4)."""
    share, _ = broken(right, 150, 2000, 200, 1)
    assert share <= 0.14


def test_the_promise_is_not_kept_by_keeping_nothing() -> None:
    """84 % of the questions are right at 99 %; of 132 kept golds, 3 or fewer are then wrong in 96 % of splits."""
    _, certified = broken(_sure, 40, 1000, 400, 2)
    assert certified >= 0.8


@pytest.mark.nightly
@pytest.mark.parametrize("right", [_steep, _flat_below, _overconfident])
@pytest.mark.parametrize("golds", [50, 100, 250, 500])
def test_the_promise_is_kept_in_1000_splits(right: Right, golds: int) -> None:
    """One standard deviation at 10 % is 0.95 points."""
    share, _ = broken(right, 1000, 3000, golds, golds)
    assert share <= 0.125
