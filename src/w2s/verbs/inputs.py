"""The input files of verbs."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations, islice
from pathlib import Path

from w2s.config.choices import Join, Layout
from w2s.data import disk, hub, jsonl, layouts
from w2s.data import questions as asked
from w2s.data.index import Reading
from w2s.errors import UserError, one_of

File = str | Path
COLUMNS = ("id", "question", "response", "sample", "answer", "solution", "level", "subject")
"""What a column of a user's file may be named with --column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Files of `agree` and `pairs`; "-" is standard input.

    Args:
        weak: one response per question.
        strong: likewise (`agree`).
        samples: several per question.
        gold: for the summary only.
        questions: texts by id, where the files have none.
        columns: the files' columns by our names for them.
        only_shared: leave out questions of one file only.
    """

    weak: File
    strong: File | None = None
    samples: File | None = None
    gold: File | None = None
    questions: File | None = None
    layout: Layout = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    join: Join = "id"
    only_shared: bool = False

    def __post_init__(self) -> None:
        one_standard_input(self.weak, self.strong, self.samples, self.gold, self.questions)

    def reading(self) -> Reading:
        """How the files are read. UserError: bad questions or columns."""
        check_columns(self.columns, self.roles(*_ROLES).values())
        return reading(self.layout, self.columns, self.questions)._replace(by_question=self.join == "question")

    def roles(self, *roles: str) -> dict[str, File]:
        """Those of `roles` that are given."""
        files = {role: getattr(self, role) for role in roles}
        return {role: file for role, file in files.items() if file is not None}

    def check(self, out: File) -> None:
        """UserError: `out` is one of the files, or two sources of answers are the same."""
        refuse_overwriting(out, {f"--{role}": file for role, file in self.roles(*_ROLES).items()})
        refuse_same({f"--{role}": file for role, file in self.roles("weak", "strong", "samples").items()})


def reading(layout: Layout, columns: Mapping[str, str], questions: File | None = None) -> Reading:
    """How files are read.

    Raises:
        UserError: no such layout, a name that no layout knows, or bad questions.
    """
    layouts.check(layout)
    for name in columns:
        one_of("column", name, COLUMNS, "--column")
    return Reading(layout, columns, {} if questions is None else asked.texts(questions, columns))


def check_columns(columns: Mapping[str, str], files: Iterable[File]) -> None:
    """UserError: no file has a column that was named. Streams and the hub, which are read once, may have any."""
    places = [str(file) for file in files]
    if not columns or any(place == "-" or hub.is_hub(place) or not Path(place).is_file() for place in places):
        return
    known = {name: None for place in places for _, row in islice(jsonl.read(place), _LOOKED_AT) for name in row}
    for name, column in columns.items():
        if column not in known:
            raise UserError(
                f"no column is called {column!r:.80} in {' or '.join(places):.300}",
                field=f"--column {name}",
                expected=", ".join(map(str, [*known][:20]))[:300] or "a column of the files",
            )


_LOOKED_AT = 1000
"""Rows of each file, whose columns are known: rows of JSON need not have the same."""
_ROWS = (".jsonl", ".jsonl.gz")
"""May lie in a model's folder: no model reads them."""
_TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".eval")
"""Are read, and not written."""
_ROLES = ("weak", "strong", "samples", "gold", "questions")


def refuse_overwriting(out: File | None, inputs: Mapping[str, File | None]) -> None:
    """Refuse an output that is or lies in an input, links followed.

    `inputs` come by option.

    Raises:
        UserError: it would be written over an input.
    """
    if out is None:
        return
    if str(out).casefold().endswith(_TABLES):
        raise UserError(
            "rows are written as JSON Lines", file=out, field="--out", hint="give it the suffix .jsonl or .jsonl.gz"
        )
    for option, file in inputs.items():
        if file is not None and _overwrites(out, file):
            raise UserError(
                f"would be written over {option} {file}", file=out, field="--out", hint="give a file of its own"
            )


def _overwrites(out: File, file: File) -> bool:
    one, other = _status(out, 1), _status(file, 0)
    if one is not None and other is not None and stat.S_ISREG(one.st_mode) and os.path.samestat(one, other):
        return True
    if "-" in (str(out), str(file)):
        return False
    if other is not None and stat.S_ISDIR(other.st_mode):
        return disk.inside(Path(out), Path(file)) and not Path(out).resolve().name.endswith(_ROWS)
    return disk.same(Path(out), Path(file))


def _status(file: File, standard: int) -> os.stat_result | None:
    try:
        return os.fstat((sys.stdin, sys.stdout)[standard].fileno()) if str(file) == "-" else os.stat(file)
    except (OSError, ValueError, AttributeError):  # also where a program has put something else in its place
        return None


def refuse_same(inputs: Mapping[str, File | None]) -> None:
    """Refuse one file, or two of the same content, as two sources of answers: they would confirm each other.

    `inputs` come by option; streams and the hub are not looked at.

    Raises:
        UserError: two are the same.
    """
    files = {option: Path(file) for option, file in inputs.items() if file is not None and os.path.isfile(file)}
    for (first, one), (second, other) in combinations(files.items(), 2):
        if disk.same(one, other):
            what = f"is the file of {first} again"
        elif disk.alike(one, other):
            what = f"has the content of {first} {one}"
        else:
            continue
        raise UserError(what, file=other, field=second, hint="give the answers of two models; equal ones always agree")


def one_standard_input(*files: File | None) -> None:
    """UserError: two files are "-"."""
    if [str(file) for file in files].count("-") > 1:
        raise UserError("standard input can be read once only", field="-", hint="give one of the inputs as a file")
