"""When to stop drawing: as soon as the samples still to come can change nothing (ours; exact, no approximation)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from w2s.method.fate import Fate, Rule, Weak
from w2s.records import Answered


def settled(samples: Sequence[Answered], n: int, weak: Weak, rule: Rule) -> Fate | None:
    """The fate that a question has whatever its remaining samples are; None while it can have two of different kinds.

    Fates are of one kind where the same pairs, or none for a like reason, come of them: `Fate.kind`. Where the reason
    itself is still open, the fate is "not_confident".

    With c(k) the votes of answer k so far, r = n - len(samples) still to come, the reachable fates are enumerated:

    1. Answer w can win with exactly m votes iff c(w) <= m <= c(w) + r and m beats every other answer's c(v) (a tie
       goes to the answer seen first). It is necessary: votes never fall and order never changes. It is sufficient:
       let m - c(w) of the samples answer w and the others nothing; then no other answer gains. An answer that is not
       seen yet is last in order; all of these behave alike, the weak answer aside. "No answer" wins iff nothing has
       been answered, r samples without an answer following.
    2. Given (w, m), f = r - (m - c(w)) of the samples to come do not answer w. Between 0 and f of them bring a new,
       non-empty text (they can be empty, and without an answer), and the m - c(w) that answer w can repeat a text or
       bring a new one; where w has none yet, the first is new. So each number of different texts in these ranges
       occurs, and none outside.
    3. `Rule.fate` depends on nothing else.

    So the set is exact both ways: a fate outside belongs to no continuation, and each inside belongs to one. With
    r = 0 it has one member, and `settled` is the rule itself.

    Args:
        samples: those drawn so far, in the order of their indices.
        n: how many would be drawn in all; at least one, and no fewer than `samples`.
        weak: the weak answer.
        rule: the thresholds.
    """
    _check(samples, n)
    found: Fate | None = None
    for fate in _reachable(samples, n, weak, rule):
        if found is not None and fate != found:
            if fate.kind != found.kind:
                return None
            fate = fate.kind
        found = fate
    return found


def settled_vote(samples: Sequence[Answered], n: int) -> str | None:
    """The answer that wins whatever the remaining samples are; None while there is more than one, or none answers.

    Its first sample is among those drawn, so that a text chosen by "the first with the majority answer" is too.
    """
    _check(samples, n)
    votes = _votes(samples)
    winners = [winner for winner, _ in _wins(votes, n - len(samples))]
    return winners[0] if votes and len(winners) == 1 else None


@cache
def least(n: int, rule: Rule | None = None, weak_answers: bool = True) -> int:
    """The fewest of `n` samples that can settle a fate, or a vote where there is no rule: what is drawn first.

    Tries k samples of which some give one answer and the rest none: what settles soonest is a lone majority, or votes
    that can no longer reach the threshold. `weak_answers` tells whether the weak text has an answer.
    """
    for drawn in range(1, n):
        for same in range(drawn + 1):
            keys = ["w"] * same + [None] * (drawn - same)
            samples = [Answered("", "", f"text {i}", key, key, i) for i, key in enumerate(keys)]
            if rule is None:
                found = settled_vote(samples, n) is not None
            else:
                found = any(settled(samples, n, Weak(key), rule) for key in (("w", "v") if weak_answers else (None,)))
            if found:
                return drawn
    return n


def _reachable(samples: Sequence[Answered], n: int, weak: Weak, rule: Rule) -> Iterator[Fate]:
    votes, left = _votes(samples), n - len(samples)
    if not votes:
        yield rule.fate(None, 0, n, weak, 0, 0)
    for winner, numbers in _wins(votes, left, weak.key):
        agreeing = len({sample.response for sample in samples if sample.key == winner})
        others = len({sample.response for sample in samples if sample.key != winner and sample.response.strip()})
        for m in numbers:
            gained = m - votes[winner]
            for same in _up_to(rule.max_pairs, max(agreeing, 1), agreeing + gained):
                for other in _up_to(rule.max_pairs, others, others + left - gained):
                    yield rule.fate(winner, m, n, weak, same, other)


def _wins(votes: Mapping[str, int], left: int, weak: str | None = None) -> Iterator[tuple[str, range]]:
    """Each answer that can win, with the numbers of votes it can win with. `votes` is in the order of first votes.

    Of the answers not seen yet, `weak` stands for itself and one other for all the rest.
    """
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
    """The numbers from `first` to `last`, those above `cap` taken as `cap`."""
    return range(min(first, cap), min(last, cap) + 1)


def _votes(samples: Sequence[Answered]) -> Counter[str]:
    return Counter(sample.key for sample in samples if sample.key is not None)


def _check(samples: Sequence[Answered], n: int) -> None:
    if n < 1 or len(samples) > n:
        raise ValueError(f"{len(samples)} samples of {n}")
