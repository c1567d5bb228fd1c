"""What a verb says when it is done, for people and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from w2s.choices import Match
from w2s.metrics.accuracy import Accuracy, wilson
from w2s.metrics.selection import Selection
from w2s.streams import other_match


@dataclass(frozen=True, slots=True)
class GradeSummary:
    """Verdicts over `n` responses to `questions` questions.

    `accuracy` is the mean over questions of the share of their responses that is right: each question weighs the same,
    however many responses it has. `pass_at` and `maj_at` are by k, empty where each question has one response (`maj_at`
    also with a scoring of lm-eval). Every interval is Wilson's over questions, since responses to one question are not
    independent (conservative, see `wilson`). `match_differs` counts the responses that are correct by one `match` and
    not by the other; None with a scoring of lm-eval.
    """

    accuracy: float
    ci95: tuple[float, float]
    correct: int
    n: int
    no_answer: int
    undecided: int
    questions: int
    pass_at: Mapping[int, float]
    pass_at_ci95: Mapping[int, tuple[float, float]]
    maj_at: Mapping[int, float]
    maj_at_ci95: Mapping[int, tuple[float, float]]
    match: Match
    match_differs: int | None
    scoring: str
    notes: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return _for_json(asdict(self))

    def lines(self) -> list[str]:
        """For people."""
        lines = [
            f"accuracy   {self.accuracy:.2%}  ({_interval(self.ci95)}; {self.correct:,} of {self.n:,})",
            f"no answer  {self.no_answer / self.n:.2%}  ({self.no_answer:,})",
            f"undecided  {self.undecided / self.n:.2%}  ({self.undecided:,})",
        ]
        if self.n > self.questions:
            lines.append(f"questions  {self.questions:,}  (the interval counts these, not responses)")
        lines += [f"pass@{k:<5} {value:.2%}  ({_interval(self.pass_at_ci95[k])})" for k, value in self.pass_at.items()]
        lines += [f"maj@{k:<6} {value:.2%}  ({_interval(self.maj_at_ci95[k])})" for k, value in self.maj_at.items()]
        if self.match_differs is None:
            lines.append(f"scoring={self.scoring}")
        else:
            lines.append(f"match={self.match}; {self.match_differs:,} are correct by one of string and equivalent only")
        return [*lines, *self.notes]


@dataclass(frozen=True, slots=True)
class SelectionSummary:
    """What a selection kept and dropped: `kept` + all of `dropped` = `of` questions; `rows` were written.

    Of those that `agree` kept, `same_text` have one text from both models, whose agreement tells nothing. `coverage` is
    kept / of and `coverage_ci95` its Wilson interval. `match_differs` counts the questions with another outcome under
    the other `match` (`match_differs_ids`: the first 100), and `undecided` those with an answer that was not read in
    time, which agrees with nothing and has no vote. Only where gold was given: `quality` counts the kept answers that
    are right (one a question: the answer agreed on, or the chosen one), and `rejected` the rejected texts that are (one
    a pair).
    Only where the set was augmented: `added` questions beside those kept, and `short` that are missing to the target;
    `added_right` counts the weak answers of these that are right.
    """

    kept: int
    of: int
    rows: int
    dropped: Mapping[str, int]
    match: Match
    match_differs: int
    match_differs_ids: Sequence[str | int] = ()
    undecided: int = 0
    same_text: int | None = None
    quality: Selection | None = None
    rejected: Accuracy | None = None
    added: int | None = None
    short: int | None = None
    added_right: Accuracy | None = None
    notes: Sequence[str] = ()

    @property
    def coverage(self) -> float:
        return self.kept / self.of

    @property
    def coverage_ci95(self) -> tuple[float, float]:
        return wilson(self.kept, self.of)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return _for_json({**asdict(self), "coverage": self.coverage, "coverage_ci95": self.coverage_ci95})

    def lines(self) -> list[str]:
        """For people."""
        share = f"{self.coverage:.2%}; {_interval(self.coverage_ci95)}"
        lines = [f"kept {self.kept:,} of {self.of:,} questions ({share}), {self.rows:,} rows"]
        if self.same_text is not None:
            lines.append(f"of these {self.same_text:,} have one and the same text")
        if self.undecided:
            lines.append(f"undecided {self.undecided:,}: an answer of theirs was not read in time")
        lines += [f"dropped {count:,}: {reason.replace('_', ' ')}" for reason, count in self.dropped.items()]
        if self.added is not None:
            lines.append(f"added {self.added:,} questions on which a sample agrees, {self.short:,} short of the target")
        if self.quality is not None:
            kept = self.quality
            lines.append(_right("kept answers" if self.rejected is None else "chosen", kept.correct, kept.kept))
        if self.rejected is not None:
            lines.append(_right("rejected", self.rejected.correct, self.rejected.n))
        if self.added_right is not None:
            lines.append(_right("added", self.added_right.correct, self.added_right.n))
        other = other_match(self.match)
        lines.append(f"match={self.match}; {self.match_differs:,} questions would come out otherwise with {other}")
        return [*lines, *self.notes]


def _right(what: str, correct: int, n: int) -> str:
    if not n:
        return f"right by gold, {what}: none kept"
    return f"right by gold, {what}: {correct / n:.2%} ({_interval(wilson(correct, n))}; {correct:,} of {n:,})"


def _interval(ends: tuple[float, float]) -> str:
    return f"95% CI {ends[0]:.2%} to {ends[1]:.2%}"


def _for_json(value: Any) -> Any:
    """NaN, which JSON does not have, as null."""
    if isinstance(value, dict):
        return {name: _for_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
