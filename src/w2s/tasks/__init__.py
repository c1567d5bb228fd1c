"""Where questions come from. Gold is behind `w2s.gold`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from pydantic import TypeAdapter

from w2s import config
from w2s.answers import Style
from w2s.errors import UserError
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
    "Prepared",
    "Task",
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
    "word_problems": "arithmetic word problems that people wrote, from a folder that docs/word_problems.md tells of",
    "jsonl": "your own questions, with or without gold, in the style gsm8k where nothing else is said",
}
_FILES = {"gsm8k": Gsm8k, "jsonl": OwnFiles, "math": Math, "olympicarena": OlympicArena}
_NAMED: TypeAdapter[config.Task] = TypeAdapter(config.Task)
_STYLES: dict[Style, str] = {
    "gsm8k": 'a line "#### 72"; else a statement ("the answer is 72", a box), else the last number',
    "math": 'a statement ("the answer is: 1/2", \\boxed{1/2}), a formula too; else "#### 1/2", else the last number',
    "olympicarena": "a statement, read as the type of answer that the question asks for; else an option or number",
    "number": 'a statement, of which its number counts; else "#### 72", else the last number',
    "text": "a statement, as a text; else the last line",
}
"""How a response states its final answer: `answers.extract` has the table."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The questions of a run, in file order, and what the overlap guard found."""

    questions: dict[str, list[Question]]
    overlap: Overlap


def names() -> list[str]:
    """The tasks a recipe can name."""
    return list(_DESCRIPTIONS)


def describe(name: str) -> str:
    """One line about a task. Raises KeyError for a name that `names` does not have."""
    return _DESCRIPTIONS[name]


def styles() -> dict[Style, str]:
    """The answer styles, each with a line about where it finds a final answer."""
    return dict(_STYLES)


def by_name(name: str, limit: int | None = None) -> config.Task:
    """The task as in a recipe that says its name only, with all defaults; `arith` with `limit` questions a split.

    Raises:
        UserError: no such task.
    """
    if name not in _DESCRIPTIONS:
        raise _unknown(name, names())
    sized = {} if name != "arith" or limit is None else dict.fromkeys(SPLITS, limit)
    return _NAMED.validate_python({"name": name, **sized})


def style(task: str) -> Style:
    """The answer style that `--task` means for the file verbs: that of a recipe's task, or one by its own name.

    Raises:
        UserError: no such name.
    """
    if task in _STYLES:
        return task
    if task in _DESCRIPTIONS:
        return load(by_name(task)).style
    raise _unknown(task, [*names(), "number", "text"])


def _unknown(name: str, known: list[str]) -> UserError:
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    return UserError(f"there is no task {name!r}{meant}", field="--task", expected=", ".join(known))


def load(task: config.Task) -> Task:
    """The task a recipe describes. Nothing is read before its questions are asked for."""
    if isinstance(task, config.ArithTask):
        return Arith(task)
    if isinstance(task, config.WordProblemsTask):
        return WordProblems(task)
    return _FILES[task.name](task)


def from_hub(task: config.Task) -> list[str]:
    """The splits that would be fetched from the hub, because the recipe names no file for them."""
    if not isinstance(task, config.FilesTask) or task.name == "jsonl":
        return []
    return [split for split in load(task).splits if getattr(task, split) is None]


def prepare(task: config.Task, limit: int | None = None) -> Prepared:
    """The questions of all splits that the task has, guarded against overlap, then cut to the first `limit` of each.

    `arith` and `word_problems` are disjoint by construction, so their guard refuses. `olympicarena` has no train_1
    unless a file is given.

    Raises:
        UserError: bad input, splits that share questions where that is refused, or a split with nothing left.
    """
    source = load(task)
    asked = {split: source.questions(split) for split in SPLITS if split in source.splits}
    if isinstance(task, config.ArithTask):
        kept, overlap = splits.guard(asked, "refuse")
    elif isinstance(task, config.WordProblemsTask):
        kept, overlap = splits.guard(asked, "refuse", masked=True)
    else:
        kept, overlap = splits.guard(asked, task.overlap, masked=task.overlap_masked)
    for split, questions in kept.items():
        if not questions:
            raise UserError(
                f"all {len(asked[split]):,} questions of {split} are also in an earlier split: nothing is left",
                field=f"task.{split}",
                mend="give another file; task.overlap=allow keeps shared questions",
            )
    return Prepared({split: questions[:limit] for split, questions in kept.items()}, overlap)
