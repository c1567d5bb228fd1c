"""Gold for the verbs that grade."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from w2s import answers
from w2s.answers import Style, Verdict
from w2s.config.choices import By, Join, Match
from w2s.data import index, jsonl, layouts
from w2s.data.layouts import RawResponse
from w2s.data.rows import Row
from w2s.errors import UserError, one_of
from w2s.tasks import gold

_BY_QUESTION = "--join question matches gold to questions by their text"
_GROUPS: dict[By, str] = {"level": 'rows with "level": an integer', "subject": 'rows with "subject": a string'}
_COMPARED = 1000  # questions, by text
_SHARED = "--only-shared leaves out questions that only one file has"


class Golds:
    """The right answers of a gold file, by question.

    `reading`: the layout "w2s" takes {"id", "answer"} only; else the first row decides. `by`: the field that groups
    questions. `log`: the file has responses too, perhaps several to a question.

    Raises:
        UserError: a bad file, bad or missing gold, or two answers for one question.
    """

    def __init__(
        self,
        file: str | Path,
        style: Style,
        reading: layouts.Name | index.Reading = "auto",
        join: Join = "id",
        by: By | None = None,
        *,
        log: bool = False,
    ) -> None:
        reading = reading if isinstance(reading, index.Reading) else index.Reading(reading)
        layouts.check(reading.layout)
        one_of("join", join, get_args(Join), "--join")
        if by is not None:
            one_of("field", by, get_args(By), "--by")
        self.file, self.by = file, by
        self._join = join
        self.numbered = self.blind = False
        """Whether ids are numbers of rows; whether such were joined without their question's text."""
        self._texts: list[bytes | None] = []
        self._compared: list[str] = []
        self._alike = Counter[bool]()
        self._numbers: dict[str | bytes, int] = {}
        self._answers: list[str] = []
        self._lines = array("q")
        self._tolerances: dict[int, float] = {}
        self._groups: list[str] = []
        same: dict[str, str] = {}  # many questions share few answers: one string for each
        normal = None
        for count, (line, fields) in enumerate(jsonl.read(file), 1):
            row = layouts.renamed(Row(file, line, fields), reading.columns)
            if normal is None:
                normal = layouts.gold_layout(reading.layout, row)
            repeats = log or "doc_id" in row.fields
            row = self._named(normal(row, style), count)
            name = self._name(row)
            right = gold.parse(row, style, str(row.fields.get("id", "")))
            answer = right.answer
            number = self._numbers.setdefault(name, len(self._answers))
            if number < len(self._answers):
                self._repeated(row, number, answer, allowed=repeats or join == "question")
                continue
            self._answers.append(same.setdefault(answer, answer))
            self._lines.append(line)
            question = row.fields.get("question") if join == "id" else None
            text = _normal(question) if isinstance(question, str) else ""
            self._texts.append(_digest(text) if text else None)
            if len(self._compared) < _COMPARED:
                self._compared.append(text)
            if by is not None:
                value = right.level if by == "level" else right.subject
                group = f"no {by}" if value is None else str(value)
                self._groups.append(same.setdefault(group, group))
            if right.tolerance is not None:
                self._tolerances[number] = right.tolerance
        if normal is None:
            raise UserError("the file has no rows", file=file, expected='rows of {"id", "answer"}')
        if by is not None and set(self._groups) == {f"no {by}"}:
            raise UserError(
                f"no row has a {by}",
                file=file,
                field=by,
                expected=_GROUPS[by],
                hint="`w2s tasks NAME --out FOLDER` writes the gold of a built-in task with it, where it has one",
            )

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, number: int) -> str:
        return self._answers[number]

    def group(self, number: int) -> str:
        """The level or subject of a question, or "no level", "no subject"."""
        return self._groups[number]

    def grade(self, numbers: Sequence[int], predictions: Sequence[str | None], match: Match) -> list[Verdict]:
        """Verdicts against the gold of `numbers`."""
        pairs = zip(predictions, numbers, strict=True)
        return gold.grades([(each, self._answers[of], self._tolerances.get(of)) for each, of in pairs], match)

    def near(self, number: int, prediction: str | None) -> bool:
        """Whether the prediction is within the tolerance, if there is one."""
        return gold.near(prediction, self._answers[number], self._tolerances.get(number))

    def number(self, identity: str) -> int | None:
        """The number of an id's gold, or None."""
        return self._numbers.get(identity)

    def has(self, raw: RawResponse) -> bool:
        return (str(raw.id) if self._join == "id" else _digest(raw.question)) in self._numbers

    def find(self, raw: RawResponse, row: Row) -> int:
        """The number of a response's gold. UserError: none."""
        if self._join == "id":
            number = self._numbers.get(str(raw.id))
            if number is None:
                raise index.only_in_one(row, str(raw.id), self.file, hint=f"{_SHARED}; {_BY_QUESTION}")
            return number
        number = self._numbers.get(_digest(raw.question))
        if number is None:
            raise row.error(
                f"the question of id {str(raw.id)!r} is not in {self.file}",
                "question",
                expected="the same questions in both files",
                hint=_SHARED,
            )
        return number

    def check_joined(self, number: int, raw: RawResponse, row: Row, *, numbered: bool) -> None:
        """Numbers of rows are ids only between files of one length, or where the question's text is in both.

        `numbered`: the response's id is one. `blind` then says that lengths must be equal.

        Raises:
            UserError: another question, or nothing says that the response belongs to this gold.
        """
        if number < len(self._compared) and (right := self._compared[number]) and raw.question.strip():
            asked = _normal(raw.question)
            self._alike[right in asked or asked in right] += 1
        if self._join == "question" or not (self.numbered or numbered):
            return
        text = self._texts[number]
        if text is not None and raw.question.strip():
            if text != _digest(raw.question):
                raise index.another_question(row, raw.id, self.file, self._lines[number])
            if not raw.supplied:
                return
        if self.numbered and numbered:
            self.blind = True
        else:
            file, other = (row, self.file) if numbered else (Row(self.file, self._lines[number], {}), row.file)
            raise index.not_joined(file, other, numbered=False)

    def check_joined_in(self, file: index.Index, number: int, raw: RawResponse, row: Row) -> None:
        """As `check_joined`, of a whole file; gold without ids has as many rows where no text is compared."""
        self.check_joined(number, raw, row, numbered=file.reader.numbered)
        if self.blind and len(self) != len(file.ids):
            raise index.not_joined(row, self.file, numbered=True)

    def check_texts(self, responses: str | Path) -> None:
        """UserError: ids are the same, and most questions are others: neither text has the other in it."""
        if self._alike[False] > self._alike[True]:
            raise UserError(
                f"most of its ids have other questions in {self.file}",
                file=responses,
                field="question",
                expected="one id, one question; a prompt may have more text around it",
                hint=f"give the gold of the same split. {_BY_QUESTION}; gold without questions is matched by id alone",
            )

    def check_all_used(self, used: Sequence[int], responses: str | Path) -> None:
        """UserError: some gold is not `used` (by number)."""
        idle = [number for number in range(len(self)) if number >= len(used) or not used[number]]
        if not idle:
            return
        row = Row(self.file, self._lines[idle[0]], {})
        if self._join == "id":
            identity = next(str(name) for name, number in self._numbers.items() if number == idle[0])
            raise index.only_in_one(row, identity, responses, len(idle) - 1, _SHARED)
        also = f" (nor are {len(idle) - 1:,} others)" if len(idle) > 1 else ""
        raise row.error(
            f"the question is not in {responses}{also}", "question", expected="the same questions", hint=_SHARED
        )

    def _name(self, row: Row) -> str | bytes:
        if self._join == "question":
            return _digest(row.text("question"))
        return row.identity()

    def _named(self, row: Row, count: int) -> Row:
        """The row with its id as "id", or the number of the row. UserError: some rows have an id, others none."""
        column = layouts.id_column(row.fields)
        if self._join == "question" or column == "id" or ("id" in row.fields and column is None and count == 1):
            return row
        if column is None and count == 1:
            self.numbered = True
        if self.numbered and column is None:
            return Row(row.file, row.line, {**row.fields, "id": count})
        if self.numbered or column is None:
            hint = _BY_QUESTION
            raise row.error("some rows have an id, and others none", "id", expected="an id such as 17", hint=hint)
        return Row(row.file, row.line, {**row.fields, "id": row.fields[column]})

    def _repeated(self, row: Row, number: int, answer: str, *, allowed: bool) -> None:
        first = f"{self.file}:{self._lines[number]}"
        if not allowed:
            hint = "give every row an id of its own"
            raise row.error(f"id {row.identity()!r} already stands in {first}", "id", hint=hint)
        if answer != self._answers[number] and answers.key(answer) != answers.key(self._answers[number]):
            raise row.error(
                f"the question has another answer in {first}", "answer", expected="one question, one answer"
            )


def _normal(question: str) -> str:
    return " ".join(question.split())


def _digest(question: str) -> bytes:
    return hashlib.blake2b(_normal(question).encode(errors="surrogatepass"), digest_size=16).digest()
