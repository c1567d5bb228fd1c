"""Questions and gold supervision: the weak model's training data, and the ceiling's. One of two users of gold."""

from __future__ import annotations

from typing import Any

from w2s import gold, jsonl
from w2s.errors import BranchEnds
from w2s.flow.step import Context


def overlap(context: Context) -> dict[str, Any]:
    """Show and record which questions stand in two splits; the guard's finding is its identity and its result."""
    if context.given["lines"]:
        context.show("\n".join(context.given["lines"]))
    return dict(context.params)


def questions(context: Context) -> dict[str, Any]:
    """Write a split's questions, without gold, as the guard and the limit left them."""
    rows = [{"id": q.id, "question": q.question} for q in context.given["questions"]]
    return {"of": jsonl.write(context.output, rows)}


def gold_examples(context: Context) -> dict[str, Any]:
    """Write a split's questions with their gold solutions as training examples.

    Raises:
        BranchEnds: the split has no gold (only the ceiling's `train_2` may lack it), or no worked solutions.
    """
    split, builder = context.params["split"], context.given["builder"]
    table = gold.load(context.given["task"], split)
    rows = []
    for question in context.given["questions"]:
        if question.id not in table:
            raise BranchEnds(f"no gold for question {question.id} of {split}")
        entry = table[question.id]
        text = gold.worked(entry, context.params["style"])
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
