"""`w2s agree` and `w2s pairs`: the method's selections on files, one question at a time.

The decisions are `method.agreement` and `method.pairs` themselves, asked for each question apart: neither looks at two
questions at once, so nothing changes, and only one chunk of texts is in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s import jsonl, layouts, prompting, tasks
from w2s.answers import Style, Verdict
from w2s.config import Match
from w2s.errors import UserError
from w2s.files import Index
from w2s.method import agreement
from w2s.method.agreement import Agreement
from w2s.method.pairs import PairSet, build_pairs
from w2s.metrics import accuracy
from w2s.metrics.selection import selection_quality
from w2s.records import Answered
from w2s.verbs.golds import Golds, Join
from w2s.verbs.grading import CHUNK, one_standard_input
from w2s.verbs.questions import Question, opened, questions
from w2s.verbs.summaries import SelectionSummary

GOLD_NAMES = frozenset(
    {"answer", "gold", "solution", "result", "verdict", "prediction", "pred", "target", "label", "correct"}
)
"""Unknown fields of responses that never pass into training rows: they hold gold, or were made with it."""


@dataclass(slots=True)
class _Counts:
    """What a selection has done so far."""

    dropped: Counter[str]
    kept: int = 0
    differ: int = 0

    def add(self, dropped: Mapping[str, tuple[str, ...]], *, kept: bool, differs: bool) -> None:
        self.kept += kept
        self.differ += differs
        self.dropped.update({reason: len(ids) for reason, ids in dropped.items()})


def agree(
    weak: str | Path,
    strong: str | Path,
    out: str | Path,
    *,
    task: str,
    match: Match = "equivalent",
    layout: layouts.Name = "auto",
    gold: str | Path | None = None,
    join: Join = "id",
    only_shared: bool = False,
    nothing_agrees: bool = False,
    on_progress: jsonl.Progress | None = None,
) -> SelectionSummary:
    """Keep the questions on which both files agree; `out` gets two TRL prompt-completion rows for each, weak first.

    Memory: the ids and about 70 bytes a response; texts are read again when their question is decided.

    Args:
        weak: one response a question.
        strong: one response to each of the same questions.
        out: the file to write.
        task: the name of a task or answer style.
        match: how answers are compared.
        layout: the layout of the files.
        gold: right answers, for the summary only: they have no part in the selection.
        join: how gold is found.
        only_shared: leave out questions that only one of the files has.
        nothing_agrees: two texts without an answer agree, as in the paper's released sets.
        on_progress: told (bytes read, bytes in all) of each file, then (questions decided, questions in all).

    Raises:
        UserError: bad input, an id that only one of the files has, or one id with two questions.
    """
    style, other = tasks.style(task), _other(match)
    one_standard_input(weak, strong, gold)
    labels = _Labels(gold, style, match, layout, join)
    counts = _Counts(Counter())

    def found(question: Question, match: Match) -> Agreement:
        return agreement.agree(
            question.weak.answered[match], question.strong.answered[match], nothing_agrees=nothing_agrees
        )

    def rows(first: Index, second: Index) -> Iterator[dict[str, Any]]:
        for question in questions(first, second, style, on_progress):
            decided = found(question, match)
            kept = bool(decided.kept)
            counts.add(decided.dropped, kept=kept, differs=kept != bool(found(question, other).kept))
            for pair in decided.kept:
                labels.add("kept", question, pair.weak.prediction)
                for source, index, answer in (("weak", first, pair.weak), ("icl", second, pair.icl)):
                    row = {
                        "id": question.weak.given[0].id,
                        "source": source,
                        "prompt": prompting.prompt(answer.question),
                        "completion": prompting.completion(answer.response),
                        "prediction": answer.prediction,
                    }
                    yield _with_extras(row, index, answer)

    with opened(weak, strong, layout, several=False, only_shared=only_shared, on_progress=on_progress) as (
        first,
        second,
    ):
        written = jsonl.write(out, rows(first, second))
        return _summary(counts, (first, second), written, match, labels)


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
    layout: layouts.Name = "auto",
    gold: str | Path | None = None,
    join: Join = "id",
    on_progress: jsonl.Progress | None = None,
) -> SelectionSummary:
    """Contrast weak texts with the majority of strong samples; `out` gets TRL preference rows.

    Memory: as `agree`.

    Args:
        weak: one response a question.
        samples: several responses to each of the same questions.
        out: the file to write.
        task: the name of a task or answer style.
        match: how answers are compared.
        confidence: as `method.pairs.build_pairs`; so are the next three.
        reject_confidence: see there.
        max_pairs: see there.
        seed: see there.
        layout: the layout of the files.
        gold: right answers, for the summary only: they have no part in the selection.
        join: how gold is found.
        on_progress: told (bytes read, bytes in all) of each file, then (questions decided, questions in all).

    Raises:
        UserError: bad input or thresholds, an id that only one of the files has, or one id with two questions.
    """
    _thresholds(confidence, reject_confidence, max_pairs)
    style, other = tasks.style(task), _other(match)
    one_standard_input(weak, samples, gold)
    labels = _Labels(gold, style, match, layout, join)
    counts = _Counts(Counter())

    def found(question: Question, match: Match) -> PairSet:
        return build_pairs(
            question.weak.answered[match],
            question.strong.answered[match],
            confidence=confidence,
            reject_confidence=reject_confidence,
            max_pairs=max_pairs,
            seed=seed,
        )

    def rows(first: Index, second: Index) -> Iterator[dict[str, Any]]:
        for question in questions(first, second, style, on_progress):
            decided = found(question, match)
            roles = [{pair.weak_role for pair in made.pairs} for made in (decided, found(question, other))]
            counts.add(decided.dropped, kept=bool(decided.pairs), differs=roles[0] != roles[1])
            (weak_answer,) = question.weak.answered[match]
            said = {a.response: a.prediction for a in (weak_answer, *question.strong.answered[match])}
            for number, pair in enumerate(decided.pairs):
                if number == 0:  # all chosen texts of a question give one answer
                    labels.add("kept", question, said[pair.chosen])
                labels.add("rejected", question, said[pair.rejected])
                row = {
                    "id": question.weak.given[0].id,
                    "prompt": prompting.prompt(pair.question),
                    "chosen": prompting.completion(pair.chosen),
                    "rejected": prompting.completion(pair.rejected),
                    "weak_role": pair.weak_role,
                    "confidence": pair.confidence,
                }
                yield _with_extras(row, first, weak_answer)

    with opened(weak, samples, layout, several=True, on_progress=on_progress) as (first, second):
        written = jsonl.write(out, rows(first, second))
        return _summary(counts, (first, second), written, match, labels)


class _Labels:
    """Verdicts on what was kept and rejected, where there is gold; it reports, and nothing asks it."""

    def __init__(self, gold: str | Path | None, style: Style, match: Match, layout: layouts.Name, join: Join) -> None:
        self._golds = None if gold is None else Golds(gold, style, layout, join)
        self._match = match
        self._waiting: list[tuple[str, str | None, int]] = []
        self._verdicts: dict[str, list[Verdict]] = {"kept": [], "rejected": []}

    def add(self, what: str, question: Question, prediction: str | None) -> None:
        """Note one label. Raises UserError where its question has no gold."""
        if self._golds is None:
            return
        number = self._golds.find(question.weak.given[0], question.row)
        self._waiting.append((what, prediction, number))
        if len(self._waiting) >= CHUNK:
            self._grade()

    def verdicts(self, what: str) -> list[Verdict] | None:
        """The verdicts on all labels of a sort; None without gold."""
        self._grade()
        return None if self._golds is None else self._verdicts[what]

    def _grade(self) -> None:
        if self._golds is None:
            return
        numbers, predictions = [each[2] for each in self._waiting], [each[1] for each in self._waiting]
        verdicts = self._golds.grade(numbers, predictions, self._match)
        for (what, _, _), verdict in zip(self._waiting, verdicts, strict=True):
            self._verdicts[what].append(verdict)
        self._waiting.clear()


def _summary(counts: _Counts, sides: tuple[Index, Index], rows: int, match: Match, labels: _Labels) -> SelectionSummary:
    of = len(sides[0].ids)
    kept, rejected = labels.verdicts("kept"), labels.verdicts("rejected")
    return SelectionSummary(
        kept=counts.kept,
        of=of,
        rows=rows,
        dropped=dict(counts.dropped),
        match=match,
        match_differs=counts.differ,
        quality=None if kept is None else selection_quality(kept, of),
        rejected=accuracy.accuracy(rejected) if rejected else None,
        notes=[f"{side.file}: {note}" for side in sides for note in side.reader.notes()],
    )


def _with_extras(row: dict[str, Any], index: Index, answer: Answered) -> dict[str, Any]:
    if not index.reader.layout.passes:
        return row
    extra = answer.extra
    return row | {name: extra[name] for name in extra if name not in row and name.casefold() not in GOLD_NAMES}


def _other(match: Match) -> Match:
    return "string" if match == "equivalent" else "equivalent"


def _thresholds(confidence: float, reject_confidence: float, max_pairs: int) -> None:
    for name, value in (("--confidence", confidence), ("--reject-confidence", reject_confidence)):
        if not 0 <= value <= 1:
            raise UserError(f"{value} is not a share", field=name, expected="a number from 0 to 1")
    if max_pairs < 1:
        raise UserError(f"{max_pairs} is not a number of pairs", field="--max-pairs", expected="an integer from 1")
