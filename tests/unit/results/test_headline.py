from __future__ import annotations

import pytest

from w2s.results import headline
from w2s.results.headline import Comparison
from w2s.results.outline import Entry, Outline

PLUS = Entry("m_plus", "", ("weak_floor", "full_weak_ft", "weak_icl", "strong_ceiling"), True)
DPO = Entry("m_pro_dpo", "", ("m_plus", "weak_icl", "control_strong_only"), True)
ORPO = Entry("m_pro_orpo", "", ("m_plus", "weak_icl", "control_strong_only"), True)
OTHERS = tuple(map(Entry, ("weak_floor", "weak_icl", "full_weak_ft", "control_strong_only", "strong_ceiling")))
ACCURACY = {
    "weak_floor": 0.288, "weak_icl": 0.922, "full_weak_ft": 0.432, "m_plus": 0.818, "m_pro_dpo": 0.802,
    "m_pro_orpo": 0.81, "control_strong_only": 0.788, "strong_ceiling": 0.95,
}  # fmt: skip


def outline(*results: Entry) -> Outline:
    return Outline((*OTHERS, *results), {}, "weak_floor", "strong_ceiling")


def test_the_best_result_meets_the_best_baseline_and_the_control():
    """M_plus is the best of three and is not compared with the control; ORPO is the better of the two that are."""
    assert headline.comparisons(outline(PLUS, DPO, ORPO), ACCURACY) == [
        ("m_plus", "weak_icl", 3), ("m_pro_orpo", "control_strong_only", 2),
    ]  # fmt: skip


def test_the_best_baseline_counts_even_where_the_best_result_is_not_compared_with_it():
    mine = Entry("mine", "", ("weak_floor",), True)
    assert headline.comparisons(outline(PLUS, mine), ACCURACY | {"mine": 0.9}) == [("mine", "weak_icl", 2)]


def test_the_ceiling_is_no_baseline_and_the_floor_is_one():
    few = {name: ACCURACY[name] for name in ("weak_floor", "m_plus", "strong_ceiling")}
    assert headline.comparisons(outline(PLUS), few) == [("m_plus", "weak_floor", 1)]


@pytest.mark.parametrize("missing", [{"m_plus"}, {"weak_floor", "weak_icl", "full_weak_ft"}])
def test_without_results_or_baselines_there_is_no_comparison(missing):
    found = {name: share for name, share in ACCURACY.items() if name not in missing}
    assert headline.comparisons(outline(PLUS), found) == []


def said(difference: float, low: float, high: float, of: int = 1) -> str:
    accuracy = {"a": 0.818, "b": 0.818 - difference}
    return headline.sentence(Comparison("a", "b", of), accuracy, {"difference": difference, "ci95": [low, high]})


def test_below():
    assert said(-0.104, -0.1386, -0.0685) == "a 81.8 % is 10.4 points below b 92.2 % (95 % -13.9 to -6.9)"


def test_above():
    assert said(0.1, 0.05, 0.15) == "a 81.8 % is 10.0 points above b 71.8 % (95 % +5.0 to +15.0)"


def test_a_gain_says_that_the_best_was_chosen_on_the_test_questions():
    assert said(0.1, 0.05, 0.15, 3).endswith("(95 % +5.0 to +15.0; the best of 3, chosen on these questions)")
    assert "best of" not in said(-0.1, -0.15, -0.05, 3)


@pytest.mark.parametrize(
    ("low", "high", "interval"),
    [
        (-0.01, 0.05, "-1.0 to +5.0"),
        (0.0, 0.05, "+0.0 to +5.0"),
        (0.0004, 0.05, "+0.0 to +5.0"),  # clear of 0, and not as printed
        (-0.02, -0.0, "-2.0 to +0.0"),
        (-0.02, -0.0004, "-2.0 to +0.0"),
        (-0.3, 0.3, "-30.0 to +30.0"),
    ],
)
def test_an_interval_with_zero_tells_nothing_apart(low, high, interval):
    difference = round((low + high) / 2, 3)
    text = said(difference, low, high, 3)
    assert "is not distinguished from b" in text and text.endswith(f"points, 95 % {interval})")
    assert "above" not in text and "below" not in text


@pytest.mark.parametrize(("low", "high", "word"), [(0.001, 0.05, "above"), (-0.05, -0.001, "below")])
def test_an_interval_that_is_just_clear_of_zero(low, high, word):
    assert f"points {word} b" in said((low + high) / 2, low, high)
