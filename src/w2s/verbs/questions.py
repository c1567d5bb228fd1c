"""Two files about the same questions, put beside each other a question at a time, with their answers read out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from w2s import jsonl, layouts
from w2s.answers import Style, stated
from w2s.config import Match
from w2s.files import Index
from w2s.layouts import Given
from w2s.records import Answered
from w2s.tasks.rows import Row
from w2s.verbs.grading import CHUNK, CHUNK_TEXT, keys


class Side(NamedTuple):
    """One side of a question: the responses as the file has them, and with their answers read out by each match."""

    given: Sequence[Given]
    answered: Mapping[Match, Sequence[Answered]]


class Question(NamedTuple):
    """A question of both files; `row` is where the weak file has it."""

    row: Row
    weak: Side
    strong: Side


@contextmanager
def opened(
    weak: str | Path,
    strong: str | Path,
    layout: layouts.Name,
    *,
    several: bool,
    only_shared: bool = False,
    on_progress: jsonl.Progress | None,
) -> Iterator[tuple[Index, Index]]:
    """The indexes of both files. Raises UserError for a bad file, or two that are not about the same questions."""
    with (
        Index(weak, layout, progress=on_progress) as first,
        Index(strong, layout, several=several, beside=first, only_shared=only_shared, progress=on_progress) as second,
    ):
        yield first, second


def questions(weak: Index, strong: Index, style: Style, on_progress: jsonl.Progress | None) -> Iterator[Question]:
    """The questions in the order of the weak file, their answers read out a chunk at a time."""
    of, number = len(weak.ids), 0
    while number < of:
        rows: list[Row] = []
        read: list[tuple[list[tuple[Given, int]], list[tuple[Given, int]]]] = []
        responses = text = 0
        while number < of and responses < CHUNK and text < CHUNK_TEXT:
            rows.append(weak.row(number))
            read.append((weak.read(number), strong.read(number)))
            responses += sum(map(len, read[-1]))
            text += sum(len(given.response) for side in read[-1] for given, _ in side)
            number += 1
        given = [sample for question in read for side in question for sample in side]
        answered = {match: iter(_answered(given, style, match)) for match in _MATCHES}
        for row, question in zip(rows, read, strict=True):
            yield Question(row, _side(question[0], answered), _side(question[1], answered))
        if on_progress is not None:
            on_progress(number, of)


def _side(side: Sequence[tuple[Given, int]], answered: Mapping[Match, Iterator[Answered]]) -> Side:
    return Side([given for given, _ in side], {match: [next(answered[match]) for _ in side] for match in _MATCHES})


def _answered(given: Sequence[tuple[Given, int]], style: Style, match: Match) -> list[Answered]:
    texts = [each.response.strip() for each, _ in given]
    predictions = [
        stated.read(text, each.question, style, flexible=match != "string")
        for (each, _), text in zip(given, texts, strict=True)
    ]
    return [
        Answered(str(each.id), each.question, text, prediction, key, sample, each.rest)
        for (each, sample), text, prediction, key in zip(
            given, texts, predictions, keys(predictions, match), strict=True
        )
    ]


_MATCHES: tuple[Match, Match] = ("equivalent", "string")
