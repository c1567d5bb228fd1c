"""The task `gsm8k`: local files in the published format, or the hub's `openai/gsm8k`.

The published format is {"question", "answer"} with a worked solution that ends in `#### 72`; ids are optional.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from w2s import config
from w2s.errors import UserError
from w2s.tasks import own_files
from w2s.tasks.own_files import OwnFiles
from w2s.tasks.rows import Row

HUB = "openai/gsm8k"


class Gsm8k(OwnFiles):
    """GSM8K. A row without id is called "<split>-<line>"; a split without file comes from the hub."""

    def __init__(self, task: config.FilesTask) -> None:
        super().__init__(task)

    def rows(self, split: str) -> dict[str, Row]:
        """The rows of a split by question id."""
        file = self._files.get(split)
        return super().rows(split) if file is None else own_files.read(file, split)

    def _without_file(self, split: str) -> dict[str, Row]:
        """From the hub: the first half of its train split is train_1, the second half train_2 (ours)."""
        published = _published("test" if split == "test" else "train")
        half = len(published) // 2
        first, last = {"train_1": (0, half), "train_2": (half, len(published))}.get(split, (0, len(published)))
        place = f"{HUB} ({split})"
        table = {}
        for line, fields in enumerate(published[first:last], 1):
            table[f"{split}-{line}"] = Row(place, line, fields)
        return table


@cache
def _published(split: str) -> list[dict[str, Any]]:
    mend = "give local files instead: task.train_1=FILE task.train_2=FILE task.test=FILE"
    try:
        import datasets
    except ImportError as error:
        raise UserError(f"{HUB} needs the package `datasets`", mend=f"pip install datasets, or {mend}") from error
    try:
        return list(datasets.load_dataset(HUB, "main", split=split))
    except Exception as error:  # the hub's client raises dozens of unrelated types when it has no network
        raise UserError(
            f"{HUB} cannot be fetched ({type(error).__name__}: {str(error)[:200]})", field="task", mend=mend
        ) from error
