"""Arithmetic in texts."""

from __future__ import annotations

from fractions import Fraction

import pytest

from w2s.method.arithmetic import equations, is_true, value


def test_marks_of_gsm8k_and_bare_equations_are_read() -> None:
    assert equations("He has 48/2 = <<48/2=24>>24, then 24 + 1,000 = 1,024.") == [
        ("48/2", "24"),
        ("24 + 1,000", "1,024"),
    ]
    assert equations("x" * 10_001) == []


@pytest.mark.parametrize(
    ("left", "right", "true"),
    [
        ("2 + 3 * 4", "14", True),  # * before +
        ("10 / 4", "2.5", True),
        ("10 / 3", "3.33", True),  # rounded to two decimals: off by 0.0033, less than 0.005
        ("10 / 3", "3.3", False),  # one decimal is not rounding
        ("20 * 10%", "2", True),
        ("1 / 0", "0", False),
        ("7 - 2", "4", False),
    ],
)
def test_equations_are_checked(left: str, right: str, true: bool) -> None:
    assert is_true(left, right) is true


def test_values_are_exact() -> None:
    assert value("1 / 3") == Fraction(1, 3)
    assert value("1 / 0") is None
