from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from w2s.method.augment import agreeing, disagreeing
from w2s.records import Answered

KEYS = st.sampled_from([None, "1", "2"])


def answer(id: str, key: str | None, sample: int = 0) -> Answered:
    return Answered(id, f"{id}?", f"text of {id}, {sample}: {key}", key, key, sample)


def answers(id: str, *keys: str | None) -> list[Answered]:
    return [answer(id, key, sample) for sample, key in enumerate(keys)]


def test_the_larger_share_has_the_smaller_rank_and_the_first_agreeing_sample_is_taken() -> None:
    """Of b's samples 1 of 4 agrees, of c's 3 of 4."""
    b = agreeing(answer("b", "1"), answers("b", "2", "1", "2", "2"), seed=0)
    c = agreeing(answer("c", "1"), answers("c", "2", "1", "1", "1")[::-1], seed=0)
    assert b is not None and c is not None and c.rank < b.rank
    assert (c.selected.weak, c.selected.strong) == (answer("c", "1"), answer("c", "1", 1))


def test_equal_ranks_are_drawn_by_seed_and_id() -> None:
    """The order of 20 questions that are alike is not theirs, is the same again, and another one by another seed."""

    def order(seed: int) -> list[str]:
        ids = map(str, range(20))
        each = {id: disagreeing(answer(id, "1"), answers(id, "2"), seed) for id in ids}
        return sorted(each, key=lambda id: each[id].rank)  # type: ignore[union-attr]

    assert order(3) == order(3) != order(4)
    assert order(3) != [str(number) for number in range(20)]


@given(KEYS, st.lists(KEYS, max_size=4), st.integers(0, 3), st.randoms(use_true_random=False))
def test_a_sample_is_added_where_it_agrees_whatever_the_order(weak, keys, seed, random) -> None:
    samples = answers("a", *keys)
    made = agreeing(answer("a", weak), samples, seed)
    assert (made is not None) == (weak is not None and weak in keys)
    assert made is None or made.selected.weak.key == made.selected.strong.key == weak
    random.shuffle(samples)
    assert agreeing(answer("a", weak), samples, seed) == made


@given(KEYS, st.lists(KEYS, max_size=1), st.integers(0, 3))
def test_in_the_other_way_only_two_answers_that_differ_are_added(weak, strong, seed) -> None:
    made = disagreeing(answer("a", weak), answers("a", *strong), seed)
    assert (made is not None) == ({weak, *strong} == {"1", "2"})
    assert made is None or (made.selected.weak.key, made.selected.strong.key) == (weak, *strong)


def test_a_cut_text_is_not_added_and_still_counts_as_a_vote() -> None:
    """Samples 1 and 3 of 4 agree; 1 is cut, so 3 is taken, at rank -2/4. A cut weak text adds nothing."""
    weak, samples = answer("a", "1"), answers("a", "2", "1", "2", "1")
    cut = [replace(sample, cut=sample.sample == 1) for sample in samples]
    made, whole = agreeing(weak, cut, 0), agreeing(weak, samples, 0)
    assert made is not None and whole is not None and made.rank == whole.rank == (-0.5, whole.rank[1])
    assert (made.selected.strong.sample, whole.selected.strong.sample) == (3, 1)
    assert agreeing(weak, [replace(sample, cut=True) for sample in samples], 0) is None
    assert agreeing(replace(weak, cut=True), samples, 0) is None
    other = answer("a", "2")
    assert disagreeing(weak, [other], 0) is not None
    assert disagreeing(replace(weak, cut=True), [other], 0) is disagreeing(weak, [replace(other, cut=True)], 0) is None
