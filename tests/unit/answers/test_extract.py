from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers import extract
from w2s.answers.extract import MAX_ANSWER


@pytest.mark.parametrize(
    ("text", "style", "answer"),
    [
        ("2 + 3 = 5.\n#### 5", "gsm8k", "5"),
        ("#### 5\nQuestion: another?\nAnswer: #### 7", "gsm8k", "5"),
        ("first #### 4\nthen\n####1,200 apples", "gsm8k", "1,200 apples"),
        ("The answer is: 18.", "gsm8k", "18"),
        ("So the answer is $5 x 3 = $15 in total.", "gsm8k", "$15"),
        (r"Thus \boxed{18}", "gsm8k", "18"),
        ("He has 3 and then 1,200.", "gsm8k", "1,200"),
        ("It sank to -4.5 degrees", "gsm8k", "-4.5"),
        ("####\nno number here", "gsm8k", None),
        ("", "gsm8k", None),
        (r"The answer is: \frac{1}{2}", "math", r"\frac{1}{2}"),
        (r"The final answer is $3$. The answer is: 3", "math", "3"),
        ("The answer is 5. I hope it is correct.", "math", "5"),
        (r"so \boxed{\frac{1}{\sqrt{2}}} holds", "math", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{1} or \boxed{2}", "math", "2"),
        (r"\boxed{unclosed 7", "math", "7"),
        ("x is 3/4", "math", "3/4"),
        ("from 3 to 12.5%", "number", "12.5%"),
        ("no digits", "number", None),
        ("I think so.\nYes", "text", "Yes"),
        ("The answer is Paris.\nBye", "text", "Paris"),
    ],
)
def test_flexible(text: str, style: str, answer: str | None) -> None:
    assert extract(text, style) == answer


@pytest.mark.parametrize(
    ("text", "style", "answer"),
    [
        ("2 + 3 = 5.\n#### 5", "gsm8k", "5"),
        ("#### 5\nQuestion 2: #### 6", "gsm8k", "5"),  # released: cut at "Question" without a colon
        ("#### 5\nThat is all 5", "gsm8k", None),  # released: the mark must stand on the last line
        ("#### 1 #### 2", "gsm8k", "1 #### 2"),
        ("He has 18", "gsm8k", None),
        ("The answer is 1,200.5. So", "gsm8k", "1200.5"),
        ("The answer is: 7", "math", "7"),
        (r"\boxed{7}", "math", None),
    ],
)
def test_strict_decides_as_the_released_code(text: str, style: str, answer: str | None) -> None:
    assert extract(text, style, flexible=False) == answer


def test_an_answer_that_is_too_long_is_no_answer() -> None:
    assert extract("#### " + "7" * MAX_ANSWER, "gsm8k") == "7" * MAX_ANSWER
    assert extract("The answer is: " + "x" * (MAX_ANSWER + 1), "text", flexible=False) is None


@pytest.mark.parametrize("style", ["gsm8k", "math", "number", "text"])
@pytest.mark.parametrize("piece", ["####", "1,", "answer is ", r"\boxed{", "{", "\n", "1 ", "Question", "-$.", "1/"])
def test_hostile_text_is_read_in_linear_time(style: str, piece: str) -> None:
    """A megabyte of repeated marks; quadratic work would take minutes."""
    text = piece * (1_000_000 // len(piece))
    start = time.process_time()
    for flexible in (True, False):
        answer = extract(text, style, flexible=flexible)
        assert answer is None or len(answer) <= MAX_ANSWER
    assert time.process_time() - start < 5


@given(st.text(max_size=300), st.sampled_from(["gsm8k", "math", "number", "text"]), st.text(max_size=50))
def test_text_after_the_next_question_never_counts(text: str, style: str, more: str) -> None:
    assert extract(f"{text}Question:{more}", style) == extract(text, style)
