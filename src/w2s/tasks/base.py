"""What a task is: named splits of questions, and the style in which answers are stated. It has no gold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Protocol

from w2s import config
from w2s.answers import Style
from w2s.errors import UserError
from w2s.records import Question
from w2s.tasks import arith

SPLITS = ("train_1", "train_2", "test")
"""train_1 has gold for the weak model, train_2 is answered without gold, test is held out."""


class Task(Protocol):
    """Anything with these four members is a task; `examples/custom_task.py` shows one."""

    @property
    def name(self) -> str:
        """The task's name in a recipe."""

    @property
    def style(self) -> Style:
        """How a response states its final answer."""

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that `questions` knows."""

    def questions(self, split: str) -> list[Question]:
        """The questions of one split, always in the same order, ids unique. Raises UserError on bad input."""


class Arith:
    """The procedural task `arith`, generated on the fly."""

    name = "arith"
    style: Style = "gsm8k"
    splits: tuple[str, ...] = (*SPLITS, "validation")

    def __init__(self, task: config.ArithTask) -> None:
        self._config = task

    def problems(self, split: str) -> list[arith.Problem]:
        """The problems of a split with their solutions, for `w2s.gold`. `test` is drawn from `test_split`."""
        known_split(self, split)
        task = self._config
        size = {"train_1": task.train_1, "train_2": task.train_2}.get(split, task.test)
        return arith.generate(task.test_split if split == "test" else split, size, task.data_seed)

    def questions(self, split: str) -> list[Question]:
        """The questions of one split."""
        return [Question(problem.id, problem.question) for problem in self.problems(split)]


def known_split(task: Task, split: str) -> None:
    """Raises UserError where the task has no such split."""
    if split not in task.splits:
        raise UserError(f"the {task.name} task has no split {split!r}", field="split", expected=", ".join(task.splits))


def content_hash(questions: Iterable[Question]) -> str:
    """The identity of the data: sha256 (hex) over ids and questions, in order. Gold has no part in it (ours)."""
    digest = hashlib.sha256()
    for question in questions:
        digest.update(json.dumps([question.id, question.question]).encode() + b"\n")
    return digest.hexdigest()
