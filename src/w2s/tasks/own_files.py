"""Tasks from files, gold inside or apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from w2s.answers import Style
from w2s.config import schema
from w2s.data import questions, rows
from w2s.data.rows import Row
from w2s.errors import UserError
from w2s.records import Question
from w2s.tasks.base import SPLITS, known_split


class OwnFiles:
    """Questions from a recipe's files."""

    splits: tuple[str, ...] = SPLITS

    def __init__(self, task: schema.FilesTask) -> None:
        self.name: str = task.name
        self._convert = questions.named({str(name): column for name, column in task.columns.items()})
        self.style: Style = task.answer
        self._files: dict[str, str | None] = {split: getattr(task, split) for split in SPLITS}
        if task.name == "jsonl" and task.train_1 is None:  # the weak model as it comes
            self.splits = tuple(split for split in SPLITS if split != "train_1")

    def rows(self, split: str) -> dict[str, Row]:
        """Rows by question id; `w2s.tasks.gold` uses their gold."""
        known_split(self, split)
        file = self._files[split]
        return self._without_file(split) if file is None else self.read(file, split)

    def read(self, file: str | Path, split: str) -> dict[str, Row]:
        """Rows of questions, or of gold, by id; of files without ids, "<split>-<number of the row>"."""
        return read(file, split, self._convert, all_or_none=True)

    def questions(self, split: str) -> list[Question]:
        return [Question(identity, row.text("question")) for identity, row in self.rows(split).items()]

    def _without_file(self, split: str) -> dict[str, Row]:
        raise UserError(
            f"the jsonl task has no file for {split}",
            field=f"task.{split}",
            expected='a JSON Lines file of {"id", "question"}',
            hint=f"add task.{split}=FILE.jsonl",
        )


class Benchmark(OwnFiles):
    """A published benchmark; a row without id is called "<split>-<line>"."""

    def read(self, file: str | Path, split: str) -> dict[str, Row]:
        return read(file, split, self._row)

    def _row(self, row: Row) -> Row | None:
        """None: left out."""
        return row

    def _published(self, split: str) -> list[Row]:
        raise NotImplementedError

    def _without_file(self, split: str) -> dict[str, Row]:
        return _by_id(self._published(split), split)


def read(
    file: str | Path,
    split: str | None = None,
    convert: Callable[[Row], Row | None] = lambda row: row,
    *,
    all_or_none: bool = False,
) -> dict[str, Row]:
    """The rows of a file by id; with `split`, a row without id gets "<split>-<line>".

    `convert` returns None where a row is left out. `all_or_none`: rows without id are counted, if all are without.

    Raises:
        UserError: missing or torn file, no rows, bad or repeated ids.
    """
    found = (row for row in map(convert, rows.read(file)) if row is not None)
    table = _by_id(_counted(found, split) if all_or_none else found, None if all_or_none else split)
    if not table:
        raise UserError("the file has no rows", file=file, expected="one JSON object per line")
    return table


def _counted(found: Iterable[Row], split: str | None) -> Iterator[Row]:
    """The rows; if the first has no id, all get one."""
    numbered = False
    for number, row in enumerate(found, 1):
        absent = "id" not in row.fields
        numbered = absent if number == 1 else numbered
        if numbered and not absent:
            raise row.error("the row has an id, and the rows before it have none", "id", expected="all or none")
        yield Row(row.file, row.line, {**row.fields, "id": f"{split}-{number}"}) if numbered else row


def _by_id(all_rows: Iterable[Row], split: str | None) -> dict[str, Row]:
    def checked(row: Row) -> Row:
        row.check_unicode("question")
        return row

    return rows.unique(
        map(checked, all_rows), lambda row: row.identity(default=None if split is None else f"{split}-{row.line}")
    )
