"""Texts that do not fit, before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2s import models, recipe
from w2s.errors import UserError
from w2s.models import architecture
from w2s.preflight import lengths

MODEL = models.find("w2s:tiny-weak")  # it has 2,048 positions
SMALL = ("task.train_1=5", "task.train_2=5", "task.test=5")


def test_tokens_of_the_longest_text() -> None:
    tokens = len(architecture.tokenizer(MODEL).encode("one two three", add_special_tokens=False).ids)
    assert lengths.count(MODEL, [("a", "one"), ("b", "one two three")]) == ("b", tokens)
    assert lengths.count(MODEL, []) is None and lengths.count(models.find("scripted:a:b"), [("a", "one")]) is None


def test_a_prompt_and_its_answer_fit_the_context() -> None:
    lengths.check_prompt(MODEL, ("q", 48), 2000)
    with pytest.raises(UserError, match=r"(?s)question 'q': 49 prompt tokens and 2000 new .*expected: at most 1999"):
        lengths.check_prompt(MODEL, ("q", 49), 2000)


def test_gold_and_its_eos_fit_the_training() -> None:
    lengths.check_example(MODEL, ("q", 63), 64, "training")
    with pytest.raises(UserError, match=r"\[training.max_length\]: the gold of 'q' has 65 tokens"):
        lengths.check_example(MODEL, ("q", 64), 64, "training")
    with pytest.raises(UserError, match="the model's context is the limit"):
        lengths.check_example(MODEL, ("q", 2048), 4096, "training")


def test_answers_may_be_too_long_to_train_on() -> None:
    assert not list(lengths.too_long_answers(("q", 24), 40, 64, "training"))
    (note,) = lengths.too_long_answers(("q", 25), 40, 64, "training")
    assert note.field == "training.max_length" and note.hint.startswith("raise it to 65") and not note.refusal


def test_a_recipe_is_refused_whose_ceiling_would_fail_at_the_end(tmp_path: Path) -> None:
    short = [*SMALL, "training.max_length=20"]
    with pytest.raises(UserError, match=r"\[training.max_length\]: the gold of 'arith-train_2"):
        recipe.prepare("tiny", short)
    notes = next(step for step in recipe.prepare("tiny", [*short, "baselines=[weak_floor]"]).steps
                 if step.name == "overlap").resources.findings  # fmt: skip
    assert [note.field for note in notes] == ["training.max_length"]
    with pytest.raises(UserError, match=r"\[weak_training.max_length\]: the gold of 'arith-train_1"):
        recipe.prepare("tiny", [*SMALL, "weak_training.max_length=20"])
    with pytest.raises(UserError, match=r"\[max_new_tokens\]: question 'arith-train_2"):
        recipe.prepare("tiny", [*SMALL, "max_new_tokens=2040"])
