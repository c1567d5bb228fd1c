"""`math`: MATH from files or the hub.

Reads MATH-500's format, MATH's own, and the release's data/test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from w2s.data.rows import Row
from w2s.tasks import hub
from w2s.tasks.own_files import Benchmark

HUB = "EleutherAI/hendrycks_math"
"""All 12,500 problems, a subset per subject."""
TEST_HUB = "HuggingFaceH4/MATH-500"
"""The paper's 500 test problems (PRM800K)."""
SUBJECTS = (
    "algebra", "counting_and_probability", "geometry", "intermediate_algebra", "number_theory", "prealgebra",
    "precalculus",
)  # fmt: skip


class Math(Benchmark):
    """MATH. From the hub: MATH-500 is test; hashes halve the rest (ours), repeats dropped."""

    def _row(self, row: Row) -> Row:
        fields = row.fields
        tag = fields["tag"] if isinstance(fields.get("tag"), dict) else {}
        return Row(row.file, row.line, _renamed({**tag, **fields}))

    def _published(self, split: str) -> list[Row]:
        if split == "test":
            return [
                self._row(Row(TEST_HUB, line, fields))
                for line, fields in enumerate(hub.published(TEST_HUB, None, "test"), 1)
            ]
        rows = _train()
        half = len(rows) // 2
        rows = rows[:half] if split == "train_1" else rows[half:]
        return [Row(f"{HUB} ({split})", line, fields) for line, fields in enumerate(rows, 1)]


@cache
def _train() -> list[Mapping[str, Any]]:
    test = {_text(fields) for fields in hub.published(TEST_HUB, None, "test")}
    rows = {
        _text(fields): _renamed(fields)
        for split in ("train", "test")
        for subject in SUBJECTS
        for fields in hub.published(HUB, subject, split)
    }
    kept = {text: fields for text, fields in rows.items() if text not in test}
    return [kept[text] for text in sorted(kept, key=lambda text: hashlib.sha256(text.encode()).digest())]


def _text(fields: Mapping[str, Any]) -> str:
    return " ".join(str(fields.get("problem")).split())


_NO_LEVEL = "Level ?"
_NAMES = {"problem": "question", "unique_id": "id", "type": "subject"}


def _renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
    named = {**{ours: fields[theirs] for theirs, ours in _NAMES.items() if theirs in fields}, **fields}
    return named | ({"level": None} if named.get("level") == _NO_LEVEL else {})
