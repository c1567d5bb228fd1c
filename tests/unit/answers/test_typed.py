from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers.extract import MAX_ANSWER
from w2s.answers.typed import AnswerType, typed, within
from w2s.errors import UserError


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"), ("b", "B"), ("(B)", "B"), ("(b)", "B"), ("[B]", "B"), ("B.", "B"), ("B)", "B"), ("B:", "B"),
        ("(B) 5 apples", "B"), ("B) 5 apples", "B"), ("B: 5 apples", "B"), ("B. 5 apples", "B"), ("B - 5 apples", "B"),
        ("Option B", "B"), ("option (B)", "B"), ("choice B, as A is wrong", "B"),
        ("The correct answer is D: blue", "D"),
        (r"\text{B}", "B"), (r"\mathrm{B}", "B"), (r"$\boxed{\text{B}}$", "B"), ("**B**", "B"),
        ("I think it is B", "B"),
        ("A", "A"), ("5", None), ("five apples", None), ("A or B", None), ("", None), ("AB", None),
    ],
)  # fmt: skip
def test_single_choice(answer: str, letter: str | None) -> None:
    assert typed(answer, "SC") == letter


@pytest.mark.parametrize(
    ("answer", "letters"),
    [
        ("A, C", "A, C"), ("AC", "A, C"), ("CA", "A, C"), ("A,C", "A, C"), ("A and C", "A, C"), ("[A,C]", "A, C"),
        ("A; C", "A, C"), ("(A) and (C)", "A, C"), ("A & C", "A, C"), ("options A and D", "A, D"),
        ("ABCD", "A, B, C, D"),
        (r"\text{A, C}", "A, C"), (r"\text{A and C}", "A, C"), ("A: foo, C: bar", "A, C"), ("A, A", "A"), ("B", "B"),
        ("(b)", "B"), ("none", None), ("5", None), ("", None),
    ],
)  # fmt: skip
def test_multiple_choice(answer: str, letters: str | None) -> None:
    assert typed(answer, "MC") == letters


@pytest.mark.parametrize(
    ("answer", "judgement"),
    [
        ("True", "True"), ("true.", "True"), ("T", "True"), ("yes", "True"), ("Correct", "True"),
        (r"\text{True}", "True"),
        ("The statement is true", "True"), ("Yes, it is correct", "True"), ("not false", "True"), ("False", "False"),
        ("F", "False"), ("No", "False"), ("incorrect", "False"), ("wrong", "False"), ("not true", "False"),
        ("No, that is so", "False"), ("**False**", "False"), ("maybe", None), ("5", None),
        ("true or false", None), ("", None),
    ],
)  # fmt: skip
def test_true_false(answer: str, judgement: str | None) -> None:
    assert typed(answer, "TF") == judgement


@pytest.mark.parametrize(
    ("answer", "unit", "value"),
    [
        (r"5 \mathrm{~m/s}", "m/s", "5"),
        ("5 m/s", r"\mathrm{~m/s}", "5"),
        ("5 m", "m", "5"),
        ("5m", "m", "5"),
        (r"12 \text{ cm}", "cm", "12"),
        (r"$5 \mathrm{~m}$", "m", "5"),
        (r"$40^{\circ} \mathrm{C}$", r"^{\circ} \mathrm{C}", "40"),
        (r"1.5 \times 10^{3} \mathrm{~kg}", r"\mathrm{kg}", r"1.5 \times 10^{3}"),
        ("5 km", "m", "5 km"),
        ("5", "m", "5"),
        ("5", None, "5"),
        ("5 m", None, "5 m"),
        ("5 m", "  ", "5 m"),
        ("m", "m", None),
    ],
)
def test_a_numeric_value_loses_its_unit(answer: str, unit: str | None, value: str | None) -> None:
    assert typed(answer, "NV", unit) == value


@pytest.mark.parametrize("kind", ["SET", "IN", "EX", "EQ", "TUP", "MPV", "MA", "OT"])
def test_other_types_stay_as_they_are(kind: AnswerType) -> None:
    assert typed(r" \{1, 2\} m", kind, "m") == r"\{1, 2\} m"


@given(
    st.text(max_size=500) | st.text("ABC (),.$\\{}~m12", max_size=40),
    st.sampled_from(get_args(AnswerType)),
    st.text(max_size=8),
)
def test_never_raises_and_reads_its_own_spelling_alike(answer: str, kind: AnswerType, unit: str) -> None:
    value = typed(answer, kind, unit)
    assert value is None or (value and len(value) <= MAX_ANSWER)
    if value is not None and kind in ("SC", "MC", "TF"):
        assert typed(value, kind) == value


def test_within() -> None:
    assert within("5.02", "5", 0.02)
    assert not within("5.03", "5", 0.02)
    assert within("5 apples", "10/2", 0)
    assert within("101", "100", 0.01, relative=True)
    assert not within("102", "100", 0.01, relative=True)
    assert within("-101", "-100", 0.01, relative=True)
    assert within(r"\frac{1}{3}", "0.33333", 1.01e-5)
    assert not within("x", "x", 1)
    assert not within("1" * (MAX_ANSWER + 1), "1", 1)


@pytest.mark.parametrize("tolerance", [-1, float("nan"), float("inf")])
def test_a_tolerance_that_is_none(tolerance: float) -> None:
    with pytest.raises(UserError, match="tolerance"):
        within("1", "1", tolerance)
