"""The door to gold: right answers of questions, for the weak model's training, the ceiling, and evaluation only.

Nothing in method, engines, training or flow may import this module (an import rule checks it). Gold of train_2 that is
absent or nonsense ends the branches that ask for it and touches no weak-to-strong model.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import cast, get_args

from w2s import answers, config, tasks
from w2s.answers import Style, Verdict, stated
from w2s.answers.canonical import canonical
from w2s.answers.extract import MAX_ANSWER
from w2s.answers.typed import AnswerType, within
from w2s.choices import Match
from w2s.errors import BranchEnds, UserError
from w2s.tasks.base import Arith
from w2s.tasks.own_files import OwnFiles
from w2s.tasks.rows import Row
from w2s.tasks.word_problems import WordProblems

_CALCULATOR_MARKS = re.compile(r"<<[^\n]*?>>")
_LEVEL = re.compile(r"(?:level\s*)?(\d{1,3})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gold:
    """The right answer of one question, and what else is known about it. `level` counts from 1.

    `tolerance` is the difference up to which another number is right too; None: it has to be equal.
    """

    id: str
    answer: str
    solution: str | None = None
    level: int | None = None
    subject: str | None = None
    tolerance: float | None = None


def load(task: config.Task, split: str) -> dict[str, Gold]:
    """The gold of a split by question id, in the order of its questions; the overlap guard has no part in it.

    Raises:
        BranchEnds: there is no gold for the split; or it is train_2's and cannot be used.
        UserError: a questions file is bad, or gold of train_1 or test is missing for a question or cannot be parsed.
    """
    source = tasks.load(task)
    if isinstance(source, Arith):
        return {
            problem.id: Gold(problem.id, problem.answer, problem.solution, problem.level)
            for problem in source.problems(split)
        }
    if isinstance(source, WordProblems):
        return {identity: parse(row, source.style, identity) for identity, row in source.rows(split).items()}
    assert isinstance(source, OwnFiles) and isinstance(task, config.FilesTask)
    questions = source.rows(split)
    file = {str(name): path for name, path in task.gold.items()}.get(split)
    try:
        if file is not None:
            rows = source.read(file, split)
            table = {identity: (parse(row, task.answer, identity), row) for identity, row in rows.items()}
            return _matched(table, questions, file, split)
        if all(_answer(row, task.answer) is None for row in questions.values()):
            place = next(iter(questions.values())).file
            raise BranchEnds(f"no gold for {split}: {place} has no `answer` fields and task.gold.{split} is not set")
        return {identity: parse(row, task.answer, identity) for identity, row in questions.items()}
    except UserError as error:
        if split == "train_2":
            raise BranchEnds(f"the gold of train_2 cannot be used: {error}") from error
        raise


def parse(row: Row, style: Style, identity: str) -> Gold:
    """The gold of one row: {"answer"} and perhaps {"solution", "level", "subject", "tolerance"}.

    In style "gsm8k" `answer` may be a worked solution that ends in `#### 72`, and `<<...>>` marks are taken out. In
    style "math" a missing `answer` is the solution's last box. In style "olympicarena" it may be a list, and is spelled
    as the type says (`answer_type` and `unit`, or the question); numerical values have the tolerance of its judge.

    Raises:
        UserError: there is no answer, or not one that `style` can read (for "gsm8k" and "number": one with a number in
            it; the released data also have answers such as "4:20").
    """
    value = _answer(row, style)
    if value is None:
        raise row.error("the question has no gold", "answer", expected=_EXPECTED[style])
    asked = _asked(row) if style == "olympicarena" else stated.Asked()
    if style == "olympicarena":
        value = stated.spelled(stated.written(value, asked.kind), asked)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value != value or value in _INFINITE:
        shown = row.fields.get("answer")
        raise row.error(f"{shown!r:.80} is not an answer", "answer", expected=_EXPECTED[style])
    written, solution = str(value).strip(), row.fields.get("solution")
    if solution is not None:
        solution = row.text("solution", may_be_empty=True).strip() or None
    if style == "gsm8k":
        if "####" in written:
            solution, written = written, written.rpartition("####")[2].strip()
        if solution is not None:
            solution = _CALCULATOR_MARKS.sub("", solution)
    key = canonical(written).key if len(written) <= MAX_ANSWER else ""  # `answers.key` would start worker processes
    if not key or (style in ("gsm8k", "number") and not re.search(r"\d", key)):
        raise row.error(f"the gold answer {written[:80]!r} cannot be parsed", "answer", expected=_EXPECTED[style])
    if style == "gsm8k" and solution is not None and "####" in solution:
        ending = solution.rpartition("####")[2].strip()
        if answers.key(ending) != answers.key(written):
            raise row.error(f"the solution ends in {ending[:80]!r}, the answer is {written[:80]!r}", "solution")
    return Gold(identity, written, solution, _level(row), _subject(row), _tolerance(row, asked.kind))


def grades(asked: Sequence[tuple[str | None, str, float | None]], match: Match) -> list[Verdict]:
    """The verdict on each (final answer, right answer, tolerance), as `answers.grades`; equal ones are graded once.

    With a tolerance, a number that is near enough is right.
    """
    different = list(dict.fromkeys(asked))
    found = answers.grades([(prediction, right) for prediction, right, _ in different], match)
    table: dict[tuple[str | None, str, float | None], Verdict] = {
        each: "correct" if near(*each) else verdict for each, verdict in zip(different, found, strict=True)
    }
    return [table[each] for each in asked]


def near(prediction: str | None, right: str, tolerance: float | None) -> bool:
    """Whether there is a tolerance, and `prediction` is a number that differs from the right one by no more."""
    return tolerance is not None and prediction is not None and within(prediction, right, tolerance)


def worked(gold: Gold, style: Style) -> str:
    r"""The text a model is trained on: the solution, then the answer as `style` states it, if it does not stand there.

    Source: the released data end in a line `#### 72` (GSM8K) or, on the last line, `The answer is: 72` (MATH);
    OlympicArena's questions ask for `The final answer is $\boxed{72}$`.
    """
    statement = _STATEMENTS.get(style, "The answer is {}").replace("{}", gold.answer)
    if gold.solution is None:
        return statement
    if style == "gsm8k":  # `parse` has checked that a solution's own #### line states the answer
        stands = "####" in gold.solution
    else:
        said = answers.extract(gold.solution, style, flexible=False)
        stands = said is not None and answers.key(said) == answers.key(gold.answer)
    return gold.solution if stands else f"{gold.solution}{' ' if style == 'math' else chr(10)}{statement}"


def content_hash(table: Mapping[str, Gold]) -> str:
    """The identity of gold: sha256 (hex) over all its fields, in order. Kept apart from `tasks.content_hash`."""
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
    """The answer as the row has it, or None; an empty list, as in splits whose gold is not published, is none."""
    value, solution = row.fields.get("answer"), row.fields.get("solution")
    if value is None and style == "math" and isinstance(solution, str):
        return answers.boxed(solution) or answers.extract(solution, style)
    return None if value in ([], [None]) else value


def _asked(row: Row) -> stated.Asked:
    asked = stated.asked(str(row.fields.get("question") or row.fields.get("prompt") or ""))
    kind = row.fields.get("answer_type", asked.kind)
    kinds = get_args(AnswerType)
    if kind is not None and kind not in kinds:
        raise row.error(f"{kind!r:.80} is not a type of answer", "answer_type", expected=", ".join(kinds))
    unit = row.fields.get("unit")
    return stated.Asked(cast("AnswerType | None", kind), unit if isinstance(unit, str) and unit else asked.unit)


def _tolerance(row: Row, kind: AnswerType | None) -> float | None:
    value = row.fields.get("tolerance")
    if value is None:
        return stated.TOLERANCE if kind == "NV" else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise row.error(f"{value!r:.80} is not a tolerance", "tolerance", expected="a number from 0 up")
    return float(value)


def _level(row: Row) -> int | None:
    value = row.fields.get("level")
    if value is None:
        return None
    found = None if isinstance(value, bool) else _LEVEL.fullmatch(str(value).strip())
    if found is None:
        raise row.error(f"{value!r:.80} is not a level", "level", expected='an integer, or "Level 3"')
    return int(found[1])


def _subject(row: Row) -> str | None:
    return None if row.fields.get("subject") is None else row.text("subject", may_be_empty=True)


def _matched(
    table: Mapping[str, tuple[Gold, Row]], questions: Mapping[str, Row], file: str, split: str
) -> dict[str, Gold]:
    for identity, row in questions.items():
        if identity not in table:
            raise row.error(f"question {identity!r} of {split} has no gold in {file}", "id")
    for identity, (_, row) in table.items():
        if identity not in questions:
            raise row.error(f"gold for {identity!r}, which is no question of {split}", "id")
    return {identity: table[identity][0] for identity in questions}
