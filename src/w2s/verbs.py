"""The work behind the verbs on files: grade, agree, pairs. Files in, a file and a summary out."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from w2s import answers, files, jsonl, prompting, tasks
from w2s.config import Match
from w2s.errors import UserError
from w2s.files import Read
from w2s.method import agreement
from w2s.method.agreement import Agreement
from w2s.method.pairs import PairSet, build_pairs
from w2s.metrics import accuracy

GOLD_NAMES = frozenset({"answer", "gold", "solution", "result", "verdict", "prediction"})
"""Unknown fields of responses that never pass into training rows: they hold gold, or were made with it."""
_SAMPLES = (1, 5, 10, 50, 100)


@dataclass(frozen=True, slots=True)
class GradeSummary:
    """Verdicts over `n` responses to `questions` questions.

    `ci95` is a Wilson interval over questions: with several responses a question, which are not independent, the mean
    share is taken as that of `questions` trials (conservative, ours). `pass_at` and `maj_at` are by k, empty where
    each question has one response.
    """

    accuracy: float
    ci95: tuple[float, float]
    correct: int
    n: int
    no_answer: int
    undecided: int
    questions: int
    pass_at: Mapping[int, float]
    maj_at: Mapping[int, float]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        low, high = self.ci95
        lines = [
            f"accuracy   {self.accuracy:.2%}  (95% CI {low:.2%} to {high:.2%}; {self.correct:,} of {self.n:,})",
            f"no answer  {self.no_answer / self.n:.2%}  ({self.no_answer:,})",
            f"undecided  {self.undecided / self.n:.2%}  ({self.undecided:,})",
        ]
        if self.n > self.questions:
            lines.append(f"questions  {self.questions:,}  (the interval counts these, not responses)")
        lines += [f"pass@{k:<5} {value:.2%}" for k, value in self.pass_at.items()]
        return lines + [f"maj@{k:<6} {value:.2%}" for k, value in self.maj_at.items()]


@dataclass(frozen=True, slots=True)
class SelectionSummary:
    """What a selection kept and dropped: `kept` + all of `dropped` = `of` questions.

    `rows` were written. `match_differs` counts the questions with another outcome under the other `match`.
    """

    kept: int
    of: int
    rows: int
    dropped: Mapping[str, int]
    match: Match
    match_differs: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        other = "string" if self.match == "equivalent" else "equivalent"
        lines = [f"kept {self.kept:,} of {self.of:,} questions ({self.kept / self.of:.2%}), {self.rows:,} rows"]
        lines += [f"dropped {count:,}: {reason.replace('_', ' ')}" for reason, count in self.dropped.items()]
        return [*lines, f"match={self.match}; {self.match_differs:,} questions would come out otherwise with {other}"]


def grade(
    gold: str | Path,
    responses: str | Path,
    out: str | Path | None = None,
    *,
    task: str,
    match: Match = "equivalent",
) -> GradeSummary:
    """Grade responses against gold; `out` gets the rows of `responses` with `prediction` and `verdict`.

    Raises:
        UserError: bad input, or an id that only one of the files has.
    """
    style = tasks.style(task)
    _one_standard_input(gold, responses)
    right = files.gold_rows(gold, style)
    given = files.responses(responses, several=True, question_needed=False)
    first = files.first_of_each(given)
    files.match_ids({i: read.row for i, read in first.items()}, {i: row for i, (_, row) in right.items()})
    graded = [answers.answered(read.response, style, match) for read in given]
    verdicts = [answers.grade(answer.prediction, right[answer.id][0].answer, match) for answer in graded]
    if out is not None:
        jsonl.write(
            out,
            (
                {**read.row.fields, "prediction": answer.prediction, "verdict": verdict}
                for read, answer, verdict in zip(given, graded, verdicts, strict=True)
            ),
        )
    counts = accuracy.accuracy(verdicts)
    correct: dict[str, list[bool]] = {}
    keys: dict[str, list[str | None]] = {}
    for answer, verdict in sorted(zip(graded, verdicts, strict=True), key=lambda pair: pair[0].sample):
        correct.setdefault(answer.id, []).append(verdict == "correct")
        keys.setdefault(answer.id, []).append(answer.key)
    least = min(map(len, correct.values()))
    ks = sorted({k for k in _SAMPLES if k < least} | {least}) if least > 1 else []
    gold_keys = {i: answers.key(right[i][0].answer, match) or "" for i in correct}
    return GradeSummary(
        accuracy=counts.accuracy,
        ci95=accuracy.wilson(round(counts.accuracy * len(correct)), len(correct)),
        correct=counts.correct,
        n=counts.n,
        no_answer=counts.no_answer,
        undecided=counts.undecided,
        questions=len(correct),
        pass_at={k: statistics.fmean(accuracy.pass_at_k(len(c), sum(c), k) for c in correct.values()) for k in ks},
        maj_at={k: statistics.fmean(accuracy.maj_at_k(keys[i], gold_keys[i], k) for i in keys) for k in ks if k > 1},
    )


def agree(
    weak: str | Path, strong: str | Path, out: str | Path, *, task: str, match: Match = "equivalent"
) -> SelectionSummary:
    """Keep the questions on which both files agree; `out` gets two TRL prompt-completion rows for each, weak first.

    Raises:
        UserError: bad input, an id that only one of the files has, or one id with two questions.
    """
    style = tasks.style(task)
    _one_standard_input(weak, strong)
    sides = files.responses(weak), files.responses(strong)
    files.match(*sides)

    def select(match: Match) -> Agreement:
        return agreement.agree(*([answers.answered(read.response, style, match) for read in side] for side in sides))

    found, other = select(match), select(_other(match))
    ids = _ids(sides[0])
    written = jsonl.write(
        out,
        (
            _with_extras(
                {
                    "id": ids[answer.id],
                    "source": source,
                    "prompt": prompting.prompt(answer.question),
                    "completion": prompting.completion(answer.response),
                    "prediction": answer.prediction,
                },
                answer.extra,
            )
            for kept in found.kept
            for source, answer in (("weak", kept.weak), ("icl", kept.icl))
        ),
    )
    differs = {kept.id for kept in found.kept} ^ {kept.id for kept in other.kept}
    return _summary(len(found.kept), written, found.dropped, match, len(differs))


def pairs(
    weak: str | Path,
    samples: str | Path,
    out: str | Path,
    *,
    task: str,
    match: Match = "equivalent",
    confidence: float = 0.6,
    reject_confidence: float = 0.8,
    max_pairs: int = 1,
    seed: int = 0,
) -> SelectionSummary:
    """Contrast weak texts with the majority of strong samples; `out` gets TRL preference rows.

    Raises:
        UserError: bad input or thresholds, an id that only one of the files has, or one id with two questions.
    """
    _thresholds(confidence, reject_confidence, max_pairs)
    style = tasks.style(task)
    _one_standard_input(weak, samples)
    sides = files.responses(weak), files.responses(samples, several=True)
    files.match(*sides)

    def select(match: Match) -> PairSet:
        answered = ([answers.answered(read.response, style, match) for read in side] for side in sides)
        return build_pairs(
            *answered, confidence=confidence, reject_confidence=reject_confidence, max_pairs=max_pairs, seed=seed
        )

    found, other = select(match), select(_other(match))
    ids, extras = _ids(sides[0]), {read.response.id: read.response.extra for read in sides[0]}
    written = jsonl.write(
        out,
        (
            _with_extras(
                {
                    "id": ids[pair.id],
                    "prompt": prompting.prompt(pair.question),
                    "chosen": prompting.completion(pair.chosen),
                    "rejected": prompting.completion(pair.rejected),
                    "weak_role": pair.weak_role,
                    "confidence": pair.confidence,
                },
                extras[pair.id],
            )
            for pair in found.pairs
        ),
    )
    differs = {(pair.id, pair.weak_role) for pair in found.pairs} ^ {(pair.id, pair.weak_role) for pair in other.pairs}
    kept = len({pair.id for pair in found.pairs})
    return _summary(kept, written, found.dropped, match, len({identity for identity, _ in differs}))


def _summary(
    kept: int, rows: int, dropped: Mapping[str, tuple[str, ...]], match: Match, differs: int
) -> SelectionSummary:
    counts = {reason: len(ids) for reason, ids in dropped.items()}
    return SelectionSummary(kept, kept + sum(counts.values()), rows, counts, match, differs)


def _with_extras(row: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    return row | {name: extra[name] for name in extra if name not in row and name.casefold() not in GOLD_NAMES}


def _ids(side: Iterable[Read]) -> dict[str, Any]:
    return {read.response.id: read.row.fields["id"] for read in side}


def _other(match: Match) -> Match:
    return "string" if match == "equivalent" else "equivalent"


def _one_standard_input(*inputs: str | Path) -> None:
    if [str(path) for path in inputs].count("-") > 1:
        raise UserError("standard input can be read once only", field="-", mend="give one of the inputs as a file")


def _thresholds(confidence: float, reject_confidence: float, max_pairs: int) -> None:
    for name, value in (("--confidence", confidence), ("--reject-confidence", reject_confidence)):
        if not 0 <= value <= 1:
            raise UserError(f"{value} is not a share", field=name, expected="a number from 0 to 1")
    if max_pairs < 1:
        raise UserError(f"{max_pairs} is not a number of pairs", field="--max-pairs", expected="an integer from 1")
