"""Stage II: preference pairs, each of a weak completion and a sample of the strong model (paper; released code)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from w2s.method.voting import PairRule, Role, Vote, decide, vote
from w2s.records import Answered
from w2s.seeds import derive


@dataclass(frozen=True, slots=True)
class Pair:
    """Two responses with different final answers.

    `confidence`: the majority's share of all samples. After early stopping the share is not known: `confidence` is its
    least possible value, `confidence_most` its largest. `weight`: of the pair's loss. `weak_role` None: neither
    response is the weak model's.
    """

    id: str
    question: str
    chosen: str
    rejected: str
    weak_role: Role | None
    confidence: float
    confidence_most: float
    weight: float = 1.0


def pairs(weak: Answered, samples: Sequence[Answered], rule: PairRule, seed: int) -> list[Pair] | str:
    """The preference pairs of one question, or the reason why there are none.

    1. Vote: the majority answer of the samples; its share is the confidence.
    2. Confidence >= tau (`rule.confidence`), else the question is dropped.
    3. Contrast: a weak completion with the majority answer is chosen, and samples with another answer are rejected. A
       weak completion with another answer is rejected, and samples with the majority answer are chosen, if
       confidence >= `rule.reject_confidence`.

    `seed` and the id decide which samples are taken.
    """
    majority = vote(samples)
    role = decide(weak, majority, rule)
    if role == "chosen" or role == "rejected":
        return contrast(weak, samples, majority, role, rule.max_pairs, seed)
    return role


def contrast(
    weak: Answered, samples: Sequence[Answered], majority: Vote, role: Role, max_pairs: int, seed: int
) -> list[Pair] | str:
    """The weak completion in its `role`, paired with at most `max_pairs` samples for the opposite role.

    A sample without an answer may be rejected (as released), but an empty or undecided one may not. A cut sample is
    neither chosen nor rejected (ours). Reasons for no pairs: "all_samples_agree", "cut" (all samples for the opposite
    role are), "undecided".
    """
    generator = random.Random(derive(seed, "pairs", weak.id))
    if role == "chosen":
        other_side = [sample for sample in samples if sample.key != majority.key and sample.response.strip()]
    else:
        other_side = [sample for sample in samples if sample.key == majority.key]
    if not other_side:
        return "all_samples_agree"
    drawn = _draw([sample.response for sample in other_side if not sample.cut], max_pairs, generator)
    if not drawn:
        return "cut"
    texts = [(weak.response, text) if role == "chosen" else (text, weak.response) for text in drawn]
    unread = {answer.response for answer in (weak, *samples) if answer.undecided}
    return [
        Pair(weak.id, weak.question, chosen, rejected, role, majority.confidence, majority.confidence)
        for chosen, rejected in texts
        if rejected not in unread
    ] or "undecided"


def _draw(texts: Sequence[str], count: int, generator: random.Random) -> list[str]:
    # Shuffle before removing repeats: the first one is then uniform over the samples, as released.
    return list(dict.fromkeys(generator.sample(texts, len(texts))))[:count]
