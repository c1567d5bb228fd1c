"""Files of responses that users give to the verbs, read as streams: a few numbers a question stay in memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from w2s import jsonl, layouts
from w2s.errors import UserError
from w2s.layouts import Given, Layout
from w2s.tasks.rows import Row

_MASKED = 64  # sample numbers below this are bits of one integer a question; any other is kept in a set


class Reader:
    """Rows of one responses file to their responses, in the layout that the first row shows or the caller names.

    Args:
        name: the layout, or "auto".
        question_needed: refuse a row without a question.
    """

    def __init__(self, name: layouts.Name = "auto", *, question_needed: bool = True) -> None:
        self._name = name
        self._question_needed = question_needed
        self._layout: Layout | None = None
        self._logged: dict[str | int, tuple[int, int]] = {}  # lm-eval: hash of the texts and line, by document
        self._notes: dict[str, None] = {}

    @property
    def layout(self) -> Layout:
        """The layout; known once a row has been read."""
        assert self._layout is not None
        return self._layout

    def note(self, text: str) -> None:
        """Remember something to say about the file; said once."""
        self._notes.setdefault(text)

    def notes(self) -> list[str]:
        """What a person should know about how the file was read."""
        assumed = self._layout is not None and self._layout.name != "w2s" and self._name == "auto"
        return [*([f"read in the layout {self.layout.name}, by its first row"] if assumed else []), *self._notes]

    def read(self, row: Row) -> Sequence[Given]:
        """The responses of a row; none where a log of lm-eval repeats a document's for another of its filters.

        Raises:
            UserError: the row does not fit the layout.
        """
        if self._layout is None:
            self._layout = layouts.layout(self._name, row)
        found = self._layout.read(row, self._question_needed)
        if self._layout.name == "lm-eval":
            return found if self._new(row, found) else ()
        if self._layout.name == "trl" and row.fields.get("id") is None:
            self.note("rows without an id have their line number as id")
        return found

    def _new(self, row: Row, found: Sequence[Given]) -> bool:
        """Whether this document has not been read: the harness logs each one once for every filter of a task."""
        texts = hash(tuple(given.response for given in found))
        first, line = self._logged.setdefault(found[0].id, (texts, row.line))
        if line == row.line:
            return True
        if first != texts:
            raise row.error(
                f"document {found[0].id!r} has other responses in {row.file}:{line}",
                "doc_id",
                mend="give the log of one task and one run",
            )
        self.note("a document that is logged once for each filter counts once")
        return False


def responses(file: str | Path, reader: Reader, progress: jsonl.Progress | None = None) -> Iterator[tuple[Row, Given]]:
    """Each response of a file with the row that holds it, in file order.

    Raises:
        UserError: a missing, torn or empty file, or a row that does not fit the layout.
    """
    row = None
    for line, fields in jsonl.read(file, progress):
        row = Row(file, line, fields)
        for given in reader.read(row):
            yield row, given
    if row is None:
        raise _empty(file)


class Ledger:
    """What has been seen of each question of a file, 28 bytes each: questions are numbers from 0."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._samples = array("Q")
        self._other_samples: set[tuple[int, int]] = set()
        self.counts = array("I")
        """Responses by question."""
        self.lines = array("q")
        """Line of the first response by question."""
        self.texts = array("q")
        """Hash of the question's text, 0 where no row has one."""

    def reserve(self, size: int) -> None:
        """Make room for the questions below `size`."""
        more = size - len(self.counts)
        if more > 0:
            for column in (self._samples, self.counts, self.lines, self.texts):
                column.frombytes(bytes(more * column.itemsize))

    def enter(self, number: int, row: Row, given: Given, *, several: bool) -> int:
        """Note a response to question `number` and return its sample number.

        Raises:
            UserError: a second response where `several` is off, a sample number that the question has already, or
                another question under the same id.
        """
        self.reserve(number + 1)
        count, first = self.counts[number], self.lines[number]
        if count and not several:
            raise row.error(
                f"id {str(given.id)!r} already stands in {row.file}:{first}",
                "id",
                mend="keep one response of each question",
            )
        sample = given.sample
        if sample is None:
            sample = count
            if count:
                self._reader.note("responses without a sample number are numbered in file order")
        if count and self._has(number, sample):
            raise row.error(
                f"id {str(given.id)!r} already stands in {row.file}:{first} with sample {sample}",
                "id",
                mend='number the responses of each question: "sample": 0, 1, 2, ...',
            )
        self._add(number, sample)
        if not count:
            self.lines[number] = row.line
        self.counts[number] = count + 1
        text = given.question.strip()
        if text:
            found = hash(text) or 1
            if self.texts[number] and self.texts[number] != found:
                raise another_question(row, given.id, row.file, first)
            self.texts[number] = found
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
    """The responses of a file by question, read again when they are asked for. Close it, or use it in `with`.

    Memory: about 250 bytes a question with one response, most of them for its id, and 45 for each further response; an
    index beside another takes 50 a row. (Measured: growth of the process's peak to 200,000 rows, ids of six digits.)
    `ids` numbers the questions in file order; an index that is given another one's ids uses its numbers.

    Args:
        file: the path, or "-" for standard input.
        layout: how to read it.
        several: allow many responses a question.
        beside: the index of a file that must have the same questions.
        only_shared: it need not: questions that only one of the two has are noted, and have no responses on one side.
        progress: told the bytes read.

    Raises:
        UserError: a missing, torn or empty file; a row that does not fit the layout; an id (or id and sample) twice;
            one id with two questions; an id that only one of this file and `beside` has.
    """

    def __init__(
        self,
        file: str | Path,
        layout: layouts.Name = "auto",
        *,
        several: bool = False,
        beside: Index | None = None,
        only_shared: bool = False,
        progress: jsonl.Progress | None = None,
    ) -> None:
        self.file = file
        self.reader = Reader(layout)
        self.ids: dict[str, int] = {} if beside is None else beside.ids
        self._ledger = Ledger(self.reader)
        self._ledger.reserve(len(self.ids))
        self._several = several
        self._only_shared = only_shared
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
            for given in self.reader.read(row):
                identity = str(given.id)
                number = self.ids.get(identity)
                if number is None and beside is None:
                    number = self.ids[identity] = len(self.ids)
                if number is None:
                    unknown.setdefault(identity, Row(self.file, line, {}))
                    break
                self._ledger.enter(number, row, given, several=self._several)
            if number is not None:
                for column, value in ((questions, number), (positions, position), (lines, line)):
                    column.append(value)
        if not questions and not unknown:
            raise _empty(self.file)
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
        """Close the file and delete its temporary copy."""
        self._rows.close()

    def row(self, number: int) -> Row:
        """Where question `number` first stands, without its fields: for an error."""
        return Row(self.file, self._ledger.lines[number], {})

    def read(self, number: int) -> list[tuple[Given, int]]:
        """The responses to question `number` with their sample numbers, in file order."""
        found: list[tuple[Given, int]] = []
        for place in range(self._starts[number], self._starts[number + 1]):
            row = Row(self.file, int(self._lines[place]), self._rows.at(int(self._positions[place])))
            for given in self.reader.layout.read(row, True):
                found.append((given, len(found) if given.sample is None else given.sample))
        return found

    def _compare(self, beside: Index, unknown: Mapping[str, Row]) -> None:
        here, there = self._ledger, beside._ledger
        missing = [identity for identity, number in self.ids.items() if not here.counts[number]]
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


def only_in_one(row: Row, identity: str, other: str | Path, more: int = 0, mend: str | None = None) -> UserError:
    """The error that the id of `row` (and `more` ids) is not in the file `other`."""
    also = f" (and {more:,} more ids)" if more else ""
    problem = f"id {identity!r}{also} is not in {other}"
    return row.error(problem, "id", expected="the same ids in both files", mend=mend)


def another_question(row: Row, identity: object, file: str | Path, line: int) -> UserError:
    """The error that the question of `row` is not the one that its id has in `file`."""
    return row.error(
        f"id {str(identity)!r} has another question in {file}:{line}", "question", expected="one id, one question"
    )


def _empty(file: str | Path) -> UserError:
    return UserError("the file has no rows", file=file, expected='rows of {"id", "question", "response"}')
