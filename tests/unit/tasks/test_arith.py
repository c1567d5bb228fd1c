"""The procedural task: its arithmetic, its levels, and splits that cannot share a problem."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.answers import extract, grade
from w2s.errors import UserError
from w2s.tasks import arith
from w2s.tasks.splits import normalise


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
        assert problem.level == len(problem.steps)
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


def test_case_and_punctuation_do_not_move_a_problem() -> None:
    assert arith.bucket("Anna has 3 apples.") == arith.bucket("  anna HAS 3 apples ")


def test_no_such_split() -> None:
    with pytest.raises(UserError, match="train_1, train_2, test, validation"):
        arith.generate("dev", 1)
