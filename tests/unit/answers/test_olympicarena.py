from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers import key
from w2s.answers.extract import MAX_ANSWER
from w2s.answers.olympicarena import AnswerType, ExpectedAnswer, as_text, expected_answer, read, spell, within
from w2s.config.choices import AnswerRule
from w2s.errors import UserError

OPENING = "You are participating in an international Physics competition and need to solve the following question.\n"


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
    assert spell(answer, ExpectedAnswer("SC")) == letter


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
    assert spell(answer, ExpectedAnswer("MC")) == letters


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
    assert spell(answer, ExpectedAnswer("TF")) == judgement


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
    assert spell(answer, ExpectedAnswer("NV", unit)) == value


@pytest.mark.parametrize("kind", ["SET", "IN", "EX", "EQ", "TUP", "MA", "OT"])
def test_other_types_stay_as_they_are(kind: AnswerType) -> None:
    assert spell(r" \{1, 2\} m", ExpectedAnswer(kind, "m")) == r"\{1, 2\} m"


@given(
    st.text(max_size=500) | st.text("ABC (),.$\\{}~m12", max_size=40),
    st.sampled_from(get_args(AnswerType)),
    st.text(max_size=8),
)
def test_never_raises_and_reads_its_own_spelling_alike(answer: str, kind: AnswerType, unit: str) -> None:
    value = spell(answer, ExpectedAnswer(kind, unit))
    assert value is None or (value and len(value) <= MAX_ANSWER + 2 * (kind == "MPV"))
    if value is not None and kind in ("SC", "MC", "TF"):
        assert spell(value, ExpectedAnswer(kind)) == value


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


@pytest.mark.parametrize("sentence, kind", [
    ("This is a multiple choice question (only one correct answer).", "SC"),
    ("This is a multiple choice question (more than one correct answer).", "MC"),
    ("This is a True or False question.", "TF"),
    ("The answer to this question is a numerical value.", "NV"),
    ("The answer to this question is a set.", "SET"),
    ("The answer to this question is a range interval.", "IN"),
    ("The answer to this question is an expression.", "EX"),
    ("The answer to this question is an equation.", "EQ"),
    ("The answer to this question is a tuple.", "TUP"),
    ("This question involves multiple quantities to be determined.", "MPV"),
    ("This question has more than one correct answer, you need to include them all.", "MA"),
    ("How many apples?", None),
])  # fmt: skip
def test_the_question_says_its_type(sentence: str, kind: str | None) -> None:
    assert expected_answer(f"{OPENING}{sentence}\n\nQuestion: x?") == ExpectedAnswer(kind)  # type: ignore[arg-type]


def test_the_question_says_its_unit() -> None:
    text = (
        f"{OPENING}The answer to this question is a numerical value.\n\nQuestion: x?\n\nRemember, your answer should "
        "be calculated in the unit of $\\mathrm{~m} / \\mathrm{s}$, but when concluding your final answer, do not."
    )
    assert expected_answer(text) == ExpectedAnswer("NV", "$\\mathrm{~m} / \\mathrm{s}$")


def test_the_first_type_counts_and_it_must_be_a_line_of_its_own() -> None:
    text = f"{OPENING}This is a True or False question.\n\nQuestion: Say:\nThe answer to this question is a set.\n"
    assert expected_answer(text).kind == "TF"
    assert expected_answer("He said: This is a True or False question.").kind is None


@pytest.mark.parametrize(
    ("answer", "kind", "unit", "spelling"),
    [
        ("(B) the second", "SC", None, "B"), ("CA", "MC", None, "A, C"), ("yes", "TF", None, "True"),
        ("5 km", "NV", "km", "5"), ("1, 2", "MPV", None, "(1, 2)"), ("(1, 2)", "MPV", None, "(1, 2)"),
        ("7", "MPV", None, "7"), ("1, 2", "MA", None, "1, 2"), ("pear", "TF", None, None), (None, "SC", None, None),
        ("5 km", None, None, "5 km"),
    ],
)  # fmt: skip
def test_spelling(answer: str | None, kind: AnswerType | None, unit: str | None, spelling: str | None) -> None:
    assert spell(answer, ExpectedAnswer(kind, unit)) == spelling


def test_several_quantities_have_an_order_and_several_answers_have_none() -> None:
    for kind, same in (("MPV", False), ("MA", True), ("SET", True)):
        one, other = (spell(text, ExpectedAnswer(kind)) for text in ("1, 2", "2, 1"))  # type: ignore[arg-type]
        assert (key(one) == key(other)) is same


def test_another_style_does_not_look_at_the_question() -> None:
    question = "This is a True or False question.\n\nQuestion: x?"
    assert read("The answer is: 5", question, AnswerRule("math")) == "5"
    assert read("The final answer is $\\boxed{\\text{False}}$.", question, AnswerRule("olympicarena")) == "False"


@pytest.mark.parametrize("answer, kind, expected", [
    (["A"], "SC", "A"), ("3", "NV", "3"), (3, "NV", "3"), (["1", "2"], "SET", "\\{1, 2\\}"),
    (["1", "2"], "MPV", "(1, 2)"),
    (["1", "2"], "MA", "1, 2"), (["A", "C"], "MC", "A, C"), ([], "SC", None), ([None], "SC", None), (True, "TF", None),
])  # fmt: skip
def test_gold_as_one_text(answer: object, kind: str, expected: str | None) -> None:
    assert as_text(answer, kind) == expected  # type: ignore[arg-type]


@given(st.text(max_size=600))
def test_any_text_is_read(text: str) -> None:
    expected = expected_answer(text)
    assert spell(text, expected) is None or isinstance(spell(text, expected), str)
