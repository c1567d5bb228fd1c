from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers.math.arithmetic import Tree, names, value
from w2s.answers.math.fingerprint import fingerprint, rational
from w2s.answers.math.grammar import Unreadable, Words, parse
from w2s.answers.math.latex import fold, plain, unwrap


def read(text: str) -> str | None:
    tree = parse(unwrap(plain(fold(text))))
    return fingerprint(sorted(names(tree)), lambda point: value(tree, point), exact=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2+3*4", "14"), ("2^3^2", "512"), ("-2^2", "-4"), ("(-2)^2", "4"), ("2**-1", "1/2"), ("1/2/3", "1/6"),
        ("5!", "120"),
        ("2(3+4)", "14"), ("6/2(1+2)", "9"), ("2*-3", "-6"), ("|-3|+|2|", "5"), ("||-3|+|2||", "5"),
        (r"\sqrt[3]{27}", "3"),
        (r"\binom{5}{2}", "10"), (r"\lfloor\sqrt{10}\rfloor", "3"), (r"\lceil -1/2\rceil", "0"), (r"\log_2 8", "3"),
        (r"\log 1000", "3"), (r"\ln e^3", "3"), (r"3\frac12", "7/2"), (r"2\frac{1}{2}+1", "7/2"), (r"(-8)^{1/3}", "-2"),
        (r"\sqrt{2}\sqrt8", "4"), (r"\sin\frac{\pi}{6}", "1/2"), (r"\sin 30°", "1/2"), (r"\cos^2 1+\sin^2 1", "1"),
        (r"\tan^{-1} 1 - \pi/4", "0"), (r"(1+i)^2/2", "i"), (r"e^{i\pi}", "-1"), (r"\sqrt{5+2\sqrt6}-\sqrt2-\sqrt3",
        "0"),
        (r"\exp(0)+\sinh 0", "1"), ("sqrt(16)+abs(-2)", "6"), ("exp(1)", "e"), (r"\frac{2x}{2}", "x"), ("0.1+0.2",
        "3/10"),
    ],
)  # fmt: skip
def test_constants(text: str, expected: str) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("2xy", "2yx"), ("2x", "x*2"), (r"x\cdot x", "x^2"), ("(x+1)(x-1)", "x^2-1"), (r"\sin 2x", r"2\sin x\cos x"),
        ("x_{1}", "x_1"), (r"\frac{x}{2}", "0.5x"), ("1/2x", "x/2"), ("e^{2x}", "(e^x)^2"), ("2pi r", r"2\pi r"),
        (r"\cot x", r"\frac{1}{\tan x}"), ("n!", "n(n-1)!"), (r"\log_a b", r"\frac{\ln b}{\ln a}"), ("xsin(x)",
        r"x\sin x"),
        (r"\sin(x)^2", r"\sin^2 x"), (r"\alpha+β", r"\beta+\alpha"), ("x²y", "xyx"), ("|x|^2", "x^2"),
    ],
)  # fmt: skip
def test_equal_functions(left: str, right: str) -> None:
    assert read(left) == read(right) is not None


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (r"\sqrt{x^2}", "x"), ("x^2", "2x"), ("xy", "x+y"), ("x_1", "x_2"), (r"\sin x", "x"), ("e^x", "e^{-x}"),
        ("R", "2r"),
        ("R^2", "r^2"), (r"\log x", r"\ln x"), ("(x+1)^2", "x^2+1"), (r"\sin x", r"\sin x°"),
        ("1/2004!", "1/2006!"), ("1-1/2004!", "1-1/2006!"), ("1-1/e", "1+1/e"), (r"\pi",
        "3.14159265358979323846264338327950"),
    ],
)  # fmt: skip
def test_different_functions(left: str, right: str) -> None:
    assert read(left) != read(right)


@pytest.mark.parametrize("text", ["Friday", "is", "12 apples and", "x is even", "sum", "no", "seventy"])
def test_words_are_words(text: str) -> None:
    with pytest.raises(Words):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "+", "2+", "(1", "1)", "x^", "x^2^", r"\frac{1}", r"\int x", r"\sum_{k} k", "f(x)", "f'(x)", "1 2", "x2",
        "2_3", "a,b",
        "x=1", r"\foo", "7!!", "x^2^", "(" * 50 + "1" + ")" * 50, "1+" * 300 + "1", "sqrt " * 60 + "2", "----1",
        "2^" * 60 + "2",
        "|" * 70, r"\sin" * 60 + "x", "+".join(f"x_{k}" for k in range(9)), "+".join(["e^x"] * 30),
    ],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        parse(text)


@pytest.mark.parametrize(
    "text", [
        "9^9^9^9", "10^{10^{10}}", "6000!", "100000!", "1/0", "0^0",
        r"\tan(\pi/2)", r"\pi+1/2004!", "e^{e^{e^{9}}}",
    ],
)  # fmt: skip
def test_no_value(text: str) -> None:
    assert read(text) is None


def both_ways(tree: Tree) -> tuple[str, str]:
    """A tree as LaTeX, and again in ASCII with the operands of sums and products turned round."""
    kind, *parts = tree
    if kind in ("name", "number"):
        return str(parts[0]), f"({parts[0]})"
    (left, left_again), (right, right_again) = map(both_ways, parts)
    return {
        "sum": (f"({left}+{right})", f"({right_again} + {left_again})"),
        "difference": (rf"\left({left}-{right}\right)", f"(-({right_again}) + {left_again})"),
        "product": (rf"{left} \cdot {right}", f"{right_again}*{left_again}"),
        "quotient": (rf"\frac{{{left}}}{{{right}}}", f"(({left_again})/({right_again}))"),
    }[kind]


leaves = st.one_of(
    st.sampled_from(["x", "y", r"\theta"]).map(lambda name: ("name", name)),
    st.integers(1, 9).map(lambda n: ("number", n)),
)
trees = st.recursive(
    leaves,
    lambda inner: st.tuples(st.sampled_from(["sum", "difference", "product", "quotient"]), inner, inner),
    max_leaves=8,
)


@given(trees)
def test_an_expression_has_one_key_however_it_is_written(tree: Tree) -> None:
    latex, ascii_form = both_ways(tree)
    first = read(latex)
    assert first == read(ascii_form)
    if first is not None:  # and another one where it is changed
        assert read(f"({latex})+1/1000") != first
        assert read(f"({latex})+z") != first


@given(st.fractions(max_denominator=99), st.integers(-6, 6))
def test_powers_are_exact(base: Fraction, exponent: int) -> None:
    written = rf"\left(\frac{{{base.numerator}}}{{{base.denominator}}}\right)^{{{exponent}}}"
    assert read(written) == (None if base == 0 and exponent <= 0 else rational(base**exponent))
