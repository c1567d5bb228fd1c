from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.method.pairs import Pair, pairs
from w2s.method.voting import PairRule, vote
from w2s.records import Answered

KEYS = st.sampled_from([None, "1", "2", "3"])
SAMPLED = st.lists(KEYS, min_size=1, max_size=10)


def weak_answer(key: str | None) -> Answered:
    return Answered("a", "qa", f"weak: {key}", key, key)


def sampled(keys: list[str | None]) -> list[Answered]:
    """The text tells its key, so that a test can read a pair's keys off its texts."""
    return [Answered("a", "qa", f"sample {i}: {key}", key, key, sample=i) for i, key in enumerate(keys)]


def build(weak: Answered, samples: list[Answered], seed: int = 0, max_pairs: int = 1) -> list[Pair] | str:
    return pairs(weak, samples, PairRule(0.6, 0.8, max_pairs), seed)


def key_of(text: str) -> str:
    return text.rpartition(": ")[2]


@pytest.mark.parametrize(
    ("weak", "keys", "outcome"),
    [
        ("1", ["1"] * 6 + ["2"] * 4, "chosen"),  # exactly 0.6 is enough
        ("1", ["1"] * 5 + ["2"] * 4 + [None], "low_confidence"),
        ("1", ["1"] * 6 + [None] * 4, "chosen"),  # a sample without an answer may be rejected, as released
        ("1", ["1"] * 10, "all_samples_agree"),
        ("2", ["1"] * 8 + ["2"] * 2, "rejected"),  # exactly 0.8 is enough
        ("2", ["1"] * 7 + ["2"] * 3, "unsure"),
        ("2", ["1"] * 10, "rejected"),
        (None, ["1"] * 8 + [None] * 2, "rejected"),  # a weak text without an answer may be rejected, as released
        (None, ["1"] * 7 + [None] * 3, "unsure"),
        (None, [None] * 10, "no_answer"),
        ("1", [None] * 6 + ["1"] * 4, "low_confidence"),
    ],
)
def test_each_decision(weak: str | None, keys: list[str | None], outcome: str) -> None:
    result = build(weak_answer(weak), sampled(keys))
    if outcome not in ("chosen", "rejected"):
        assert result == outcome
        return
    (pair,) = result
    assert isinstance(pair, Pair)
    assert (pair.id, pair.question, pair.weak_role) == ("a", "qa", outcome)
    assert pair.confidence == pair.confidence_most == keys.count("1") / 10
    assert getattr(pair, outcome) == f"weak: {weak}"
    assert key_of(pair.chosen) == "1"
    assert key_of(pair.rejected) != "1"


@given(KEYS, SAMPLED, st.integers(1, 4))
def test_there_are_pairs_or_a_reason_and_texts_disagree(weak: str | None, keys: list[str | None], most: int) -> None:
    result = build(weak_answer(weak), sampled(keys), max_pairs=most)
    if isinstance(result, str):
        assert result in ("no_answer", "low_confidence", "all_samples_agree", "unsure")
        return
    assert 1 <= len(result) <= most
    assert len(set(result)) == len(result)
    for pair in result:
        assert key_of(pair.chosen) != key_of(pair.rejected)
        assert key_of(pair.chosen) == vote(sampled(keys)).key
        assert f"weak: {weak}" == (pair.chosen if pair.weak_role == "chosen" else pair.rejected)


def test_every_candidate_can_be_drawn_and_none_is_drawn_twice() -> None:
    """Four others: over 60 seeds each is drawn as the only pair (missed with probability 4 * 0.75 ** 60 = 1e-7)."""
    weak, samples = weak_answer("1"), sampled(["1"] * 6 + ["2", "2", "3", None])
    drawn = {pair.rejected for seed in range(60) for pair in build(weak, samples, seed) if isinstance(pair, Pair)}
    assert drawn == {"sample 6: 2", "sample 7: 2", "sample 8: 3", "sample 9: None"}
    three = build(weak, samples, max_pairs=3)
    assert len({pair.rejected for pair in three if isinstance(pair, Pair)}) == 3
    assert len(build(weak, samples, max_pairs=9)) == 4


def test_the_id_decides_too() -> None:
    """Ten questions that are alike do not all take the same sample (with probability 4 ** -9 by chance)."""
    samples = sampled(["1"] * 6 + ["2", "2", "3", None])
    taken = [build(replace(weak_answer("1"), id=f"{n}"), samples)[0] for n in range(10)]
    assert len({pair.rejected for pair in taken if isinstance(pair, Pair)}) > 1


def test_identical_texts_give_one_pair() -> None:
    samples = [
        Answered("a", "q", "same" if index < 9 else "other", key, key, sample=index)
        for index, key in enumerate(["1"] * 9 + ["2"])
    ]
    result = build(weak_answer("3"), samples, max_pairs=3)
    assert [pair.chosen for pair in result if isinstance(pair, Pair)] == ["same"]


def test_empty_texts_are_never_used() -> None:
    """Of three others two are empty; an empty weak text is not rejected."""
    samples = [*sampled(["1"] * 7), *(Answered("a", "q", text, None, None, 7) for text in ("", " ", "hm"))]
    result = build(weak_answer("1"), samples, max_pairs=3)
    assert [pair.rejected for pair in result if isinstance(pair, Pair)] == ["hm"]
    assert build(replace(weak_answer(None), response=" \n"), sampled(["1"] * 9)) == "empty_weak_text"


def test_a_text_whose_answer_was_not_read_in_time_is_never_rejected() -> None:
    """It may be right: neither a sample nor the weak text."""
    unread = Answered("a", "q", "sample 9: slow", "slow", None, 9, undecided=True)
    assert build(weak_answer("1"), [*sampled(["1"] * 9), unread]) == "undecided"
    result = build(weak_answer("1"), [*sampled(["1"] * 8 + ["2"]), unread], max_pairs=2)
    assert [pair.rejected for pair in result if isinstance(pair, Pair)] == ["sample 8: 2"]
    assert build(replace(unread, sample=0), sampled(["1"] * 10)) == "undecided"


@pytest.mark.parametrize(
    ("weak", "weak_cut", "keys", "cut", "outcome"),
    [
        ("1", True, ["1"] * 6 + ["2"] * 4, [], "cut"),  # it would be chosen
        ("2", True, ["1"] * 8 + ["2"] * 2, [], "cut"),  # it would be rejected
        ("2", True, ["1"] * 7 + ["2"] * 3, [], "unsure"),  # there would be no pair anyway
        ("1", False, ["1"] * 6 + ["2"] * 4, [6, 7, 8, 9], "cut"),  # nothing whole to reject
        ("1", False, ["1"] * 6 + ["2"] * 4, [0, 6, 7, 8], "sample 9: 2"),
        ("2", False, ["1"] * 8 + ["2"] * 2, list(range(8)), "cut"),  # nothing whole to choose
        ("2", False, ["1"] * 8 + ["2"] * 2, list(range(7)), "sample 7: 1"),
        ("1", False, ["1"] * 10, [3], "all_samples_agree"),
    ],
)
def test_a_cut_text_votes_and_is_on_neither_side(
    weak: str, weak_cut: bool, keys: list[str | None], cut: list[int], outcome: str
) -> None:
    """The votes are those of the same samples, whole: 6 of 10 and 8 of 10 count the cut ones."""
    samples = [replace(sample, cut=sample.sample in cut) for sample in sampled(keys)]
    result = build(replace(weak_answer(weak), cut=weak_cut), samples)
    if isinstance(result, str):
        assert result == outcome
        return
    (pair,) = result
    assert outcome in (pair.chosen, pair.rejected) and pair.confidence == keys.count("1") / 10
