from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers.math.latex import fold, plain
from w2s.answers.math.number import number, without_unit


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1,234,567.89", Fraction(123456789, 100)),
        ("1 000 000", Fraction(10**6)),
        ("1'000'000", Fraction(10**6)),
        ("1.000.000", Fraction(10**6)),
        ("1.000", Fraction(1)),
        ("1,00,000", Fraction(10**5)),
        ("1.234,56", Fraction(30864, 25)),
        ("1.5e3", Fraction(1500)),
        ("1.5 * 10^{-3}", Fraction(3, 2000)),
        ("3 1/2", Fraction(7, 2)),
        (r"-3\frac{1}{2}", Fraction(-7, 2)),
        (r"0.1\overline{6}", Fraction(1, 6)),
        ("5 million", Fraction(5 * 10**6)),
        ("$1.5 billion", Fraction(15 * 10**8)),
        ("-$5", Fraction(-5)),
        ("€ 18", Fraction(18)),
        ("Rs. 7", Fraction(7)),
        ("10 %", Fraction(10)),
        ("5 sq ft", Fraction(5)),
        (r"864\mbox{ inches}^2", Fraction(864)),
        ("(5)", Fraction(5)),
        ("9" * 400, Fraction(int("9" * 400))),
    ],
)
def test_value(written: str, value: Fraction) -> None:
    assert number(written) == value


@pytest.mark.parametrize(
    "text",
    [
        "", "1,2", "1,23", "12,34,567", "1 2", "(1,234)", "1/0", "5 pi", "5 xy", "2 abc", "7 a.m.", "5 to 7",
        "1.2.3", "1e5001", "3 fifths", "2 score", "5 below zero", r"5\text{i}", r"5\frac{3}{2}",
        "e", "+", "x", "5 apples or 6", "1,000,00", "0.33...", "3.1415...",
    ],
)  # fmt: skip
def test_not_a_number(text: str) -> None:
    assert number(text) is None


@given(st.integers(1000, 10**15), st.sampled_from([",", " ", "'", r"\,", "{,}", r",\!", "\u202f", "\u00a0"]))
def test_thousands_in_any_style(value: int, mark: str) -> None:
    assert number(plain(fold(f"{value:,}".replace(",", mark)))) == value


@given(st.fractions(max_denominator=10**6), st.integers(0, 3))
def test_fractions_in_any_style(value: Fraction, style: int) -> None:
    over, under = value.numerator, value.denominator
    whole, rest = divmod(abs(over), under)
    sign = "-" if over < 0 else ""
    written = (
        f"{over}/{under}",
        rf"\frac{{{over}}}{{{under}}}",
        rf"{sign}\frac{{{abs(over)}}}{{{under}}}",
        f"{sign}{whole} {rest}/{under}",
    )
    assert number(written[style]) == value


@given(st.integers(), st.sampled_from([0x660, 0x966, 0xFF10, 0x1D7CE, 0x1D7D8]))
def test_digits_of_other_scripts(value: int, zero: int) -> None:
    written = "".join(chr(zero + int(digit)) if digit.isdigit() else digit for digit in str(value))
    assert number(plain(fold(written))) == value


@pytest.mark.parametrize(
    ("text", "bare"),
    [(r"2\pi\text{ cm}", r"2\pi"), ("3 km", "3"), ("2 ab", "2 ab"), ("5 and more", "5 and more"), ("miles", "miles")],
)
def test_units(text: str, bare: str) -> None:
    assert without_unit(text) == bare
