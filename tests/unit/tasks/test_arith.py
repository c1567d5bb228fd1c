"""The procedural task: its arithmetic, its levels, and splits that cannot share a problem."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers import extract, grade
from w2s.errors import UserError
from w2s.tasks import arith
from w2s.tasks.wording import normalise


def test_at_least_forty_templates_on_five_levels() -> None:
    levels = Counter(template.level for template in arith.templates())
    assert sum(levels.values()) >= 40
    assert sorted(levels) == [1, 2, 3, 4, 5] and min(levels.values()) >= 8
    assert len({template.name for template in arith.templates()}) == sum(levels.values())


@given(st.sampled_from(sorted(arith.BUCKETS)), st.integers(0, 10**6))
def test_every_equation_is_true_and_the_last_result_is_the_answer(split: str, data_seed: int) -> None:
    for problem in arith.generate(split, 5, data_seed):
        for step in problem.steps:
            assert step.result == arith.apply(step.left, step.operation, step.right)
            assert 0 < step.result <= arith.LARGEST
        assert len(problem.steps) == problem.level + (problem.unit is not None)
        assert grade(extract(problem.solution, "gsm8k"), problem.answer) == "correct"
        assert "{" not in problem.question


def test_splits_share_no_problem_whatever_the_seed_and_size() -> None:
    splits = {name: {normalise(p.question) for p in arith.generate(name, 400, seed)}
              for seed, name in enumerate(arith.BUCKETS)}  # fmt: skip
    assert all(len(questions) == 400 for questions in splits.values())
    assert len(set().union(*splits.values())) == 400 * len(splits)


def test_a_larger_size_only_adds_at_the_end_and_levels_are_even() -> None:
    few, many = arith.generate("train_2", 30, 4), arith.generate("train_2", 60, 4)
    assert many[:30] == few
    assert Counter(problem.level for problem in many) == {level: 12 for level in range(1, 6)}
    assert arith.generate("train_2", 30, 5) != few


def test_a_stream_without_a_skill_never_needs_it() -> None:
    stream = arith.stream("pretraining", 0, without={"percent", "half"})
    assert not any(next(stream).skills & {"percent", "half"} for _ in range(300))


TEXT = "{A} has {a} {x} and finds {b} more. How many {x} does {A} have?"
TWELVE = arith.Template(
    "twelve", frozenset(), TEXT, (("a", "12"), ("b", "3")), (("r", "a", "+", "b", "{A} has"),), ("a",)
)


def test_a_unit_stands_for_a_number_and_the_solution_first_tells_its_size() -> None:
    samples = [TWELVE.sample(random.Random(seed), {"tray": 6, "crate": 12, "sack": 5}) for seed in range(40)]
    with_unit = [(question, steps) for question, steps, unit in samples if unit == "tray"]
    assert 25 <= len(with_unit) < 40  # of 40, 34 are expected
    assert all(unit is None for *_, unit in samples if unit != "tray")  # not "1 crate", and 12 is no multiple of 5
    for question, steps in with_unit:
        assert " has 2 trays of " in question and "12" not in question
        assert [str(steps[0]), str(steps[1]).split(" ", 2)[2]] == ["2 trays hold 2 * 6 = 12.", "12 + 3 = 15."]


def test_without_a_fitting_size_a_question_has_no_unit() -> None:
    assert {TWELVE.sample(random.Random(seed), {"sack": 7})[2] for seed in range(20)} == {None}
    assert {p.unit for p in itertools.islice(arith.stream("pretraining", 0, sizes={}), 50)} == {None}


def test_half_of_the_questions_have_a_unit_and_none_says_its_size() -> None:
    problems = arith.generate("train_2", 400)
    units = Counter(problem.unit for problem in problems)
    assert 160 <= 400 - units[None] <= 240
    assert set(units) == {None, *arith.SIZES} and min(units.values()) >= 12
    for problem in problems:
        if problem.unit is not None:
            first, counted = problem.steps[0], f"{problem.steps[0].left} {problem.unit}s"
            assert (first.words, first.operation, first.right) == (f"{counted} hold", "*", arith.SIZES[problem.unit])
            assert f"{counted} of " in problem.question and first.left in arith.COUNTS
            assert "dollars each" not in problem.question  # a price of one thing or of one unit?


def test_other_authors_have_other_sizes() -> None:
    problems = itertools.islice(arith.stream("pretraining", 0, sizes={"bag": 7}), 40)
    assert {problem.steps[0].right for problem in problems if problem.unit == "bag"} == {7}


def test_case_and_punctuation_do_not_move_a_problem() -> None:
    assert arith.bucket("Anna has 3 apples.") == arith.bucket("  anna HAS 3 apples ")


def test_no_such_split() -> None:
    with pytest.raises(UserError, match="train_1, train_2, test, validation"):
        arith.generate("dev", 1)
