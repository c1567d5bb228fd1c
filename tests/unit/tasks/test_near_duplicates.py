from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.tasks import near_duplicates


@pytest.mark.parametrize(
    "one, other",
    [
        ("Joan has 5 pens.", "Tom has 17.25 pens."),
        ("Mrs. Hilt has 5 pens. How many pens has she?", "Mr. Bo has 1,000 pens. How many pens has he?"),
        ("There are twenty-five birds.", "There are 7 birds!"),
        ("We saw seven birds.", "We saw three hundred, 20 birds"),
    ],
)
def test_numbers_names_and_pronouns_do_not_count(one: str, other: str) -> None:
    assert near_duplicates.words(one) == near_duplicates.words(other)


def test_near_duplicates_are_those_that_share_enough_words() -> None:
    """Name, has, 0, red, pens: with `blue` for `red` 4 of 6 are shared (0.67); with one more word 5 of 6 (0.83)."""
    questions = ["Joan has 5 red pens.", "Joan has 5 blue pens.", "Tom has 6 red pens left."]
    assert near_duplicates.groups(questions) == [0, 1, 0]
    assert near_duplicates.groups(questions, 0.6) == [0, 0, 0]
    assert near_duplicates.groups(questions, 1) == [0, 1, 2]


def test_a_near_duplicate_of_one_is_of_the_group() -> None:
    """a and b share 4 words of 5, b and c 4 of 5, a and c 3 of 5."""
    assert near_duplicates.groups(["w x y z", "w x y z u", "x y z u"], 0.75) == [0, 0, 0]
    assert near_duplicates.groups(["w x y z", "x y z u"], 0.75) == [0, 1]


QUESTION = "Janet sells 48 eggs at the market, and she gives one of her 3 friends 2.50 dollars. How much is left?"


@pytest.mark.parametrize(
    "other",
    [
        QUESTION.replace("Janet", "Bartholomew"),  # a name
        QUESTION.replace("market", "bazaar"),  # a word
        QUESTION.replace("How much", "How much money"),  # a word more
        QUESTION.replace("48", "forty-eight").replace("3", "three"),
        QUESTION.replace("2.50", "2.5"),
        QUESTION.replace("e", "\u0435").replace("a", "\u0430").replace("o", "\u03bf"),  # Cyrillic and Greek
        QUESTION.replace("o", "\u0585"),  # Armenian
        "Question 7. " + QUESTION.replace("market", "<b>bazaar</b>").replace("48", "**48**"),
        QUESTION.replace("she", "he").replace("her", "his"),
        "Question: " + QUESTION.replace("market", "mar\u200bket").replace("and", "&amp;"),
        QUESTION.upper(),
    ],
)
def test_what_retells_a_question_is_near(other: str) -> None:
    forms = {"q": near_duplicates.form(QUESTION)}
    assert list(near_duplicates.pairs({"o": near_duplicates.form(other)}, forms)) == [("o", "q")]


@pytest.mark.parametrize(
    "other",
    [
        QUESTION.replace("48", "84"),  # the same template, other numbers
        QUESTION.replace("48", "3").replace("her 3", "her 48"),  # the same numbers, otherwise used
        QUESTION.replace("48", "forty"),
        QUESTION.replace("2.50", "25.0"),
        QUESTION + " Then she buys 5 more.",
        "Janet sells 48 of her 3 things for 2.50.",
        "A train of 48 cars passes 3 bridges in 2.50 hours, so how long does it take to pass a bridge on average?",
    ],
)
def test_what_is_another_question_is_not_near(other: str) -> None:
    forms = {"q": near_duplicates.form(QUESTION)}
    assert not list(near_duplicates.pairs({"o": near_duplicates.form(other)}, forms))


@pytest.mark.parametrize("one, other", [
    ("What is the sum 5 + 3 in this table of many words?", "What is the sum 5 - 3 in this table of many words?"),
    ("There are seven red birds here now.", "There are eight red birds here now."),
    ("HOW MANY CATS ARE IN THE 3 BOXES?", "WHICH DOG RAN TO THOSE 3 HOUSES TODAY?"),  # capitals are not all names
])  # fmt: skip
def test_signs_spelled_numbers_and_capitals_are_read(one: str, other: str) -> None:
    found = near_duplicates.pairs({"a": near_duplicates.form(one)}, {"b": near_duplicates.form(other)})
    assert not list(found)


@pytest.mark.parametrize("text, figures", [
    ("forty-eight", ("48",)), ("forty eight", ("48",)), ("one hundred and twenty", ("120",)),
    ("two thousand five hundred", ("2500",)), ("2 thousand", ("2000",)), ("1.5 million", ("1500000",)),
    ("three four", ("3", "4")), ("twenty thirty", ("20", "30")), ("twenty twelve", ("20", "12")),
    ("two and three", ("2", "3")), ("a hundred", ()), ("hundreds of 1", ()), ("one or 1 of 01", ()),
    ("1,000.50 + 007", ("1000.5", "+", "7")), ("seventeen percent", ("17",)), ("17%", ("17",)),
])  # fmt: skip
def test_numbers_are_read_in_words_and_digits(text: str, figures: tuple[str, ...]) -> None:
    assert near_duplicates.form(text).figures == figures


def test_the_first_near_duplicate_is_named_and_a_template_costs_no_square() -> None:
    """20,000 questions of one template against as many, without a number: 4 * 10^8 comparisons if one by one."""
    many = {
        str(n): near_duplicates.form("What is the capital of Peru, and who founded it long ago?") for n in range(20_000)
    }
    found = list(near_duplicates.pairs(many, many))
    assert len(found) == 20_000 and {other for _, other in found} == {"0"}


@given(st.lists(st.text("abcd 12", max_size=12), max_size=12), st.lists(st.text("abcd 12", max_size=12), max_size=12))
def test_pairs_are_those_of_all_comparisons(one: list[str], other: list[str]) -> None:
    mine, theirs = ({str(n): near_duplicates.form(text) for n, text in enumerate(texts)} for texts in (one, other))
    expected = [
        (i, next(j for j, form in theirs.items() if _near(mine[i], form)))
        for i in mine
        if any(_near(mine[i], form) for form in theirs.values())
    ]
    assert list(near_duplicates.pairs(mine, theirs)) == expected


def _near(one: near_duplicates.Form, other: near_duplicates.Form) -> bool:
    shared, either = len(one.words & other.words), len(one.words | other.words)
    return one.figures == other.figures and either > 0 and shared / either >= 0.75


@pytest.mark.parametrize("share", [0.3, 0.5, 0.75, 0.8, 1.0])
def test_groups_are_those_of_all_pairs_in_any_order(share: float) -> None:
    """Against every pair compared; thresholds that some pairs meet exactly."""
    draws = random.Random(1)
    questions = [" ".join(draws.sample("abcdefghijkl", draws.randint(1, 8))) for _ in range(80)]
    sets = [near_duplicates.words(question) for question in questions]
    group = list(range(80))
    for i in range(80):
        for j in range(i):
            if len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= share:
                group = [group[j] if known == group[i] else known for known in group]
    expected = {frozenset(k for k in range(80) if group[k] == name) for name in group}
    for order in (list(range(80)), draws.sample(range(80), 80)):
        found = near_duplicates.groups([questions[place] for place in order], share)
        assert {frozenset(order[k] for k in range(80) if found[k] == name) for name in found} == expected
        assert all(found[name] == name <= place for place, name in enumerate(found))
