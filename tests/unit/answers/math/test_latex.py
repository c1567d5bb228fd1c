from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers.math.latex import closing, fold, plain, strip, unwrap


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        (r"\left(\dfrac12,\,√3\right)", r"(\frac{1}{2}, \sqrt{3})"),
        (r"\frac1{72}", r"\frac{1}{72}"),
        (r"\frac{\pi}2", r"\frac{\pi}{2}"),
        (r"\frac 59", r"\frac{5}{9}"),
        (r"a\cdot b\times c\div d", "a* b* c/ d"),
        ("30^{\\circ}", "30°"),
        ("30^\\circ", "30°"),
        ("x² + y₁", "x^{2} + y_{1}"),
        ("−3 × 2 ÷ 5", "-3 * 2 / 5"),
        ("30 x 6.67", "30*6.67"),
        (r"x \leq 3", r"x \le 3"),
        ("x ≠ 3", r"x \ne 3"),
        (r"\langle 1,2\rangle", "( 1,2)"),
        (r"\left[\begin{array}{cc}1&2\\3&4\end{array}\right]", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"),
        ("\x0crac{1}{2}", r"\frac{1}{2}"),
        (r"(0,\iny)", r"(0,\infty)"),
        (r"\le(1,\frac{1}{2}\right)", r"(1,\frac{1}{2})"),
        (r"\operatorname{arcsin} 1", r"\arcsin 1"),
        ("1\u200b2\u202e\xad\x003", "123"),
        ("１２٣", "123"),
        ("х", "х"),  # Cyrillic stays what it is
    ],
)
def test_plain_spelling(written: str, spelled: str) -> None:
    assert plain(fold(written)) == spelled


@pytest.mark.parametrize(
    ("wrapped", "inside"),
    [
        ("$5$.", "5"), (r"\boxed{\text{east}}", "east"), ("**18**", "18"), ("Yes!", "Yes"), ("5!", "5!"), ("n!", "n!"),
        ("0.333...", "0.333..."), (r"\text{a} + \text{b}", r"\text{a} + \text{b}"), ("7\\,.", "7"), ("= 5", "5"),
        ("", ""),
    ],
)  # fmt: skip
def test_wrappings(wrapped: str, inside: str) -> None:
    assert strip(wrapped) == inside


def test_text_stands_free() -> None:
    assert unwrap(r"2\text{ and }3\mathrm{cm}") == "2 and 3 cm"


def test_the_closing_bracket() -> None:
    assert closing("{a{b}c}d", 1) == 6
    assert closing("{a{b}c", 1) == -1


@given(st.text(max_size=80))
def test_folding_twice_is_folding_once_and_leaves_nothing_invisible(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert not set(folded) & set("\x00\u200b\u200e\u202e\ufeff\xad")
