"""`w2s agree` and `w2s pairs`: the method's selections (`w2s.streams`) on files of users, with labels and extras."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from w2s import jsonl, layouts, streams, tasks
from w2s.answers import Style, Verdict
from w2s.choices import Join, Match
from w2s.errors import UserError
from w2s.files import Index
from w2s.method.agreement import Kept
from w2s.method.augment import agreeing
from w2s.method.pairs import build_pairs
from w2s.metrics import accuracy
from w2s.metrics.selection import selection_quality
from w2s.records import Answered
from w2s.streams import CHUNK, Counts, Question
from w2s.verbs.golds import Golds
from w2s.verbs.grading import one_standard_input
from w2s.verbs.summaries import SelectionSummary

GOLD_NAMES = frozenset(
    {
        "answer", "gold", "solution", "result", "verdict", "verdict_string", "verdict_equivalent", "prediction", "pred",
        "target", "label", "correct",
    }
)  # fmt: skip
"""Unknown fields of responses that never pass into training rows: they hold gold, or were made with it."""


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
    nothing_agrees: bool | None = None,
    augment_to: int | None = None,
    samples: str | Path | None = None,
    seed: int = 0,
    on_progress: jsonl.Progress | None = None,
) -> SelectionSummary:
    """Keep the questions on which both files agree; `out` gets two TRL prompt-completion rows for each, weak first.

    With `augment_to` questions on which a text of `samples` agrees are added, marked `"added": true`, until there are
    so many (`method.augment.agreeing`).

    Memory: about 300 bytes a question (measured as in `files.Index`); texts are read again when their question is
    decided.

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
        nothing_agrees: two texts without an answer agree, if neither is empty; None: with `match` "string", as in the
            paper's released sets.
        augment_to: the questions that there are to be; None: those of agreement.
        samples: several responses of the strong model to questions that are not kept; those to others do not matter.
        seed: draws the order of questions with equal shares of agreeing samples.
        on_progress: told (bytes read, bytes in all) of each file, then (questions decided, questions in all).

    Raises:
        UserError: bad input, an id that only one of the files has (`samples` may lack some), or one id with two
            questions.
    """
    if (augment_to is None) != (samples is None) or (augment_to is not None and augment_to < 1):
        raise UserError(
            "questions are added from more samples, up to a number",
            field="--augment-to",
            expected="an integer from 1, and --samples FILE",
            mend="make the samples with: w2s sample --n 10 --few-shot DEMONSTRATIONS.jsonl",
        )
    style = tasks.style(task)
    one_standard_input(weak, strong, gold, samples)
    labels = _Labels(gold, style, match, layout, join)
    counts, kept_ids = Counts(), set[str]()
    added = wanted = 0

    def examples(question: Question, kept: Kept, files: tuple[Index, Index], **mark: bool) -> Iterator[dict[str, Any]]:
        for row, index, answer in zip(streams.examples(question.id, kept), files, (kept.weak, kept.icl), strict=True):
            yield _with_extras(row | mark, index, answer)

    def rows(files: tuple[Index, Index], more: Index | None) -> Iterator[dict[str, Any]]:
        nonlocal added, wanted
        found = streams.agree(files, style, match, counts, nothing_agrees=nothing_agrees, on_progress=on_progress)
        for question, kept in found:
            labels.add("kept", question, kept.weak.prediction)
            yield from examples(question, kept, files)
            if more is not None:
                kept_ids.add(kept.id)
        if more is None:
            return
        files, wanted = (files[0], more), max(0, (augment_to or 0) - counts.kept)
        offer = partial(agreeing, seed=seed)
        for question, kept in streams.augment(files, style, match, kept_ids, offer, wanted, on_progress=on_progress):
            labels.add("added", question, kept.weak.prediction)
            yield from examples(question, kept, files, added=True)
            added += 1

    with ExitStack() as stack:
        opened = streams.opened(weak, strong, layout, several=False, only_shared=only_shared, on_progress=on_progress)
        files, more = stack.enter_context(opened), None
        if samples is not None:
            more = Index(samples, layout, several=True, beside=files[0], only_shared=True, progress=on_progress)
            stack.enter_context(more)
        written = jsonl.write(out, rows(files, more))
        made = replace(_summary(counts, files, written, match, labels), same_text=counts.same_text)
        if more is None:
            return made
        return replace(made, added=added, short=wanted - added, added_right=labels.share("added"))


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

    Memory: about 600 bytes a question with ten samples (as `agree`); never their texts.

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
    style = tasks.style(task)
    one_standard_input(weak, samples, gold)
    labels = _Labels(gold, style, match, layout, join)
    counts = Counts()
    decide = partial(
        build_pairs, confidence=confidence, reject_confidence=reject_confidence, max_pairs=max_pairs, seed=seed
    )

    def rows(files: tuple[Index, Index]) -> Iterator[dict[str, Any]]:
        found = streams.pairs(files, style, match, counts, decide, compare=True, on_progress=on_progress)
        for question, made in found:
            (weak_answer,), drawn = (side.answered[match] for side in question.sides)
            said = {answer.response: answer.prediction for answer in (weak_answer, *drawn)}
            labels.add("kept", question, said[made[0].chosen])  # all chosen texts of a question give one answer
            for pair in made:
                labels.add("rejected", question, said[pair.rejected])
                yield _with_extras(streams.preference(question.id, pair), files[0], weak_answer)

    with streams.opened(weak, samples, layout, several=True, on_progress=on_progress) as files:
        written = jsonl.write(out, rows(files))
        return _summary(counts, files, written, match, labels)


class _Labels:
    """Verdicts on what was kept and rejected, where there is gold; it reports, and nothing asks it."""

    def __init__(self, gold: str | Path | None, style: Style, match: Match, layout: layouts.Name, join: Join) -> None:
        self._golds = None if gold is None else Golds(gold, style, layout, join)
        self._match = match
        self._waiting: list[tuple[str, str | None, int]] = []
        self._verdicts: dict[str, list[Verdict]] = {"kept": [], "added": [], "rejected": []}

    def add(self, what: str, question: Question, prediction: str | None) -> None:
        """Note one label. Raises UserError where its question has no gold."""
        if self._golds is None:
            return
        number = self._golds.find(question.sides[0].given[0], question.row)
        self._waiting.append((what, prediction, number))
        if len(self._waiting) >= CHUNK:
            self._grade()

    def share(self, what: str) -> accuracy.Accuracy | None:
        """How many labels of a sort are right; None without gold, or without labels."""
        found = self.verdicts(what)
        return accuracy.accuracy(found) if found else None

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


def _summary(counts: Counts, sides: tuple[Index, Index], rows: int, match: Match, labels: _Labels) -> SelectionSummary:
    of = len(sides[0].ids)
    kept = labels.verdicts("kept")
    return SelectionSummary(
        kept=counts.kept,
        of=of,
        rows=rows,
        dropped=dict(counts.dropped),
        match=match,
        match_differs=counts.differ,
        match_differs_ids=counts.differ_ids,
        undecided=counts.undecided,
        quality=None if kept is None else selection_quality(kept, of),
        rejected=labels.share("rejected"),
        notes=[f"{side.file}: {note}" for side in sides for note in side.reader.notes()],
    )


def _with_extras(row: dict[str, Any], index: Index, answer: Answered) -> dict[str, Any]:
    if not index.reader.layout.passes:
        return row
    extra = answer.extra
    return row | {name: extra[name] for name in extra if name not in row and name.casefold() not in GOLD_NAMES}


def _thresholds(confidence: float, reject_confidence: float, max_pairs: int) -> None:
    for name, value in (("--confidence", confidence), ("--reject-confidence", reject_confidence)):
        if not 0 <= value <= 1:
            raise UserError(f"{value} is not a share", field=name, expected="a number from 0 to 1")
    if max_pairs < 1:
        raise UserError(f"{max_pairs} is not a number of pairs", field="--max-pairs", expected="an integer from 1")
