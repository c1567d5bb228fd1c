"""Gold, for the weak model, the ceiling and evaluation only.

Method, engines, training and flow may not import it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import cast, get_args

from w2s import answers, tasks
from w2s.answers import Style, Verdict
from w2s.answers.extract import MAX_ANSWER
from w2s.answers.math.canonical import canonical
from w2s.answers.olympicarena import TOLERANCE, AnswerType, ExpectedAnswer, as_text, expected_answer, spell, within
from w2s.config import schema
from w2s.config.choices import Match
from w2s.data.rows import Row
from w2s.errors import BranchEnds, UserError
from w2s.tasks.bare import bare_answer, is_sentence
from w2s.tasks.base import Arith
from w2s.tasks.own_files import OwnFiles
from w2s.tasks.word_problems import WordProblems

_CALCULATOR_MARKS = re.compile(r"<<[^\n]*?>>")
_NUMERIC_SIGN = re.compile(r"\d|[\u00bc-\u00be\u2150-\u215e\u03c0]|\\(?:pi|infty)(?![A-Za-z])")
_LEVEL = re.compile(r"(?:level\s*)?(\d{1,3})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gold:
    """The right answer of a question; levels are from 1.

    `tolerance`: the largest difference of a right number; None: equal answers only.
    """

    id: str
    answer: str
    solution: str | None = None
    level: int | None = None
    subject: str | None = None
    tolerance: float | None = None


def load(task: schema.Task, split: str) -> dict[str, Gold]:
    """The gold of a split by question id, overlap included.

    Raises:
        BranchEnds: no gold, or bad gold of train_2.
        UserError: bad questions, or missing or bad gold else.
    """
    source = tasks.load(task)
    if isinstance(source, Arith):
        return {
            problem.id: Gold(problem.id, problem.answer, problem.solution, problem.level, problem.unit or "no unit")
            for problem in source.problems(split)
        }
    if isinstance(source, WordProblems):
        return {identity: parse(row, source.style, identity) for identity, row in source.rows(split).items()}
    assert isinstance(source, OwnFiles) and isinstance(task, schema.FilesTask)
    questions = source.rows(split)
    file = {str(name): path for name, path in task.gold.items()}.get(split)
    try:
        if file is not None:
            rows = _with_answers(source.read(file, split), task)
            table = {identity: (parse(row, task.answer, identity), row) for identity, row in rows.items()}
            return _matched(table, questions, file, split)
        questions = _with_answers(questions, task)
        if all(_answer(row, task.answer) is None for row in questions.values()):
            place = next(iter(questions.values())).file
            raise BranchEnds(f"no gold for {split}: {place} has no `answer` fields and task.gold.{split} is not set")
        return {identity: parse(row, task.answer, identity) for identity, row in questions.items()}
    except UserError as error:
        if split == "train_2":
            raise BranchEnds(f"the gold of train_2 cannot be used: {error}") from error
        raise


def parse(row: Row, style: Style, identity: str) -> Gold:
    """The gold of one row: {"answer"}, perhaps {"solution", "level", "subject", "tolerance"}.

    `answer` may be text that states it (`bare_answer`), except in style "text". "gsm8k" loses its `<<...>>` marks.
    "math" may be the solution's last box. "olympicarena" gets its type's spelling and tolerance.

    Raises:
        UserError: no answer that `style` can read.
    """
    row.check_unicode("answer", "solution", "subject")
    value = _answer(row, style)
    if value is None:
        raise row.error("the question has no gold", "answer", expected=_EXPECTED[style])
    expected = _expected_answer(row) if style == "olympicarena" else ExpectedAnswer()
    if style == "olympicarena":
        listed = as_text(value, expected.kind)
        value = spell(None if listed is None else bare_answer(listed, style), expected)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value != value or value in _INFINITE:
        shown = row.fields.get("answer")
        raise row.error(f"{shown!r:.80} is not an answer", "answer", expected=_EXPECTED[style])
    answer, solution = str(value).strip(), row.fields.get("solution")
    if solution is not None:
        solution = row.text("solution", may_be_empty=True).strip() or None
    if style == "gsm8k":
        if "####" in answer:
            solution, answer = answer, answer.rpartition("####")[2].strip()
        if solution is not None:
            solution = _CALCULATOR_MARKS.sub("", solution)
    read = bare_answer(answer, style)
    if read is None:
        raise row.error(
            f"the gold answer {answer[:80]!r} is more than a final answer, and none can be read in it",
            "answer",
            expected=_EXPECTED[style],
            hint="write the final answer alone in the field answer, and its derivation in the field solution",
        )
    if read != answer and solution is None and is_sentence(answer):
        solution = answer
    answer = read
    key = canonical(answer).key if len(answer) <= MAX_ANSWER else ""  # `answers.key` would start worker processes
    if not key or (style in ("gsm8k", "number") and not _NUMERIC_SIGN.search(answer)):
        raise row.error(f"the gold answer {answer[:80]!r} cannot be parsed", "answer", expected=_EXPECTED[style])
    if style == "gsm8k" and solution is not None and "####" in solution:
        ending = solution.rpartition("####")[2].strip()
        if answers.key(ending) != answers.key(answer):
            raise row.error(f"the solution ends in {ending[:80]!r}, the answer is {answer[:80]!r}", "solution")
    return Gold(identity, answer, solution, _level(row), _subject(row), _tolerance(row, expected.kind))


def grades(triples: Sequence[tuple[str | None, str, float | None]], match: Match) -> list[Verdict]:
    """Verdicts on (final answer, right answer, tolerance)."""
    different = list(dict.fromkeys(triples))
    verdicts = answers.grades([(prediction, right) for prediction, right, _ in different], match)
    table: dict[tuple[str | None, str, float | None], Verdict] = {
        each: "correct" if near(*each) else verdict for each, verdict in zip(different, verdicts, strict=True)
    }
    return [table[each] for each in triples]


def near(prediction: str | None, right: str, tolerance: float | None) -> bool:
    """Whether `prediction` is a number within the tolerance."""
    return tolerance is not None and prediction is not None and within(prediction, right, tolerance)


def completion(gold: Gold, style: Style) -> str:
    """The text to train on: the solution, and the answer as `style` states it unless the solution does.

    Source: released data (`#### 72`, `The answer is: 72`).
    """
    statement = _STATEMENTS.get(style, "The answer is {}").replace("{}", gold.answer)
    if gold.solution is None:
        return statement
    if style == "gsm8k":  # `parse` has compared the solution's own #### line with the answer
        complete = "####" in gold.solution
    else:
        end = answers.extract(gold.solution, style, flexible=False)
        complete = end is not None and answers.key(end) == answers.key(gold.answer)
    return gold.solution if complete else f"{gold.solution}{' ' if style == 'math' else chr(10)}{statement}"


def content_hash(table: Mapping[str, Gold]) -> str:
    """SHA-256 (hex) over all fields in order."""
    digest = hashlib.sha256()
    for gold in table.values():
        fields = astuple(gold) if gold.tolerance is not None else astuple(gold)[:-1]  # as before there was a tolerance
        digest.update(json.dumps(fields).encode() + b"\n")
    return digest.hexdigest()


_INFINITE = (math.inf, -math.inf)
_EXPECTED: dict[Style, str] = {
    "gsm8k": 'a number, or a solution that ends in a line such as "#### 72"',
    "number": 'one number, such as 72, "1,080" or "1/2"',
    "math": 'a final answer, such as "\\\\frac{1}{2}"',
    "text": "a short text",
    "olympicarena": 'an answer of the type that the question asks for, such as "B", ["A", "C"], "True" or "3.5"',
}
_STATEMENTS: dict[Style, str] = {
    "gsm8k": "#### {}",
    "math": "The answer is: {}",
    "olympicarena": r"The final answer is $\boxed{{}}$",
}


def _answer(row: Row, style: Style) -> object:
    value, solution = row.fields.get("answer"), row.fields.get("solution")
    if value is None and style == "math" and isinstance(solution, str):
        return answers.boxed(solution) or answers.extract(solution, style)
    return None if value in ([], [None]) else value


def _expected_answer(row: Row) -> ExpectedAnswer:
    expected = expected_answer(str(row.fields.get("question") or row.fields.get("prompt") or ""))
    kind = row.fields.get("answer_type", expected.kind)
    kinds = get_args(AnswerType)
    if kind is not None and kind not in kinds:
        raise row.error(f"{kind!r:.80} is not a type of answer", "answer_type", expected=", ".join(kinds))
    unit = row.fields.get("unit")
    return ExpectedAnswer(cast("AnswerType | None", kind), unit if isinstance(unit, str) and unit else expected.unit)


def _tolerance(row: Row, kind: AnswerType | None) -> float | None:
    value = row.fields.get("tolerance")
    if value is None:
        return TOLERANCE if kind == "NV" else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise row.error(f"{value!r:.80} is not a tolerance", "tolerance", expected="a number from 0 up")
    return float(value)


def _level(row: Row) -> int | None:
    value = row.fields.get("level")
    if value is None:
        return None
    level = None if isinstance(value, bool) else _LEVEL.fullmatch(str(value).strip())
    if level is None:
        raise row.error(f"{value!r:.80} is not a level", "level", expected='an integer, or "Level 3"')
    return int(level[1])


def _subject(row: Row) -> str | None:
    return None if row.fields.get("subject") is None else row.text("subject", may_be_empty=True)


_ELSEWHERE = ("gold", "target", "ground_truth", "reference_answer", "expected_answer", "solution")


def _with_answers(rows: dict[str, Row], task: schema.FilesTask) -> dict[str, Row]:
    """The rows of a user's files, with "answer" where other tools have another name for it."""
    if task.name != "jsonl":
        return rows
    return {identity: _with_answer(row) for identity, row in rows.items()}


def _with_answer(row: Row) -> Row:
    fields = row.fields
    name = None if "answer" in fields else next((name for name in _ELSEWHERE if name in fields), None)
    if name is None or (name == "solution" and "####" not in str(fields[name])):
        return row
    return Row(row.file, row.line, {**fields, "answer": fields[name]})


def _matched(
    table: Mapping[str, tuple[Gold, Row]], questions: Mapping[str, Row], file: str, split: str
) -> dict[str, Gold]:
    for identity, row in questions.items():
        if identity not in table:
            raise row.error(f"question {identity!r} of {split} has no gold in {file}", "id")
    for identity, (_, row) in table.items():
        if identity not in questions:
            raise row.error(f"gold for {identity!r}, which is no question of {split}", "id")
        asked, here = questions[identity].fields.get("question"), row.fields.get("question")
        if identity.startswith(f"{split}-") and isinstance(here, str) and str(asked).split() != here.split():
            raise row.error(
                f"{identity!r} has another question than its gold", "question", expected="one order of rows"
            )
    return {identity: table[identity][0] for identity in questions}
