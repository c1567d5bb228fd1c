"""Tasks from files: one JSON Lines file a split, gold inside or in files of its own.

`jsonl` has a user's own questions; a benchmark also knows its published format, and where the hub has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
        return self._without_file(split) if file is None else self.read(file, split)

    def read(self, file: str | Path, split: str) -> dict[str, Row]:
        """The rows of a file of questions, or of their gold, by question id."""
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


class Benchmark(OwnFiles):
    """A published benchmark, from local files or the hub. A row without id is called "<split>-<line>"."""

    def read(self, file: str | Path, split: str) -> dict[str, Row]:
        """The rows of a local file in the published format."""
        return read(file, split, self._row)

    def _row(self, row: Row) -> Row | None:
        """A published row with its fields under our names; None where it is not used."""
        return row

    def _published(self, split: str) -> list[Row]:
        """The rows of a split as the hub has it."""
        raise NotImplementedError

    def _without_file(self, split: str) -> dict[str, Row]:
        return _by_id(self._published(split), split)


def read(
    file: str | Path, split: str | None = None, known: Callable[[Row], Row | None] = lambda row: row
) -> dict[str, Row]:
    """The rows of a questions or gold file by id.

    Args:
        file: the path.
        split: where given, a row without id gets "<split>-<line>".
        known: a row with its fields under our names, or None where it is left out.

    Raises:
        UserError: missing or torn file, no rows, a bad id, or one id twice.
    """
    table = _by_id((row for row in map(known, rows.read(file)) if row is not None), split)
    if not table:
        raise UserError("the file has no rows", file=file, expected="one JSON object a line")
    return table


def _by_id(found: Iterable[Row], split: str | None) -> dict[str, Row]:
    return rows.unique(found, lambda row: row.identity(default=None if split is None else f"{split}-{row.line}"))
