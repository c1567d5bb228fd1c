"""The overlap guard: questions that stand in two splits are found, and refused or dropped, and counted (ours).

The released GSM8K split has 279 train_2 questions in train_1, which the weak model saw with gold.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from w2s.errors import UserError
from w2s.records import Question

EXAMPLES = 3
"""Pairs of ids that `Overlap.as_dict` names of each two splits."""
Policy = Literal["refuse", "drop", "allow"]
PRECEDENCE = ("test", "train_1", "train_2")
"""A question belongs to the first of these that has it, so test is never made smaller."""

_APOSTROPHES = str.maketrans(dict.fromkeys("'\u2019\u2018`"))
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
_GROUPING = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d]+|-(?=\s*\d)|[^\w\s-]")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_OPERATORS = frozenset("-*/^%")  # with Unicode's mathematical symbols: "5 + 3" and "5 - 3" are different questions


@dataclass(frozen=True, slots=True)
class Overlap:
    """What the guard found. For every split, kept + all dropped = `given`.

    Attributes:
        policy: what was done about shared questions.
        masked: whether questions that differ in numbers only count as shared.
        given: questions per split before the guard.
        shared: (split, earlier split) -> pairs of (id, id of its first twin in the earlier split).
        near: (split, earlier split) -> how many more would be shared with numbers masked; never acted upon.
        repeated: per split, the questions whose like came before in the same split. They are only counted, never
            dropped, because the released sets are used with theirs (127 in train_1, 150 in train_2).
        dropped: per split, reason ("in_test" | "in_train_1") -> ids, in file order.
    """

    policy: Policy
    masked: bool
    given: Mapping[str, int]
    shared: Mapping[tuple[str, str], tuple[tuple[str, str], ...]]
    near: Mapping[tuple[str, str], int]
    repeated: Mapping[str, int]
    dropped: Mapping[str, Mapping[str, tuple[str, ...]]]

    def lines(self) -> list[str]:
        """The report in words, one finding a line; empty where there is nothing to say."""
        done = {"drop": "dropped", "allow": "kept", "refuse": "refused"}[self.policy]
        lines = [
            f"{len(pairs):,} of {self.given[split]:,} {split} questions are also in {earlier}: {done}"
            for (split, earlier), pairs in self.shared.items()
            if pairs
        ]
        lines += [
            f"{count:,} more {split} questions differ from one of {earlier} in numbers only: kept"
            for (split, earlier), count in self.near.items()
            if count
        ]
        repeated = {split: count for split, count in self.repeated.items() if count}
        return lines + [
            f"{count:,} {split} questions repeat one before them: kept" for split, count in repeated.items()
        ]

    def as_dict(self) -> dict[str, object]:
        """The counts, and the first pairs of ids that are shared, as JSON can hold them."""
        dropped = {s: {why: len(ids) for why, ids in reasons.items()} for s, reasons in self.dropped.items()}
        return {
            "policy": self.policy,
            "masked": self.masked,
            "given": dict(self.given),
            "shared": {f"{split} in {earlier}": len(pairs) for (split, earlier), pairs in self.shared.items()},
            "examples": {
                f"{split} in {earlier}": [list(pair) for pair in pairs[:EXAMPLES]]
                for (split, earlier), pairs in self.shared.items()
            },
            "near": {f"{split} in {earlier}": count for (split, earlier), count in self.near.items()},
            "repeated": dict(self.repeated),
            "dropped": dropped,
        }


def normalise(question: str) -> str:
    """The form in which questions are compared: case, spacing and punctuation do not count; operators do."""
    text = unicodedata.normalize("NFC", question).casefold().translate(_APOSTROPHES).translate(_DASHES)
    tokens = [token for token in _TOKEN.findall(_GROUPING.sub("", text)) if _counts(token)]
    return " ".join(tokens) or text.strip()


def mask(form: str) -> str:
    """A normal form in which numbers do not count either: "3 apples" is "7.5 apples"."""
    return " ".join("0" if _NUMBER.fullmatch(token) else token for token in form.split(" "))


def _counts(token: str) -> bool:
    return token[0].isalnum() or token in _OPERATORS or unicodedata.category(token[0]) in ("Sm", "So")


def guard(
    questions: Mapping[str, Sequence[Question]], policy: Policy, *, masked: bool = False
) -> tuple[dict[str, list[Question]], Overlap]:
    """The splits without what they share with a split that comes before them in PRECEDENCE, and what was found.

    Args:
        questions: split of PRECEDENCE -> questions, ids unique within a split.
        policy: "drop" takes a shared question out of the later split, "allow" only reports, "refuse" raises.
        masked: questions that differ in numbers only are shared too.

    Raises:
        UserError: the policy is "refuse" and splits share questions.
    """
    order = sorted(questions, key=PRECEDENCE.index)
    plain = {split: {question.id: normalise(question.question) for question in questions[split]} for split in order}
    without_numbers = {split: {i: mask(form) for i, form in plain[split].items()} for split in order}
    forms = without_numbers if masked else plain
    shared, with_near = _twins(forms), _twins(without_numbers)
    overlap = Overlap(
        policy,
        masked,
        given={split: len(questions[split]) for split in order},
        shared=shared,
        near={pair: len(with_near[pair]) - len(shared[pair]) for pair in shared},
        repeated={split: len(table) - len(set(table.values())) for split, table in forms.items()},
        dropped=_dropped(order, shared) if policy == "drop" else {split: {} for split in order},
    )
    if policy == "refuse":
        _refuse(overlap, questions)
    gone = {split: {i for ids in reasons.values() for i in ids} for split, reasons in overlap.dropped.items()}
    return {split: [q for q in questions[split] if q.id not in gone[split]] for split in questions}, overlap


def _twins(forms: Mapping[str, Mapping[str, str]]) -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
    first: dict[str, dict[str, str]] = {}  # split -> form -> id of the first question that has it
    twins = {}
    for split, table in forms.items():
        for earlier, known in first.items():
            twins[split, earlier] = tuple((i, known[form]) for i, form in table.items() if form in known)
        first[split] = {}
        for i, form in table.items():
            first[split].setdefault(form, i)
    return twins


def _dropped(
    order: Sequence[str], shared: Mapping[tuple[str, str], Sequence[tuple[str, str]]]
) -> dict[str, dict[str, tuple[str, ...]]]:
    dropped: dict[str, dict[str, tuple[str, ...]]] = {split: {} for split in order}
    for split, earlier in shared:  # pairs come in order of precedence
        gone = {i for ids in dropped[split].values() for i in ids}
        if ids := tuple(i for i, _ in shared[split, earlier] if i not in gone):
            dropped[split][f"in_{earlier}"] = ids
    return dropped


def _refuse(overlap: Overlap, questions: Mapping[str, Sequence[Question]]) -> None:
    found = {pair: ids for pair, ids in overlap.shared.items() if ids}
    if not found:
        return
    texts = {(split, question.id): question.question for split in questions for question in questions[split]}
    counts = [f"{len(ids):,} of {split} are in {earlier}" for (split, earlier), ids in found.items()]
    examples = [
        f"\n    {split} {mine} is {earlier} {theirs}: {texts[split, mine][:70]!r}"
        for (split, earlier), ids in found.items()
        for mine, theirs in ids
    ]
    how = "numbers, case, spacing and punctuation" if overlap.masked else "case, spacing and punctuation"
    raise UserError(
        f"splits share questions, {how} apart: {', '.join(counts)}{''.join(examples[:3])}",
        field="task.overlap",
        expected="no question in two splits",
        mend="task.overlap=drop takes them out of the later split; task.overlap=allow keeps them",
    )
