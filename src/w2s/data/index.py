"""Files of responses by question; texts stay on disk."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from w2s.data import jsonl, layouts
from w2s.data.layouts import RawResponse
from w2s.data.reader import Reader as Reader
from w2s.data.reader import Reading as Reading
from w2s.data.reader import empty
from w2s.data.reader import responses as responses
from w2s.data.rows import Row
from w2s.errors import UserError

_MASKED = 64  # sample numbers below this are bits of one integer per question; any other is in a set


class Ledger:
    """What was seen of each question (29 bytes); questions are numbers from 0."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._samples = array("Q")
        self._other_samples: set[tuple[int, int]] = set()
        self.counts = array("I")
        self.lines = array("q")
        """Of the first response."""
        self.texts = array("q")
        """Hashes of questions, 0 if unknown."""
        self.own = array("B")
        """1 where the file itself has the question."""

    def reserve(self, size: int) -> None:
        more = size - len(self.counts)
        if more > 0:
            for column in (self._samples, self.counts, self.lines, self.texts, self.own):
                column.frombytes(bytes(more * column.itemsize))

    def enter(self, number: int, row: Row, raw: RawResponse, *, several: bool) -> int:
        """Note a response and give its sample number.

        Raises:
            UserError: a second response without `several`, a repeated sample number, another question.
        """
        self.reserve(number + 1)
        count, first = self.counts[number], self.lines[number]
        if count and not several:
            raise row.error(
                f"id {str(raw.id)!r} already stands in {row.file}:{first}",
                "id",
                hint="keep one response of each question",
            )
        sample = raw.sample
        if sample is None:
            sample = count
            if count:
                self._reader.note("responses without a sample number are numbered in file order")
        if count and self._has(number, sample):
            raise row.error(
                f"id {str(raw.id)!r} already stands in {row.file}:{first} with sample {sample}",
                "id",
                hint='number the responses of each question: "sample": 0, 1, 2, ...',
            )
        self._add(number, sample)
        if not count:
            self.lines[number] = row.line
        self.counts[number] = count + 1
        text = raw.question.strip()
        if text:
            digest = hash(text) or 1
            if self.texts[number] and self.texts[number] != digest:
                raise another_question(row, raw.id, row.file, first)
            self.texts[number] = digest
            self.own[number] |= not raw.supplied
        return sample

    def _has(self, number: int, sample: int) -> bool:
        if sample < _MASKED:
            return bool(self._samples[number] >> sample & 1)
        return (number, sample) in self._other_samples

    def _add(self, number: int, sample: int) -> None:
        if sample < _MASKED:
            self._samples[number] |= 1 << sample
        else:
            self._other_samples.add((number, sample))


class Index:
    """Responses of a file by question, read again from disk. Close it.

    Memory: about 250 bytes per question, 45 per further response.

    Args:
        file: "-" for standard input.
        several: allow many responses per question.
        beside: an index with the same questions.
        only_shared: leave out questions of one file only.
        partial: questions of `beside` may be missing.

    Raises:
        UserError: a bad or empty file; a repeated id (or id and sample); an id with two questions, or in one file only.
    """

    def __init__(
        self,
        file: str | Path,
        reading: layouts.Name | Reading = "auto",
        *,
        several: bool = False,
        beside: Index | None = None,
        only_shared: bool = False,
        partial: bool = False,
        progress: jsonl.Progress | None = None,
    ) -> None:
        self.file = file
        self.reader = Reader(reading, question_needed=False)
        self.ids: dict[str, int] = {} if beside is None else beside.ids
        self._ledger = Ledger(self.reader)
        self._ledger.reserve(len(self.ids))
        self._several = several
        self._only_shared = only_shared
        self._partial = partial
        self._names: list[str] | None = None
        self._rows = jsonl.Rows(file)
        try:
            self._scan(beside, progress)
        except BaseException:
            self.close()
            raise

    def _scan(self, beside: Index | None, progress: jsonl.Progress | None) -> None:
        questions, positions, lines = array("q"), array("q"), array("q")
        unknown: dict[str, Row] = {}
        for line, position, fields in self._rows.scan(progress):
            row = Row(self.file, line, fields)
            number = None
            for raw in self.reader.read(row):
                identity = str(raw.id)
                number = self.ids.get(identity)
                if number is None and beside is None:
                    number = self.ids[identity] = len(self.ids)
                if number is None:
                    unknown.setdefault(identity, Row(self.file, line, {}))
                    break
                self._ledger.enter(number, row, raw, several=self._several)
            if number is not None:
                for column, value in ((questions, number), (positions, position), (lines, line)):
                    column.append(value)
        if not questions and not unknown:
            raise empty(self.file)
        if beside is not None:
            self._compare(beside, unknown)
        order = np.argsort(np.asarray(questions), kind="stable")
        self._starts = np.searchsorted(np.asarray(questions)[order], np.arange(len(self.ids) + 1))
        self._positions, self._lines = np.asarray(positions)[order], np.asarray(lines)[order]

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._rows.close()

    @property
    def counts(self) -> Sequence[int]:
        return self._ledger.counts

    def row(self, number: int) -> Row:
        """Where a question first stands, without fields."""
        return Row(self.file, self._ledger.lines[number], {})

    def read(self, number: int) -> list[tuple[RawResponse, int]]:
        """The responses with sample numbers, in file order."""
        responses: list[tuple[RawResponse, int]] = []
        identity = self._identity(number) if self.reader.numbered else ""
        for place in range(self._starts[number], self._starts[number + 1]):
            row = Row(self.file, int(self._lines[place]), self._rows.at(int(self._positions[place])))
            for raw in self.reader.again(row, identity):
                responses.append((raw, len(responses) if raw.sample is None else raw.sample))
        return responses

    def has_text(self) -> np.ndarray:
        """By question, whether the file has its text."""
        return np.asarray(self._ledger.texts)[: len(self.ids)] != 0

    def _identity(self, number: int) -> str:
        if self._names is None:
            self._names = list(self.ids)
        return self._names[number]

    def _compare(self, beside: Index, unknown: Mapping[str, Row]) -> None:
        here, there = self._ledger, beside._ledger
        missing = [identity for identity, number in self.ids.items() if not here.counts[number]]
        self._check_numbers(beside, alike=not missing and not unknown)
        if self._partial:
            missing = []
        if self._only_shared:
            for count, file in ((len(missing), beside.file), (len(unknown), self.file)):
                if count:
                    self.reader.note(f"{count:,} questions that only {file} has are left out")
            unknown, missing = {}, []
        if missing:
            line = there.lines[self.ids[missing[0]]]
            raise only_in_one(Row(beside.file, line, {}), missing[0], self.file, len(missing) - 1)
        for identity, row in unknown.items():
            raise only_in_one(row, identity, beside.file, len(unknown) - 1)
        ours, theirs = np.asarray(here.texts), np.asarray(there.texts)
        differ = (ours != theirs) & (ours != 0) & (theirs != 0)
        if differ.any():
            number = int(differ.argmax())
            identity = next(name for name, value in self.ids.items() if value == number)
            row = Row(self.file, here.lines[number], {})
            raise another_question(row, identity, beside.file, there.lines[number])

    def _check_numbers(self, beside: Index, *, alike: bool) -> None:
        """Numbers of rows are ids only between files of one length, or where each question's text is in both.

        Raises:
            UserError: rows would be joined by position, and nothing says that they belong together.
        """
        if not (self.reader.numbered or beside.reader.numbered):
            return
        if self.reader.numbered and beside.reader.numbered and alike:
            return
        here, there = np.asarray(self._ledger.own), np.asarray(beside._ledger.own)
        shared = (np.asarray(self._ledger.counts) > 0) & (np.asarray(beside._ledger.counts) > 0)
        blind = shared & ((here == 0) | (there == 0))
        if not blind.any() and shared.any():
            return
        file = self if self.reader.numbered else beside
        other = beside if file is self else self
        line = file._ledger.lines[int(blind.argmax()) if blind.any() else 0]
        raise not_joined(Row(file.file, line, {}), other.file, numbered=other.reader.numbered)


def only_in_one(row: Row, identity: str, other: str | Path, more: int = 0, hint: str | None = None) -> UserError:
    """Error: the row's id (and `more` ids) is not in `other`."""
    also = f" (and {more:,} more ids)" if more else ""
    problem = f"id {identity!r}{also} is not in {other}"
    return row.error(problem, "id", expected="the same ids in both files", hint=hint)


def not_joined(row: Row, other: str | Path, *, numbered: bool) -> UserError:
    """Error: rows without ids would be joined with `other` by their position."""
    why = "has another number of rows" if numbered else "has ids of its own"
    return row.error(
        f"the rows have no id, and {other} {why}: nothing says which belong together",
        "id",
        expected="ids in both files, or equally many rows without, or the question in each row of both",
        hint="--column id=NAME says which column holds the ids",
    )


def another_question(row: Row, identity: object, file: str | Path, line: int) -> UserError:
    """Error: the row's id has another question in `file`."""
    return row.error(
        f"id {str(identity)!r} has another question in {file}:{line}", "question", expected="one id, one question"
    )
