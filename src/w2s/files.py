"""The files of the contract, read into records. Every complaint names file, line, field and what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from w2s import gold
from w2s.answers import Style
from w2s.errors import UserError
from w2s.gold import Gold
from w2s.records import Question, Response
from w2s.tasks import own_files, rows
from w2s.tasks.rows import Row

_RESPONSE_FIELDS = frozenset({"id", "question", "response", "sample"})


@dataclass(frozen=True, slots=True)
class Read:
    """A response and the row it was read from, which keeps the user's own form of the id and unknown fields."""

    response: Response
    row: Row


def questions(file: str | Path) -> list[Question]:
    """The questions of a {"id", "question"} file; gold in it is left alone. Raises UserError on bad input."""
    return [Question(identity, row.text("question")) for identity, row in own_files.read(file).items()]


def gold_rows(file: str | Path, style: Style) -> dict[str, tuple[Gold, Row]]:
    """The gold of a {"id", "answer"} file by id, with its rows. Raises UserError on bad input."""
    return gold.read(file, style)


def responses(file: str | Path, *, several: bool = False, question_needed: bool = True) -> list[Read]:
    """The responses of a {"id", "question", "response"} file, in file order.

    Args:
        file: the path, or "-" for standard input.
        several: allow many responses a question, told apart by "sample"; otherwise one is all there may be.
        question_needed: refuse rows without a question (it is "" in the record where it is missing and not needed).

    Raises:
        UserError: a missing, torn or empty file; a missing or mistyped field; an id (or id and sample) twice; one id
            with two questions.
    """
    if several:
        mend = 'number the responses of each question: "sample": 0, 1, 2, ...'
        table = rows.unique(rows.read(file), lambda row: (row.identity(), row.count("sample", 0)), mend=mend)
    else:
        mend = "keep one response of each question"
        table = rows.unique(rows.read(file), lambda row: (row.identity(), 0), mend=mend)
    if not table:
        raise UserError("the file has no rows", file=file, expected='rows of {"id", "question", "response"}')
    found = [Read(_response(row, question_needed), row) for row in table.values()]
    first = first_of_each(found)
    for read in found:
        _same_question(first[read.response.id], read)
    return found


def first_of_each(reads: Iterable[Read]) -> dict[str, Read]:
    """The first response of each question by id, in file order."""
    first: dict[str, Read] = {}
    for read in reads:
        first.setdefault(read.response.id, read)
    return first


def match(one: Iterable[Read], other: Iterable[Read]) -> None:
    """Check that two response files are about the same questions.

    Raises:
        UserError: an id is in one file only, or has another question in the other file.
    """
    here, there = first_of_each(one), first_of_each(other)
    match_ids({i: read.row for i, read in here.items()}, {i: read.row for i, read in there.items()})
    for identity, read in there.items():
        _same_question(here[identity], read)


def match_ids(one: Mapping[str, Row], other: Mapping[str, Row]) -> None:
    """Check that two tables have the same ids. Raises UserError for the first id that only one of them has."""
    for table, opposite in ((one, other), (other, one)):
        missing = [identity for identity in table if identity not in opposite]
        if missing:
            file = next(iter(opposite.values())).file
            also = f" (and {len(missing) - 1:,} more ids)" if len(missing) > 1 else ""
            raise table[missing[0]].error(
                f"id {missing[0]!r}{also} is not in {file}", "id", expected="the same ids in both files"
            )


def _response(row: Row, question_needed: bool) -> Response:
    question = row.text("question") if question_needed or row.fields.get("question") is not None else ""
    return Response(
        id=row.identity(),
        question=question,
        response=row.text("response", may_be_empty=True).strip(),
        sample=row.count("sample", 0),
        extra={name: value for name, value in row.fields.items() if name not in _RESPONSE_FIELDS},
    )


def _same_question(first: Read, read: Read) -> None:
    one, other = first.response.question.strip(), read.response.question.strip()
    if one and other and one != other:
        raise read.row.error(
            f"id {read.response.id!r} has another question in {first.row.file}:{first.row.line}",
            "question",
            expected="one id, one question",
        )
