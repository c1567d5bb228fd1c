"""Cross-fitting: halves of the questions, each judged by a model that has not seen it. No gold, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.data import jsonl
from w2s.errors import BranchEnds
from w2s.flow.step import Context, Params
from w2s.seeds import derive


class Half(Params):
    """Which of two halves."""

    number: int
    seed: int


def half_of(id: str, seed: int) -> int:
    """The half of a question, by its id."""
    return derive(seed, "half", id) % 2


def half(context: Context[Half]) -> dict[str, Any]:
    """Write the rows of one half of the questions.

    Raises:
        BranchEnds: there is none.
    """
    params, of = context.params, 0
    rows = []
    for _, row in jsonl.read(context.inputs["rows"]):
        of += 1
        if half_of(str(row["id"]), params.seed) == params.number:
            rows.append(row)
    if not rows:
        raise BranchEnds(f"none of {of} rows is in half {params.number}")
    jsonl.write(context.output, rows)
    return {"kept": len(rows), "of": of}


def union(context: Context[Mapping[str, Any]]) -> dict[str, Any]:
    """Write the rows of all inputs, in the order of their roles."""
    files = (context.inputs[role] for role in sorted(context.inputs))
    return {"of": jsonl.write(context.output, (row for file in files for _, row in jsonl.read(file)))}
