"""The verdicts' rule: never more than the interval."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.results import verdicts
from w2s.results.outline import Entry, Outline, Strategy

BOUND = st.floats(-1, 1, allow_nan=False)


@pytest.mark.parametrize(
    ("ci95", "p", "expected"),
    [
        ((0.05, 0.15), 0.001, "above"),
        ((-0.15, -0.05), 0.001, "below"),
        ((0.05, 0.15), 0.06, "not distinguished"),  # clear of 0, but not after the correction
        ((-0.05, 0.15), 0.001, "not distinguished"),  # the interval decides, whatever p is
        ((-0.011, 0.019), 1.0, "no effect"),
        ((-0.011, 0.020), 1.0, "not distinguished"),  # the margin itself is not inside
        ((-0.020, 0.011), 1.0, "not distinguished"),
        ((0.001, 0.019), 0.2, "not distinguished"),  # inside the margin, but not around 0
        ((0.001, 0.019), 0.01, "above"),
        ((0.0004, 0.2), 0.001, "not distinguished"),  # printed as +0.0: a reader would see 0 inside
        ((0.0, 0.0), 1.0, "no effect"),
        ((-1.0, 1.0), 1.0, "not distinguished"),
    ],
)
def test_the_rule(ci95: tuple[float, float], p: float, expected: str) -> None:
    assert verdicts.relation(ci95, p) == expected


@given(BOUND, BOUND, st.floats(0, 1))
def test_no_verdict_says_more_than_its_interval(one: float, other: float, p: float) -> None:
    low, high = sorted((one, other))
    found = verdicts.relation((low, high), p)
    if found == "above":
        assert low > 0 and p <= 0.05
    elif found == "below":
        assert high < 0 and p <= 0.05
    elif found == "no effect":
        assert low > -0.02 and high < 0.02
    else:
        assert p > 0.05 or round(100 * low, 1) <= 0 <= round(100 * high, 1)


def test_what_is_not_a_number_decides_nothing() -> None:
    assert verdicts.relation((math.nan, math.nan), 0.0) == "not distinguished"


OUTLINE = Outline(
    (
        Entry("weak_floor"), Entry("weak_icl"), Entry("full_weak_ft"),
        Entry("m_plus", "", ("weak_floor",), True),
        Entry("m_pro_dpo", "", ("m_plus", "weak_icl", "control_strong_only"), True),
        Entry("m_pro_orpo", "", ("m_plus", "weak_icl", "control_strong_only"), True),
        Entry("control_strong_only"), Entry("strong_ceiling"),
    ),
    {}, "weak_floor", "strong_ceiling",
    (Strategy("weak_to_strong", "m_pro_dpo", "control_strong_only", ()),),
)  # fmt: skip
NAMES = [entry.name for entry in OUTLINE.models]


def test_the_result_is_the_one_that_the_recipe_names_and_not_the_best() -> None:
    assert verdicts.endpoint(OUTLINE, NAMES) == "m_pro_dpo"
    assert verdicts.endpoint(OUTLINE, [name for name in NAMES if name != "m_pro_dpo"]) == "m_pro_orpo"
    assert verdicts.endpoint(OUTLINE, ["m_plus", "weak_floor"]) == "m_plus"
    assert verdicts.endpoint(OUTLINE, ["weak_floor"]) is None


def test_five_comparisons_are_asked() -> None:
    assert [(each.question, each.result, each.other) for each in verdicts.asked(OUTLINE, NAMES)] == [
        ("teacher", "m_pro_dpo", "weak_floor"),
        ("filter", "m_pro_dpo", "full_weak_ft"),
        ("stage2", "m_pro_dpo", "m_plus"),
        ("prompting", "m_pro_dpo", "weak_icl"),
        ("control", "m_pro_dpo", "control_strong_only"),
    ]


def test_without_stage_2_or_a_model_its_question_is_not_asked() -> None:
    asked = verdicts.asked(OUTLINE, ["weak_floor", "m_plus"])
    assert [(each.question, each.test) for each in asked] == [("teacher", "m_plus vs weak_floor")]
    assert verdicts.asked(OUTLINE, []) == []


def found(relation: str, low: float, high: float, p: float = 0.001) -> dict[str, object]:
    return {"relation": relation, "difference": (low + high) / 2, "ci95": [low, high], "p_holm": p, "n": 10}


def test_sentences_hold_difference_and_interval() -> None:
    say = verdicts.sentence
    assert say(found("above", 0.367, 0.466), "Stage II", "the weak model") == (
        "Stage II is better than the weak model: +41.6 points (95 % +36.7 to +46.6)."
    )
    assert say(found("below", -0.2, -0.1), "Stage II", "the control").startswith(
        "Stage II is worse than the control: -15.0"
    )
    assert say(found("no effect", -0.011, 0.019), "Stage II", "Stage I") == (
        "Stage II is within 2 points of Stage I: +0.4 points (95 % -1.1 to +1.9)."
    )
    assert say(found("not distinguished", -0.1, 0.2, 0.4), "A", "B").endswith("(95 % -10.0 to +20.0).")
    assert say(found("not distinguished", 0.1, 0.2, 0.06), "A", "B").endswith("; p = 0.060 after correction.")


def test_the_title_lists_every_verdict() -> None:
    given = {
        "teacher": found("above", 0.1, 0.2), "filter": found("above", 0.1, 0.2), "stage2": found("no effect", 0, 0),
        "prompting": found("below", -0.2, -0.1), "control": found("not distinguished", -0.1, 0.1),
    }  # fmt: skip
    assert verdicts.title(given, "Stage II (DPO)") == (
        "The strong model after Stage II (DPO) is better than its teacher and naive training on all weak answers; "
        "worse than prompting with weak answers; within "
        "2 points of Stage I alone; not distinguished from its control."
    )
    assert verdicts.title({}, "Stage I") == ""


def test_the_verdicts_are_a_family_of_their_own() -> None:
    """0.02 is the less of two questions: 0.04. 0.01 is the least of the three others: 0.03; 0.04 * 2, 0.5."""
    paired = {name: {"p": p} for name, p in (("m_pro_dpo vs weak_floor", 0.02), ("m_pro_dpo vs m_plus", 0.5),
                                             ("x vs y", 0.01), ("x vs z", 0.04), ("y vs z", 0.5))}  # fmt: skip
    verdicts.correct(paired, verdicts.asked(OUTLINE, ["weak_floor", "m_plus", "m_pro_dpo"]), "p")
    assert [test["p_holm"] for test in paired.values()] == pytest.approx([0.04, 0.5, 0.03, 0.08, 0.5])
