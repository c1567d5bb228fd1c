"""The responses of a user's file, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from w2s.data import jsonl, layouts
from w2s.data.layouts import Layout, RawResponse
from w2s.data.responses import without
from w2s.data.rows import Row
from w2s.errors import UserError

_NOT_WHOLE = ("started", "cancelled", "error")
"""What inspect_ai says of an eval that has not ended, or not with success."""
_ALL_OR_NONE = "an id in every row, or in none"


class Reading(NamedTuple):
    """How a user's file is read.

    `columns`: `layouts.renamed`. `questions`: texts by id, for rows without one. `by_question`: the question, its white
    space made equal, is the id of a row without one.
    """

    layout: layouts.Name = "auto"
    columns: layouts.Columns = MappingProxyType({})
    questions: Mapping[str, str] = MappingProxyType({})
    by_question: bool = False


class Reader:
    """Responses of each row of one file.

    Args:
        reading: the layout ("auto": as the first row shows), or more.
        question_needed: refuse a row without a question.
        by_question: as `Reading`.
    """

    def __init__(
        self,
        reading: layouts.Name | Reading = "auto",
        *,
        question_needed: bool = True,
        by_question: bool = False,
    ) -> None:
        self._reading = reading if isinstance(reading, Reading) else Reading(reading)
        self._by_question = by_question or self._reading.by_question
        self._question_needed = question_needed and not self._reading.questions
        self._layout: Layout | None = None
        self._rows = 0
        self.numbered = False
        """Whether ids are the numbers of rows, from 1."""
        self._logged: dict[str | int, tuple[int, int]] = {}  # lm-eval: hash of the texts and line, by document
        self._notes: dict[str, None] = {}

    @property
    def layout(self) -> Layout:
        assert self._layout is not None
        return self._layout

    def note(self, text: str) -> None:
        self._notes.setdefault(text)

    def notes(self) -> list[str]:
        """How the file was read, for the user."""
        assumed = self._layout is not None and self._layout.name != "w2s" and self._reading.layout == "auto"
        return [*([f"read in the layout {self.layout.name}, by its first row"] if assumed else []), *self._notes]

    def read(self, row: Row) -> Sequence[RawResponse]:
        """The responses of a row; none where lm-eval repeats a document for another filter.

        Raises:
            UserError: the row does not fit the layout.
        """
        row = layouts.renamed(row, self._reading.columns)
        self._rows += 1
        if self._layout is None:
            self._layout = layouts.layout(self._reading.layout, row)
            if self._layout.name == "inspect" and (status := jsonl.log_status(row.file)) in _NOT_WHOLE:
                self.note(f"the status of the log's eval is {status}: answers of some questions may be missing")
        if self._is_named_by_question(row):
            self.note("rows without an id are joined by their question")
            return self._by_its_question(row)
        responses = self._read(self._named(row, self._rows), self._question_needed)
        if self._layout.name == "lm-eval":
            return responses if self._new(row, responses) else ()
        return responses

    def again(self, row: Row, identity: str) -> Sequence[RawResponse]:
        """The responses of a row that was read before, of the question `identity`."""
        row = layouts.renamed(row, self._reading.columns)
        if self._is_named_by_question(row):
            return self._by_its_question(row)
        return self._read(self._named(row, int(identity) if self.numbered else None), False)

    def _is_named_by_question(self, row: Row) -> bool:
        return self._by_question and not self.layout.own_ids and layouts.id_column(row.fields) is None

    def _by_its_question(self, row: Row) -> Sequence[RawResponse]:
        found = self.layout.read(Row(row.file, row.line, {**row.fields, "id": "-"}), True)
        numbered = "sample" in row.fields  # else in file order: each layout takes a row alone for a first sample
        return [
            raw._replace(id=" ".join(raw.question.split()), sample=raw.sample if numbered else None) for raw in found
        ]

    def _read(self, row: Row, question_needed: bool) -> Sequence[RawResponse]:
        known = self._reading.questions
        found = self.layout.read(row, question_needed)
        return [
            raw if raw.question else raw._replace(question=known.get(str(raw.id), ""), supplied=True) for raw in found
        ]

    def _named(self, row: Row, number: int | None) -> Row:
        """The row with its id as "id"; `number` where the file has none.

        Raises:
            UserError: one row has an id and another has none.
        """
        if self.layout.own_ids:
            return row
        column = layouts.id_column(row.fields)
        if self._rows == 1 and column is None and "id" not in row.fields:
            self.numbered = True
            self.note("rows without an id have the number of their row as id")
        if self.numbered and column is not None:
            raise row.error("the row has an id, and the rows before it have none", column, expected=_ALL_OR_NONE)
        if column == "id" or (column is None and not self.numbered):
            return row
        if column is not None:
            self.note(f"ids are in the column {column}")
        identity = number if column is None else row.fields[column]
        return Row(row.file, row.line, {**without(row.fields, *filter(None, [column])), "id": identity})

    def _new(self, row: Row, responses: Sequence[RawResponse]) -> bool:
        texts = hash(tuple(raw.response for raw in responses))
        first, line = self._logged.setdefault(responses[0].id, (texts, row.line))
        if line == row.line:
            return True
        if first != texts:
            raise row.error(
                f"document {responses[0].id!r} has other responses in {row.file}:{line}",
                "doc_id",
                hint="give the log of one task and one run",
            )
        self.note("a document that is logged once for each filter counts once")
        return False


def responses(
    file: str | Path, reader: Reader, progress: jsonl.Progress | None = None
) -> Iterator[tuple[Row, RawResponse]]:
    """Each response of a file with its row.

    Raises:
        UserError: a bad or empty file.
    """
    row = None
    for line, fields in jsonl.read(file, progress):
        row = Row(file, line, fields)
        for raw in reader.read(row):
            yield row, raw
    if row is None:
        raise empty(file)


def empty(file: str | Path) -> UserError:
    """Error: a file of responses without a row."""
    return UserError("the file has no rows", file=file, expected='rows of {"id", "question", "response"}')
