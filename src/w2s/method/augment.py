"""More training questions where agreement is scarce (paper: MATH).

`disagreeing` adds questions as the released sets do; `agreeing` uses sampled answers (ours).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from w2s.method.agreement import agrees
from w2s.method.selector import Selected
from w2s.records import Answered
from w2s.seeds import derive


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question to add; those with the smallest `rank` are added first."""

    rank: tuple[float, int]
    selected: Selected


def agreeing(weak: Answered, samples: Sequence[Answered], seed: int) -> Candidate | None:
    """The weak completion and the first sample that agrees with it, or None; neither may be cut (ours).

    Questions with a larger share of agreeing samples rank first.
    """
    same = [sample for sample in samples if agrees(weak, sample)]
    whole = [sample for sample in same if not sample.cut]
    if weak.cut or not whole:
        return None
    rank = -len(same) / len(samples), derive(seed, "augment", weak.id)
    return Candidate(rank, Selected(weak, min(whole, key=lambda sample: sample.sample)))


def disagreeing(weak: Answered, strong: Sequence[Answered], seed: int) -> Candidate | None:
    """Both completions, if both have answers, the answers differ, and neither is cut; else None.

    Source: deduced from the released MATH sets.
    """
    if not strong:
        return None
    (other,) = strong
    if weak.key is None or other.key is None or weak.cut or other.cut or agrees(weak, other):
        return None
    return Candidate((0.0, derive(seed, "fill", weak.id)), Selected(weak, other))
