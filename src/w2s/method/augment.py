"""Where agreement is scarce: more training questions, up to a target count.

The paper augments Stage I where few answers agree (MATH with Gemma-2b: 448 to 1,000 questions; with Mistral-7b: 584 to
2,000). Its released sets show what was added: questions on which both models answer and *disagree*, none on which they
agree, in random order after the kept ones. Of the added texts 9 to 12 % are right, against 57 % of the kept ones.
`agreeing` asks for more first: one of several sampled answers that agrees. `disagreeing` does as the release. Both look
at one question; `streams.augment` adds those of the smallest ranks, up to the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from w2s.method.agreement import Kept
from w2s.records import Answered
from w2s.seeds import derive


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that can be added, with its two texts. Those of smaller `rank` are added first."""

    rank: tuple[float, int]
    pair: Kept


def agreeing(weak: Answered, samples: Sequence[Answered], seed: int) -> Candidate | None:
    """The weak text and the agreeing sample with the smallest number; None where no sample agrees (ours).

    The larger the share of agreeing samples, the smaller the rank; ties in an order drawn by `seed` and the id. No
    answer never agrees. One question at a time: all are of one id.
    """
    found = [sample for sample in samples if sample.key is not None and sample.key == weak.key]
    if not found:
        return None
    rank = -len(found) / len(samples), derive(seed, "augment", weak.id)
    return Candidate(rank, Kept(weak.id, weak, min(found, key=lambda sample: sample.sample)))


def disagreeing(weak: Answered, strong: Sequence[Answered], seed: int) -> Candidate | None:
    """The two texts of a question on which both sides answer, and disagree; None of another one.

    In an order drawn by `seed` and the id. Source: the released MATH sets (deduced from the data).
    """
    (other,) = strong or (None,)
    if other is None or weak.key is None or other.key in (None, weak.key):
        return None
    return Candidate((0.0, derive(seed, "fill", weak.id)), Kept(weak.id, weak, other))
