from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.errors import UserError
from w2s.method.agreement import agree
from w2s.records import Answered

tables = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from([None, "1", "2"]))


def side(keys: dict[str, str | None], who: str = "w") -> list[Answered]:
    return [Answered(id, f"q{id}", f"{who}{id}", key, key) for id, key in keys.items()]


def test_each_reason() -> None:
    weak = side({"a": "1", "b": "1", "c": None, "d": "1", "e": None, "f": "1"})
    strong = side({"g": "1", "a": "1", "b": "2", "c": "1", "d": None, "e": None}, "s")
    result = agree(weak, strong)
    assert [(kept.id, kept.weak.response, kept.icl.response) for kept in result.kept] == [("a", "wa", "sa")]
    assert result.dropped == {
        "disagree": ("b",),
        "weak_no_answer": ("c", "e"),
        "strong_no_answer": ("d",),
        "only_in_weak": ("f",),
        "only_in_strong": ("g",),
    }


def test_two_texts_without_an_answer_agree_by_the_released_rule_unless_one_is_empty() -> None:
    """Of four questions without any answer, the texts of one are both there."""
    texts = {"a": ("hm", "well"), "b": ("", "well"), "c": ("hm", ""), "d": ("", " \n")}
    weak, strong = ([Answered(id, "q", both[side], None, None) for id, both in texts.items()] for side in (0, 1))
    result = agree(weak, strong, nothing_agrees=True)
    assert [kept.id for kept in result.kept] == ["a"]
    assert result.dropped == {"weak_no_answer": ("b", "c", "d")}
    assert agree(weak, strong).dropped == {"weak_no_answer": ("a", "b", "c", "d")}


@given(tables, tables)
def test_kept_and_dropped_are_the_input(weak: dict, strong: dict) -> None:
    result = agree(side(weak), side(strong))
    ids = [kept.id for kept in result.kept] + [id for dropped in result.dropped.values() for id in dropped]
    assert sorted(ids) == sorted(weak.keys() | strong.keys())
    assert [kept.id for kept in result.kept] == [id for id in weak if weak[id] and weak[id] == strong.get(id)]


@given(tables, tables)
def test_symmetric(weak: dict, strong: dict) -> None:
    there, back = agree(side(weak), side(strong)), agree(side(strong), side(weak))
    assert {kept.id for kept in there.kept} == {kept.id for kept in back.kept}
    assert there.dropped.get("disagree", ()) == tuple(sorted(back.dropped.get("disagree", ()), key=list(weak).index))


@given(tables, tables, st.randoms(use_true_random=False))
def test_the_order_of_the_strong_side_does_not_matter(weak: dict, strong: dict, shuffler: random.Random) -> None:
    answers = side(strong)
    shuffled = shuffler.sample(answers, len(answers))
    assert agree(side(weak), answers) == agree(side(weak), shuffled)


def test_duplicate_ids_are_refused() -> None:
    twice = [*side({"a": "1"}), *side({"a": "2"})]
    with pytest.raises(UserError, match="'a' comes twice in the weak"):
        agree(twice, side({"a": "1"}))
    with pytest.raises(UserError, match="'a' comes twice in the strong"):
        agree(side({"a": "1"}), twice)
