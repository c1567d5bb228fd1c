"""The overlap of the released GSM8K splits (data from GAIR-NLP/weak-to-strong-reasoning, 596a0b6)."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from w2s import tasks
from w2s.config import schema
from w2s.tasks import gold, near_duplicates

_BESIDE = Path(__file__).parents[3] / "shared" / "data"
RAW = Path(os.environ.get("W2S_REFERENCE_DATA") or _BESIDE) / "gair" / "raw"

pytestmark = pytest.mark.skipif(
    not RAW.is_dir(), reason=f"no reference data in {RAW}: set W2S_REFERENCE_DATA to the folder that has gair/raw"
)


@pytest.fixture(scope="module")
def task() -> schema.FilesTask:
    paths = {split: str(RAW / f"gsm8k_{split}.jsonl") for split in tasks.SPLITS}
    return schema.FilesTask(name="gsm8k", **paths)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def prepared(task: schema.FilesTask) -> tasks.RunQuestions:
    return tasks.prepare(task)


def test_the_279_shared_questions_are_found_and_dropped_from_train_2(prepared: tasks.RunQuestions) -> None:
    """7,000 questions less 279 leave 6,721; test shares none with either. 3 more are retold (another name, a
    sentence cut in two, "square feet" added), which a person has read; 6 more have other numbers.
    """
    overlap = prepared.overlap
    assert {pair: len(found) for pair, found in overlap.shared.items()} == {
        ("train_1", "test"): 0, ("train_2", "test"): 0, ("train_2", "train_1"): 279,
    }  # fmt: skip
    assert {pair: len(found) for pair, found in overlap.near.items()} == {
        ("train_1", "test"): 0, ("train_2", "test"): 0, ("train_2", "train_1"): 3,
    }  # fmt: skip
    assert len(overlap.other_numbers["train_2", "train_1"]) == 6
    assert {split: len(questions) for split, questions in prepared.questions.items()} == {
        "train_1": 7000, "train_2": 6721, "test": 1319,
    }  # fmt: skip


def test_repeats_within_a_split_are_counted_and_kept(prepared: tasks.RunQuestions) -> None:
    """6,873 different questions in train_1 (7,000 - 127), 6,850 in train_2 (7,000 - 150)."""
    assert prepared.overlap.repeated == {"test": 0, "train_1": 127, "train_2": 150}


def test_285_are_dropped_with_numbers_masked(task: schema.FilesTask) -> None:
    masked = tasks.prepare(task.model_copy(update={"overlap_masked": True}))
    assert len(masked.overlap.dropped["train_2"]["in_train_1"]) == 285


@pytest.mark.parametrize("split, size", [("train_1", 7000), ("train_2", 7000), ("test", 1319)])
def test_all_released_gold_is_read(task: schema.FilesTask, split: str, size: int) -> None:
    table = gold.load(task, split)
    assert len(table) == size
    for right in table.values():
        assert right.solution is not None and "<<" not in right.solution
        assert gold.completion(right, "gsm8k") == right.solution


CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "another name": lambda text, chance: re.sub(r"\b(?:John|Tom|Sarah|Mary)\b", "Aleksandra", text),
    "a word changed": lambda text, chance: _at_a_word(text, chance, lambda word: "zebra"),
    "a word added": lambda text, chance: _at_a_word(text, chance, lambda word: f"{word} really"),
    "a word left out": lambda text, chance: _at_a_word(text, chance, lambda word: ""),
    "homoglyphs": lambda text, chance: text.translate(str.maketrans("aeopc", "аеорс")),
    "numbers in words": lambda text, chance: re.sub(
        r"(?<![.,])\b([2-9])\b(?![.,:/])", lambda found: DIGITS[int(found[1])], text
    ),
    "zero-width spaces": lambda text, chance: text.replace("e", "e\u200b"),
    "a label": lambda text, chance: f"Question: {text}",
    "other numbers": lambda text, chance: re.sub(r"\d+", lambda found: str(int(found[0]) + 1), text),
}
"""Each question changed so; all are to be found but the last, whose questions are others."""
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def _at_a_word(text: str, chance: random.Random, change: Callable[[str], str]) -> str:
    places = [
        found for found in re.finditer(r"(?<= )[a-z]{4,}(?= )", text) if not near_duplicates.form(found[0]).figures
    ]
    if not places:
        return text
    place = chance.choice(places)
    return text[: place.start()] + change(place[0]) + text[place.end() :]


@pytest.mark.parametrize("change", CHANGES)
def test_changed_questions_of_the_test_split_are_found(change: str, measured: Callable[..., None]) -> None:
    """Of 1,319 test questions those that the change alters, beside the whole test split."""
    rows = [json.loads(line)["question"] for line in (RAW / "gsm8k_test.jsonl").open(encoding="utf-8")]
    chance = random.Random(1)
    changed = {f"c{n}": CHANGES[change](text, chance) for n, text in enumerate(rows)}
    changed = {name: text for name, text in changed.items() if text != rows[int(name[1:])]}
    forms = {f"c{n}": near_duplicates.form(text) for n, text in enumerate(rows)}
    pairs = dict(near_duplicates.pairs({name: near_duplicates.form(text) for name, text in changed.items()}, forms))
    right = sum(pairs.get(name) == name for name in changed) / len(changed)
    wrong = sum(name in pairs and pairs[name] != name for name in changed) / len(changed)
    others = change == "other numbers"
    measured(f"near duplicates{', other numbers' if others else ''}", changed=len(changed), found=right, wrong=wrong)
    assert wrong == 0 or (others and wrong < 0.01)
    assert right == 0 if others else right >= LEAST.get(change, 0.999)


LEAST = {"a word changed": 0.99, "homoglyphs": 0.99, "numbers in words": 0.99}
