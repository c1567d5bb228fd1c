from __future__ import annotations

import random

import pytest

from w2s.tasks import twins


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
    assert twins.words(one) == twins.words(other)


def test_twins_are_those_that_share_enough_words() -> None:
    """Name, has, 0, red, pens: with `blue` for `red` 4 of 6 are shared (0.67); with one more word 5 of 6 (0.83)."""
    questions = ["Joan has 5 red pens.", "Joan has 5 blue pens.", "Tom has 6 red pens left."]
    assert twins.groups(questions) == [0, 1, 0]
    assert twins.groups(questions, 0.6) == [0, 0, 0]
    assert twins.groups(questions, 1) == [0, 1, 2]


def test_a_twin_of_a_twin_is_of_the_group() -> None:
    """a and b share 4 words of 5, b and c 4 of 5, a and c 3 of 5."""
    assert twins.groups(["w x y z", "w x y z u", "x y z u"], 0.75) == [0, 0, 0]
    assert twins.groups(["w x y z", "x y z u"], 0.75) == [0, 1]


@pytest.mark.parametrize("alike", [0.3, 0.5, 0.75, 0.8, 1.0])
def test_groups_are_those_of_all_pairs_in_any_order(alike: float) -> None:
    """Against every pair compared; thresholds that some pairs meet exactly."""
    draws = random.Random(1)
    questions = [" ".join(draws.sample("abcdefghijkl", draws.randint(1, 8))) for _ in range(80)]
    sets = [twins.words(question) for question in questions]
    group = list(range(80))
    for i in range(80):
        for j in range(i):
            if len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= alike:
                group = [group[j] if known == group[i] else known for known in group]
    expected = {frozenset(k for k in range(80) if group[k] == name) for name in group}
    for order in (list(range(80)), draws.sample(range(80), 80)):
        found = twins.groups([questions[place] for place in order], alike)
        assert {frozenset(order[k] for k in range(80) if found[k] == name) for name in found} == expected
        assert all(found[name] == name <= place for place, name in enumerate(found))
