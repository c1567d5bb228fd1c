"""How often each source is right, from answers without gold: a label model of open-ended answers, by EM (ours).

Dawid and Skene (1979) with one accuracy per source, and answers that nobody lists beforehand.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from w2s.method.selector import Judged

Votes = Mapping[str, Mapping[str, int]]
"""What is said of one question: source -> key of an answer -> how often. Without an answer there is no entry."""

SAMPLES = "samples"
"""The source that `Judged.samples` are."""

_OTHERS = (3, 10, 30, 100)
_USUAL_OTHERS = 10
_FIRST_GUESS = 0.7
_ITERATIONS = 200
_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class LabelModel:
    """A source gives the right answer with probability `accuracy`, else one of `others` equally likely wrong ones.

    The model assumes that errors are independent, between sources and between the answers of one source. Where they are
    not, posteriors are too high.
    """

    accuracy: Mapping[str, float]
    others: float

    def posterior(self, votes: Votes) -> dict[str, float]:
        """For each answer given, the probability that it is right; most probable first.

        The rest to 1 belongs to answers that nobody gave. A source that the model was not fitted to is left out.
        """
        known = {source: counts for source, counts in votes.items() if source in self.accuracy}
        keys = list(dict.fromkeys(key for counts in known.values() for key in counts))
        if not keys:
            return {}
        right = {source: math.log(accuracy) for source, accuracy in self.accuracy.items()}
        wrong = {source: math.log((1 - accuracy) / self.others) for source, accuracy in self.accuracy.items()}
        none_given = sum(wrong[source] * sum(counts.values()) for source, counts in known.items())
        logs = [
            none_given + sum((right[source] - wrong[source]) * counts.get(key, 0) for source, counts in known.items())
            for key in keys
        ]
        top = max(logs)
        weights = [math.exp(each - top) for each in logs]
        total = sum(weights) + max(self.others + 1 - len(keys), 0) * math.exp(min(none_given - top, 0))
        return dict(sorted(zip(keys, (each / total for each in weights), strict=True), key=lambda item: -item[1]))


def votes(question: Judged) -> Votes:
    """The answers of a question by source; the samples are one source."""
    said: dict[str, Mapping[str, int]] = {
        source: {answer.key: 1} for source, answer in question.answers.items() if answer.key is not None
    }
    counts = Counter(sample.key for sample in question.samples if sample.key is not None)
    return said | ({SAMPLES: counts} if counts else {})


def fit(questions: Sequence[Votes], *, others: float | None = None) -> LabelModel:
    """The most likely model of these questions, without gold; `others` None: the most likely of 3, 10, 30, 100.

    If no question has three answers, the data do not determine `others`: it is 10. 100,000 questions take seconds.

    Raises:
        ValueError: no question has an answer.
    """
    table = _Table(questions)
    return max((table.fit(each) for each in table.candidates(others)), key=lambda fitted: fitted[1])[0]


class _Table:
    """Votes as arrays, a row per question and answer given."""

    def __init__(self, questions: Sequence[Votes]) -> None:
        self.sources = sorted({source for votes in questions for source in votes})
        column = {source: number for number, source in enumerate(self.sources)}
        starts: list[int] = []
        cells: list[tuple[int, int, int]] = []
        rows = 0
        for votes in questions:
            keys: dict[str, int] = {}
            for source, counts in votes.items():
                for key, count in counts.items():
                    cells.append((keys.setdefault(key, rows + len(keys)), column[source], count))
            if keys:
                starts.append(rows)
                rows += len(keys)
        if not rows:
            raise ValueError("no question has an answer")
        self._starts = np.array(starts)
        self._sizes = np.diff([*starts, rows])
        self._counts = np.zeros((rows, len(self.sources)))
        at = np.array(cells)
        self._counts[at[:, 0], at[:, 1]] = at[:, 2]
        self._totals = np.add.reduceat(self._counts, self._starts)

    def candidates(self, others: float | None) -> Sequence[float]:
        """The numbers of other answers to try."""
        if others is not None:
            return [others]
        if self._totals.sum(axis=1).max() < 3:
            return [_USUAL_OTHERS]
        most = int(self._sizes.max())
        return [each for each in _OTHERS if each + 1 >= most] or [most]

    def fit(self, others: float) -> tuple[LabelModel, float]:
        """The model with so many other answers, and the log-likelihood of which answers are equal."""
        accuracy = np.full(len(self.sources), _FIRST_GUESS)
        answers = self._totals.sum(axis=0)
        for _ in range(_ITERATIONS):
            posterior, likelihood = self._expectation(accuracy, others)
            # One right and one wrong answer more than there are: no accuracy is 0 or 1.
            updated = (posterior @ self._counts + 1) / (answers + 2)
            moved = np.abs(updated - accuracy).max()
            accuracy = updated
            if moved < _CLOSE:
                break
        by_source = dict(zip(self.sources, map(float, accuracy), strict=True))
        return LabelModel(by_source, others), likelihood

    def _expectation(self, accuracy: np.ndarray, others: float) -> tuple[np.ndarray, float]:
        right, wrong = np.log(accuracy), np.log((1 - accuracy) / others)
        none_given = self._totals @ wrong
        logs = np.repeat(none_given, self._sizes) + self._counts @ (right - wrong)
        top = np.maximum(np.maximum.reduceat(logs, self._starts), none_given)
        weights = np.exp(logs - np.repeat(top, self._sizes))
        unseen = np.maximum(others + 1 - self._sizes, 0) * np.exp(none_given - top)
        total = np.add.reduceat(weights, self._starts) + unseen
        # Names of answers mean nothing: of `others` + 1 answers, the given ones can be chosen in so many ways.
        ways = _log_falling(others + 1, self._sizes)
        likelihood = float((top + np.log(total) - math.log(others + 1) + ways).sum())
        return weights / np.repeat(total, self._sizes), likelihood


def _log_falling(n: float, sizes: np.ndarray) -> np.ndarray:
    """Logarithm of n (n - 1) ... (n - size + 1), -inf where that is not positive."""
    most = int(sizes.max())
    steps = [math.log(n - used) if n > used else -math.inf for used in range(most)]
    return np.concatenate([[0.0], np.cumsum(steps)])[sizes]
