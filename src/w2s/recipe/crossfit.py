"""Answers of models that were not trained on the question (ours): on training questions they repeat their training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from w2s.flow.step import Step
from w2s.steps.graph import Graph


def models(g: Graph, name: str, learnt: Step) -> list[Step]:
    """M, fine-tuned on either half of `learnt`."""
    M = g.recipe.strong
    return [g.fine_tune(f"{name}_half_{n}", M, g.half(f"{name}_rows_{n}", learnt, n)) for n in (0, 1)]


def samples(g: Graph, name: str, learnt: Step) -> Step:
    """`sampling.n` completions per train_2 question, each half's by M as fine-tuned on the other half of `learnt`."""
    halves = _unseen(g, name, models(g, name, learnt), g.questions["train_2"])
    parts = [g.every_sample(f"{name}_samples_{number}", judge, only=half) for number, judge, half in halves]
    return g.union(f"{name}_samples", *parts)


def answers(g: Graph, name: str, judges: list[Step], split: str, questions: Step) -> Step:
    """A greedy completion per question of a split, each half's by the judge of the other half."""
    halves = _unseen(g, name, judges, questions)
    return g.union(name, *(g.answer(f"{name}_{number}", judge, split, only=half) for number, judge, half in halves))


def _unseen(g: Graph, name: str, judges: Sequence[Step], questions: Step) -> Iterator[tuple[int, Step, Step]]:
    """The number of a half, its judge, which learnt the other half, and its questions."""
    for learnt, judge in enumerate(judges):
        number = 1 - learnt
        yield number, judge, g.half(f"{name}_questions_{number}", questions, number)
