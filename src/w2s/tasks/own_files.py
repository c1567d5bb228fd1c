"""The task `jsonl`: a user's own questions, one JSON Lines file a split, gold inside or in files of its own."""

from __future__ import annotations

from pathlib import Path

from w2s import config
from w2s.answers import Style
from w2s.errors import UserError
from w2s.records import Question
from w2s.tasks import rows
from w2s.tasks.base import SPLITS, known_split
from w2s.tasks.rows import Row


class OwnFiles:
    """Questions from the files that a recipe names. Only `id` and `question` are read; gold stays in the rows."""

    splits: tuple[str, ...] = SPLITS

    def __init__(self, task: config.FilesTask) -> None:
        self.name: str = task.name
        self.style: Style = task.answer
        self._files: dict[str, str | None] = {split: getattr(task, split) for split in SPLITS}

    def rows(self, split: str) -> dict[str, Row]:
        """The rows of a split by question id, for `w2s.gold`, which alone may look at their gold fields."""
        known_split(self, split)
        file = self._files[split]
        if file is None:
            return self._without_file(split)
        return read(file)

    def questions(self, split: str) -> list[Question]:
        """The questions of one split, in file order."""
        return [Question(identity, row.text("question")) for identity, row in self.rows(split).items()]

    def _without_file(self, split: str) -> dict[str, Row]:
        raise UserError(
            f"the jsonl task has no file for {split}",
            field=f"task.{split}",
            expected='a JSON Lines file of {"id", "question"}',
            mend=f"add task.{split}=FILE.jsonl",
        )


def read(file: str | Path, split: str | None = None) -> dict[str, Row]:
    """The rows of a questions or gold file by id.

    Args:
        file: the path.
        split: where given, a row without id gets "<split>-<line>".

    Raises:
        UserError: missing or torn file, no rows, a bad id, or one id twice.
    """

    def identity(row: Row) -> str:
        return row.identity(default=None if split is None else f"{split}-{row.line}")

    table = rows.unique(rows.read(file), identity)
    if not table:
        raise UserError("the file has no rows", file=file, expected="one JSON object a line")
    return table
