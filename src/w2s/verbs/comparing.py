"""`w2s compare`: graded files, or folders of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

from w2s.data import disk, rows
from w2s.errors import UserError
from w2s.records import Verdict
from w2s.results import comparison, folders
from w2s.results.comparison import Item
from w2s.results.several import SeedRun

_GRADED = "the output of `w2s grade --out`, or data/test_NAME.jsonl of a run"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared, by letter, and a row per comparison (`w2s.results.comparison.compare`).

    `caveats`: runs that are damaged or not finished, models left out for damage, and files that are copies.
    """

    names: dict[str, str]
    rows: list[dict[str, Any]]
    caveats: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {"names": self.names, "rows": self.rows, "caveats": self.caveats}


def compare(files: Sequence[Path]) -> Comparison:
    """Compare each two of some graded files, or of some folders of runs.

    Raises:
        UserError: fewer than two, files beside folders, no verdicts, or nothing shared.
    """
    if len(files) < 2:
        raise UserError(f"{len(files)} given", field="A B", expected=f"two or more: {_GRADED}, or folders of runs")
    for file in files:
        if not file.exists():
            raise UserError("is missing", file=file, expected=f"{_GRADED}, or the folder of a run")
    are_folders = {file.is_dir() for file in files}
    if len(are_folders) > 1:
        folder = next(file for file in files if file.is_dir())
        raise UserError(
            "is a folder, and others are files",
            file=folder,
            hint=f"give one of its files, as {folder}/data/test_NAME.jsonl",
        )
    twice = next((file for file in files if sum(file.resolve() == other.resolve() for other in files) > 1), None)
    if twice is not None:
        raise UserError("is given twice", file=twice, hint="give each once")
    read = [_folder(file) for file in files] if are_folders == {True} else []
    items = [folders.of_runs(name, runs) for name, runs in read] or _files(files)
    letters = {name: _letter(place) for place, (name, _) in enumerate(items)}
    found = comparison.compare(items)
    return Comparison(
        {letter: name for name, letter in letters.items()},
        [row | {side: letters[row[side]] for side in ("a", "b")} for row in found],
        [line for _, runs in read for run in runs for line in _caveats(run)] + ([] if read else _copies(files)),
    )


def _copies(files: Sequence[Path]) -> list[str]:
    """A line for each two files of the same content: of a deterministic model that may be so."""
    return [f"{other} is a copy of {one}" for one, other in combinations(files, 2) if disk.alike(one, other)]


def _caveats(run: SeedRun) -> list[str]:
    unfinished = [] if run.results["finished"] else [f"{run.folder}: the run is not finished"]
    lost = [name for name in run.results["models"] if name not in run.right]
    left_out = [f"{run.folder}: left out, as their answers are damaged: {', '.join(lost)}"] if lost else []
    return [*(f"{run.folder}: damage: {line}" for line in run.results["damage"]), *left_out, *unfinished]


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else f"A{place}"


def _folder(folder: Path) -> tuple[str, list[SeedRun]]:
    groups = folders.read([folder])
    if len(groups) > 1:
        raise UserError("holds runs of several recipes", file=folder, hint="give their folders seed-N by themselves")
    name, runs = groups[0]
    damaged = [line for run in runs for line in run.results["damage"]]
    if damaged and not any(run.right for run in runs):
        raise UserError(
            f"has no sound answers: {damaged[0]}", file=folder, hint="the same command as for the run makes them again"
        )
    if not any(run.right for run in runs):
        raise UserError("no model of it is evaluated", file=folder, hint="let the run go on; the same command does")
    return name, runs


@dataclass(slots=True)
class _Question:
    right: float
    samples: int
    text: str | None
    line: int


def _files(files: Sequence[Path]) -> list[Item]:
    tables = {str(file): _read(file) for file in files}
    first: dict[str, tuple[str, _Question]] = {}
    for name, table in tables.items():
        for identity, question in table.items():
            if question.text is None:
                continue
            other, same = first.setdefault(identity, (name, question))
            if same.text != question.text:
                raise UserError(
                    f"question {identity!r:.80} has another text than in {other}:{same.line}",
                    file=name,
                    line=question.line,
                    field="question",
                    hint="give answers to the same questions",
                )
    return [
        (name, {"": {0: {identity: of.right / of.samples for identity, of in table.items()}}})
        for name, table in tables.items()
    ]


def _read(file: Path) -> dict[str, _Question]:
    """Several samples of a question count as the share that is right."""
    table: dict[str, _Question] = {}
    samples: set[tuple[str, object]] = set()
    for row in rows.read(file):
        identity, verdict = row.identity(), row.fields.get("verdict")
        if verdict not in get_args(Verdict):
            problem = f"{verdict!r:.80} is no verdict" if "verdict" in row.fields else "the row has no verdict"
            raise row.error(
                problem,
                "verdict",
                expected=" | ".join(get_args(Verdict)),
                hint="`w2s grade --task T --gold G.jsonl --responses R.jsonl --out FILE` adds it",
            )
        sample = row.count("sample", 0)
        if (identity, sample) in samples:
            raise row.error(f"id {identity!r:.80} stands twice", "id", hint="number samples of a question in `sample`")
        samples.add((identity, sample))
        text = row.fields.get("question")
        digest = folders.digest(text) if isinstance(text, str) else None
        question = table.setdefault(identity, _Question(0, 0, digest, row.line))
        question.right += verdict == "correct"
        question.samples += 1
    if not table:
        raise UserError("holds no rows", file=file, expected=_GRADED)
    return table
