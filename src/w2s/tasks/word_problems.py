"""`word_problems`: easy arithmetic problems by people, from six published sets.

`scripts/word_problems.py` writes the folder, a file per set: {"id", "question", "answer", "solution"}.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from pathlib import Path

from w2s.answers import Style
from w2s.config import schema
from w2s.data import rows
from w2s.data.rows import Row
from w2s.errors import UserError
from w2s.records import Question
from w2s.tasks import near_duplicates
from w2s.tasks.base import SPLITS, known_split

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_ORDER = ("test", "train_1", "train_2")  # test comes first, so that no size but its own changes it
_HINT = "docs/word_problems.md says how to get the data; then give task.folder=FOLDER, or set W2S_WORD_PROBLEMS"


class WordProblems:
    """Splits without shared near duplicates."""

    name = "word_problems"
    style: Style = "gsm8k"
    splits: tuple[str, ...] = (*SPLITS, "validation")

    def __init__(self, task: schema.WordProblemsTask) -> None:
        self._config = task
        self._rows: dict[str, dict[str, Row]] | None = None

    def rows(self, split: str) -> dict[str, Row]:
        """Rows by id; "test" is `test_split`.

        Raises:
            UserError: no folder, a bad file, or too few questions.
        """
        known_split(self, split)
        if self._rows is None:
            self._rows = _cut(_usable(self._config), self._config)
        return self._rows[self._config.test_split if split == "test" else split]

    def questions(self, split: str) -> list[Question]:
        return [Question(identity, row.text("question")) for identity, row in self.rows(split).items()]


def folder(task: schema.WordProblemsTask) -> Path:
    """`task.folder`, W2S_WORD_PROBLEMS, ./word_problems, or W2S_REFERENCE_DATA's.

    Raises:
        UserError: no such folder.
    """
    named = task.folder or os.environ.get("W2S_WORD_PROBLEMS")
    reference = os.environ.get("W2S_REFERENCE_DATA")
    places = [Path(named)] if named else [Path("word_problems")]
    if reference and not named:
        places.append(Path(reference) / "word_problems")
    for place in places:
        if place.is_dir():
            return place
    raise UserError(
        f"there is no folder {' nor '.join(map(str, places))}", field="task.folder", expected=_EXPECTED, hint=_HINT
    )


def _usable(task: schema.WordProblemsTask) -> list[Row]:
    place = folder(task)
    files = [place / f"{name}.jsonl" for name in dict.fromkeys(task.sets)]
    for file in files:
        if not file.is_file():
            raise UserError("there is no such file", file=file, field="task.sets", expected=_EXPECTED, hint=_HINT)
    table = rows.unique((row for file in files for row in rows.read(file)), lambda row: row.identity())
    return [row for _, row in sorted(table.items()) if _is_usable(row, integers=task.integers)]


def _is_usable(row: Row, *, integers: bool) -> bool:
    row.text("question")
    answer, numbers = row.text("answer").strip(), _NUMBER.findall(row.text("solution"))
    plain = _NUMBER.fullmatch(answer) is not None and not (integers and "." in answer)
    return plain and numbers[-1:] == [answer]


def _cut(usable: list[Row], task: schema.WordProblemsTask) -> dict[str, dict[str, Row]]:
    sizes = {"train_1": task.train_1, "train_2": task.train_2, "test": task.test}
    needed = sum(sizes.values()) + (task.test if task.test_split == "validation" else 0)
    ordered = _ordered(usable, task.data_seed)
    cut, left = {}, list(ordered)
    for split in _ORDER:
        cut[split], left = _taken(left, sizes[split])
    cut["validation"], _ = _taken(left[::-1], sizes["test"])  # from the end, so it shares no group with the others
    wanted = _ORDER if task.test_split == "test" else (*_ORDER, "validation")
    if any(len(cut[split]) < sizes.get(split, task.test) for split in wanted):
        raise UserError(
            f"{needed:,} questions are asked for and {len(usable):,} can be used, in {len(ordered):,} groups that are "
            "not divided",
            field="task.train_1, task.train_2, task.test",
            hint="ask for fewer, or name more of the sets in task.sets",
        )
    return {split: {row.identity(): row for row in chosen} for split, chosen in cut.items()}


def _ordered(usable: list[Row], data_seed: int) -> list[list[Row]]:
    texts = [row.text("question") for row in usable]
    members: dict[int, list[Row]] = defaultdict(list)
    for row, group in zip(usable, near_duplicates.groups(texts), strict=True):
        members[group].append(row)
    return sorted(members.values(), key=lambda group: _hash(data_seed, min(row.text("question") for row in group)))


def _hash(data_seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{data_seed}\n{text}".encode()).digest()


def _taken(groups: list[list[Row]], size: int) -> tuple[list[Row], list[list[Row]]]:
    count, total = 0, 0
    while count < len(groups) and total < size:
        total += len(groups[count])
        count += 1
    return [row for group in groups[:count] for row in group][:size], groups[count:]


_EXPECTED = "a folder with svamp.jsonl, asdiv.jsonl and the others of task.sets"
