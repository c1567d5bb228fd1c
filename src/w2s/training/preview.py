"""The first training example as the model gets it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, TypeVar

from w2s.records import Example, Preference
from w2s.training import checkpoint, data
from w2s.training.data import IGNORE, Encoded

Row = TypeVar("Row", Example, Preference)

_TAIL = 200
"""Characters of a prompt."""
_MOST = 1000
"""Characters of a completion: half beginning, half end."""


def teachable(model: Path, examples: Sequence[Row], *, offline: bool = False) -> list[Row]:
    """The examples that do not spell EOS or BOS (`data.spells_marks`).

    Raises:
        UserError: as `checkpoint.find`.
    """
    tokenizer = checkpoint.load_tokenizer(checkpoint.find(model, offline=offline))

    def texts(row: Example | Preference) -> tuple[str, ...]:
        return (row.prompt, row.completion) if isinstance(row, Example) else (row.prompt, row.chosen, row.rejected)

    return [row for row in examples if not data.spells_marks(tokenizer, *texts(row))]


def first_example(
    model: Path, examples: Sequence[Example] | Sequence[Preference], max_length: int, *, offline: bool = False
) -> dict[str, Any]:
    """The first example by id, decoded; `masked`, `learned`: tokens outside and inside the loss.

    Raises:
        UserError: there is none, or as `data.check`.
    """
    start = checkpoint.find(model, offline=offline)
    tokenizer, most = checkpoint.load_tokenizer(start), checkpoint.longest(start.base, max_length)
    first = min(examples, key=astuple, default=None)
    if isinstance(first, Preference):
        (row,), (rejected,) = data.encode_pairs(tokenizer, [first], most)
        return _decoded(tokenizer, row) | {"rejected": _cut(tokenizer.decode(rejected.completion))}
    (row,) = data.encode(tokenizer, [] if first is None else [first], most)
    return _decoded(tokenizer, row)


def block(first: dict[str, Any]) -> str:
    """A `first_example` as lines for people."""
    lines = [
        f"first example ({first['id']}): {first['masked']} tokens masked, {first['learned']} learned, the last is EOS",
        f"  masked    {'…' if first['cut'] else ''}{first['prompt_tail']!r}",
        f"  {'chosen ' if 'rejected' in first else 'learned'}   {first['completion']!r}",
    ]
    return "\n".join([*lines, f"  rejected  {first['rejected']!r}"] if "rejected" in first else lines)


def _decoded(tokenizer: Any, row: Encoded) -> dict[str, Any]:
    pairs = list(zip(row.tokens, row.labels, strict=True))
    masked, learned = ([token for token, label in pairs if (label == IGNORE) == mask] for mask in (True, False))
    prompt = tokenizer.decode(masked)
    return {
        "id": row.id,
        "prompt_tail": prompt[-_TAIL:],
        "cut": len(prompt) > _TAIL,
        "completion": _cut(tokenizer.decode(learned)),
        "masked": len(masked),
        "learned": len(learned),
    }


def _cut(text: str) -> str:
    half = _MOST // 2
    return text if len(text) <= _MOST else f"{text[:half]} … {text[-half:]}"
