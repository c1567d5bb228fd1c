from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers import key
from w2s.answers.stated import Asked, asked, read, spelled, written

OPENING = "You are participating in an international Physics competition and need to solve the following question.\n"


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
    assert asked(f"{OPENING}{sentence}\n\nQuestion: x?") == Asked(kind)  # type: ignore[arg-type]


def test_the_question_says_its_unit() -> None:
    text = (
        f"{OPENING}The answer to this question is a numerical value.\n\nQuestion: x?\n\nRemember, your answer should "
        "be calculated in the unit of $\\mathrm{~m} / \\mathrm{s}$, but when concluding your final answer, do not."
    )
    assert asked(text) == Asked("NV", "$\\mathrm{~m} / \\mathrm{s}$")


def test_the_first_type_counts_and_it_must_be_a_line_of_its_own() -> None:
    text = f"{OPENING}This is a True or False question.\n\nQuestion: Say:\nThe answer to this question is a set.\n"
    assert asked(text).kind == "TF"
    assert asked("He said: This is a True or False question.").kind is None


@pytest.mark.parametrize("answer, wanted, expected", [
    ("(B) the second", Asked("SC"), "B"), ("CA", Asked("MC"), "A, C"), ("yes", Asked("TF"), "True"),
    ("5 km", Asked("NV", "km"), "5"), ("1, 2", Asked("MPV"), "(1, 2)"), ("(1, 2)", Asked("MPV"), "(1, 2)"),
    ("7", Asked("MPV"), "7"), ("1, 2", Asked("MA"), "1, 2"), ("pear", Asked("TF"), None), (None, Asked("SC"), None),
    ("5 km", Asked(), "5 km"),
])  # fmt: skip
def test_spelled(answer: str | None, wanted: Asked, expected: str | None) -> None:
    assert spelled(answer, wanted) == expected


def test_several_quantities_have_an_order_and_several_answers_have_none() -> None:
    for kind, same in (("MPV", False), ("MA", True), ("SET", True)):
        one, other = (spelled(text, Asked(kind)) for text in ("1, 2", "2, 1"))  # type: ignore[arg-type]
        assert (key(one) == key(other)) is same


def test_another_style_does_not_look_at_the_question() -> None:
    question = "This is a True or False question.\n\nQuestion: x?"
    assert read("The answer is: 5", question, "math", "equivalent") == "5"
    assert read("The final answer is $\\boxed{\\text{False}}$.", question, "olympicarena", "equivalent") == "False"


@pytest.mark.parametrize("answer, kind, expected", [
    (["A"], "SC", "A"), ("3", "NV", "3"), (3, "NV", "3"), (["1", "2"], "SET", "\\{1, 2\\}"),
    (["1", "2"], "MPV", "(1, 2)"),
    (["1", "2"], "MA", "1, 2"), (["A", "C"], "MC", "A, C"), ([], "SC", None), ([None], "SC", None), (True, "TF", None),
])  # fmt: skip
def test_written(answer: object, kind: str, expected: str | None) -> None:
    assert written(answer, kind) == expected  # type: ignore[arg-type]


@given(st.text(max_size=600))
def test_any_text_is_read(text: str) -> None:
    wanted = asked(text)
    assert spelled(text, wanted) is None or isinstance(spelled(text, wanted), str)
