"""Answers to the same questions, each two of them compared. Pure: reads no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import mean
from typing import Any

from w2s.errors import UserError
from w2s.results.several import Right, corrected, join, tested

BySeed = Mapping[int, Right]
Item = tuple[str, Mapping[str, BySeed]]
"""A name (a file, a folder), and verdicts by model and seed."""


def compare(items: Sequence[Item]) -> list[dict[str, Any]]:
    """A row per model and each two items that have it: the first less the second, on shared seeds and questions.

    Items of one seed each are compared whatever the seeds are. Adds Holm's correction over all rows.

    Raises:
        UserError: two items share no model, seed or question.
    """
    rows: list[dict[str, Any]] = []
    for (a, ours), (b, theirs) in combinations(items, 2):
        found = [row for model in ours if model in theirs if (row := _row(model, ours[model], theirs[model]))]
        if not found:
            raise UserError(
                f"shares no {_lacking(ours, theirs)} with {b}",
                file=a,
                hint="give answers to the same questions: a question is the same if its id and its text are",
            )
        rows += [{"a": a, "b": b} | row for row in found]
    return list(corrected({str(number): row for number, row in enumerate(rows)}).values())


def _row(model: str, ours: BySeed, theirs: BySeed) -> dict[str, Any] | None:
    pairs = {seed: (ours[seed], theirs[seed]) for seed in ours if seed in theirs}
    if len(ours) == len(theirs) == 1:
        pairs = {next(iter(ours)): (*ours.values(), *theirs.values())}  # type: ignore[dict-item]
    tables = {}
    for seed, (one, other) in pairs.items():
        shared = [key for key in one if key in other]
        tables[seed] = [{key: of[key] for key in shared} for of in (one, other)]
    of = join(tables)
    if of is None:
        return None
    asked = [{key for seed in of.seeds for key in pairs[seed][side]} for side in (0, 1)]
    return {
        "model": model,
        "accuracy_a": mean(mean(seed[0]) for seed in of.outcomes),
        "accuracy_b": mean(mean(seed[1]) for seed in of.outcomes),
        **tested(of),
        "only_a": sum(x > y for seed in of.outcomes for x, y in zip(*seed, strict=True)),
        "only_b": sum(x < y for seed in of.outcomes for x, y in zip(*seed, strict=True)),
        "seeds": list(of.seeds),
        "left_out": [len(asked[0] - asked[1]), len(asked[1] - asked[0])],
    }


def _lacking(ours: Mapping[str, BySeed], theirs: Mapping[str, BySeed]) -> str:
    models = [model for model in ours if model in theirs]
    if not models:
        return "model"
    single = all(len(of) == 1 for each in (ours, theirs) for of in each.values())
    return "question" if single or any(ours[name].keys() & theirs[name].keys() for name in models) else "seed"
