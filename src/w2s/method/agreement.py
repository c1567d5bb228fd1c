"""Stage I selection: keep the questions on which weak and strong model agree (paper, Stage I; released code)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from w2s.errors import UserError
from w2s.records import Answered


@dataclass(frozen=True, slots=True)
class Kept:
    """A question on which both final answers have the same key."""

    id: str
    weak: Answered
    icl: Answered


@dataclass(frozen=True, slots=True)
class Agreement:
    """The kept questions, in the order of the weak answers, and the ids of all others by reason.

    Reasons: disagree, weak_no_answer, strong_no_answer, only_in_weak, only_in_strong. Kept and dropped together are
    every id of either side, each once.
    """

    kept: tuple[Kept, ...]
    dropped: dict[str, tuple[str, ...]]


def agree(weak: Iterable[Answered], strong: Iterable[Answered], *, nothing_agrees: bool = False) -> Agreement:
    """Keep the questions where `weak` and `strong` give the same final answer. Source: paper, released code.

    No answer never agrees, not even with no answer, unless `nothing_agrees`: the paper's released sets hold such
    questions, though its released code refuses them. There both texts say something; an empty one teaches nothing, so
    it agrees with none (ours). Joined by id: the order of `strong` does not matter.

    Raises:
        UserError: an id comes twice on one side.
    """
    weak_by_id, strong_by_id = by_id(weak, "the weak answers"), by_id(strong, "the strong answers")
    kept: list[Kept] = []
    dropped: dict[str, list[str]] = {}
    for id, answer in weak_by_id.items():
        other = strong_by_id.get(id)
        if other is None:
            dropped.setdefault("only_in_weak", []).append(id)
        elif nothing_agrees and answer.key is None and other.key is None and _said(answer) and _said(other):
            kept.append(Kept(id, answer, other))
        elif answer.key is None:
            dropped.setdefault("weak_no_answer", []).append(id)
        elif other.key is None:
            dropped.setdefault("strong_no_answer", []).append(id)
        elif answer.key != other.key:
            dropped.setdefault("disagree", []).append(id)
        else:
            kept.append(Kept(id, answer, other))
    only_in_strong = sorted(strong_by_id.keys() - weak_by_id.keys())  # sorted: no promise about strong's order
    if only_in_strong:
        dropped["only_in_strong"] = only_in_strong
    return Agreement(tuple(kept), {reason: tuple(ids) for reason, ids in dropped.items()})


def _said(answer: Answered) -> bool:
    """Whether there is any text."""
    return bool(answer.response.strip())


def by_id(answers: Iterable[Answered], what: str) -> dict[str, Answered]:
    """`answers` by question id, in their order.

    Raises:
        UserError: an id comes twice.
    """
    table: dict[str, Answered] = {}
    for answer in answers:
        if answer.id in table:
            raise UserError(
                f"id {answer.id!r} comes twice in {what}",
                field="id",
                expected="one response a question",
                mend="give every question its own id; keep one response of each",
            )
        table[answer.id] = answer
    return table
