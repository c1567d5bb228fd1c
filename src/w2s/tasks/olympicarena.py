"""`olympicarena` (GAIR/OlympicArena), as the paper's release uses it.

English, without code and open answers. Published `test` is train_2 (no gold), `val` is test.
"""

from __future__ import annotations

from w2s.config import schema
from w2s.data.rows import Row
from w2s.tasks import hub
from w2s.tasks.base import SPLITS
from w2s.tasks.own_files import Benchmark

HUB = "GAIR/OlympicArena"
SUBJECTS = ("Math", "Physics", "Chemistry", "Biology", "Geography", "Astronomy")
"""All but computer science (release)."""
LEFT_OUT = ("CODE", "OT")
"""Answer types without a rule (release)."""
PUBLISHED = {"train_2": "test", "test": "val"}
"""Our split -> the published one (release)."""


class OlympicArena(Benchmark):
    """OlympicArena; train_1 only from a file."""

    def __init__(self, task: schema.FilesTask) -> None:
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
