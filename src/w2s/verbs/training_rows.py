"""The rows of `w2s train`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from w2s.config.choices import LOSSES
from w2s.data import rows
from w2s.data.rows import Row
from w2s.records import Example, Preference


def read(data: str | Path, *, pairs: bool, weights: bool) -> list[tuple[bool, Example | Preference]]:
    """Whether a row says that it was cut, and its example or pair. `weights`: the trainer has them.

    Raises:
        UserError: a bad row, or a weight that the trainer has not.
    """
    found: list[tuple[bool, Example | Preference]] = []
    for row, each in _pairs(data) if pairs else _examples(data):
        if not weights:
            _refuse_weights(row, each)
        found.append((row.cut, each))
    return found


def _examples(data: str | Path) -> Iterator[tuple[Row, Example]]:
    for row in rows.read(data):
        if "completion" not in row.fields and "chosen" in row.fields:
            raise row.error(
                "the row is a preference pair, and sft trains on completions",
                "completion",
                expected='rows like {"prompt", "completion"}',
                hint=f"use --loss {', '.join(LOSSES[:-1])} or {LOSSES[-1]}",
            )
        _refuse_other_format(row)
        row.check_unicode("prompt", "completion")
        identity, weight = row.identity(f"row {row.line}"), _weight(row, "weight")
        first = _weight(row, "first_weight")
        prompt, completion = row.text("prompt"), row.text("completion")
        yield row, Example(identity, prompt, completion, 1.0 if weight is None else weight, first)


def _pairs(data: str | Path) -> Iterator[tuple[Row, Preference]]:
    for row in rows.read(data):
        if "chosen" not in row.fields and "completion" in row.fields:
            raise row.error(
                "the row has one completion, and this loss compares two",
                "chosen",
                expected='rows like {"prompt", "chosen", "rejected"}, as `w2s pairs` writes them',
                hint="use --loss sft",
            )
        _refuse_other_format(row)
        row.check_unicode("prompt", "chosen", "rejected")
        identity, weight = row.identity(f"row {row.line}"), _weight(row, "weight")
        prompt, chosen, rejected = (row.text(name) for name in ("prompt", "chosen", "rejected"))
        if chosen == rejected:
            raise row.error("chosen and rejected are equal", "rejected", hint="delete the row")
        yield row, Preference(identity, prompt, chosen, rejected, 1.0 if weight is None else weight)


def _weight(row: Row, field: str) -> float | None:
    """None: the row has none."""
    value = row.fields.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise row.error(f"{value!r:.80} is not a weight", field, expected="a finite number from 0 on")
    return float(value)


def _refuse_weights(row: Row, each: Example | Preference) -> None:
    weights = {"weight": each.weight, "first_weight": each.first_weight if isinstance(each, Example) else None}
    field = next((name for name, weight in weights.items() if weight not in (None, 1)), None)
    if field is not None:
        raise row.error(
            "the row has a weight, and TRL's trainers have none",
            field,
            hint="train with trainer=w2s, or leave the weights out of the rows",
        )


def _refuse_other_format(row: Row) -> None:
    """UserError: rows for another trainer, which writes its own prompt around the question."""
    named = next((name for name in ("messages", "instruction") if name in row.fields), None)
    named = "prompt" if isinstance(row.fields.get("prompt"), list) else named
    if named is not None:
        raise row.error(
            f"{named} is {'a text' if named == 'instruction' else 'a list'} for a trainer that writes the prompt",
            named,
            expected='texts: {"prompt", "completion"} or {"prompt", "chosen", "rejected"}',
            hint="write the rows with --format trl, the default",
        )
