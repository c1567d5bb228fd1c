"""Gold for the verbs that grade: the answers of a file by question, and nothing else of it."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from pathlib import Path

from w2s import answers, files, gold, jsonl, layouts
from w2s.answers import Style, Verdict
from w2s.choices import Join, Match
from w2s.errors import UserError
from w2s.layouts import Given
from w2s.tasks.rows import Row

_BY_QUESTION = "--join question matches gold to questions by their text"


class Golds:
    """The right answers of a gold file, by question.

    Memory: about 170 bytes a question, and 100 more for each answer that is no other question's (measured as in
    `files.Index`).

    Args:
        file: the path, or "-" for standard input.
        style: the answer style of the task.
        layout: "w2s" for rows of {"id", "answer"} only; with any other the fields of the first row decide.
        join: how responses will find their gold.

    Raises:
        UserError: a missing, torn or empty file, gold that is missing or cannot be parsed, or two answers for one
            question.
    """

    def __init__(self, file: str | Path, style: Style, layout: layouts.Name = "auto", join: Join = "id") -> None:
        self.file = file
        self._join = join
        self._numbers: dict[str | bytes, int] = {}
        self._answers: list[str] = []
        self._lines = array("q")
        self._tolerances: dict[int, float] = {}
        same: dict[str, str] = {}  # many questions share few answers: one string for each
        normal = None
        for line, fields in jsonl.read(file):
            row = Row(file, line, fields)
            if normal is None:
                normal = layouts.gold_layout(layout, row)
            log = "doc_id" in row.fields
            row = normal(row, style)
            name = self._name(row)
            right = gold.parse(row, style, str(row.fields.get("id", "")))
            answer = right.answer
            number = self._numbers.setdefault(name, len(self._answers))
            if number < len(self._answers):
                self._repeated(row, number, answer, allowed=log or join == "question")
                continue
            self._answers.append(same.setdefault(answer, answer))
            self._lines.append(line)
            if right.tolerance is not None:
                self._tolerances[number] = right.tolerance
        if normal is None:
            raise UserError("the file has no rows", file=file, expected='rows of {"id", "answer"}')

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, number: int) -> str:
        """The right answer of question `number`."""
        return self._answers[number]

    def grade(self, numbers: Sequence[int], predictions: Sequence[str | None], match: Match) -> list[Verdict]:
        """The verdict on each prediction against the gold of its number; equal pairs are graded once."""
        asked = zip(predictions, numbers, strict=True)
        return gold.grades([(said, self._answers[of], self._tolerances.get(of)) for said, of in asked], match)

    def near(self, number: int, prediction: str | None) -> bool:
        """Whether question `number` has a tolerance, and the prediction is a number near enough to its gold."""
        return gold.near(prediction, self._answers[number], self._tolerances.get(number))

    def find(self, given: Given, row: Row) -> int:
        """The number of the gold for a response, which stands in `row`. Raises UserError where there is none."""
        if self._join == "id":
            number = self._numbers.get(str(given.id))
            if number is None:
                raise files.only_in_one(row, str(given.id), self.file, mend=_BY_QUESTION)
            return number
        number = self._numbers.get(_digest(given.question))
        if number is None:
            raise row.error(
                f"the question of id {str(given.id)!r} is not in {self.file}",
                "question",
                expected="the same questions in both files",
            )
        return number

    def check_all_used(self, used: Sequence[int], responses: str | Path) -> None:
        """Raise UserError if the gold of any question is not `used` (by number)."""
        idle = [number for number in range(len(self)) if number >= len(used) or not used[number]]
        if not idle:
            return
        row = Row(self.file, self._lines[idle[0]], {})
        if self._join == "id":
            identity = next(str(name) for name, number in self._numbers.items() if number == idle[0])
            raise files.only_in_one(row, identity, responses, len(idle) - 1, _BY_QUESTION)
        also = f" (nor are {len(idle) - 1:,} others)" if len(idle) > 1 else ""
        raise row.error(f"the question is not in {responses}{also}", "question", expected="the same questions in both")

    def _name(self, row: Row) -> str | bytes:
        if self._join == "question":
            return _digest(row.text("question"))
        if row.fields.get("id") is None and row.fields.get("question") is not None:
            raise row.error("the row has no id", "id", expected="an id such as 17", mend=_BY_QUESTION)
        return row.identity()

    def _repeated(self, row: Row, number: int, answer: str, *, allowed: bool) -> None:
        first = f"{self.file}:{self._lines[number]}"
        if not allowed:
            mend = "give every row an id of its own"
            raise row.error(f"id {row.identity()!r} already stands in {first}", "id", mend=mend)
        if answer != self._answers[number] and answers.key(answer) != answers.key(self._answers[number]):
            raise row.error(
                f"the question has another answer in {first}", "answer", expected="one question, one answer"
            )


def _digest(question: str) -> bytes:
    return hashlib.blake2b(" ".join(question.split()).encode(errors="surrogatepass"), digest_size=16).digest()
