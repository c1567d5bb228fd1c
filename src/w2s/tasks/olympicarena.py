r"""The task `olympicarena` (GAIR/OlympicArena), as the release of the paper uses it.

English questions whose answer is neither code nor open; its `test` split, which has no gold, is train_2, its `val`
split is test, and there is no train_1: the weak model answers as it comes. A question is the published prompt with
"Question: " in the place of "problem:", as in the release. It states the type of its answer and the unit, by which
`w2s.answers.stated` reads and compares answers. Local files have the published fields.
"""

from __future__ import annotations

from w2s import config
from w2s.tasks import hub
from w2s.tasks.base import SPLITS
from w2s.tasks.own_files import Benchmark
from w2s.tasks.rows import Row

HUB = "GAIR/OlympicArena"
SUBJECTS = ("Math", "Physics", "Chemistry", "Biology", "Geography", "Astronomy")
"""All but computer science, whose answers are programs (release)."""
LEFT_OUT = ("CODE", "OT")
"""Answer types that no rule can grade (release)."""
PUBLISHED = {"train_2": "test", "test": "val"}
"""Our split -> the published one (release)."""


class OlympicArena(Benchmark):
    """OlympicArena; train_1 is a split only where the recipe gives a file for it."""

    def __init__(self, task: config.FilesTask) -> None:
        super().__init__(task)
        self.splits = SPLITS if task.train_1 else SPLITS[1:]

    def _row(self, row: Row) -> Row | None:
        fields = row.fields
        if fields.get("language", "EN") != "EN" or fields.get("answer_type") in LEFT_OUT:
            return None
        if "question" in fields or "prompt" not in fields:
            return row
        return Row(row.file, row.line, {**fields, "question": _question(row.text("prompt"))})

    def _published(self, split: str) -> list[Row]:
        rows = [
            self._row(Row(f"{HUB} {subject} ({PUBLISHED[split]})", line, fields))
            for subject in SUBJECTS
            for line, fields in enumerate(hub.published(HUB, subject, PUBLISHED[split]), 1)
        ]
        return [row for row in rows if row is not None]


def _question(prompt: str) -> str:
    return prompt.replace("\n\nproblem:\n", "\n\nQuestion: ", 1).strip()
