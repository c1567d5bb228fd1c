"""`arith`: procedural word problems in GSM8K's format, unlimited in number, with splits disjoint by construction.

A problem belongs to a split by a hash of its own text, so no draw, of any size or seed, can put one problem into two
splits. `pretraining` is the share that `scripts/pretrain_tiny.py` may show the shipped models, in other formats.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache

from w2s.errors import UserError
from w2s.seeds import derive
from w2s.tasks.arith_templates import NAMES, ROWS, THINGS

LARGEST = 400
"""No number in a problem or its solution is above this."""

BUCKETS = {"train_1": range(0, 4), "train_2": range(4, 8), "test": range(8, 11), "validation": range(11, 12),
           "pretraining": range(12, 16)}  # fmt: skip
"""Which sixteenths of all problems each split may draw from."""


@dataclass(frozen=True, slots=True)
class Step:
    """One equation: `left operation right = result`, and the words in front of it."""

    words: str
    left: int
    operation: str
    right: int
    result: int

    def __str__(self) -> str:
        return f"{self.words} {self.left} {self.operation} {self.right} = {self.result}."


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its worked solution. `level` is the number of reasoning steps, 1 to 5."""

    id: str
    question: str
    steps: tuple[Step, ...]
    level: int
    template: str
    skills: frozenset[str]

    @property
    def answer(self) -> str:
        return str(self.steps[-1].result)

    @property
    def solution(self) -> str:
        """The worked solution as GSM8K writes it: one step a line, then `#### answer`."""
        return "\n".join([*map(str, self.steps), f"#### {self.answer}"])


@dataclass(frozen=True, slots=True)
class Template:
    """One row of `arith_templates.ROWS`, parsed."""

    name: str
    skills: frozenset[str]
    text: str
    values: tuple[tuple[str, str], ...]
    steps: tuple[tuple[str, str, str, str, str], ...]  # result name, left, operation, right, words

    @property
    def level(self) -> int:
        return len(self.steps)

    def draw(self, random: random.Random) -> tuple[str, tuple[Step, ...]]:
        """One instance: its question and steps. Draws again until every number is whole and within 1..LARGEST."""
        while (numbers := self._numbers(random)) is None or (results := self._results(numbers)) is None:
            pass
        people = random.sample(NAMES, 3)
        x, y = random.sample(THINGS, 2)
        words = {"A": people[0], "B": people[1], "C": people[2], "x": x, "y": y}
        steps = tuple(
            Step(text.format(**words), results[left], operation, results[right], results[name])
            for name, left, operation, right, text in self.steps
        )
        return self.text.format(**words, **numbers), steps

    def _numbers(self, random: random.Random) -> dict[str, int] | None:
        numbers: dict[str, int] = {}
        for name, source in self.values:
            if ".." in source:
                low, high = source.split("..")
                numbers[name] = random.randint(int(low), int(high))
            elif "|" in source or source.isdigit():
                numbers[name] = int(random.choice(source.split("|")))
            else:  # a formula over the numbers so far, from this package's own table
                numbers[name] = eval(source, {"__builtins__": {}}, numbers)
        return numbers if all(1 < number <= LARGEST for number in numbers.values()) else None

    def _results(self, numbers: dict[str, int]) -> dict[str, int] | None:
        known = dict(numbers)
        for name, left, operation, right, _ in self.steps:
            value = apply(known[left], operation, known[right])
            if value is None or not 0 < value <= LARGEST:
                return None
            known[name] = value
        return known


def apply(left: int, operation: str, right: int) -> int | None:
    """The result of one step; None where a division leaves a rest."""
    if operation == "/":
        return left // right if right and left % right == 0 else None
    return {"+": left + right, "-": left - right, "*": left * right}[operation]


@cache
def templates() -> tuple[Template, ...]:
    """All templates, parsed once."""
    parsed = []
    for name, skills, text, values, steps in ROWS:
        lines = [re.fullmatch(r"(\w+) = (\w+) (\S) (\w+): (.+)", line.strip()) for line in steps.split(";")]
        parsed.append(
            Template(
                name,
                frozenset(skills.split()),
                text,
                tuple((pair.split("=")[0], pair.split("=")[1]) for pair in values.split()),
                tuple(line.groups() for line in lines if line is not None),  # type: ignore[misc]
            )
        )
        if len(parsed[-1].steps) != len(lines):
            raise AssertionError(f"template {name}: a step is not `result = left operation right: words`")
    return tuple(parsed)


def bucket(question: str) -> int:
    """The sixteenth of all problems this question belongs to; case, spacing and punctuation do not count."""
    plain = " ".join(re.findall(r"[a-z0-9]+", question.lower()))
    return hashlib.sha256(plain.encode()).digest()[0] % 16


def stream(split: str, data_seed: int, *, without: Collection[str] = ()) -> Iterator[Problem]:
    """An endless stream of different problems of `split`, levels evenly mixed; none needs a skill in `without`.

    Raises:
        UserError: no such split.
    """
    if split not in BUCKETS:
        raise UserError(f"the arith task has no split {split!r}", expected=f"one of {', '.join(BUCKETS)}")
    by_level: dict[int, list[Template]] = {}
    for template in templates():
        if not template.skills & set(without):
            by_level.setdefault(template.level, []).append(template)
    seen: set[str] = set()
    draws = random.Random(derive("arith", split, data_seed))
    levels = sorted(by_level)
    while True:
        level = levels[len(seen) % len(levels)]
        template = draws.choice(by_level[level])
        question, steps = template.draw(draws)
        if bucket(question) in BUCKETS[split] and question not in seen:
            identity = f"arith-{split}-{data_seed}-{len(seen)}"
            seen.add(question)
            yield Problem(identity, question, steps, level, template.name, template.skills)


def generate(split: str, size: int, data_seed: int = 0) -> list[Problem]:
    """The first `size` problems of a split. A larger size only adds problems at the end."""
    problems = stream(split, data_seed)
    return [next(problems) for _ in range(size)]
