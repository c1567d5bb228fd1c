"""`w2s agree` and `w2s pairs` on users' files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

from w2s.answers import Verdict
from w2s.config.choices import AnswerRule, RowFormat
from w2s.data import jsonl, selections, trl
from w2s.data.index import Index
from w2s.data.selections import CHUNK, Files, Joined, SelectionCounts
from w2s.errors import UserError, one_of
from w2s.method import agreement
from w2s.method import pairs as method
from w2s.method.augment import agreeing
from w2s.method.selector import Judged, Selected
from w2s.method.voting import PairRule
from w2s.metrics import accuracy
from w2s.metrics.selection import selection_quality
from w2s.records import Answered
from w2s.verbs.golds import Golds
from w2s.verbs.inputs import File, Inputs, reading
from w2s.verbs.summaries import SelectionSummary


@dataclass(frozen=True, slots=True)
class RowOptions:
    """How training rows are written: in which format, and with which columns of the files."""

    keep: Sequence[str] = ()
    format: RowFormat = "trl"

    def __post_init__(self) -> None:
        one_of("format", self.format, get_args(RowFormat), "--format")


ROWS = RowOptions()
DEFAULT_PAIRS = PairRule(confidence=0.6, reject_confidence=0.8)


def agree(
    inputs: Inputs,
    out: File,
    *,
    rule: AnswerRule,
    nothing_agrees: bool | None = None,
    augment_to: int | None = None,
    seed: int = 0,
    rows_as: RowOptions = ROWS,
    on_progress: jsonl.Progress | None = None,
) -> SelectionSummary:
    """Keep questions on which both files agree: two TRL prompt-completion rows each, weak first.

    `augment_to` adds questions from `samples`, with `"added": true`; `seed` orders equal shares of agreeing samples.
    `rows_as.keep` names further columns of the rows: no other column passes, since any may hold gold.
    `on_progress` gets (bytes read, in all) per file, then (questions decided, in all).

    Raises:
        UserError: bad input, one id with two questions or in one file only, or `out` is an input.
    """
    if (augment_to is None) != (inputs.samples is None) or (augment_to is not None and augment_to < 1):
        raise UserError(
            "questions are added from more samples, up to a number",
            field="--augment-to",
            expected="an integer from 1, and --samples FILE",
            hint="make the samples with: w2s sample --n 10 --few-shot DEMONSTRATIONS.jsonl",
        )
    inputs.check(out)
    gold, columns = _GoldReport(inputs, rule), _Columns(rows_as)
    counts, kept_ids = SelectionCounts(), set[str]()
    selector = partial(agreement.select, nothing_agrees=nothing_agrees)
    offer = partial(agreeing, seed=seed)
    added = missing = 0

    def examples(question: Joined, selected: Selected, *, added: bool = False) -> Iterator[Any]:
        weak, icl = trl.examples(question.raw.id, selected, added=added)
        yield columns.add(weak, selected.weak)
        yield columns.add(icl, selected.strong)

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal added, missing
        both = {role: files[role] for role in ("weak", "strong")}
        for question, selected in selections.select(both, rule, counts, selector, on_progress):
            gold.add(files["weak"], "kept", question, selected.weak.prediction)
            yield from examples(question, selected)
            if augment_to is not None:
                kept_ids.add(selected.weak.id)
        gold.check(files["weak"])
        if augment_to is None:
            return
        missing = max(0, augment_to - counts.kept)
        more = {role: files[role] for role in ("weak", "samples")}
        for question, selected in selections.augment(more, rule, kept_ids, offer, missing, on_progress):
            gold.add(files["weak"], "added", question, selected.weak.prediction)
            yield from examples(question, selected, added=True)
            added += 1

    paths = inputs.roles("weak", "strong", "samples")
    only_shared = {"samples", "strong"} if inputs.only_shared else {"samples"}
    with selections.open_files(paths, inputs.reading(), only_shared=only_shared, on_progress=on_progress) as files:
        written = jsonl.write(out, rows())
        summary = _summary(counts, {role: files[role] for role in ("weak", "strong")}, written, rule, gold)
    summary = replace(summary, same_text=counts.same_text, notes=[*summary.notes, *columns.notes()])
    if augment_to is None:
        return summary
    return replace(summary, added=added, short=missing - added, added_right=gold.share("added"))


def pairs(
    inputs: Inputs,
    out: File,
    *,
    rule: AnswerRule,
    pair_rule: PairRule = DEFAULT_PAIRS,
    seed: int = 0,
    rows_as: RowOptions = ROWS,
    on_progress: jsonl.Progress | None = None,
) -> SelectionSummary:
    """Contrast weak completions with the majority of strong samples: TRL preference rows.

    `rows_as.keep`: the values are those of the weak file.

    Raises:
        UserError: as `agree`, or bad thresholds.
    """
    _check(pair_rule)
    inputs.check(out)
    gold, columns = _GoldReport(inputs, rule), _Columns(rows_as)
    counts = SelectionCounts()

    def make(question: Judged) -> Sequence[method.Pair] | str:
        if not question.samples:
            return "only_in_weak"
        return method.pairs(question.weak, question.samples, pair_rule, seed)

    def rows() -> Iterator[dict[str, Any]]:
        results = selections.pairs(files, rule, counts, make, compare=True, on_progress=on_progress)
        for question, of_question in results:
            (weak,), samples = question.answers[rule]["weak"], question.answers[rule]["samples"]
            predictions = {answer.response: answer.prediction for answer in (weak, *samples)}
            # one answer in all chosen responses
            gold.add(files["weak"], "kept", question, predictions[of_question[0].chosen])
            for pair in of_question:
                gold.add(files["weak"], "rejected", question, predictions[pair.rejected])
                yield columns.add(trl.preference(question.raw.id, pair), weak)
        gold.check(files["weak"])

    paths, only_shared = inputs.roles("weak", "samples"), {"samples"} if inputs.only_shared else set[str]()
    opened = selections.open_files(paths, inputs.reading(), only_shared=only_shared, on_progress=on_progress)
    with opened as files:
        written = jsonl.write(out, rows())
        summary = _summary(counts, files, written, rule, gold)
        single = sum(count == 1 for count in files["samples"].counts)
    summary = replace(summary, notes=[*summary.notes, *columns.notes()])
    if not single:
        return summary
    note = (
        f"{single:,} of {summary.of:,} questions have one sample, whose vote is always 1.0: "
        "confidence means nothing there (w2s sample --n 10 makes several)"
    )
    return replace(summary, notes=[*summary.notes, note])


class _GoldReport:
    """Right answers, for the summary only."""

    def __init__(self, inputs: Inputs, rule: AnswerRule) -> None:
        gold = inputs.gold
        self._golds = (
            None if gold is None else Golds(gold, rule.style, reading(inputs.layout, inputs.columns), inputs.join)
        )
        self._match = rule.match
        self._waiting: list[tuple[str, str | None, int]] = []
        self._verdicts: dict[str, list[Verdict]] = {"kept": [], "added": [], "rejected": []}

    def add(self, weak: Index, what: str, question: Joined, prediction: str | None) -> None:
        """UserError: the question has no gold, or nothing says that this is its own."""
        if self._golds is None:
            return
        number = self._golds.find(question.raw, question.row)
        self._golds.check_joined_in(weak, number, question.raw, question.row)
        self._waiting.append((what, prediction, number))
        if len(self._waiting) >= CHUNK:
            self._grade()

    def check(self, weak: Index) -> None:
        """UserError: the gold is of other questions."""
        if self._golds is not None:
            self._golds.check_texts(weak.file)

    def share(self, what: str) -> accuracy.Accuracy | None:
        """None: no gold, or no answers."""
        verdicts = self.verdicts(what)
        return accuracy.accuracy(verdicts) if verdicts else None

    def verdicts(self, what: str) -> list[Verdict] | None:
        """None: no gold."""
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


def _summary(counts: SelectionCounts, files: Files, rows: int, rule: AnswerRule, gold: _GoldReport) -> SelectionSummary:
    of = len(files["weak"].ids)
    kept = gold.verdicts("kept")
    return SelectionSummary(
        kept=counts.kept,
        of=of,
        rows=rows,
        dropped=dict(counts.dropped),
        match=rule.match,
        match_differs=counts.differ,
        match_differs_ids=counts.differ_ids,
        undecided=counts.undecided,
        quality=None if kept is None else selection_quality(kept, of),
        rejected=gold.share("rejected"),
        notes=[f"{file.file}: {note}" for file in files.values() for note in file.reader.notes()],
    )


class _Columns:
    """The other columns of training rows: those that a user names, for any name may hold gold."""

    def __init__(self, rows_as: RowOptions) -> None:
        self._names, self._format = tuple(dict.fromkeys(rows_as.keep)), rows_as.format
        self._missing = set(self._names)

    def add(self, row: dict[str, Any], answer: Answered) -> dict[str, Any]:
        found = {name: answer.extra[name] for name in self._names if name in answer.extra}
        self._missing -= found.keys()
        row = trl.formatted(row, self._format)
        return row | {name: value for name, value in found.items() if name not in row}

    def notes(self) -> list[str]:
        return [f"--keep {name}: no kept row has this column" for name in self._names if name in self._missing]


def _check(rule: PairRule) -> None:
    for name, value in (("--confidence", rule.confidence), ("--reject-confidence", rule.reject_confidence)):
        if not 0 <= value <= 1:
            raise UserError(f"{value} is not a share", field=name, expected="a number from 0 to 1")
    if rule.max_pairs < 1:
        raise UserError(f"{rule.max_pairs} is not a number of pairs", field="--max-pairs", expected="an integer from 1")
