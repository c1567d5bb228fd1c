from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.errors import UserError
from w2s.records import Question
from w2s.tasks.splits import resolve


def questions(**texts: str) -> list[Question]:
    return [Question(identity, text) for identity, text in texts.items()]


SPLITS = {
    "train_1": questions(a="One?", b="two", c="Two!"),
    "train_2": questions(d="ONE", e="two", f="three 3", g="four", h="Four"),
    "test": questions(i="one", j="three 4"),
}


def test_drop_takes_a_question_out_of_the_later_split() -> None:
    """By hand: test has "one", so a (train_1) and d (train_2) go; train_1 has "two" (b first), so e goes."""
    kept, overlap = resolve(SPLITS, "drop")
    assert {split: [q.id for q in rest] for split, rest in kept.items()} == {
        "train_1": ["b", "c"],
        "train_2": ["f", "g", "h"],
        "test": ["i", "j"],
    }
    assert overlap.dropped == {
        "test": {},
        "train_1": {"in_test": ("a",)},
        "train_2": {"in_test": ("d",), "in_train_1": ("e",)},
    }
    assert overlap.shared == {
        ("train_1", "test"): (("a", "i"),),
        ("train_2", "test"): (("d", "i"),),
        ("train_2", "train_1"): (("d", "a"), ("e", "b")),
    }
    assert overlap.repeated == {"test": 0, "train_1": 1, "train_2": 1}
    assert overlap.other_numbers == {
        ("train_1", "test"): (), ("train_2", "test"): (("f", "j"),), ("train_2", "train_1"): (),
    }  # fmt: skip
    assert not any(overlap.near.values())
    assert "2 of 5 train_2 questions are also in train_1: dropped" in overlap.lines()
    assert overlap.as_dict() == {
        "policy": "drop",
        "masked": False,
        "given": {"train_1": 3, "train_2": 5, "test": 2},
        "shared": {"train_1 in test": 1, "train_2 in test": 1, "train_2 in train_1": 2},
        "examples": {
            "train_1 in test": [["a", "i"]],
            "train_2 in test": [["d", "i"]],
            "train_2 in train_1": [["d", "a"], ["e", "b"]],
        },
        "near": {"train_1 in test": 0, "train_2 in test": 0, "train_2 in train_1": 0},
        "other_numbers": {"train_1 in test": 0, "train_2 in test": 1, "train_2 in train_1": 0},
        "near_examples": {"train_1 in test": [], "train_2 in test": [], "train_2 in train_1": []},
        "repeated": {"test": 0, "train_1": 1, "train_2": 1},
        "dropped": {"test": {}, "train_1": {"in_test": 1}, "train_2": {"in_test": 1, "in_train_1": 1}},
    }


def test_three_examples_are_named() -> None:
    same = {split: [Question(f"{split}{n}", f"word{n}") for n in range(5)] for split in ("test", "train_1")}
    examples = resolve(same, "allow")[1].as_dict()["examples"]
    assert examples == {"train_1 in test": [[f"train_1{n}", f"test{n}"] for n in range(3)]}


def test_masked_drops_what_differs_in_numbers_only() -> None:
    kept, overlap = resolve(SPLITS, "drop", masked=True)
    assert [q.id for q in kept["train_2"]] == ["g", "h"]
    assert overlap.dropped["train_2"]["in_test"] == ("d", "f")
    assert not any(overlap.other_numbers.values())


def test_allow_keeps_and_counts() -> None:
    kept, overlap = resolve(SPLITS, "allow")
    assert kept == SPLITS
    assert len(overlap.shared["train_2", "train_1"]) == 2
    assert not any(overlap.dropped.values())


def test_refuse_names_counts_and_three_examples() -> None:
    with pytest.raises(UserError) as caught:
        resolve(SPLITS, "refuse")
    message = str(caught.value)
    assert "1 of train_1 are in test, 1 of train_2 are in test, 2 of train_2 are in train_1" in message
    assert "train_1 a is test i: 'One?'" in message
    assert message.count("\n    ") == 3
    assert "task.overlap=drop" in message


def test_refuse_lets_disjoint_splits_through() -> None:
    kept, overlap = resolve({"train_1": questions(a="x"), "test": questions(b="y")}, "refuse")
    assert [q.id for q in kept["test"]] == ["b"]
    assert overlap.lines() == []


TEXTS = st.lists(st.sampled_from(["a", "A!", "b", "c 1", "c 2", "d"]), max_size=8)


@given(TEXTS, TEXTS, TEXTS, st.booleans())
def test_kept_and_dropped_are_the_input_and_nothing_is_left_shared(
    train_1: list[str], train_2: list[str], test: list[str], masked: bool
) -> None:
    given_questions = {
        split: [Question(f"{split}{n}", text) for n, text in enumerate(texts)]
        for split, texts in {"train_1": train_1, "train_2": train_2, "test": test}.items()
    }
    kept, overlap = resolve(given_questions, "drop", masked=masked)
    for split, all_questions in given_questions.items():
        ids = [q.id for q in kept[split]] + [i for ids in overlap.dropped[split].values() for i in ids]
        assert sorted(ids) == sorted(q.id for q in all_questions)
        assert len(all_questions) == overlap.sizes[split]
    assert kept["test"] == given_questions["test"]
    _, again = resolve(kept, "allow", masked=masked)
    assert not any(again.shared.values())


LONG = "Janet sells sixteen eggs at the farmers' market and bakes {} muffins for her friends every single day."
NEAR = {
    "test": questions(t=LONG.format(3)),
    "train_1": questions(a=LONG.format(3).replace("Janet", "Maria"), b="How far?"),
    "train_2": questions(
        c=LONG.format("three").replace("muffins", "cakes"), d=LONG.format(4), e=LONG.format(3).upper(), f="Who?"
    ),
}


def test_near_takes_near_duplicates_out_too_and_every_level_is_counted() -> None:
    """Of t: a has another name, c another word, d another number, e only other case. c and e are of a as well."""
    kept, overlap = resolve(NEAR, "near")
    assert {split: [q.id for q in rest] for split, rest in kept.items()} == {
        "test": ["t"], "train_1": ["b"], "train_2": ["d", "f"],
    }  # fmt: skip
    assert overlap.dropped == {
        "test": {}, "train_1": {"near_test": ("a",)}, "train_2": {"in_test": ("e",), "near_test": ("c",)},
    }  # fmt: skip
    assert overlap.near["train_2", "train_1"] == (("c", "a"), ("e", "a"))
    assert overlap.other_numbers["train_2", "test"] == (("d", "t"),)
    assert overlap.lines() == [
        "1 of 4 train_2 questions are also in test: dropped",
        "1 of 2 train_1 questions are near duplicates of one in test: dropped",
        "1 of 4 train_2 questions are near duplicates of one in test: dropped",
        "2 of 4 train_2 questions are near duplicates of one in train_1: dropped",
        "1 of 4 train_2 questions differ from one of test in numbers only: kept",
    ]
    rows = list(overlap.rows())
    assert len(rows) == 6
    assert rows[0] == {
        "level": "shared", "split": "train_2", "id": "e", "in": "test", "of": "t", "decision": "dropped",
    }  # fmt: skip
    kept, overlap = resolve(NEAR, "drop")
    assert [q.id for q in kept["train_2"]] == ["c", "d", "f"]
    assert "1 of 2 train_1 questions are near duplicates of one in test: kept" in overlap.lines()
    kept, _ = resolve(NEAR, "near", masked=True)
    assert [q.id for q in kept["train_2"]] == ["f"]


def test_counts_are_of_the_questions_within_the_limit() -> None:
    """train_2 has a question of train_1 at 0, 2 and 4: with a limit of 2 it takes 1 and 3, and 0 and 2 are dropped.

    Under "allow" it takes 0 and 1, and of its three pairs only that of question 0 is within the limit on both sides.
    """
    given = {
        "train_1": [Question(f"a{n}", f"word{n}") for n in range(6)],
        "train_2": [Question(f"b{n}", f"word{n}" if n % 2 == 0 else f"other{n}") for n in range(6)],
    }
    kept, overlap = resolve(given, "drop", limit=2)
    assert [q.id for q in kept["train_2"]] == ["b1", "b3"] and overlap.sizes == {"train_1": 2, "train_2": 4}
    assert overlap.dropped["train_2"] == {"in_train_1": ("b0", "b2")}
    assert overlap.lines() == ["2 of 4 train_2 questions are also in train_1: dropped"]
    kept, overlap = resolve(given, "allow", limit=2)
    assert [q.id for q in kept["train_2"]] == ["b0", "b1"]
    assert overlap.lines() == ["1 of 2 train_2 questions are also in train_1: kept"]
    assert resolve(given, "drop", limit=100)[1] == resolve(given, "drop")[1]
