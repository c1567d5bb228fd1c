"""`gsm8k`: {"question", "answer"} from files, or the hub's `openai/gsm8k`."""

from __future__ import annotations

from w2s.data.rows import Row
from w2s.tasks import hub
from w2s.tasks.own_files import Benchmark

HUB = "openai/gsm8k"


class Gsm8k(Benchmark):
    """GSM8K; the hub's train split is halved (ours)."""

    def _published(self, split: str) -> list[Row]:
        rows = hub.published(HUB, "main", "test" if split == "test" else "train")
        half = len(rows) // 2
        first, last = {"train_1": (0, half), "train_2": (half, len(rows))}.get(split, (0, len(rows)))
        return [Row(f"{HUB} ({split})", line, fields) for line, fields in enumerate(rows[first:last], 1)]
