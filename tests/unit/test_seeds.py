"""Seeds are stable numbers of their parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.errors import UserError
from w2s.seeds import derive, distinct, several

PARTS = st.lists(st.one_of(st.text(max_size=5), st.integers(-5, 5)), max_size=4)


def test_the_same_on_every_machine() -> None:
    """sha256("int1:0;str6:weak_a;")[:8], one bit less: worked out once with hashlib outside the package."""
    import hashlib

    expected = int.from_bytes(hashlib.sha256(b"int1:0;str6:weak_a;").digest()[:8], "big") >> 1
    assert derive(0, "weak_a") == expected


@given(PARTS, PARTS)
def test_different_parts_differ_and_fit_63_bits(first: list[str | int], second: list[str | int]) -> None:
    assert (derive(*first) == derive(*second)) == (first == second)
    assert 0 <= derive(*first) < 2**63


def test_types_and_borders_count() -> None:
    assert len({derive("a", "bc"), derive("ab", "c"), derive("abc"), derive(1), derive("1")}) == 5


def test_lists_of_seeds() -> None:
    assert several("0-4") == [0, 1, 2, 3, 4] and several("0,2,5") == [0, 2, 5] and several("7, 1-2") == [7, 1, 2]


@pytest.mark.parametrize("text", ["", "a", "4-0", "-1", "1,", "1.5", "0-1000", "1--2", "9999999999"])
def test_what_is_no_list_of_seeds(text: str) -> None:
    with pytest.raises(UserError, match=r"\[--seeds\].* is no list of seeds"):
        several(text)


def test_a_seed_twice() -> None:
    with pytest.raises(UserError, match="names seed 2 twice"):
        several("0-3,2")
    with pytest.raises(UserError, match="True is no seed"):
        distinct([0, True], "seeds")
    with pytest.raises(UserError, match="names 0 seeds"):
        distinct([], "seeds")
