from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers import key
from w2s.answers.math.points import COARSE, DENSE, FINE, coordinate


@given(st.text(min_size=1, max_size=4))
def test_every_variable_meets_all_sizes_of_both_signs(name: str) -> None:
    """18 coarse values: one of each sign in each of nine ranges, whose ends are those of the table in the module."""
    values = sorted(coordinate(name, index) for index in COARSE)
    edges = (0.5, 1.5, 2.5, 3.5, 5, 7, 10, 15, 30)
    assert [sum(low <= abs(v) for v in values) for low in edges] == [18, 16, 14, 12, 10, 8, 6, 4, 2]
    assert [value > 0 for value in values] == [False] * 9 + [True] * 9
    assert all(value.denominator > 1 and abs(value) < 401 for value in values)


@given(st.text(min_size=1, max_size=4))
def test_dense_values_are_whole_and_half_and_far(name: str) -> None:
    values = {coordinate(name, index) for index in DENSE}
    assert len(values) > 60
    assert {sign * half for sign in (1, -1) for half in (0.5, 1, 1.5, 2, 6)} <= {float(value) for value in values}
    assert max(values) >= 10**9
    assert min(values) <= -(10**9)
    assert 0 not in values


def test_variables_are_of_mixed_size() -> None:
    """Where x is above 100, y is not: else |x - y| would be x - y wherever x is far out."""
    far = [index for index in COARSE if abs(coordinate("x", index)) > 100]
    assert len(far) == 2
    assert all(abs(coordinate("y", index)) < 100 for index in far)


@pytest.mark.parametrize("name", string.ascii_letters)
def test_both_parities_of_numerators(name: str) -> None:
    """(-1)^(p/q) of an odd q is 1 or -1 by p: it must be neither for all points of a name."""
    assert {coordinate(name, index).numerator % 2 for index in (*FINE, *COARSE)} == {0, 1}
    if name not in "eif":
        assert key(f"(-1)^{name}") not in ("1", "-1")
