"""A task of one's own: three splits of questions, gold apart from them, and files that a recipe can name.

python examples/custom_task.py my_data     # writes my_data/, lets a scripted model answer the test split, grades it
w2s run examples/own_data.yaml             # the whole recipe on these files, with the shipped pair
"""

from __future__ import annotations

import random
import sys
from dataclasses import asdict
from pathlib import Path

import w2s
from w2s import answers
from w2s.data import jsonl
from w2s.engines.base import Decoding, Request
from w2s.records import Question
from w2s.verbs import GradeSummary


class Shopping:
    """Any object with `name`, `style`, `splits` and `questions` is a task (`w2s.tasks.Task`)."""

    name = "shopping"
    style: answers.Style = "gsm8k"  # how a response states its answer: in a last line "#### 12"
    splits: tuple[str, ...] = ("train_1", "train_2", "test")

    def __init__(self, size: int = 60) -> None:
        bills = [(a, b) for a in range(2, 12) for b in range(2, 20)]  # every bill once: the splits share none
        random.Random(0).shuffle(bills)
        self._bills = {split: bills[n * size : (n + 1) * size] for n, split in enumerate(self.splits)}

    def questions(self, split: str) -> list[Question]:
        """The questions, which have no answer."""
        template = "Ben buys {} pens for {} dollars each. How many dollars does he pay?"
        return [Question(f"{split}-{n}", template.format(*bill)) for n, bill in enumerate(self._bills[split])]

    def gold(self, split: str) -> list[dict[str, str]]:
        """The right answers, with the worked solutions that the weak model learns from."""
        worked = [(f"He pays {a} * {b} = {a * b}.", f"{a * b}") for a, b in self._bills[split]]
        return [{"id": f"{split}-{n}", "solution": text, "answer": end} for n, (text, end) in enumerate(worked)]


def answer(request: Request, decoding: Decoding) -> str:
    """A model without weights, for the engine "scripted": it cannot count beyond 100."""
    a, b = (int(word) for word in request.prompt.split() if word.isdigit())
    return f"He pays {a} * {b} = {min(a * b, 100)}.\n#### {min(a * b, 100)}"


def main(folder: Path) -> GradeSummary:
    task = Shopping()
    for split in task.splits:
        jsonl.write(folder / f"{split}.jsonl", map(asdict, task.questions(split)))
        jsonl.write(folder / f"gold_{split}.jsonl", task.gold(split))
    responses = folder / "responses.jsonl"
    w2s.sample(
        "scripted:custom_task:answer", "jsonl", str(folder / "test.jsonl"), responses, engine="scripted", temperature=0
    )
    return w2s.grade(folder / "gold_test.jsonl", responses, task=task.style)


if __name__ == "__main__":
    print(*main(Path(sys.argv[1] if len(sys.argv) > 1 else "my_data")).lines(), sep="\n")
