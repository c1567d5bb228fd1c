"""Stop sampling as soon as further samples can change nothing (ours; exact)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Literal, NamedTuple

from w2s.method.pairs import Pair, contrast, pairs
from w2s.method.voting import PairRule, Reason, Role, Vote, decide, vote
from w2s.records import Answered


class Decision(NamedTuple):
    """What Stage II decides on a question.

    `outcome`: the weak completion's role, or why there are no pairs; "not_confident": "no_answer", "low_confidence" or
    "unsure". `key`: the majority answer. `pairs`: their number.
    """

    outcome: Role | Reason | Literal["all_samples_agree", "not_confident"]
    key: str | None = None
    pairs: int = 0

    @property
    def kind(self) -> Decision:
        """The three reasons of low confidence are one."""
        return Decision("not_confident") if self.outcome in ("no_answer", "low_confidence", "unsure") else self


def settled(samples: Sequence[Answered], n: int, weak: Answered, rule: PairRule) -> Decision | None:
    """The decision whatever the remaining samples are; None: several kinds (`Decision.kind`) are possible.

    With c(k) the votes of answer k so far and r = n - len(samples), all reachable decisions are enumerated. Answer w
    can win with m votes iff c(w) <= m <= c(w) + r and m beats every other c(v); of tied answers the first wins, an
    unseen one is last. "No answer" is possible iff no sample has an answer so far. The text of a sample to come may be
    new; if it is repeated or cut, it makes no further pair. So the m - c(w) samples to come with answer w bring from 0
    to m - c(w) new texts, and the others from 0 to r - (m - c(w)). `voting.decide` and the number of pairs depend on
    nothing else.
    """
    _check(samples, n)
    common: Decision | None = None
    for decision in _reachable(samples, n, weak, rule):
        if common is not None and decision != common:
            if decision.kind != common.kind:
                return None
            decision = decision.kind
        common = decision
    return common


def settled_pairs(weak: Answered, samples: Sequence[Answered], rule: PairRule, seed: int, n: int) -> list[Pair] | str:
    """As `pairs.pairs`, with fewer samples than the `n` of the vote.

    Further reasons for no pairs: those of `Decision`, and "too_few_samples".
    """
    if len(samples) >= n:
        return pairs(weak, samples, rule, seed)
    decision = settled(samples, n, weak, rule)
    if decision is None:
        return "too_few_samples"
    if decision.outcome != "chosen" and decision.outcome != "rejected":
        return decision.outcome
    so_far = vote(samples)  # of the same winner: the samples to come may all be without an answer
    count = so_far.counts[str(so_far.key)]
    least_sure = replace(so_far, confidence=count / n, n=n)
    made = contrast(weak, samples, least_sure, decision.outcome, rule.max_pairs, seed)
    most = (count + n - len(samples)) / n
    return made if isinstance(made, str) else [replace(pair, confidence_most=most) for pair in made]


def settled_vote(samples: Sequence[Answered], n: int) -> str | None:
    """The answer that wins whatever the remaining samples are, or None.

    Its first sample is among `samples`.
    """
    _check(samples, n)
    votes = vote(samples).counts
    winners = [winner for winner, _ in _wins(votes, n - len(samples))]
    return winners[0] if votes and len(winners) == 1 else None


@cache
def least(n: int, rule: PairRule | None = None, weak_answers: bool = True) -> int:
    """The fewest samples that can settle a decision, or without `rule` a vote."""
    for made in range(1, n):
        for same in range(made + 1):
            keys = ["w"] * same + [None] * (made - same)
            samples = [_answer(f"text {i}", key) for i, key in enumerate(keys)]
            weak = [_answer("weak", key) for key in (("w", "v") if weak_answers else (None,))]
            if rule is None:
                enough = settled_vote(samples, n) is not None
            else:
                enough = any(settled(samples, n, answer, rule) for answer in weak)
            if enough:
                return made
    return n


def _answer(text: str, key: str | None) -> Answered:
    return Answered("", "", text, key, key)


def _reachable(samples: Sequence[Answered], n: int, weak: Answered, rule: PairRule) -> Iterator[Decision]:
    votes, left = vote(samples).counts, n - len(samples)
    if not votes:
        yield Decision("no_answer")
    for winner, numbers in _wins(votes, left, weak.key):
        agreeing = len({sample.response for sample in samples if sample.key == winner and not sample.cut})
        other_side = [sample for sample in samples if sample.key != winner and sample.response.strip()]
        others = len({sample.response for sample in other_side if not sample.cut})
        for m in numbers:
            gained = m - votes.get(winner, 0)
            outcome = decide(weak, Vote(winner, m / n, n, votes), rule)
            if outcome == "chosen":
                for texts in _up_to(rule.max_pairs, others, others + left - gained):
                    if texts:
                        yield Decision("chosen", winner, texts)
                        continue
                    if not other_side:
                        yield Decision("all_samples_agree")
                    if other_side or left > gained:
                        yield Decision("cut")
            elif outcome == "rejected":
                for texts in _up_to(rule.max_pairs, agreeing, agreeing + gained):
                    yield Decision("rejected", winner, texts) if texts else Decision("cut")
            else:
                yield Decision(outcome)


def _wins(votes: Mapping[str, int], left: int, weak: str | None = None) -> Iterator[tuple[str, range]]:
    """Each answer that can win, with its possible votes."""
    unseen = [weak] if weak is not None and weak not in votes else []
    unseen.append(max([*votes, *unseen], key=len, default="") + "?")  # longer than every other: a new one
    needed = 1  # more than every earlier answer has
    later = sorted(votes.values())  # of this answer and those after it
    for answer in [*votes, *unseen]:
        own = votes.get(answer, 0)
        if answer in votes:
            later.remove(own)
        fewest = max(needed, own, later[-1] if later else 0)
        if fewest <= own + left:
            yield answer, range(fewest, own + left + 1)
        if answer in votes:
            needed = max(needed, own + 1)


def _up_to(cap: int, first: int, last: int) -> range:
    return range(min(first, cap), min(last, cap) + 1)


def _check(samples: Sequence[Answered], n: int) -> None:
    if n < 1 or len(samples) > n:
        raise ValueError(f"{len(samples)} samples of {n}")
