"""Questions that splits share (ours)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from w2s.errors import UserError, one_of
from w2s.records import Question
from w2s.tasks import near_duplicates, wording

EXAMPLES = 3
"""Pairs of ids per two splits."""
Policy = Literal["refuse", "drop", "near", "allow"]
PRECEDENCE = ("test", "train_1", "train_2")
"""The first that has a question keeps it."""

Pairs = Mapping[tuple[str, str], tuple[tuple[str, str], ...]]
"""(split, earlier split) -> pairs of ids."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """The questions that splits share, at three levels; kept + all dropped = `sizes`.

    Attributes:
        policy: for shared questions; "near" is "drop", for near duplicates too.
        masked: numbers are ignored.
        sizes: per split, at first.
        shared: equal questions.
        near: further ones that are near duplicates.
        other_numbers: further ones that differ in numbers only; kept.
        repeated: within a split; kept, as in the release.
        dropped: split -> "in_test" | "in_train_1" | "near_test" | "near_train_1" -> ids.
    """

    policy: Policy
    masked: bool
    sizes: Mapping[str, int]
    shared: Pairs
    near: Pairs
    other_numbers: Pairs
    repeated: Mapping[str, int]
    dropped: Mapping[str, Mapping[str, tuple[str, ...]]]

    @property
    def levels(self) -> dict[str, Pairs]:
        """Pairs by level."""
        return {"shared": self.shared, "near": self.near, "other_numbers": self.other_numbers}

    def lines(self) -> list[str]:
        """A line for each two splits and level with overlap."""
        done = {"drop": "dropped", "near": "dropped", "allow": "kept", "refuse": "refused"}[self.policy]
        words = {
            "shared": ("are also in {}", done),
            "near": ("are near duplicates of one in {}", "dropped" if self.policy == "near" else "kept"),
            "other_numbers": ("differ from one of {} in numbers only", "kept"),
        }
        lines = [
            f"{len(found):,} of {self.sizes[split]:,} {split} questions {words[level][0].format(earlier)}: "
            f"{words[level][1]}"
            for level, pairs in self.levels.items()
            for (split, earlier), found in pairs.items()
            if found
        ]
        repeated = {split: count for split, count in self.repeated.items() if count}
        return lines + [
            f"{count:,} {split} questions repeat one before them: kept" for split, count in repeated.items()
        ]

    def as_dict(self) -> dict[str, object]:
        """Counts and the first ids, for JSON."""
        dropped = {s: {why: len(ids) for why, ids in reasons.items()} for s, reasons in self.dropped.items()}
        counts = {
            level: {f"{split} in {earlier}": len(found) for (split, earlier), found in pairs.items()}
            for level, pairs in self.levels.items()
        }
        examples = {
            level: {
                f"{split} in {earlier}": [list(pair) for pair in found[:EXAMPLES]]
                for (split, earlier), found in pairs.items()
            }
            for level, pairs in self.levels.items()
        }
        return {
            "policy": self.policy,
            "masked": self.masked,
            "given": dict(self.sizes),  # this name is part of the identity of finished runs
            **counts,
            "examples": examples["shared"],
            "near_examples": examples["near"],
            "repeated": dict(self.repeated),
            "dropped": dropped,
        }

    def rows(self) -> Iterator[dict[str, str]]:
        """A row for each pair."""
        gone = {split: {i for ids in reasons.values() for i in ids} for split, reasons in self.dropped.items()}
        for level, pairs in self.levels.items():
            for (split, earlier), found in pairs.items():
                for mine, theirs in found:
                    decision = "dropped" if mine in gone[split] else "kept"
                    yield {
                        "level": level,
                        "split": split,
                        "id": mine,
                        "in": earlier,
                        "of": theirs,
                        "decision": decision,
                    }

    def within(self, kept: Mapping[str, Sequence[Question]], questions: Mapping[str, Sequence[Question]]) -> Overlap:
        """The overlap of the first questions of each split, up to the last one that is `kept`."""
        seen = {split: _up_to(questions[split], kept[split]) for split in self.sizes}
        gone = {
            split: {why: tuple(i for i in ids if i in seen[split]) for why, ids in reasons.items()}
            for split, reasons in self.dropped.items()
        }
        lost = {split: {i for ids in reasons.values() for i in ids} for split, reasons in gone.items()}

        def here(pairs: Pairs) -> Pairs:
            return {
                (split, earlier): tuple(
                    (i, j) for i, j in found if i in seen[split] and (i in lost[split] or j in seen[earlier])
                )
                for (split, earlier), found in pairs.items()
            }

        return replace(
            self,
            sizes={split: len(ids) for split, ids in seen.items()},
            shared=here(self.shared),
            near=here(self.near),
            other_numbers=here(self.other_numbers),
            repeated={
                split: _repeated([_form(q, self.masked) for q in questions[split] if q.id in seen[split]])
                for split in seen
            },
            dropped={split: {why: ids for why, ids in reasons.items() if ids} for split, reasons in gone.items()},
        )


def resolve(
    questions: Mapping[str, Sequence[Question]], policy: Policy, *, masked: bool = False, limit: int | None = None
) -> tuple[dict[str, list[Question]], Overlap]:
    """The first `limit` questions of each split with their overlap resolved, and that overlap.

    "drop" takes shared questions out of the later split, "near" near duplicates too, "allow" keeps them, "refuse"
    raises. `masked`: numbers are ignored.

    Raises:
        UserError: refused overlap.
    """
    one_of("policy", policy, get_args(Policy), "task.overlap")
    order = sorted(questions, key=PRECEDENCE.index)
    plain = {split: {q.id: wording.normalise(q.question) for q in questions[split]} for split in order}
    without_numbers = {split: {i: wording.mask(form) for i, form in plain[split].items()} for split in order}
    forms = without_numbers if masked else plain
    shared = _shared(forms)
    near = _without(_near({split: questions[split] for split in order}, masked), shared)
    reasons = ({"in": shared} if policy in ("drop", "near") else {}) | ({"near": near} if policy == "near" else {})
    overlap = Overlap(
        policy,
        masked,
        sizes={split: len(questions[split]) for split in order},
        shared=shared,
        near=near,
        other_numbers=_without(_without(_shared(without_numbers), shared), near),
        repeated={split: _repeated(list(forms[split].values())) for split in order},
        dropped=_dropped(order, reasons),
    )
    if policy == "refuse":
        _refuse(overlap, questions)
    gone = {split: {i for ids in reasons.values() for i in ids} for split, reasons in overlap.dropped.items()}
    kept = {split: [q for q in questions[split] if q.id not in gone[split]] for split in questions}
    if limit is None:
        return kept, overlap
    kept = {split: rest[:limit] for split, rest in kept.items()}
    return kept, overlap.within(kept, questions)


def _up_to(questions: Sequence[Question], kept: Sequence[Question]) -> set[str]:
    """Ids up to the last of `kept`; all where nothing is kept."""
    ids = [question.id for question in questions]
    return set(ids[: ids.index(kept[-1].id) + 1] if kept else ids)


def _form(question: Question, masked: bool) -> str:
    form = wording.normalise(question.question)
    return wording.mask(form) if masked else form


def _repeated(forms: Sequence[str]) -> int:
    return len(forms) - len(set(forms))


def _near(questions: Mapping[str, Sequence[Question]], masked: bool) -> Pairs:
    forms = {
        split: {question.id: near_duplicates.form(question.question) for question in questions[split]}
        for split in questions
    }
    order = list(forms)
    return {
        (split, earlier): tuple(near_duplicates.pairs(forms[split], forms[earlier], masked=masked))
        for place, split in enumerate(order)
        for earlier in order[:place]
    }


def _without(pairs: Pairs, others: Pairs) -> Pairs:
    """Those whose question is in no pair of `others` with the same split."""
    found = {both: {i for i, _ in others[both]} for both in others}
    return {both: tuple(pair for pair in pairs[both] if pair[0] not in found[both]) for both in pairs}


def _shared(forms: Mapping[str, Mapping[str, str]]) -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
    first: dict[str, dict[str, str]] = {}  # split -> form -> id of the first question that has it
    shared = {}
    for split, table in forms.items():
        for earlier, known in first.items():
            shared[split, earlier] = tuple((i, known[form]) for i, form in table.items() if form in known)
        first[split] = {}
        for i, form in table.items():
            first[split].setdefault(form, i)
    return shared


def _dropped(order: Sequence[str], reasons: Mapping[str, Pairs]) -> dict[str, dict[str, tuple[str, ...]]]:
    dropped: dict[str, dict[str, tuple[str, ...]]] = {split: {} for split in order}
    for why, pairs in reasons.items():
        for split, earlier in pairs:  # pairs come in order of precedence
            gone = {i for ids in dropped[split].values() for i in ids}
            if ids := tuple(i for i, _ in pairs[split, earlier] if i not in gone):
                dropped[split][f"{why}_{earlier}"] = ids
    return dropped


def _refuse(overlap: Overlap, questions: Mapping[str, Sequence[Question]]) -> None:
    shared = {pair: ids for pair, ids in overlap.shared.items() if ids}
    if not shared:
        return
    texts = {(split, question.id): question.question for split in questions for question in questions[split]}
    counts = [f"{len(ids):,} of {split} are in {earlier}" for (split, earlier), ids in shared.items()]
    examples = [
        f"\n    {split} {mine} is {earlier} {theirs}: {texts[split, mine][:70]!r}"
        for (split, earlier), ids in shared.items()
        for mine, theirs in ids
    ]
    how = "numbers, case, spacing and punctuation" if overlap.masked else "case, spacing and punctuation"
    raise UserError(
        f"splits share questions, {how} apart: {', '.join(counts)}{''.join(examples[:3])}",
        field="task.overlap",
        expected="no question in two splits",
        hint="task.overlap=drop takes them out of the later split, near also near duplicates; allow keeps them",
    )
