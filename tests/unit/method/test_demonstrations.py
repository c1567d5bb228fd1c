from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.errors import UserError
from w2s.method.demonstrations import checks_itself, choose
from w2s.records import Answered


def answer(text: str, key: str | None, id: str = "a") -> Answered:
    return Answered(id, f"question {id}", text, key, key)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("He buys 3 * 4 = 12 apples.\n#### 12", "12"),
        ("Natalia sold 48 x 1/2 = 24 clips.\nSo 48+24=72 clips.\n#### 72", "72"),
        ("It costs $1,200 / 2 = $600.\n#### 600", "600"),
        ("One third is 10 / 3 = 3.33.\n#### 3.33", "333/100"),
        ("The share is 20 / 80 = 25%.\n#### 25", "25"),
        ("She saves 25% * 80 = 20.\n#### 20", "20"),
        ("2 + 3 × 4 - 6 / 2 = 11\n#### 11", "11"),
        ("It falls 3 - 5 = -2\n#### -2", "-2"),
    ],
)
def test_sound_arithmetic_checks(text: str, key: str) -> None:
    assert checks_itself(answer(text, key))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("He buys 3 * 4 = 13 apples.\n#### 13", "13"),  # wrong
        ("He buys 3 * 4 = 12 apples.\n#### 11", "11"),  # the answer does not follow
        ("So 3 * 4 = 12 and 2 + 2 = 5.\n#### 12", "12"),
        ("He has 12.\n#### 12", "12"),  # nothing to check
        ("4x = 12 so 9 + 3 = 12\n#### 12", "12"),  # an equation that cannot be read
        ("10 / 3 = 3\n#### 3", "3"),  # rounded to a whole number
        ("1 / 0 = 0\n#### 0", "0"),
        ("5 clips + 3 * 4 = 12\n#### 12", "12"),  # the left side goes on to the left
        ("3 * 4 = 12\n#### 12", None),
        ("3 * 4 = 12\n#### twelve", "twelve"),
        ("3 * 4 = 12\n#### 12", "1e999999999"),
        ("3 * 4 = 12\n#### 12\nQuestion: next?", "12"),
    ],
)
def test_anything_else_does_not(text: str, key: str | None) -> None:
    assert not checks_itself(answer(text, key))


def test_the_most_frequent_lengths_come_first_one_of_each() -> None:
    """Three one-step texts, two two-step ones, one three-step one, all sound, and six that are not."""
    one, two, three = "1 + 1 = 2", "1 + 1 = 2\n2 + 1 = 3", "1 + 1 = 2\n2 + 1 = 3\n3 + 1 = 4"
    texts = [(one, "2")] * 3 + [(two, "3")] * 2 + [(three, "4")] + [("1 + 1 = 3", "3")] * 6
    weak = [answer(text, key, str(index)) for index, (text, key) in enumerate(texts)]
    for seed in range(5):
        assert [shown.response for shown in choose(weak, k=3, mode="selected", seed=seed)] == [one, two, three]
        assert [shown.response for shown in choose(weak, k=5, mode="selected", seed=seed)] == [
            one,
            two,
            three,
            one,
            two,
        ]
        fallback = choose(weak, k=8, mode="selected", seed=seed)
        assert [shown.response for shown in fallback[6:]] == ["1 + 1 = 3"] * 2
    assert len({choose(weak, k=1, mode="selected", seed=seed)[0].id for seed in range(40)}) == 3


def test_random_reaches_every_answer_but_those_without_one() -> None:
    weak = [answer("text", key, str(index)) for index, key in enumerate(["1", "2", None, "3"])]
    assert {choose(weak, k=1, mode="random", seed=seed)[0].id for seed in range(60)} == {"0", "1", "3"}


weak_answers = st.lists(st.sampled_from([("1 + 1 = 2", "2"), ("2 + 2 = 5", "5"), ("no", None)]), max_size=12)


@given(weak_answers, st.integers(1, 6), st.sampled_from(["random", "selected"]), st.randoms(use_true_random=False))
def test_distinct_answered_and_independent_of_order(texts: list, k: int, mode: str, shuffler: random.Random) -> None:
    weak = [answer(text, key, str(index)) for index, (text, key) in enumerate(texts)]
    chosen = choose(weak, k=k, mode=mode, seed=1)
    assert len({shown.id for shown in chosen}) == len(chosen) == min(k, sum(key is not None for _, key in texts))
    assert all(shown.key is not None for shown in chosen)
    assert choose(shuffler.sample(weak, len(weak)), k=k, mode=mode, seed=1) == chosen


def test_duplicate_ids_are_refused() -> None:
    with pytest.raises(UserError, match="comes twice"):
        choose([answer("text", "1"), answer("text", "1")], k=1, mode="random", seed=0)


@pytest.mark.parametrize("piece", ["1 + ", "1,111", "1 1 ", "= ", "-", "1+1=2 ", "9", "$ ", "1 -  -  "])
def test_hostile_text_is_checked_quickly(piece: str) -> None:
    start = time.process_time()
    checks_itself(answer((piece * 10_000)[:9_999], "2"))
    assert time.process_time() - start < 60  # quadratic work on some of these would take hours
