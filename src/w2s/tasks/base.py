"""A task: splits of questions, without gold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Protocol

from w2s.answers import Style
from w2s.config import schema
from w2s.errors import UserError
from w2s.records import Question
from w2s.tasks import arith

SPLITS = ("train_1", "train_2", "test")
"""The method uses no gold of train_2."""


class Task(Protocol):
    """A task; see `examples/custom_task.py`."""

    @property
    def name(self) -> str:
        """Its name in a recipe."""

    @property
    def style(self) -> Style:
        """How responses state answers."""

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of `questions`."""

    def questions(self, split: str) -> list[Question]:
        """In a fixed order. UserError: bad input."""


class Arith:
    """The procedural task `arith`."""

    name = "arith"
    style: Style = "gsm8k"
    splits: tuple[str, ...] = (*SPLITS, "validation")

    def __init__(self, task: schema.ArithTask) -> None:
        self._config = task

    def problems(self, split: str) -> list[arith.Problem]:
        """Problems with solutions, for `w2s.tasks.gold`; "test" is `test_split`."""
        known_split(self, split)
        task = self._config
        size = {"train_1": task.train_1, "train_2": task.train_2}.get(split, task.test)
        return arith.generate(task.test_split if split == "test" else split, size, task.data_seed)

    def questions(self, split: str) -> list[Question]:
        return [Question(problem.id, problem.question) for problem in self.problems(split)]


def known_split(task: Task, split: str) -> None:
    """UserError: the task has no such split."""
    if split not in task.splits:
        raise UserError(f"the {task.name} task has no split {split!r}", field="split", expected=", ".join(task.splits))


def content_hash(questions: Iterable[Question]) -> str:
    """SHA-256 (hex) over ids and texts in order (ours)."""
    digest = hashlib.sha256()
    for question in questions:
        digest.update(json.dumps([question.id, question.question]).encode() + b"\n")
    return digest.hexdigest()
