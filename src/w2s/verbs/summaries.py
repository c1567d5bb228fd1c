"""What verbs report, for people and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from w2s.config.choices import By, Match, other_match
from w2s.method.certificate import Certificate, NoCertificate
from w2s.metrics.accuracy import Accuracy, wilson
from w2s.metrics.selection import CurvePoint, Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Of `n` responses to `questions` questions.

    `accuracy`: mean over questions. `pass_at`, `maj_at`: by k. Intervals over questions: Wilson where each has one
    response, else `mean_interval`.
    """

    accuracy: float
    ci95: tuple[float, float]
    correct: int
    n: int
    questions: int
    pass_at: Mapping[int, float]
    pass_at_ci95: Mapping[int, tuple[float, float]]
    maj_at: Mapping[int, float]
    maj_at_ci95: Mapping[int, tuple[float, float]]

    def at_k(self) -> list[str]:
        """A line for each pass@k and maj@k."""
        lines = [f"pass@{k:<5} {value:.2%}  ({_interval(self.pass_at_ci95[k])})" for k, value in self.pass_at.items()]
        more = [f"maj@{k:<6} {value:.2%}  ({_interval(self.maj_at_ci95[k])})" for k, value in self.maj_at.items()]
        return lines + more


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeSummary(Scores):
    """What `grade` found. `groups`: by level or subject (`by`). `match_differs`: correct by one match only, or None."""

    no_answer: int
    undecided: int
    by: By | None
    groups: Mapping[str, Scores]
    match: Match
    match_differs: int | None
    scoring: str
    notes: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        return _for_json(asdict(self))

    def lines(self) -> list[str]:
        lines = [
            f"accuracy   {self.accuracy:.2%}  ({_interval(self.ci95)}; {self.correct:,} of {self.n:,})",
            f"no answer  {self.no_answer / self.n:.2%}  ({self.no_answer:,})",
            f"undecided  {self.undecided / self.n:.2%}  ({self.undecided:,})",
        ]
        if self.n > self.questions:
            lines.append(f"questions  {self.questions:,}  (the interval counts these, not responses)")
        lines += self.at_k()
        for name, group in self.groups.items():
            label = f"{self.by} {name}" if name != f"no {self.by}" else name
            lines.append(f"{label}: {group.accuracy:.2%}  ({_interval(group.ci95)}; {group.correct:,} of {group.n:,})")
            lines += [f"  {line}" for line in group.at_k()]
        if self.match_differs is None:
            lines.append(f"scoring={self.scoring}")
        else:
            lines.append(f"match={self.match}; {self.match_differs:,} are correct by one of string and equivalent only")
        return [*lines, *self.notes]


@dataclass(frozen=True, slots=True)
class SelectionSummary:
    """What a selection kept: `kept` + all `dropped` = `of` questions; `rows` were written.

    `coverage`: kept / of. `same_text`: both models wrote one text. `match_differs`: other outcome under the other
    `match`. `undecided`: not read in time. `quality`: right answers per kept question. `rejected`: right rejected
    responses per pair. `short`: missing to `augment_to`. `added_right`: right weak answers among `added`.
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
        return _for_json({**asdict(self), "coverage": self.coverage, "coverage_ci95": self.coverage_ci95})

    def lines(self) -> list[str]:
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


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """What `select` kept of `of` questions, those with calibration gold left out.

    `calibration`: questions with gold. `certificate`: None without any. `needed`: how many of them would be enough,
    about. `curve`: by score, from golds that the score does not depend on.
    """

    by: str
    kept: int
    of: int
    dropped: Mapping[str, int]
    match: Match
    undecided: int = 0
    calibration: int = 0
    certificate: Certificate | NoCertificate | None = None
    needed: int | None = None
    curve: Sequence[CurvePoint] = ()
    notes: Sequence[str] = ()

    @property
    def coverage(self) -> float:
        return self.kept / self.of

    @property
    def certified(self) -> bool:
        return isinstance(self.certificate, Certificate)

    def as_dict(self) -> dict[str, Any]:
        return _for_json({**asdict(self), "coverage": self.coverage, "certified": self.certified})

    def lines(self) -> list[str]:
        share = f"{self.coverage:.2%}; {_interval(wilson(self.kept, self.of))}"
        lines = [f"kept {self.kept:,} of {self.of:,} questions ({share})"]
        lines += [f"dropped {count:,}: {reason.replace('_', ' ')}" for reason, count in self.dropped.items()]
        if self.undecided:
            lines.append(f"undecided {self.undecided:,}: an answer of theirs was not read in time")
        if self.certificate is not None:
            lines.append(self._promise(self.certificate))
        if self.curve:
            lines.append("coverage      kept  score from  right by calibration gold")
            lines += [_point(point) for point in self.curve]
        return [*lines, *self.notes]

    def _promise(self, certificate: Certificate | NoCertificate) -> str:
        precision, confidence = map(_percent, certificate.promise)
        promise = f"at least {precision} right with {confidence} confidence"
        if isinstance(certificate, Certificate):
            tested = f"{certificate.wrong:,} of {certificate.checked_kept:,} kept answers with gold are wrong"
            return f"certified: {promise}: {certificate.kept:,} of {certificate.of:,} kept ({tested})"
        more = "more gold would not help" if self.needed is None else f"about {self.needed:,} golds would be needed"
        return f"cannot be certified: {promise}: {certificate.reason}; {more}"


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"


def _point(point: CurvePoint) -> str:
    right = f"{point.precision:.2%} ({_interval(point.ci95)}; {point.right:,} of {point.checked:,})"
    shown = right if point.checked else "no gold"
    return f"{point.coverage:8.1%}  {point.kept:8,}  {point.threshold:10.4f}  {shown}"


def _right(what: str, correct: int, n: int) -> str:
    if not n:
        return f"right by gold, {what}: none kept"
    return f"right by gold, {what}: {correct / n:.2%} ({_interval(wilson(correct, n))}; {correct:,} of {n:,})"


def _interval(ends: tuple[float, float]) -> str:
    return f"95% CI {ends[0]:.2%} to {ends[1]:.2%}"


def _for_json(value: Any) -> Any:
    """NaN as null."""
    if isinstance(value, dict):
        return {name: _for_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
