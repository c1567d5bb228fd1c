"""Stage II pairs: the weak text against the samples' majority answer (paper, Stage II; released code)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from w2s.errors import UserError
from w2s.method.adaptive import settled
from w2s.method.agreement import by_id
from w2s.method.fate import Rule, Weak
from w2s.records import Answered
from w2s.seeds import derive


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts for one question with different final answers.

    `confidence` is the share of the majority answer among all samples. Where fewer were drawn than `n`, it is the
    least it can be, and `confidence_most` the most; otherwise both are the same.
    """

    id: str
    question: str
    chosen: str
    rejected: str
    weak_role: Literal["chosen", "rejected"]
    confidence: float
    confidence_most: float


@dataclass(frozen=True, slots=True)
class PairSet:
    """The pairs, in the order of the weak answers, and the ids of the questions without one by reason.

    Reasons: no_answer (no sample has one), low_confidence, all_samples_agree (nothing to reject), unsure (the weak
    answer differs from a majority below the second threshold), empty_weak_text (nothing to set against the majority),
    too_few_samples (fewer than `n`, and the others could decide otherwise), only_in_weak, only_in_samples. The
    questions with pairs and those dropped together are every id of either side, each once.
    """

    pairs: tuple[Pair, ...]
    dropped: dict[str, tuple[str, ...]]


def build_pairs(
    weak: Iterable[Answered],
    samples: Iterable[Answered],
    *,
    confidence: float,
    reject_confidence: float,
    max_pairs: int,
    seed: int,
    n: int | None = None,
) -> PairSet:
    """Contrast each weak text with samples that answer differently. Source: paper, released code.

    Both thresholds are inclusive. Where the weak answer is the majority answer, the weak text is chosen and samples
    with any other answer are rejected, samples without an answer among them. Where it is not (or is missing) and the
    confidence reaches `reject_confidence`, samples of the majority are chosen and the weak text is rejected. Empty
    texts are never used: a model that is trained away from them learns not to stop (ours).

    The draw depends on `seed`, the id and the sample indices only, never on the order of the input. Of several pairs
    for a question no two have the same texts (ours; the released code may repeat one when it draws up to three).

    Args:
        weak: one weak answer a question.
        samples: the samples of all questions, told apart by `sample`.
        confidence: questions whose majority has a smaller share are dropped (paper: 0.6).
        reject_confidence: the share from which the weak text may be rejected (released code: 0.8).
        max_pairs: the most pairs a question may give (released code: 1 on GSM8K, 3 on MATH).
        seed: the run's seed.
        n: the samples that a question would have, had none been spared (see `method.adaptive`); None: those it has.

    Raises:
        UserError: an id comes twice in `weak`, or an id with the same sample index twice in `samples`.
    """
    weak_by_id, samples_by_id = by_id(weak, "the weak answers"), _grouped(samples)
    rule = Rule(confidence, reject_confidence, max_pairs)
    pairs: list[Pair] = []
    dropped: dict[str, list[str]] = {}
    for id, answer in weak_by_id.items():
        group = samples_by_id.get(id, [])
        of = max(n or 0, len(group))
        fate = settled(group, of, Weak(answer.key, not answer.response.strip()), rule) if group else None
        if fate is None or not fate.pairs:
            reason = "only_in_weak" if not group else "too_few_samples" if fate is None else fate.outcome
            dropped.setdefault(reason, []).append(id)
            continue
        majority = [sample.response for sample in group if sample.key == fate.key]
        others = [sample.response for sample in group if sample.key != fate.key and sample.response.strip()]
        share = len(majority) / of, (len(majority) + of - len(group)) / of
        generator = random.Random(derive(seed, "pairs", id))
        if fate.outcome == "chosen":
            pairs += [
                Pair(id, answer.question, answer.response, text, "chosen", *share)
                for text in _draw(others, max_pairs, generator)
            ]
        else:
            pairs += [
                Pair(id, answer.question, text, answer.response, "rejected", *share)
                for text in _draw(majority, max_pairs, generator)
            ]
    only_in_samples = sorted(samples_by_id.keys() - weak_by_id.keys())
    if only_in_samples:
        dropped["only_in_samples"] = only_in_samples
    return PairSet(tuple(pairs), {reason: tuple(ids) for reason, ids in dropped.items()})


def _draw(texts: Sequence[str], count: int, generator: random.Random) -> list[str]:
    # Shuffle before removing repeats: the first draw is then uniform over the samples, as released.
    return list(dict.fromkeys(generator.sample(texts, len(texts))))[:count]


def _grouped(samples: Iterable[Answered]) -> dict[str, list[Answered]]:
    groups: dict[str, dict[int, Answered]] = {}
    for sample in samples:
        group = groups.setdefault(sample.id, {})
        if sample.sample in group:
            raise UserError(
                f"id {sample.id!r} has sample {sample.sample} twice in the samples",
                field="sample",
                expected="a different number for each sample of a question",
                mend='number the samples of each question: "sample": 0, 1, 2, ...',
            )
        group[sample.sample] = sample
    return {id: [group[index] for index in sorted(group)] for id, group in groups.items()}
