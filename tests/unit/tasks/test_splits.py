from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.errors import UserError
from w2s.records import Question
from w2s.tasks.splits import guard, mask, normalise


def questions(**texts: str) -> list[Question]:
    return [Question(identity, text) for identity, text in texts.items()]


@pytest.mark.parametrize(
    "one, other",
    [
        ("How many apples?", "how  many\nAPPLES"),
        ("Janet’s 16 ducks.", "Janet's 16 ducks"),
        ("It costs $1,000!", "it costs 1000"),
        ("A 120-page book", "A 120 page book"),
        ("from 5–9 pm", "from 5-9 pm"),
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
    ],
)
def test_what_changes_the_question_counts(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_masked_questions_differ_in_numbers_only() -> None:
    assert mask(normalise("Tom has 3 apples.")) == mask(normalise("Tom has 1,207.5 apples"))
    assert mask(normalise("Tom has 3 apples.")) != mask(normalise("Tom has 3 pears."))


SPLITS = {
    "train_1": questions(a="One?", b="two", c="Two!"),
    "train_2": questions(d="ONE", e="two", f="three 3", g="four", h="Four"),
    "test": questions(i="one", j="three 4"),
}


def test_drop_takes_a_question_out_of_the_later_split() -> None:
    """By hand: test has "one", so a (train_1) and d (train_2) go; train_1 has "two" (b first), so e goes."""
    kept, overlap = guard(SPLITS, "drop")
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
    assert overlap.near == {("train_1", "test"): 0, ("train_2", "test"): 1, ("train_2", "train_1"): 0}
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
        "near": {"train_1 in test": 0, "train_2 in test": 1, "train_2 in train_1": 0},
        "repeated": {"test": 0, "train_1": 1, "train_2": 1},
        "dropped": {"test": {}, "train_1": {"in_test": 1}, "train_2": {"in_test": 1, "in_train_1": 1}},
    }


def test_three_examples_are_named() -> None:
    same = {split: [Question(f"{split}{n}", f"word{n}") for n in range(5)] for split in ("test", "train_1")}
    examples = guard(same, "allow")[1].as_dict()["examples"]
    assert examples == {"train_1 in test": [[f"train_1{n}", f"test{n}"] for n in range(3)]}


def test_masked_drops_what_differs_in_numbers_only() -> None:
    kept, overlap = guard(SPLITS, "drop", masked=True)
    assert [q.id for q in kept["train_2"]] == ["g", "h"]
    assert overlap.dropped["train_2"]["in_test"] == ("d", "f")
    assert set(overlap.near.values()) == {0}


def test_allow_keeps_and_counts() -> None:
    kept, overlap = guard(SPLITS, "allow")
    assert kept == SPLITS
    assert len(overlap.shared["train_2", "train_1"]) == 2
    assert not any(overlap.dropped.values())


def test_refuse_names_counts_and_three_examples() -> None:
    with pytest.raises(UserError) as caught:
        guard(SPLITS, "refuse")
    message = str(caught.value)
    assert "1 of train_1 are in test, 1 of train_2 are in test, 2 of train_2 are in train_1" in message
    assert "train_1 a is test i: 'One?'" in message
    assert message.count("\n    ") == 3
    assert "task.overlap=drop" in message


def test_refuse_lets_disjoint_splits_through() -> None:
    kept, overlap = guard({"train_1": questions(a="x"), "test": questions(b="y")}, "refuse")
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
    kept, overlap = guard(given_questions, "drop", masked=masked)
    for split, all_questions in given_questions.items():
        ids = [q.id for q in kept[split]] + [i for ids in overlap.dropped[split].values() for i in ids]
        assert sorted(ids) == sorted(q.id for q in all_questions)
        assert len(all_questions) == overlap.given[split]
    assert kept["test"] == given_questions["test"]
    _, again = guard(kept, "allow", masked=masked)
    assert not any(again.shared.values())
