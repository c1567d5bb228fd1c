"""Rewards by majority, and when learning from them stops."""

from __future__ import annotations

from w2s.method.collapse import Check, best, collapsed, rewards


def checks(*pairs: tuple[float, float]) -> list[Check]:
    return [Check(step, share, agreement) for step, (share, agreement) in enumerate(pairs)]


def test_a_sample_with_the_majority_s_answer_is_rewarded_and_no_answer_never() -> None:
    assert rewards(["4", "5", None, "4"], "4") == [1, 0, 0, 1]
    assert rewards([None, None], None) == [0, 0]


def test_it_stops_where_agreement_falls_twice_while_the_share_rises() -> None:
    """Share 0.4, 0.5, 0.6 and agreement 0.7, 0.6, 0.5. Both must move in both checks."""
    assert collapsed(checks((0.4, 0.7), (0.5, 0.6), (0.6, 0.5)))
    assert not collapsed(checks((0.4, 0.7), (0.5, 0.6)))
    assert not collapsed(checks((0.4, 0.7), (0.5, 0.6), (0.5, 0.5))), "the share stands"
    assert not collapsed(checks((0.4, 0.7), (0.5, 0.6), (0.6, 0.6))), "agreement stands"
    assert not collapsed(checks((0.6, 0.7), (0.5, 0.6), (0.4, 0.5))), "both fall: the model gets worse, not narrower"
    assert collapsed(checks((0.9, 0.1), (0.4, 0.7), (0.5, 0.6), (0.6, 0.5))), "earlier checks do not count"
    assert not collapsed([])


def test_the_best_check_is_the_first_of_the_highest_agreement() -> None:
    assert best(checks((0.4, 0.6), (0.5, 0.7), (0.6, 0.7), (0.7, 0.1))).step == 1
