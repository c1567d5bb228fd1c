"""What `w2s grade` counts while verdicts stream by, and the scores of questions."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from w2s.answers import Verdict
from w2s.config.choices import AnswerRule, Join, Scoring
from w2s.data import index
from w2s.data.layouts import RawResponse
from w2s.data.rows import Row
from w2s.errors import UserError
from w2s.metrics import accuracy
from w2s.verbs.golds import Golds
from w2s.verbs.inputs import File
from w2s.verbs.summaries import GradeSummary, Scores

_SAMPLES = (1, 5, 10, 50, 100)
"""Values of k, if there are as many samples."""


class Graded(NamedTuple):
    """Of each response: the final answer, its key, the verdict, and the verdict by the other match."""

    predictions: Sequence[str | None]
    keys: Sequence[str | None]
    verdicts: Sequence[Verdict]
    others: Sequence[Verdict] | None


class Tally:
    """A few numbers per question and response."""

    def __init__(self, golds: Golds, reader: index.Reader, join: Join, *, only_shared: bool) -> None:
        self._golds = golds
        self._reader = reader
        self._by_gold = join == "id" and not only_shared  # a question has the number of its gold
        self._ledger = index.Ledger(reader)
        self._ledger.reserve(len(golds) if self._by_gold else 0)
        self._gold_of = array("I")
        self._ids: dict[str, int] = {}  # else its own: several ids may share one gold, or gold may have no response
        self._used = bytearray(0 if self._by_gold else len(golds))
        self._left_out = 0
        self._verdicts: Counter[str] = Counter()
        self._correct = array("I")
        self._differ: int | None = 0
        self._questions, self._samples, self._keys, self._right = array("I"), array("Q"), array("q"), array("b")

    @property
    def used(self) -> Sequence[int]:
        """Whether each gold, by number, was requested."""
        return self._ledger.counts if self._by_gold else self._used

    def shared(self, stream: Iterable[tuple[Row, RawResponse]]) -> Iterator[tuple[Row, RawResponse]]:
        """The responses that have gold."""
        for row, raw in stream:
            if self._golds.has(raw):
                yield row, raw
            else:
                self._left_out += 1

    def note_left_out(self, gold: File, responses: File) -> None:
        """UserError: nothing is in both files."""
        idle = len(self._used) - sum(self._used)
        if not sum(self._used):
            raise UserError(f"has no question of {gold}", file=responses, hint="check the ids, or use --join question")
        if self._golds.blind and (idle or self._left_out):
            raise index.not_joined(Row(responses, 1, {}), gold, numbered=True)
        if idle:
            self._reader.note(f"{idle:,} questions that only {gold} has are left out")
        if self._left_out:
            self._reader.note(f"{self._left_out:,} responses without gold in {gold} are left out")

    def enter(self, row: Row, raw: RawResponse) -> tuple[int, int, int]:
        gold = question = self._golds.find(raw, row)
        self._golds.check_joined(gold, raw, row, numbered=self._reader.numbered)
        if not self._by_gold:
            question = self._ids.setdefault(str(raw.id), len(self._ids))
            if question == len(self._gold_of):
                self._gold_of.append(gold)
            self._used[gold] = 1
        return gold, question, self._ledger.enter(question, row, raw, several=True)

    def count(self, entered: Sequence[tuple[int, int, int]], graded: Graded) -> None:
        self._verdicts.update(graded.verdicts)
        if graded.others is None or self._differ is None:
            self._differ = None
        else:
            self._differ += sum(
                (one == "correct") != (other == "correct")
                for one, other in zip(graded.verdicts, graded.others, strict=True)
            )
        self._correct.frombytes(bytes((len(self._ledger.counts) - len(self._correct)) * self._correct.itemsize))
        for (_, question, sample), key, verdict in zip(entered, graded.keys, graded.verdicts, strict=True):
            self._correct[question] += verdict == "correct"
            self._questions.append(question)
            self._samples.append(sample)
            self._keys.append(0 if key is None else hash(key) or 1)
            self._right.append(verdict == "correct")

    def summary(self, rule: AnswerRule, scoring: Scoring, k: Sequence[int] = ()) -> GradeSummary:
        """UserError: a question has fewer samples than a `k`."""
        counts = np.asarray(self._ledger.counts)
        least = int(counts.min())
        if k and not 1 <= min(k) <= max(k) <= least:
            raise UserError(
                f"a question has {least:,} sample{'s' if least > 1 else ''}, which does not give k = {max(k)}",
                field="--k",
                expected=f"numbers from 1 to {least:,}",
                hint="w2s sample --n N makes more samples per question",
            )
        default = {each for each in _SAMPLES if each < least} | {least} if least > 1 else set()
        ks = sorted(set(k) or default)
        votes = self._votes([each for each in ks if k or each > 1]) if scoring == "w2s" else {}
        every = np.arange(len(counts))
        return GradeSummary(
            **asdict(self._scores(every, ks, votes)),
            no_answer=self._verdicts["no_answer"],
            undecided=self._verdicts["undecided"],
            by=self._golds.by,
            groups={name: self._scores(members, ks, votes) for name, members in self._groups().items()},
            match=rule.match,
            match_differs=self._differ,
            scoring=scoring,
            notes=self._reader.notes(),
        )

    def _scores(self, questions: np.ndarray, ks: Sequence[int], votes: dict[int, np.ndarray]) -> Scores:
        of, right = np.asarray(self._ledger.counts)[questions], np.asarray(self._correct)[questions]
        n, size = int(of.sum()), len(questions)
        shares = Counter(zip(of.tolist(), right.tolist(), strict=True))  # the same few numbers, many times
        solved = sum((Fraction(c * times, count) for (count, c), times in shares.items()), Fraction())
        squares = sum(times * (c / count) ** 2 for (count, c), times in shares.items())
        single = n == size  # whole questions are right or wrong
        ci95 = accuracy.wilson(int(solved), size) if single else accuracy.mean_interval(float(solved), squares, size)
        passed = {k: [(accuracy.pass_at_k(*each, k), times) for each, times in shares.items()] for k in ks}
        voted = {k: [(float(score), 1) for score in votes[k][questions]] for k in votes}
        return Scores(
            accuracy=float(solved / size),
            ci95=ci95,
            correct=int(right.sum()),
            n=n,
            questions=size,
            pass_at={k: _mean(scores, size) for k, scores in passed.items()},
            pass_at_ci95={k: _interval(scores, size) for k, scores in passed.items()},
            maj_at={k: _mean(scores, size) for k, scores in voted.items()},
            maj_at_ci95={k: _interval(scores, size) for k, scores in voted.items()},
        )

    def _groups(self) -> dict[str, np.ndarray]:
        """Question numbers by group of their gold, numbers in order."""
        if self._golds.by is None:
            return {}
        golds = range(len(self._ledger.counts)) if self._by_gold else self._gold_of
        members: dict[str, list[int]] = {}
        for question, gold in enumerate(golds):
            members.setdefault(self._golds.group(gold), []).append(question)
        order = sorted(members, key=lambda name: (not name.isdecimal(), len(name) if name.isdecimal() else 0, name))
        return {name: np.asarray(members[name]) for name in order}

    def _votes(self, ks: Sequence[int]) -> dict[int, np.ndarray]:
        """By k, whether a vote of k samples is right, for each question."""
        if not ks:
            return {}
        of, samples = np.asarray(self._questions), np.asarray(self._samples)
        order = np.lexsort((samples, of))
        keys, right = np.asarray(self._keys)[order], np.asarray(self._right, bool)[order]
        votes = {k: np.zeros(len(self._ledger.counts)) for k in ks}
        end = 0
        for question, count in enumerate(self._ledger.counts):
            begin, end = end, end + count
            names = [_name(key) for key in keys[begin:end].tolist()]
            correct = {_name(key) for key in keys[begin:end][right[begin:end]].tolist()}
            for k in ks:
                votes[k][question] = accuracy.maj_at_k(names, correct, k)
        return votes


def _mean(scores: Sequence[tuple[float, int]], n: int) -> float:
    return sum(score * times for score, times in scores) / n


def _interval(scores: Sequence[tuple[float, int]], n: int) -> tuple[float, float]:
    total = sum(score * times for score, times in scores)
    return accuracy.mean_interval(total, sum(score**2 * times for score, times in scores), n)


def _name(key: int) -> str | None:
    return str(key) if key else None
