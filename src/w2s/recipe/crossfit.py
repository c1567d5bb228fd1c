"""Answers of models that were not trained on the question (ours): on training questions they repeat their training."""

from __future__ import annotations

from w2s.flow.step import Step
from w2s.steps.graph import Graph


def models(g: Graph, name: str, learnt: Step) -> list[Step]:
    """M, fine-tuned on either half of `learnt`."""
    M = g.recipe.strong
    return [g.fine_tune(f"{name}_half_{n}", M, g.half(f"{name}_rows_{n}", learnt, n)) for n in (0, 1)]


def samples(g: Graph, name: str, learnt: Step) -> Step:
    """`sampling.n` completions per train_2 question, each half's by M as fine-tuned on the other half of `learnt`."""
    parts = []
    for number, model in enumerate(models(g, name, learnt)):
        others = g.half(f"{name}_questions_{1 - number}", g.questions["train_2"], 1 - number)
        parts.append(g.every_sample(f"{name}_samples_{1 - number}", model, only=others))
    return g.union(f"{name}_samples", *parts)


def answers(g: Graph, name: str, judges: list[Step], split: str, questions: Step) -> Step:
    """A greedy completion per question of a split, each half's by the judge of the other half."""
    parts = []
    for number, model in enumerate(judges):
        others = g.half(f"{name}_questions_{1 - number}", questions, 1 - number)
        parts.append(g.answer(f"{name}_{1 - number}", model, split, only=others))
    return g.union(name, *parts)
