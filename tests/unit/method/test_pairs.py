from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.errors import UserError
from w2s.method.pairs import PairSet, build_pairs
from w2s.method.voting import vote
from w2s.records import Answered

KEYS = st.sampled_from([None, "1", "2", "3"])
inputs = st.tuples(
    st.dictionaries(st.sampled_from("abcdef"), KEYS),
    st.dictionaries(st.sampled_from("abcdef"), st.lists(KEYS, min_size=1, max_size=10)),
)


def weak_side(keys: dict[str, str | None]) -> list[Answered]:
    return [Answered(id, f"q{id}", f"weak {id}: {key}", key, key) for id, key in keys.items()]


def sample_side(keys: dict[str, list[str | None]]) -> list[Answered]:
    """The text tells its key, so that a test can read a pair's keys off its texts."""
    return [
        Answered(id, f"q{id}", f"sample {id}{index}: {key}", key, key, sample=index)
        for id, listed in keys.items()
        for index, key in enumerate(listed)
    ]


def build(
    weak: list[Answered], samples: list[Answered], seed: int = 0, max_pairs: int = 1, high: float = 0.8
) -> PairSet:
    return build_pairs(weak, samples, confidence=0.6, reject_confidence=high, max_pairs=max_pairs, seed=seed)


def key_of(text: str) -> str:
    return text.rpartition(": ")[2]


@pytest.mark.parametrize(
    ("weak", "sampled", "outcome"),
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
def test_each_decision(weak: str | None, sampled: list[str | None], outcome: str) -> None:
    result = build(weak_side({"a": weak}), sample_side({"a": sampled}))
    if outcome not in ("chosen", "rejected"):
        assert (result.pairs, result.dropped) == ((), {outcome: ("a",)})
        return
    (pair,) = result.pairs
    assert result.dropped == {}
    assert (pair.id, pair.question, pair.weak_role) == ("a", "qa", outcome)
    assert pair.confidence == vote(sample_side({"a": sampled})).confidence
    assert getattr(pair, outcome) == f"weak a: {weak}"
    assert key_of(pair.chosen) == "1"
    assert key_of(pair.rejected) != "1"


def test_ids_on_one_side_only() -> None:
    result = build(weak_side({"a": "1"}), sample_side({"b": ["1"]}))
    assert result.dropped == {"only_in_weak": ("a",), "only_in_samples": ("b",)}


@given(inputs, st.integers(1, 4))
def test_kept_and_dropped_are_the_input_and_texts_disagree(given_input: tuple, max_pairs: int) -> None:
    weak, sampled = given_input
    result = build(weak_side(weak), sample_side(sampled), max_pairs=max_pairs)
    per_id = Counter(pair.id for pair in result.pairs)
    ids = [*per_id, *(id for dropped in result.dropped.values() for id in dropped)]
    assert sorted(ids) == sorted(weak.keys() | sampled.keys())
    assert all(count <= max_pairs for count in per_id.values())
    assert len(set(result.pairs)) == len(result.pairs)
    for pair in result.pairs:
        assert key_of(pair.chosen) != key_of(pair.rejected)
        assert key_of(pair.chosen) == vote(sample_side({pair.id: sampled[pair.id]})).key
        assert f"weak {pair.id}: {weak[pair.id]}" == (pair.chosen if pair.weak_role == "chosen" else pair.rejected)


@given(inputs, st.integers(0, 3), st.integers(1, 3), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    given_input: tuple, seed: int, max_pairs: int, shuffler: random.Random
) -> None:
    weak, samples = weak_side(given_input[0]), sample_side(given_input[1])
    result = build(weak, samples, seed, max_pairs)
    other = build(shuffler.sample(weak, len(weak)), shuffler.sample(samples, len(samples)), seed, max_pairs)
    assert set(result.pairs) == set(other.pairs)
    assert {k: sorted(v) for k, v in result.dropped.items()} == {k: sorted(v) for k, v in other.dropped.items()}


def test_every_candidate_can_be_drawn_and_none_is_drawn_twice() -> None:
    """Four others: over 60 seeds each is drawn as the only pair (missed with probability 4 * 0.75 ** 60 = 1e-7)."""
    weak, samples = weak_side({"a": "1"}), sample_side({"a": ["1"] * 6 + ["2", "2", "3", None]})
    drawn = {build(weak, samples, seed).pairs[0].rejected for seed in range(60)}
    assert drawn == {"sample a6: 2", "sample a7: 2", "sample a8: 3", "sample a9: None"}
    assert len({pair.rejected for pair in build(weak, samples, max_pairs=3).pairs}) == 3
    assert len(build(weak, samples, max_pairs=9).pairs) == 4


def test_identical_texts_give_one_pair() -> None:
    samples = [
        Answered("a", "q", "same" if index < 9 else "other", key, key, sample=index)
        for index, key in enumerate(["1"] * 9 + ["2"])
    ]
    result = build(weak_side({"a": "3"}), samples, max_pairs=3)
    assert [pair.chosen for pair in result.pairs] == ["same"]


def test_repeated_samples_are_refused() -> None:
    samples = [Answered("a", "q", "text", "1", "1") for _ in range(2)]
    with pytest.raises(UserError, match="sample 0 twice"):
        build(weak_side({"a": "1"}), samples)
    with pytest.raises(UserError, match="comes twice in the weak"):
        build(weak_side({"a": "1"}) * 2, [])
