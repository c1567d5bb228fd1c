from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.method.voting import PairRule, decide, vote
from w2s.records import Answered


def samples(keys: list[str | None]) -> list[Answered]:
    return [Answered("a", "q", f"text {i}", key, key, sample=i) for i, key in enumerate(keys)]


def test_share_of_all_samples() -> None:
    """Ten samples, 6 say "18", 3 say nothing, 1 says "20": 6 / 10, not 6 / 7."""
    result = vote(samples(["18"] * 6 + [None] * 3 + ["20"]))
    assert (result.key, result.confidence, result.n, result.counts) == ("18", 0.6, 10, {"18": 6, "20": 1})


def test_no_answer_never_wins() -> None:
    result = vote(samples([None, None, None, "7"]))
    assert (result.key, result.confidence) == ("7", 0.25)


def test_nothing_to_count() -> None:
    assert vote(samples([None, None])).key is None
    assert vote(samples([None, None])).confidence == 0.0
    assert (vote([]).key, vote([]).confidence, vote([]).n) == (None, 0.0, 0)


def test_ties_go_to_the_answer_seen_first() -> None:
    assert vote(samples(["2", "1", "1", "2"])).key == "2"
    assert vote(samples(["1", "2", "2", "1"])).key == "1"


@given(st.lists(st.sampled_from([None, "1", "2", "3"]), max_size=12), st.randoms(use_true_random=False))
def test_confidence_is_the_largest_share_in_any_order(keys: list, shuffler: random.Random) -> None:
    result = vote(samples(keys))
    shuffled = vote(samples(shuffler.sample(keys, len(keys))))
    largest = max((keys.count(key) for key in keys if key), default=0)
    assert result.confidence == shuffled.confidence == (largest / len(keys) if largest else 0.0)
    assert result.counts == shuffled.counts
    assert sum(result.counts.values()) + keys.count(None) == result.n


@pytest.mark.parametrize(
    ("weak", "text", "keys", "decision"),
    [
        ("1", "w", ["1"] * 6 + ["2"] * 4, "chosen"),  # exactly 0.6 is enough
        ("1", "w", ["1"] * 5 + ["2"] * 5, "low_confidence"),
        ("1", "", ["1"] * 6 + ["2"] * 4, "chosen"),  # whatever its text
        ("2", "w", ["1"] * 8 + ["2"] * 2, "rejected"),  # exactly 0.8 is enough
        ("2", "w", ["1"] * 7 + ["2"] * 3, "unsure"),
        (None, "w", ["1"] * 8 + [None] * 2, "rejected"),
        (None, " ", ["1"] * 8 + [None] * 2, "empty_weak_text"),
        (None, "w", [None] * 10, "no_answer"),
    ],
)
def test_the_weak_text_has_a_role_or_there_is_a_reason(
    weak: str | None, text: str, keys: list[str | None], decision: str
) -> None:
    assert decide(Answered("a", "q", text, weak, weak), vote(samples(keys)), PairRule(0.6, 0.8)) == decision
