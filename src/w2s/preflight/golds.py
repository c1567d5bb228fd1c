"""What gold lets a run measure and train. Reads gold: for the weak model, the ceiling and evaluation only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from w2s.answers import Style
from w2s.config.schema import Recipe
from w2s.findings import Finding
from w2s.records import Question
from w2s.tasks import gold

Table = tuple[Mapping[str, gold.Gold], str]
"""Gold by question id, and why there is none ("": there is)."""


def findings(
    recipe: Recipe, questions: Mapping[str, Sequence[Question]], tables: Mapping[str, Table], style: Style
) -> Iterator[Finding]:
    """Notes on gold, by split."""
    ceiling = "strong_ceiling" in recipe.baselines
    if "train_1" not in questions:
        yield Finding(
            "there is no train_1: the weak model is taken as it comes, answers train_2 zero-shot and is the weak floor",
            "task.train_1",
        )
    if "train_1" in questions and (found := _answers_alone("train_1", questions, tables, style)):
        number, written = found
        yield Finding(
            f"{number} train_1 questions have an answer and no solution: the weak model learns to write only "
            f"{written}, and M learns from that",
            "task.train_1",
            "add solutions, or leave train_1 out (task jsonl): the weak model is then taken as it comes",
        )
    table, missing = tables.get("train_2", ({}, ""))
    asked = questions.get("train_2", ())
    without = sum(question.id not in table for question in asked)
    if without:
        why = missing or f"{without:,} of {len(asked):,} train_2 questions have no gold"
        yield Finding(
            f"no ceiling, no PGR and no precision of selections: {why}",
            "task.train_2",
            "the method needs none; to measure these, give gold for every train_2 question",
        )
    elif ceiling and (found := _answers_alone("train_2", questions, tables, style)):
        number, written = found
        yield Finding(
            f"{number} train_2 questions have an answer and no solution: the ceiling learns to write only {written}, "
            "so PGR compares with a low ceiling",
            "task.train_2",
            "add solutions, or leave strong_ceiling out of baselines",
        )


def _answers_alone(
    split: str, questions: Mapping[str, Sequence[Question]], tables: Mapping[str, Table], style: Style
) -> tuple[str, str] | None:
    """How many have no solution, and what would be learned of the first."""
    golds = [tables[split][0][question.id] for question in questions[split]]
    alone = [one for one in golds if one.solution is None]
    if not alone:
        return None
    return f"{len(alone):,} of {len(golds):,}", f"{gold.completion(alone[0], style)!r:.60}"
