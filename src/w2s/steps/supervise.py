"""Questions; gold examples for weak model and ceiling; which answers to held-back questions are right. Reads gold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.answers import Style
from w2s.data import jsonl
from w2s.errors import BranchEnds
from w2s.flow.step import Context, Params
from w2s.steps.io import read_answered
from w2s.steps.params import Prompted, Reading
from w2s.tasks import gold


class Questions(Params):
    """A split and its questions' hash."""

    split: str
    content: str


class GoldExamples(Prompted):
    """A split, its gold's hash, the answer style."""

    split: str
    gold: str
    style: Style


class Right(Reading):
    """A split and its gold's hash."""

    split: str
    gold: str


def overlap(context: Context[Mapping[str, Any]]) -> dict[str, Any]:
    """Show and record questions of two splits; writes their pairs."""
    if context.resources.notes:
        context.show("\n".join(context.resources.notes))
    jsonl.write(context.output, context.resources.overlap)
    return dict(context.params)


def questions(context: Context[Questions]) -> dict[str, Any]:
    """Write a split's questions, without gold."""
    rows = [{"id": q.id, "question": q.question} for q in context.resources.questions]
    return {"of": jsonl.write(context.output, rows)}


def gold_examples(context: Context[GoldExamples]) -> dict[str, Any]:
    """Write gold solutions as training examples.

    Raises:
        BranchEnds: no gold (only `train_2` may lack it), or no questions.
    """
    split, builder = context.params.split, context.resources.builder
    table = gold.load(context.resources.task, split)
    rows = []
    for question in context.resources.questions:
        if question.id not in table:
            raise BranchEnds(f"no gold for question {question.id} of {split}")
        entry = table[question.id]
        text = gold.completion(entry, context.params.style)
        rows.append(
            {
                "id": question.id,
                "prompt": builder.prompt(question.question),
                "completion": builder.completion(text),
            }
        )
    if not rows:
        raise BranchEnds(f"{split} has no questions")
    return {"of": jsonl.write(context.output, rows)}


def right_answers(context: Context[Right]) -> dict[str, Any]:
    """Write which answers given to a part of `train_1` are right: rows {"id", "right": [keys]}."""
    params = context.params
    table = gold.load(context.resources.task, params.split)
    answers = {
        (answer.id, answer.key): answer.prediction
        for file in context.inputs.values()
        for answer in read_answered(file, params.rule)
        if answer.key is not None
    }
    against = [(given, table[id].answer, table[id].tolerance) for (id, _), given in answers.items()]
    right: dict[str, list[str]] = {question.id: [] for question in context.resources.questions}
    for (id, key), verdict in zip(answers, gold.grades(against, params.match), strict=True):
        if verdict == "correct":
            right[id].append(str(key))
    of = jsonl.write(context.output, ({"id": id, "right": keys} for id, keys in right.items()))
    return {"of": of, "with_a_right_answer": sum(bool(keys) for keys in right.values())}
