"""Tasks: questions in splits, by name, without gold."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from w2s.answers import patterns
from w2s.config import schema
from w2s.config.choices import AnswerRule, Match, Style
from w2s.errors import UserError, one_of
from w2s.records import Question
from w2s.tasks import splits
from w2s.tasks.base import SPLITS, Arith, Task, content_hash
from w2s.tasks.gsm8k import Gsm8k
from w2s.tasks.math import Math
from w2s.tasks.olympicarena import OlympicArena
from w2s.tasks.own_files import OwnFiles
from w2s.tasks.splits import Overlap
from w2s.tasks.word_problems import WordProblems

__all__ = [
    "SPLITS",
    "Overlap",
    "RunQuestions",
    "Task",
    "answer_rule",
    "by_name",
    "content_hash",
    "describe",
    "from_hub",
    "load",
    "names",
    "prepare",
    "style",
    "styles",
]

_DESCRIPTIONS = {
    "arith": "procedural word problems in GSM8K's format, levels 1-5, unlimited (the default)",
    "gsm8k": "GSM8K from local JSON Lines files, or from the hub (openai/gsm8k)",
    "math": "MATH and MATH-500, from local files, or from the hub (EleutherAI/hendrycks_math, HuggingFaceH4/MATH-500)",
    "olympicarena": "OlympicArena, English, without code, from local files, or from the hub (GAIR/OlympicArena)",
    "word_problems": "arithmetic word problems that people wrote, from a folder as docs/word_problems.md describes it",
    "jsonl": "your own questions, with or without gold, in the style gsm8k by default",
}
_FILES = {"gsm8k": Gsm8k, "jsonl": OwnFiles, "math": Math, "olympicarena": OlympicArena}
_NAMED: TypeAdapter[schema.Task] = TypeAdapter(schema.Task)
_STYLES: dict[Style, str] = {
    "gsm8k": 'a line "#### 72"; else a statement ("the answer is 72", a box), else the last number',
    "math": 'a statement ("the answer is: 1/2", \\boxed{1/2}), a formula too; else "#### 1/2", else the last number',
    "olympicarena": "a statement, read as the type of answer that the question asks for; else an option or number",
    "number": 'a statement, of which its number counts; else "#### 72", else the last number',
    "text": "a statement, as a text; else the last line",
}
"""Where each style finds the final answer."""


@dataclass(frozen=True, slots=True)
class RunQuestions:
    """The questions of a run by split, in file order."""

    questions: dict[str, list[Question]]
    overlap: Overlap


def names() -> list[str]:
    """The names of all tasks."""
    return list(_DESCRIPTIONS)


def describe(name: str) -> str:
    """One line about a task. KeyError: no such task."""
    return _DESCRIPTIONS[name]


def styles() -> dict[Style, str]:
    """The answer styles, with a line about each."""
    return dict(_STYLES)


def by_name(name: str, limit: int | None = None) -> schema.Task:
    """The task; of `arith`, `limit` questions per split.

    Raises:
        UserError: no such task.
    """
    one_of("task", name, names(), "--task")
    sized = {} if name != "arith" or limit is None else dict.fromkeys(SPLITS, limit)
    return _NAMED.validate_python({"name": name, **sized})


def style(task: str) -> Style:
    """The answer style of `--task`.

    Raises:
        UserError: no such name.
    """
    if task in _STYLES:
        return task
    one_of("task", task, [*names(), "number", "text"], "--task")
    return load(by_name(task)).style


def answer_rule(task: str, match: Match = "equivalent", pattern: str | None = None) -> AnswerRule:
    """How answers are read and compared. UserError: no such name, or no pattern."""
    if pattern is not None:
        patterns.compiled(pattern)
    return AnswerRule(style(task), match, pattern)


def load(task: schema.Task) -> Task:
    """The task of a recipe. Reads no file."""
    if isinstance(task, schema.ArithTask):
        return Arith(task)
    if isinstance(task, schema.WordProblemsTask):
        return WordProblems(task)
    return _FILES[task.name](task)


def from_hub(task: schema.Task) -> list[str]:
    """The splits that come from the hub."""
    if not isinstance(task, schema.FilesTask) or task.name == "jsonl":
        return []
    return [split for split in load(task).splits if getattr(task, split) is None]


def prepare(task: schema.Task, limit: int | None = None) -> RunQuestions:
    """The first `limit` questions of all splits, overlap resolved.

    Raises:
        UserError: bad input, refused overlap, or an empty split.
    """
    source = load(task)
    questions = {split: source.questions(split) for split in SPLITS if split in source.splits}
    # Splits of word_problems are cut by text without numbers; those of arith by template and numbers.
    masked = task.overlap_masked if isinstance(task, schema.FilesTask) else task.name == "word_problems"
    kept, overlap = splits.resolve(questions, task.overlap, masked=masked, limit=limit)
    for split, rest in kept.items():
        if not rest:
            raise UserError(
                f"all {len(questions[split]):,} questions of {split} are also in an earlier split: nothing is left",
                field=f"task.{split}",
                hint="give another file; task.overlap=allow keeps shared questions",
            )
    return RunQuestions(kept, overlap)
