"""The task `word_problems`: easy arithmetic problems that people wrote, from six published sets.

The data are not shipped. `scripts/word_problems.py` makes the folder, as docs/word_problems.md says: one JSON Lines
file a set, {"id", "question", "answer", "solution"}. The splits are ours: by groups of twins (`w2s.tasks.twins`), in
the order of a hash.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from pathlib import Path

from w2s import config
from w2s.answers import Style
from w2s.errors import UserError
from w2s.records import Question
from w2s.tasks import rows, twins
from w2s.tasks.base import SPLITS, known_split
from w2s.tasks.rows import Row

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_ORDER = ("test", "train_1", "train_2")  # test comes first, so that no size but its own changes it
_MEND = "docs/word_problems.md says how to get the data; then give task.folder=FOLDER, or set W2S_WORD_PROBLEMS"


class WordProblems:
    """Word problems from a folder, cut into splits that share no group of twins."""

    name = "word_problems"
    style: Style = "gsm8k"
    splits: tuple[str, ...] = (*SPLITS, "validation")

    def __init__(self, task: config.WordProblemsTask) -> None:
        self._config = task
        self._rows: dict[str, dict[str, Row]] | None = None

    def rows(self, split: str) -> dict[str, Row]:
        """The rows of a split by id, for `w2s.gold`, which alone looks at their answers once they are in a split.

        `test` is drawn from `test_split`. `validation` comes from the end of the order whose beginning the other
        splits take, so it shares no group with any of them.

        Raises:
            UserError: no folder, a bad file, or too few questions for the sizes.
        """
        known_split(self, split)
        if self._rows is None:
            self._rows = _cut(_usable(self._config), self._config)
        return self._rows[self._config.test_split if split == "test" else split]

    def questions(self, split: str) -> list[Question]:
        """The questions of one split."""
        return [Question(identity, row.text("question")) for identity, row in self.rows(split).items()]


def folder(task: config.WordProblemsTask) -> Path:
    """Where the files are: `task.folder`, W2S_WORD_PROBLEMS, ./word_problems, or that of the reference data.

    Raises:
        UserError: there is no such folder.
    """
    given = task.folder or os.environ.get("W2S_WORD_PROBLEMS")
    reference = os.environ.get("W2S_REFERENCE_DATA")
    places = [Path(given)] if given else [Path("word_problems")]
    if reference and not given:
        places.append(Path(reference) / "word_problems")
    for place in places:
        if place.is_dir():
            return place
    raise UserError(
        f"there is no folder {' nor '.join(map(str, places))}", field="task.folder", expected=_EXPECTED, mend=_MEND
    )


def _usable(task: config.WordProblemsTask) -> list[Row]:
    """The rows of all sets whose answer is a plain number that their solution ends in, by id."""
    place = folder(task)
    files = [place / f"{name}.jsonl" for name in dict.fromkeys(task.sets)]
    for file in files:
        if not file.is_file():
            raise UserError("there is no such file", file=file, field="task.sets", expected=_EXPECTED, mend=_MEND)
    found = rows.unique((row for file in files for row in rows.read(file)), lambda row: row.identity())
    return [row for _, row in sorted(found.items()) if _is_usable(row, integers=task.integers)]


def _is_usable(row: Row, *, integers: bool) -> bool:
    row.text("question")
    answer, numbers = row.text("answer").strip(), _NUMBER.findall(row.text("solution"))
    plain = _NUMBER.fullmatch(answer) is not None and not (integers and "." in answer)
    return plain and numbers[-1:] == [answer]


def _cut(usable: list[Row], task: config.WordProblemsTask) -> dict[str, dict[str, Row]]:
    sizes = {"train_1": task.train_1, "train_2": task.train_2, "test": task.test}
    needed = sum(sizes.values()) + (task.test if task.test_split == "validation" else 0)
    ordered = _ordered(usable, task.data_seed)
    cut, left = {}, list(ordered)
    for split in _ORDER:
        cut[split], left = _taken(left, sizes[split])
    cut["validation"], _ = _taken(left[::-1], sizes["test"])
    wanted = _ORDER if task.test_split == "test" else (*_ORDER, "validation")
    if any(len(cut[split]) < sizes.get(split, task.test) for split in wanted):
        raise UserError(
            f"{needed:,} questions are asked for and {len(usable):,} can be used, in {len(ordered):,} groups that are "
            "not divided",
            field="task.train_1, task.train_2, task.test",
            mend="ask for fewer, or name more of the sets in task.sets",
        )
    return {split: {row.identity(): row for row in chosen} for split, chosen in cut.items()}


def _ordered(usable: list[Row], data_seed: int) -> list[list[Row]]:
    """Groups of twins, in the order of a hash of the seed and of the text that is first in the group."""
    texts = [row.text("question") for row in usable]
    members: dict[int, list[Row]] = defaultdict(list)
    for row, group in zip(usable, twins.groups(texts), strict=True):
        members[group].append(row)
    return sorted(members.values(), key=lambda group: _hash(data_seed, min(row.text("question") for row in group)))


def _hash(data_seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{data_seed}\n{text}".encode()).digest()


def _taken(groups: list[list[Row]], size: int) -> tuple[list[Row], list[list[Row]]]:
    """The first `size` questions, and the groups none of which was touched; the rest of the last one is dropped."""
    count, total = 0, 0
    while count < len(groups) and total < size:
        total += len(groups[count])
        count += 1
    return [row for group in groups[:count] for row in group][:size], groups[count:]


_EXPECTED = "a folder with svamp.jsonl, asdiv.jsonl and the others of task.sets"
