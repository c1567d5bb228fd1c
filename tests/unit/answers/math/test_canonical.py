from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers.extract import MAX_ANSWER
from w2s.answers.math.canonical import Form, canonical


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        ("7", Form("7", "number")),
        ("007", Form("7", "number")),
        ("1,234.50", Form("2469/2", "number")),
        ("52_{8}", Form("52_8", "number")),
        ("1A3_16", Form("1A3_16", "number")),
        (r"\sqrt{9}", Form("3", "math")),
        (r"\text{(C)}", Form("c", "text")),
        ("The East", Form("east", "text")),
        ("3 : 1", Form("3:1", "text")),
        ("3:30 PM", Form("15:30", "text")),
        ("1 2", Form("1 2", "text")),
        ("2, 1", Form("{1,2}", "math")),
        (r"\{2, 1, 1\}", Form("{1,2}", "math")),
        ("1, 1, 2", Form("{1,1,2}", "math")),
        ("1,234, 5,678", Form("{1234,5678}", "math")),
        ("(1, 2)", Form("(1,2)", "math")),
        ("(1,234)", Form("(1,234)", "math")),
        ("(1,000)", Form("1000", "number")),
        (r"(-\infty, 3]", Form("(-inf,3]", "math")),
        ("[-∞, 3]", Form("(-inf,3]", "math")),
        (r"-1 \le x < 2", Form("[-1,2)", "math")),
        ("6 > 2x", Form("(-inf,3)", "math")),
        ("-x <= 1", Form("[-1,inf)", "math")),
        (r"x \ne 3", Form("u(-inf,3),(3,inf)", "math")),
        (r"[0,1] \cup (1,2) \cup [5,6]", Form("u[0,2),[5,6]", "math")),
        (r"(0,1) \cup (1,2)", Form("u(0,1),(1,2)", "math")),
        (r"\{1\}\cup\{3, 2\}", Form("{1,2,3}", "math")),
        (r"\begin{pmatrix} 1 \\ -1/2 \end{pmatrix}", Form("(1,-1/2)", "math")),
        (r"2\begin{bmatrix} 1 & 0 \\ 0 & 1 \end{bmatrix}", Form("[[2,0],[0,2]]", "math")),
        ("y = 2, x = 1", Form("x=1;y=2", "math")),
        ("x = 3 or x = -3", Form("{-3,3}", "math")),
        (r"x = \pm 3", Form("{-3,3}", "math")),
        ("2 + 3 = 5", Form("5", "number")),
        ("5 = x", Form("5", "number")),
        ("3x - 6 = 0", Form("2", "math")),
        (r"\mathbb{R}", Form("(-inf,inf)", "math")),
        (r"\varnothing", Form("emptyset", "math")),
        (r"\int_0^1 x\,dx", Form(r"\int_0^1xdx", "unread")),
        (r"1 + \infty", Form(r"1+\infty", "unread")),
        ("9^{9^{9^9}}", Form("9^{9^{9^9}}", "unread")),
        ("", Form("", "text")),
        ("$", Form("", "text")),
    ],
)
def test_form(answer: str, form: Form) -> None:
    assert canonical(answer) == form


@pytest.mark.parametrize(
    "equal",
    [
        ["y=2x+1", "2x-y+1=0", "4x-2y+2=0", "2x+1", "f(x) = 2x + 1", "y - 1 = 2x"],
        ["x^2+y^2=1", "2x^2+2y^2-2=0", "1 = x^2 + y^2", "-x^2 = y^2 - 1"],
        ["x = 2y", "y = x/2", "x - 2y = 0"],
        ["x > 3", "3 < x", r"x \in (3, \infty)", r"(3,\infty)", "2x > 6"],
        ["(-inf, 2) U (3, inf)", r"x<2 \text{ or } x>3", r"(3,\infty)\cup(-\infty,2)"],
        [r"3 \pm \sqrt 2", r"\{3-\sqrt2,3+\sqrt2\}", r"x = 3+\sqrt2 or x = 3-\sqrt2"],
        [r"\sin 30^\circ", "1/2", r"\frac{\sqrt{4}}{4}"],
        [r"\langle 1,2\rangle", "(1,2)", "(x,y) = (1,2)"],
        [r"12\pi\text{ cm}^2", "12π", "12 pi", "12*pi square feet"],
        ["xy", r"y \cdot x", "yx"],
        ["y > 2x+1", "2x + 1 < y", "y - 2x > 1"],
    ],
)
def test_equal(equal: list[str]) -> None:
    assert {answer: canonical(answer).key for answer in equal} == dict.fromkeys(equal, canonical(equal[0]).key)


def test_different() -> None:
    different = [
        "x+y=5", "5", "x-y=5", "x^2=4", "x^2=9", "x^2+4=0", "(1,2)", "[1,2]", "[1,2)", "1,2", "2,1,1", "(2,1)",
        "x=1, y=2",
        "x=2, y=1", "52_8", "52_9", "52", "y=2x+1", "x=2y+1", "x=y^2", "y>2x+1", "y<2x+1", r"y \ge 2x+1", "seat",
        "east",
        "3:1", "1:3", "1 2", "12", "3", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
        r"\begin{pmatrix}1&3\\2&4\end{pmatrix}",
        r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "ABC", "ACB", r"\int_0^1 x dx", r"\int_0^2 x dx",
    ]  # fmt: skip
    keys = [canonical(answer).key for answer in different]
    assert len(set(keys)) == len(different)


PIECES = [
    *"0123456789+-*/^{}()[]$%,.= abxye\\!|_<>:;'~&°", r"\frac", r"\sqrt", r"\text{", r"\left(", r"\right)", r"\pm",
    r"\cup",
    r"\begin{pmatrix}", r"\\", r"\end{pmatrix}", "x=", r"\sin ", r"\log_", "9^", r"\infty", r"\le ", "√",
    "２", "\u200b",
    "\u202e", "\x00", "1,000", r"\{", r"\}", "e^", " or ", " and ", "million", r"\binom", r"\lfloor", "½",
    "__import__",
]  # fmt: skip
hostile = st.one_of(
    st.text(max_size=120),
    st.lists(st.sampled_from(PIECES), max_size=120).map("".join),
    st.tuples(st.sampled_from(PIECES), st.sampled_from(PIECES)).map(lambda pair: "".join(pair) * MAX_ANSWER),
)


@given(hostile)
def test_never_raises_is_bounded_and_says_what_it_is(answer: str) -> None:
    form = canonical(answer[:MAX_ANSWER])
    assert form.kind in ("number", "math", "text", "unread")
    assert len(form.key) <= 200


@pytest.mark.parametrize(
    "piece", [
        "x!", "i!", r"\pix", "e^|", "2^", "{", "((", r"\sin", "√", r"\{", "x_1x_2x_3", "1/", "9", "or ",
    ],
)  # fmt: skip
def test_hostile_answers_are_no_burden(piece: str, calls: Callable[[Callable[[], object]], int]) -> None:
    """At most 92,000 calls on CPython 3.11."""
    answer = (piece * MAX_ANSWER)[:MAX_ANSWER]
    assert calls(lambda: canonical(answer)) < 200_000


def test_a_huge_answer_is_only_cut_off() -> None:
    assert canonical("7" * 10**6).kind == "text"
    assert canonical("(" * 10**5).kind == "text"


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_lists_do_not_mind_order_and_tuples_do(first: int, second: int) -> None:
    assert canonical(f"{first}, {second}") == canonical(rf"\{{{second}; {first}\}}") or first == second
    assert (canonical(f"({first}, {second})") == canonical(f"({second}, {first})")) is (first == second)


@given(st.integers(-9, 9).filter(bool), st.integers(-9, 9), st.integers(-9, 9))
def test_a_line_has_one_key(a: int, b: int, factor: int) -> None:
    written = [f"y = {a}x + ({b})", f"{a}x - y = {-b}", f"y - ({b}) = {a}x", f"y={a}(x + {b}/({a}))"]
    assert len({canonical(each).key for each in written}) == 1
    assert canonical(f"y = {a}x + ({b}) + {factor}").key != canonical(written[0]).key or factor == 0
