"""What "equal keys" must be whatever the answers are: an equivalence that agrees with exact mathematics."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers import extract, grade, key

pytestmark = pytest.mark.usefixtures("patient_workers")

TABLE = Path(__file__).with_name("equivalence_cases.txt")


def assert_equivalence(answers: Sequence[str]) -> None:
    """Over all pairs: `grade` is symmetric, and "correct" exactly where keys are equal, so it is transitive too."""
    keys = {answer: key(answer) for answer in answers}
    assert None not in keys.values()
    wrong = []
    for left, right in itertools.combinations_with_replacement(answers, 2):
        forth, back = grade(left, right), grade(right, left)
        equal = keys[left] == keys[right]
        if forth != back or (forth == "correct") != equal:
            wrong.append((left, right, forth, back, keys[left], keys[right]))
    assert wrong == []


def test_equivalence_on_the_table() -> None:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    sides = {
        side.strip()
        for line in lines
        if line and not line.startswith("#")
        for half in line.partition("  ;;")[0].split(" === ")
        for side in half.split(" =/= ")
    }
    assert len(sides) > 700
    assert_equivalence(random.Random(1).sample(sorted(sides), 180))


def test_equivalence_on_released_math_answers(reference_data: Path) -> None:
    """All pairs of 180 golds and predictions, most of them of those that hold LaTeX or occur often."""
    rows = [
        row
        for name in ("icl", "weak")
        for row in json.loads((reference_data / f"gair/train/math_gemma_2b_iter1_{name}.json").read_text("utf-8"))
    ]
    seen = Counter(answer for row in rows for answer in (row["gold"], row["pred"]) if answer)
    written = sorted(seen, key=lambda answer: ("\\" not in answer, -seen[answer], answer))
    draw = random.Random(2)
    assert_equivalence(draw.sample(written[: len(written) // 2], 120) + draw.sample(written[len(written) // 2 :], 60))


def test_equivalence_on_released_gsm8k_answers(reference_data: Path) -> None:
    with open(reference_data / "gair/outputs/gsm8k_train_2_llama2_7b.jsonl", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    answers = {answer for row in rows for answer in (row["gold"], extract(row["response"], "gsm8k")) if answer}
    assert_equivalence(random.Random(3).sample(sorted(answers), 250))


# --- constants: a random expression, its exact value and its spelling ---

Known = tuple[Fraction, str, str]  # the value, and two spellings that mean it


def _leaf(number: int) -> Known:
    return Fraction(number), str(number), rf"{{{number}}}"


def _join(parts: tuple[Known, Known, str]) -> Known:
    (a, plain_a, latex_a), (b, plain_b, latex_b), operation = parts
    if operation == "+":
        return a + b, f"({plain_a}+{plain_b})", rf"\left({latex_b}+{latex_a}\right)"
    if operation == "-":
        return a - b, f"({plain_a}-({plain_b}))", rf"\left(-\left({latex_b}\right)+{latex_a}\right)"
    if operation == "*":
        return a * b, f"({plain_a})*({plain_b})", rf"\left({latex_b}\right)\cdot\left({latex_a}\right)"
    if b == 0:
        return a, plain_a, latex_a
    return a / b, f"(({plain_a})/({plain_b}))", rf"\frac{{{latex_a}}}{{{latex_b}}}"


constants = st.recursive(
    st.integers(0, 30).map(_leaf),
    lambda inner: st.tuples(inner, inner, st.sampled_from("+-*/")).map(_join),
    max_leaves=7,
)


@given(constants)
def test_the_key_of_a_rational_expression_is_its_value(known: Known) -> None:
    value, plain, latex = known
    assert (key(plain), key(latex)) == (str(value), str(value))


# --- polynomials in x: the roots know when two are equal ---

roots = st.lists(st.integers(-5, 5), min_size=1, max_size=4)


def _factored(zeros: Sequence[int]) -> str:
    return "".join(f"(x{-zero:+d})" if zero else "x" for zero in zeros)


def _expanded(zeros: Sequence[int]) -> str:
    coefficients = [1]
    for zero in zeros:
        coefficients = [a - zero * b for a, b in zip([*coefficients, 0], [0, *coefficients], strict=True)]
    degree = len(zeros)
    return "".join(f"{c:+d}x^{{{degree - i}}}" for i, c in enumerate(coefficients) if c).replace("x^{0}", "")


@given(roots, st.randoms(use_true_random=False))
def test_polynomials_are_equal_in_any_form(zeros: list[int], draw: random.Random) -> None:
    shuffled = zeros[:]
    draw.shuffle(shuffled)
    assert key(_factored(zeros)) == key(_factored(shuffled)) == key(_expanded(zeros))


@given(roots, roots)
def test_polynomials_with_other_roots_differ(zeros: list[int], others: list[int]) -> None:
    same = sorted(zeros) == sorted(others)
    assert (key(_expanded(zeros)) == key(_factored(others))) is same
    assert (key(_expanded(zeros) + "=0") == key(f"{_factored(others)}=0")) is same


@given(roots, st.integers(1, 60))
def test_a_small_constant_makes_another_polynomial(zeros: list[int], scale: int) -> None:
    assert key(f"{_expanded(zeros)}+10^{{-{scale}}}") != key(_expanded(zeros))


# --- numbers that are near each other ---


@given(st.integers(1, 10**30), st.integers(1, 10**30))
def test_fractions_are_equal_only_when_they_are(top: int, bottom: int) -> None:
    assert key(rf"\frac{{{top}}}{{{bottom}}}") != key(rf"\frac{{{top}}}{{{bottom + 1}}}")
    assert key(rf"\frac{{{top}}}{{{bottom}}}") == key(rf"\frac{{{3 * top}}}{{{3 * bottom}}}")


@given(st.integers(2, 10**6))
def test_a_root_is_not_its_decimals(number: int) -> None:
    square = int(number**0.5) ** 2 == number
    assert (key(rf"\sqrt{{{number}}}") == key(f"{number**0.5!r}")) is square
    assert key(rf"\sqrt{{{4 * number}}}") == key(rf"2\sqrt{{{number}}}")


# --- lists, sets, tuples, intervals ---

ENTRIES = ["1", "-2", "1/2", r"\sqrt{3}", r"\pi", "x", "x+1", "2i"]
entries = st.lists(st.sampled_from(ENTRIES), min_size=2, max_size=5, unique=True)


@given(entries, st.randoms(use_true_random=False))
def test_order_counts_in_tuples_only(items: list[str], draw: random.Random) -> None:
    shuffled = items[:]
    draw.shuffle(shuffled)
    listed = key(", ".join(items))
    assert listed == key(", ".join(shuffled)) == key(rf"\{{{','.join(shuffled)}\}}")
    assert (key(f"({', '.join(items)})") == key(f"({','.join(shuffled)})")) is (items == shuffled)
    assert listed != key(f"({', '.join(items)})")
    assert listed != key(", ".join(items[1:]))


@given(st.fractions(-9, 9, max_denominator=9), st.integers(1, 9), st.sampled_from("(["), st.sampled_from(")]"))
def test_the_ends_of_an_interval_count(low: Fraction, width: int, opening: str, closing: str) -> None:
    high = low + width
    here = key(f"{opening}{low},{high}{closing}")
    for left, right in itertools.product("([", ")]"):
        latex = rf"\left{left}\frac{{{low.numerator}}}{{{low.denominator}}}, {high} \right{right}"
        assert (key(latex) == here) is ((left, right) == (opening, closing))
    below = {"(": "<", "[": r"\le"}[opening], {")": "<", "]": r"\leq"}[closing]
    assert key(f"{low} {below[0]} x {below[1]} {high}") == here


# --- whatever the text ---

PIECES = [*"0123456789+-*/^{}()[]$%,.=<> abxeπ√½", r"\frac", r"\sqrt", r"\pm", r"\cup", r"\text{", r"\pi", "or "]


@given(st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join), min_size=2, max_size=6))
def test_equivalence_on_any_text(answers: list[str]) -> None:
    assert_equivalence([answer for answer in answers if key(answer) is not None])


@pytest.mark.parametrize("answer", ["18", r"\frac{1}{2}", "x^2+1", "(1,2)", "Friday", r"\int_0^1 x\,dx"])
def test_an_answer_is_itself(answer: str) -> None:
    assert key(answer) == key(answer)
    assert grade(answer, answer) == "correct"
