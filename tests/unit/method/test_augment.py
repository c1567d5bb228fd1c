from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.errors import UserError
from w2s.method.agreement import agree
from w2s.method.augment import augment, fill
from w2s.records import Answered

KEYS = st.sampled_from([None, "1", "2"])


def answer(id: str, key: str | None, sample: int = 0) -> Answered:
    return Answered(id, f"{id}?", f"text of {id}, {sample}: {key}", key, key, sample)


WEAK = [answer("a", "1"), answer("b", "1"), answer("c", "1"), answer("d", None), answer("e", "1")]
STRONG = [answer("a", "1"), answer("b", "2"), answer("c", "2"), answer("d", "2"), answer("e", None)]
SAMPLES = [
    *(answer("b", key, n) for n, key in enumerate(["2", "1", "2", "2"])),  # 1 of 4 agree
    *(answer("c", key, n) for n, key in enumerate(["2", "1", "1", "1"])),  # 3 of 4
    *(answer("d", key, n) for n, key in enumerate([None, None])),
    *(answer("e", key, n) for n, key in enumerate(["2", "2"])),
]


def test_the_largest_share_comes_first_with_its_first_agreeing_sample() -> None:
    kept = agree(WEAK, STRONG)
    result = augment(kept, WEAK, reversed(SAMPLES), target=2, seed=0)
    assert [each.id for each in result.all] == ["a", "c"]
    assert (result.added[0].weak, result.added[0].icl) == (WEAK[2], answer("c", "1", 1))
    assert result.short == 0


def test_what_agrees_nowhere_is_never_added() -> None:
    """d has no weak answer, no sample of e agrees: of 5 wanted, 3 are there."""
    result = augment(agree(WEAK, STRONG), WEAK, SAMPLES, target=5, seed=0)
    assert ([each.id for each in result.all], result.short) == (["a", "c", "b"], 2)


def test_a_target_below_what_is_kept_takes_nothing_away() -> None:
    assert augment(agree(WEAK, WEAK), WEAK, SAMPLES, target=1, seed=0).short == 0
    assert len(augment(agree(WEAK, WEAK), WEAK, SAMPLES, target=1, seed=0).all) == 4


def test_filling_adds_only_answers_that_disagree() -> None:
    result = fill(agree(WEAK, STRONG), WEAK, STRONG, target=9, seed=0)
    assert sorted(each.id for each in result.added) == ["b", "c"]
    assert result.short == 6
    assert all(each.weak.key != each.icl.key for each in result.added)


def test_what_is_drawn_does_not_depend_on_the_order_of_the_files() -> None:
    weak, strong = ([answer(str(n), key) for n in range(20)] for key in ("1", "2"))
    drawn = fill(agree(weak, strong), weak, strong, target=5, seed=3).added
    assert drawn == fill(agree(weak[::-1], strong), weak[::-1], strong, target=5, seed=3).added
    assert [each.id for each in drawn] != [str(n) for n in range(5)]
    assert drawn != fill(agree(weak, strong), weak, strong, target=5, seed=4).added


@pytest.mark.parametrize("target", [0, -1])
def test_a_target_must_be_a_count(target: int) -> None:
    with pytest.raises(UserError, match="augment_to"):
        augment(agree(WEAK, STRONG), WEAK, SAMPLES, target=target, seed=0)
    with pytest.raises(UserError, match="augment_to"):
        fill(agree(WEAK, STRONG), WEAK, STRONG, target=target, seed=0)


@given(
    st.lists(st.tuples(KEYS, KEYS, st.lists(KEYS, max_size=4)), max_size=12),
    st.integers(1, 12),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_the_order_of_samples_does_not_matter_and_counts_add_up(questions, target, seed, random) -> None:
    weak = [answer(str(n), mine) for n, (mine, _, _) in enumerate(questions)]
    strong = [answer(str(n), theirs) for n, (_, theirs, _) in enumerate(questions)]
    samples = [answer(str(n), key, i) for n, (_, _, keys) in enumerate(questions) for i, key in enumerate(keys)]
    kept = agree(weak, strong)
    result = augment(kept, weak, samples, target=target, seed=seed)
    random.shuffle(samples)
    assert augment(kept, weak, samples, target=target, seed=seed) == result
    for made in (result, fill(kept, weak, strong, target=target, seed=seed)):
        assert made.kept == kept.kept
        assert len({each.id for each in made.all}) == len(made.all)
        assert len(made.all) + made.short == max(target, len(kept.kept))
    assert all(each.weak.key == each.icl.key is not None for each in result.all)
