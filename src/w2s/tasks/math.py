r"""The task `math`: MATH with its levels and subjects, from local files or from the hub.

Rows are read in three published formats: {"problem", "solution", "answer", "subject", "level", "unique_id"} (MATH-500
and the release's raw files), {"problem", "level", "type", "solution"} (MATH itself: the answer is the solution's last
\boxed), and the release's data/test files, where {"question"} stands for the problem and {"tag"} holds the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

from w2s.tasks import hub
from w2s.tasks.own_files import Benchmark
from w2s.tasks.rows import Row

HUB = "EleutherAI/hendrycks_math"
"""The 12,500 problems of MATH, a subset for each subject (`hendrycks/competition_math` is no longer on the hub)."""
TEST_HUB = "HuggingFaceH4/MATH-500"
"""The 500 problems of them that the paper tests on (chosen by OpenAI, PRM800K)."""
SUBJECTS = (
    "algebra", "counting_and_probability", "geometry", "intermediate_algebra", "number_theory", "prealgebra",
    "precalculus",
)  # fmt: skip


class Math(Benchmark):
    """MATH. From the hub: MATH-500 is test, the other 12,000 problems are train_1 and train_2, 6,000 each.

    The sizes are the paper's (less what MATH has twice: a text counts once). Which half a problem is in is decided by
    the hash of its text (ours: the release's own halves are files, `data/raw/math`, to be given as task.train_1 and
    task.train_2).
    """

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
    """The problems that are not in MATH-500, ordered by the hash of their texts; the same text counts once."""
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
"""What two problems of geometry have in the place of a level (github.com/hendrycks/math, issue 31)."""
_NAMES = {"problem": "question", "unique_id": "id", "type": "subject"}


def _renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Our names beside the published ones, where a row does not have them already."""
    found = {**{ours: fields[theirs] for theirs, ours in _NAMES.items() if theirs in fields}, **fields}
    return found | ({"level": None} if found.get("level") == _NO_LEVEL else {})
