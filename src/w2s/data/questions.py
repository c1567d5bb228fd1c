"""Questions of a user's file, by id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from w2s.data import chats, columns, jsonl, layouts
from w2s.data.responses import question_of
from w2s.data.rows import Row
from w2s.errors import UserError


def texts(file: str | Path, names: layouts.Columns) -> dict[str, str]:
    """The questions of {"id", "question"} rows, or of the input file of a batch.

    Raises:
        UserError: a bad file, no id, or two questions of one id.
    """
    table: dict[str, str] = {}
    for line, fields in jsonl.read(file):
        row = as_question(layouts.renamed(Row(file, line, fields), names))
        identity = row.identity()
        if table.setdefault(identity, row.text("question")) != row.fields["question"]:
            raise row.error(
                f"id {identity!r:.80} has another question above", "question", expected="one id, one question"
            )
    if not table:
        raise UserError("the file has no rows", file=file, expected='rows of {"id", "question"}')
    return table


def as_question(row: Row) -> Row:
    """The row with "id" and "question", if it has them under other names that are known."""
    fields = dict(row.fields)
    body = fields.get("body")
    if "custom_id" in fields and isinstance(body, dict):
        asked = Row(row.file, row.line, body)
        field = next((name for name in ("messages", "prompt", "input") if name in body), "messages")
        text = question_of(chats.text_of(asked, field, "user"))
        return Row(row.file, row.line, {"id": fields["custom_id"], "question": text})
    column = layouts.id_column(fields)
    if column not in (None, "id"):
        fields["id"] = fields.pop(str(column))
    if "question" not in fields:
        name = next((name for name in (*columns.QUESTIONS, "messages") if name in fields), None)
        if name is not None:
            fields["question"] = question_of(chats.text_of(row, name, "user"))
            del fields[name]
    return Row(row.file, row.line, fields)


def named(names: layouts.Columns) -> Callable[[Row], Row]:
    """As `as_question`, after a user's own names."""
    return lambda row: as_question(layouts.renamed(row, names))
