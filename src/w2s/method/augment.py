"""Where agreement is scarce: more training questions, up to a target count.

The paper augments Stage I where few answers agree (MATH with Gemma-2b: 448 to 1,000 questions; with Mistral-7b: 584 to
2,000). Its released sets show what was added: questions on which both models answer and *disagree*, none on which they
agree, in random order after the kept ones. Of the added texts 9 to 12 % are right, against 57 % of the kept ones.
`augment` asks for more first: one of several sampled answers that agrees. `fill` does as the release.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from w2s.errors import UserError
from w2s.method.agreement import Agreement, Kept, by_id
from w2s.records import Answered
from w2s.seeds import derive


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that can be added, with its two texts. Those of smaller `rank` are added first."""

    rank: tuple[float, int]
    pair: Kept


@dataclass(frozen=True, slots=True)
class Augmented:
    """The kept questions of an agreement, in their order, then those that were `added`, in the order of their ranks.

    `short` is how many are missing to the target: there were no more to add. What was added is apart from the rest so
    that its precision can be (`metrics.selection`).
    """

    kept: tuple[Kept, ...]
    added: tuple[Kept, ...]
    short: int

    @property
    def all(self) -> tuple[Kept, ...]:
        """What is trained on."""
        return self.kept + self.added


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


def augment(
    agreement: Agreement, weak: Iterable[Answered], samples: Iterable[Answered], *, target: int, seed: int
) -> Augmented:
    """Add questions on which a sampled strong answer agrees with the weak one, until there are `target` (ours).

    Args:
        agreement: what greedy answers agree on.
        weak: the weak answers, one a question.
        samples: several strong answers to each of the questions that are not kept; those to others are not looked at.
        target: questions to have in all; nothing is taken away where there are more.
        seed: the run's seed.

    Raises:
        UserError: an id comes twice in `weak`, or `target` is below 1.
    """
    kept = _kept(agreement, target)
    by_question: dict[str, list[Answered]] = {}
    for sample in samples:
        by_question.setdefault(sample.id, []).append(sample)
    found = [
        agreeing(answer, by_question.get(id, []), seed)
        for id, answer in by_id(weak, "the weak answers").items()
        if id not in kept
    ]
    return _augmented(agreement, found, target)


def fill(
    agreement: Agreement, weak: Iterable[Answered], strong: Iterable[Answered], *, target: int, seed: int
) -> Augmented:
    """Add questions on which both sides answer, and disagree, drawn at random, until there are `target`.

    Source: the released MATH sets (deduced from the data; no released code does it). Most of what is added is wrong.

    Args:
        agreement: what these answers agree on.
        weak: the weak answers, one a question.
        strong: the strong answers, one a question.
        target: questions to have in all; nothing is taken away where there are more.
        seed: the run's seed.

    Raises:
        UserError: an id comes twice on one side, or `target` is below 1.
    """
    kept, theirs = _kept(agreement, target), by_id(strong, "the strong answers")
    found = [
        disagreeing(answer, [theirs[id]] if id in theirs else [], seed)
        for id, answer in by_id(weak, "the weak answers").items()
        if id not in kept
    ]
    return _augmented(agreement, found, target)


def _kept(agreement: Agreement, target: int) -> set[str]:
    if target < 1:
        raise UserError(f"{target} is not a number of questions", field="augment_to", expected="an integer from 1")
    return {each.id for each in agreement.kept}


def _augmented(agreement: Agreement, candidates: Iterable[Candidate | None], target: int) -> Augmented:
    found = sorted((each for each in candidates if each is not None), key=lambda each: each.rank)
    wanted = max(0, target - len(agreement.kept))
    return Augmented(agreement.kept, tuple(each.pair for each in found[:wanted]), max(0, wanted - len(found)))
