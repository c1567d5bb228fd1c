"""`arith`: procedural word problems in GSM8K's format, half of them in units whose size only gold solutions tell.

Its text's hash puts a problem into one split.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from w2s.errors import UserError
from w2s.seeds import derive
from w2s.tasks.arith_templates import NAMES, ROWS, THINGS

LARGEST = 400
"""The largest number in a problem or solution."""

BUCKETS = {"train_1": range(0, 4), "train_2": range(4, 8), "test": range(8, 11), "validation": range(11, 12),
           "pretraining": range(12, 16)}  # fmt: skip
"""Sixteenths of all problems; `pretraining` is for `scripts/pretrain_tiny.py`."""

SIZES = {"tray": 6, "crate": 12, "pack": 10, "bag": 8, "bundle": 5, "sack": 20}
"""How many things a unit holds. No question says it: only gold solutions do."""

UNIT_SHARE = 0.85
"""Share of the questions with a unit, among those whose template and numbers allow one."""

COUNTS = range(2, 10)
"""How many units a question may count."""

DRAWS = 8
"""Draws of numbers in search of a multiple of a size, before a question goes without a unit."""


@dataclass(frozen=True, slots=True)
class Step:
    """One equation, `left operation right = result`, after its words."""

    words: str
    left: int
    operation: str
    right: int
    result: int

    def __str__(self) -> str:
        return f"{self.words} {self.left} {self.operation} {self.right} = {self.result}."


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its worked solution."""

    id: str
    question: str
    steps: tuple[Step, ...]
    level: int
    template: str
    skills: frozenset[str]
    unit: str | None = None
    """A word of `SIZES` that the question counts in; its solution has a step more than its level."""

    @property
    def answer(self) -> str:
        return str(self.steps[-1].result)

    @property
    def solution(self) -> str:
        return "\n".join([*map(str, self.steps), f"#### {self.answer}"])


Sample = tuple[str, tuple[Step, ...], str | None]
"""A question, its steps, its unit."""


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed row of `ROWS`."""

    name: str
    skills: frozenset[str]
    text: str
    values: tuple[tuple[str, str], ...]
    steps: tuple[tuple[str, str, str, str, str], ...]  # result name, left, operation, right, words
    countable: tuple[str, ...]  # the values that a unit may count

    @property
    def level(self) -> int:
        return len(self.steps)

    def sample(self, random: random.Random, sizes: Mapping[str, int] = SIZES) -> Sample:
        """A question and its steps; numbers are within 1..LARGEST."""
        wanted = random.random() < UNIT_SHARE
        for _ in range(DRAWS):
            numbers, results = self._solved(random)
            places = [
                (name, unit)
                for name in self.countable
                for unit, size in sizes.items()
                if numbers[name] % size == 0 and numbers[name] // size in COUNTS
            ]
            if places or not wanted:
                break
        people = random.sample(NAMES, 3)
        x, y = random.sample(THINGS, 2)
        words = {"A": people[0], "B": people[1], "C": people[2], "x": x, "y": y}
        steps = [
            Step(text.format(**words), results[left], operation, results[right], results[name])
            for name, left, operation, right, text in self.steps
        ]
        text, unit = self.text, None
        if places and wanted:
            name, unit = random.choices(places, [sizes[unit] ** 2 for _, unit in places])[0]  # large ones fit seldom
            count = numbers[name] // sizes[unit]
            text = re.sub(rf"\{{{name}}} (?={{[xy]}})", f"{count} {unit}s of ", text, count=1)
            steps.insert(0, Step(f"{count} {unit}s hold", count, "*", sizes[unit], numbers[name]))
        return text.format(**words, **numbers), tuple(steps), unit

    def _solved(self, random: random.Random) -> tuple[dict[str, int], dict[str, int]]:
        while True:
            numbers = self._numbers(random)
            if numbers is not None and (results := self._results(numbers)) is not None:
                return numbers, results

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
    """None: the division leaves a rest."""
    if operation == "/":
        return left // right if right and left % right == 0 else None
    return {"+": left + right, "-": left - right, "*": left * right}[operation]


@cache
def templates() -> tuple[Template, ...]:
    """All templates."""
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
                () if "dollars each" in text else tuple(re.findall(r"{(\w)} (?={[xy]})", text)),
            )
        )
        if len(parsed[-1].steps) != len(lines):
            raise AssertionError(f"template {name}: a step is not `result = left operation right: words`")
    return tuple(parsed)


def bucket(question: str) -> int:
    """The sixteenth of a question, without case, spacing and punctuation."""
    plain = " ".join(re.findall(r"[a-z0-9]+", question.lower()))
    return hashlib.sha256(plain.encode()).digest()[0] % 16


def stream(
    split: str, data_seed: int, *, without: Collection[str] = (), sizes: Mapping[str, int] = SIZES
) -> Iterator[Problem]:
    """Different problems without end, levels mixed, none with a skill of `without`; `sizes`: what the units hold.

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
    generator = random.Random(derive("arith", split, data_seed))
    levels = sorted(by_level)
    while True:
        level = levels[len(seen) % len(levels)]
        template = generator.choice(by_level[level])
        question, steps, unit = template.sample(generator, sizes)
        if bucket(question) in BUCKETS[split] and question not in seen:
            identity = f"arith-{split}-{data_seed}-{len(seen)}"
            seen.add(question)
            yield Problem(identity, question, steps, level, template.name, template.skills, unit)


def generate(split: str, size: int, data_seed: int = 0) -> list[Problem]:
    """The first `size` problems; a larger size only adds."""
    problems = stream(split, data_seed)
    return [next(problems) for _ in range(size)]
