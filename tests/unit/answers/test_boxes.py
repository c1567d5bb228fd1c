r"""Boxes by their braces: the last one is a solution's answer, and neighbours are one answer."""

from __future__ import annotations

import pytest

from w2s.answers.boxes import MAX_ANSWER, boxed, boxed_answers, boxes


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{1}, or rather \boxed{2}", "2"),
        (r"\fbox{ 7 }", "7"),
        (r"\boxed{7} and \boxed{}", "7"),
        (r"\boxed{7", None),
        (r"\boxed{\{7\}}", r"\{7\}"),
        (r"\boxed{" + "7" * (MAX_ANSWER + 1) + "}", None),
        ("7", None),
    ],
)
def test_the_last_box_that_is_an_answer(text: str, answer: str | None) -> None:
    assert boxed(text) == answer


def test_only_the_outermost_box_counts() -> None:
    r"""`a \boxed{\boxed{1}}`: the box begins at 2, its content is 9 to 18."""
    assert boxes(r"a \boxed{\boxed{1}}") == [(2, 9, 18)]


def test_neighbours_are_one_answer_where_a_separator_stands_between_them() -> None:
    r"""`\boxed{1}` has 9 characters: the third begins at 9 + 2 + 9 + 5."""
    answers = boxed_answers(r"\boxed{1}, \boxed{2} but \boxed{3}")
    assert [(box.begin, answer) for box, answer in answers] == [(0, "1, 2"), (25, "3")]
