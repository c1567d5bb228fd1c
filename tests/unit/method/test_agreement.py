from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.method.agreement import agrees, select
from w2s.method.selector import Judged, Selected
from w2s.records import Answered

KEYS = st.sampled_from([None, "1", "2"])


def answer(key: str | None, text: str = "text", undecided: bool = False) -> Answered:
    return Answered("a", "qa", text, key, key, undecided=undecided)


def judged(weak: Answered, strong: Answered, match: str = "equivalent") -> Judged:
    return Judged({"weak": weak, "strong": strong}, match=match)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("weak", "strong", "reason"),
    [
        ("1", "2", "disagree"),
        (None, "1", "weak_no_answer"),
        ("1", None, "strong_no_answer"),
        (None, None, "weak_no_answer"),
    ],
)
def test_each_reason(weak: str | None, strong: str | None, reason: str) -> None:
    assert select(judged(answer(weak), answer(strong))) == reason


def test_what_is_kept_are_both_responses() -> None:
    weak, strong = answer("1", "weak text"), answer("1", "strong text")
    assert select(judged(weak, strong)) == Selected(weak, strong)


def test_two_texts_without_an_answer_agree_by_the_released_rule_unless_one_is_empty() -> None:
    """Of four questions without any answer, the texts of one are both there."""
    texts = {"a": ("hm", "well"), "b": ("", "well"), "c": ("hm", ""), "d": ("", " \n")}
    both = {id: [answer(None, text) for text in pair] for id, pair in texts.items()}
    assert [id for id, pair in both.items() if agrees(*pair, nothing_agrees=True)] == ["a"]
    assert not any(agrees(*pair) for pair in both.values())
    assert not agrees(answer(None, "hm"), answer("1"), nothing_agrees=True)


def test_an_answer_that_was_not_read_in_time_is_not_nothing() -> None:
    unread = answer(None, "hm", undecided=True)
    assert agrees(answer(None), answer(None), nothing_agrees=True)
    assert not agrees(unread, answer(None), nothing_agrees=True)
    assert not agrees(answer(None), unread, nothing_agrees=True)


def test_the_released_rule_is_that_of_strings_unless_something_else_is_said() -> None:
    nothing = answer(None, "hm"), answer(None, "well")
    assert select(judged(*nothing, "string")) == Selected(*nothing)
    assert select(judged(*nothing, "equivalent")) == "weak_no_answer"
    assert select(judged(*nothing, "string"), nothing_agrees=False) == "weak_no_answer"
    assert select(judged(*nothing, "equivalent"), nothing_agrees=True) == Selected(*nothing)


@given(KEYS, KEYS)
def test_symmetric_and_kept_exactly_where_the_answers_are_equal(weak: str | None, strong: str | None) -> None:
    ours, theirs = answer(weak), answer(strong)
    assert agrees(ours, theirs) == agrees(theirs, ours) == (weak is not None and weak == strong)
    assert (select(judged(ours, theirs)) == Selected(ours, theirs)) == agrees(ours, theirs)
