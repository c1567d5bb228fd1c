"""The task `gsm8k`: local files in the published format, or the hub's `openai/gsm8k`.

The published format is {"question", "answer"} with a worked solution that ends in `#### 72`; ids are optional.
"""

from __future__ import annotations

from w2s.tasks import hub
from w2s.tasks.own_files import Benchmark
from w2s.tasks.rows import Row

HUB = "openai/gsm8k"


class Gsm8k(Benchmark):
    """GSM8K. The halves of the hub's train split are train_1 and train_2 (ours; the release augments them)."""

    def _published(self, split: str) -> list[Row]:
        rows = hub.published(HUB, "main", "test" if split == "test" else "train")
        half = len(rows) // 2
        first, last = {"train_1": (0, half), "train_2": (half, len(rows))}.get(split, (0, len(rows)))
        return [Row(f"{HUB} ({split})", line, fields) for line, fields in enumerate(rows[first:last], 1)]
