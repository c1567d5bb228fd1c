from __future__ import annotations

import pytest

from w2s.tasks.wording import mask, normalise


@pytest.mark.parametrize(
    "one, other",
    [
        ("How many apples?", "how  many\nAPPLES"),
        ("Janet’s 16 ducks.", "Janet's 16 ducks"),
        ("It costs $1,000!", "it costs 1000"),
        ("A 120-page book", "A 120 page book"),
        ("from 5–9 pm", "from 5-9 pm"),
        ("He has ５ ｐｅｎｓ", "He has 5 pens"),  # full width
        ("the ﬁrst", "the first"),
        ("A jar holds 2½ cups", "A jar holds 2 1/2 cups"),
        ("an area of 5 m²", "an area of 5 m^2"),
        ("ap\u200bples", "apples"),  # zero-width space
        ("ap\u00adples and\ufeff pears", "apples and pears"),  # soft hyphen, byte-order mark
        ("ap\ufe0fples\x00", "apples"),  # variation selector, control character
        ("cafe\u0301", "caf\u00e9"),
        ("R&amp;D costs &#36;5&nbsp;a day", "R&D costs $5 a day"),
        ("Is 2 &lt; 3?", "Is 2 < 3?"),
        ("Question: How many?", "How many?"),
        ("Q7: How many?\nAnswer:", "How many?"),
        ("Problem 12. : How many?", "How many?"),
        ("Question 12. How many?", "How many?"),
        ("### Question\nHow many?", "How many?"),
        ("**Task:** How many?", "How many?"),
        ("(3) How many?", "How many?"),
        ("3. How many?", "How many?"),
        ("How <b>many</b> are <em>left</em>?<br/>", "How many are left?"),
        ("**How** many are ***5***?", "How many are 5?"),
    ],
)
def test_case_spacing_and_punctuation_do_not_count(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("What is 5 + 3?", "What is 5 - 3?"),
        ("What is 5*3?", "What is 5/3?"),
        ("Is 2 < 3?", "Is 2 > 3?"),
        ("It weighs 1.25 kg", "It weighs 125 kg"),
        ("多少苹果?", "多少梨?"),
        ("???", "!!!"),
        ("What is 5²?", "What is 52?"),
        ("What is log₂8?", "What is log 28?"),
        ("He ate 2½ pies", "He ate 21/2 pies"),
        ("Is 2 &lt; 3?", "Is 2 &gt; 3?"),
        ("Question:", "Answer:"),
        ("The question: how many?", "How many?"),
        ("3.5 apples are how many?", "apples are how many?"),
        ("What is 2**3 + 3**2?", "What is 23 + 32?"),
        ("What is 2 * 3 * 4?", "What is 2 3 4?"),
        ("Is a < b > c?", "Is a c?"),
    ],
)
def test_what_changes_the_question_counts(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_masked_questions_differ_in_numbers_only() -> None:
    assert mask(normalise("Tom has 3 apples.")) == mask(normalise("Tom has 1,207.5 apples"))
    assert mask(normalise("Tom has 3 apples.")) != mask(normalise("Tom has 3 pears."))
