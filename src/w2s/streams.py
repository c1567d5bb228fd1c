"""The method's selections over files of responses, a question at a time: for the verbs and for the recipe's steps.

The decisions are those of `method.agreement`, `method.augment` and `method.pairs`, asked for each question apart: none
looks at two questions at once, so nothing changes, and only one chunk of texts is in memory.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from w2s import answers, jsonl, layouts
from w2s.answers import Style, stated
from w2s.choices import Match
from w2s.files import Index
from w2s.layouts import Given
from w2s.method import agreement
from w2s.method.agreement import Agreement, Kept
from w2s.method.augment import Candidate
from w2s.method.pairs import Pair, PairSet
from w2s.prompting import PLAIN, Builder
from w2s.records import Answered
from w2s.tasks.rows import Row

CHUNK = 4096
"""Responses whose answers are read together, so that worker processes are busy."""
CHUNK_TEXT = 2**23
"""Characters after which a chunk ends early."""
IDS = 100
"""Ids that are kept of the questions on which the two matches differ: enough to look at, whatever the file's size."""

Decide = Callable[[Sequence[Answered], Sequence[Answered]], PairSet]
"""`method.pairs.build_pairs` with its thresholds, on the weak answer and the samples of one question."""
Offer = Callable[[Answered, Sequence[Answered]], Candidate | None]
"""`method.augment.agreeing` or `disagreeing` with its seed, on the weak answer and the strong ones of one question."""


class Side(NamedTuple):
    """One side of a question: the responses as the file has them, and with their answers read out by each match."""

    given: Sequence[Given]
    answered: Mapping[Match, Sequence[Answered]]


class Question(NamedTuple):
    """A question with the responses of each file; `row` is where the first file has it."""

    row: Row
    sides: Sequence[Side]

    @property
    def id(self) -> str | int:
        """Its id as the first file writes it."""
        return self.sides[0].given[0].id


@dataclass(slots=True)
class Counts:
    """What a selection has done so far, in questions.

    `differ`: another outcome under the other match; `differ_ids` are the first `IDS` of these. `undecided`: an answer
    was not read in time, and so has no key. Of `agree`: `same_text`, kept, and both sides have one text. Of
    `pairs`: the `samples` of all questions, and the `distinct_texts` among those of each.
    """

    kept: int = 0
    differ: int = 0
    differ_ids: list[str | int] = field(default_factory=list)
    undecided: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    same_text: int = 0
    samples: int = 0
    distinct_texts: int = 0

    def add(
        self, id: str | int, dropped: Mapping[str, tuple[str, ...]], *, kept: bool, differs: bool, undecided: bool
    ) -> None:
        """Count one question."""
        self.kept += kept
        self.differ += differs
        if differs and len(self.differ_ids) < IDS:
            self.differ_ids.append(id)
        self.undecided += undecided
        self.dropped.update({reason: len(ids) for reason, ids in dropped.items()})


@contextmanager
def opened(
    weak: str | Path,
    strong: str | Path,
    layout: layouts.Name = "w2s",
    *,
    several: bool,
    only_shared: bool = False,
    on_progress: jsonl.Progress | None = None,
) -> Iterator[tuple[Index, Index]]:
    """The indexes of both files. Raises UserError for a bad file, or two that are not about the same questions."""
    with (
        Index(weak, layout, progress=on_progress) as first,
        Index(strong, layout, several=several, beside=first, only_shared=only_shared, progress=on_progress) as second,
    ):
        yield first, second


def questions(
    files: Sequence[Index],
    style: Style,
    matches: Sequence[Match],
    on_progress: jsonl.Progress | None = None,
    *,
    numbers: Sequence[int] | None = None,
) -> Iterator[Question]:
    """The questions in the order of the first file, their answers read out by each of `matches`, a chunk at a time.

    With `numbers` these questions only, in this order.
    """
    numbers = range(len(files[0].ids)) if numbers is None else numbers
    of, done = len(numbers), 0
    while done < of:
        rows: list[Row] = []
        read: list[list[list[tuple[Given, int]]]] = []
        responses = text = 0
        while done < of and responses < CHUNK and text < CHUNK_TEXT:
            rows.append(files[0].row(numbers[done]))
            read.append([file.read(numbers[done]) for file in files])
            responses += sum(map(len, read[-1]))
            text += sum(len(given.response) for side in read[-1] for given, _ in side)
            done += 1
        given = [sample for question in read for side in question for sample in side]
        answered = {match: iter(_answered(given, style, match)) for match in matches}
        for row, question in zip(rows, read, strict=True):
            yield Question(row, [_side(side, answered) for side in question])
        if on_progress is not None:
            on_progress(done, of)


def agree(
    files: Sequence[Index],
    style: Style,
    match: Match,
    counts: Counts,
    *,
    nothing_agrees: bool | None = None,
    on_progress: jsonl.Progress | None = None,
) -> Iterator[tuple[Question, Kept]]:
    """Stage I: each question that is kept.

    Args:
        files: the weak file and the strong one.
        style: how answers are written.
        match: how they are compared; `counts.differ` tells where the other match would decide otherwise.
        counts: is counted up.
        nothing_agrees: two texts without an answer agree, if neither is empty; None: with "string", as in the
            paper's released sets.
        on_progress: told (questions decided, questions in all).
    """
    other: Match = other_match(match)

    def found(question: Question, match: Match) -> Agreement:
        weak, strong = (side.answered[match] for side in question.sides)
        empty = match == "string" if nothing_agrees is None else nothing_agrees
        return agreement.agree(weak, strong, nothing_agrees=empty and not _undecided(question, match))

    for question in questions(files, style, (match, other), on_progress):
        decided = found(question, match)
        kept = bool(decided.kept)
        differs = kept != bool(found(question, other).kept)
        undecided = bool(_undecided(question, match))
        counts.add(question.id, decided.dropped, kept=kept, differs=differs, undecided=undecided)
        for pair in decided.kept:
            counts.same_text += pair.weak.response == pair.icl.response
            yield question, pair


def augment(
    files: Sequence[Index],
    style: Style,
    match: Match,
    kept: Container[str],
    offer: Offer,
    wanted: int,
    *,
    on_progress: jsonl.Progress | None = None,
) -> Iterator[tuple[Question, Kept]]:
    """Each question that is added to an agreement, best first: at most `wanted`. The ranks of all are in memory.

    Args:
        files: the weak file and that of the strong answers, which may lack questions.
        style: how answers are written.
        match: how they are compared.
        kept: the ids that are in the agreement.
        offer: ranks a question, or refuses it.
        wanted: how many are to be added.
        on_progress: told (questions ranked, questions in all).
    """
    if wanted < 1:
        return
    numbers = [number for id, number in files[0].ids.items() if id not in kept]
    asked = zip(numbers, questions(files, style, (match,), on_progress, numbers=numbers), strict=True)
    offered = ((number, offer(*_sides(question, match))) for number, question in asked)
    ranks = ((made.rank, number) for number, made in offered if made is not None)
    chosen = [number for _, number in heapq.nsmallest(wanted, ranks)]
    for question in questions(files, style, (match,), numbers=chosen):
        made = offer(*_sides(question, match))
        assert made is not None
        yield question, made.pair


def pairs(
    files: Sequence[Index],
    style: Style,
    match: Match,
    counts: Counts,
    decide: Decide,
    *,
    compare: bool,
    on_progress: jsonl.Progress | None = None,
) -> Iterator[tuple[Question, Sequence[Pair]]]:
    """Stage II: each question that has pairs, with them. A text whose answer was not read in time is never rejected.

    Args:
        files: the weak file and that of the samples.
        style: how answers are written.
        match: how they are compared.
        counts: is counted up.
        decide: makes the pairs of a question.
        compare: count in `counts.differ` the questions whose pairs have other roles by the other match.
        on_progress: told (questions decided, questions in all).
    """
    matches: list[Match] = [match, other_match(match)] if compare else [match]
    for question in questions(files, style, matches, on_progress):
        weak, samples = question.sides
        counts.samples += len(samples.answered[match])
        counts.distinct_texts += len({sample.response for sample in samples.answered[match]})
        found = [decide(weak.answered[each], samples.answered[each]) for each in matches]
        roles = [{pair.weak_role for pair in made.pairs} for made in found]
        unread = _undecided(question, match)
        made = [pair for pair in found[0].pairs if pair.rejected not in unread]
        dropped = {"undecided": (str(question.id),)} if found[0].pairs and not made else found[0].dropped
        differs = roles[0] != roles[-1]
        counts.add(question.id, dropped, kept=bool(made), differs=differs, undecided=bool(unread))
        if made:
            yield question, made


def examples(identity: str | int, kept: Kept, builder: Builder = PLAIN, *, added: bool = False) -> list[dict[str, Any]]:
    """The two TRL prompt-completion rows of a question of Stage I; `added` marks one on which there is no agreement.

    As in the released code both rows stay even where the two texts are identical: a question always weighs two rows.
    """
    rows = [example(identity, source, answer, builder) for source, answer in (("weak", kept.weak), ("icl", kept.icl))]
    return [row | {"added": True} for row in rows] if added else rows


def example(identity: str | int, source: str, answer: Answered, builder: Builder = PLAIN) -> dict[str, Any]:
    """A TRL prompt-completion row of Stage I, for a model that reads prompts of `builder`."""
    return {
        "id": identity,
        "source": source,
        "prompt": builder.prompt(answer.question),
        "completion": builder.completion(answer.response),
        "prediction": answer.prediction,
    }


def preference(identity: str | int, pair: Pair, builder: Builder = PLAIN) -> dict[str, Any]:
    """A TRL preference row; `confidence_most` where not all samples were drawn, and `confidence` is the least."""
    row = {
        "id": identity,
        "prompt": builder.prompt(pair.question),
        "chosen": builder.completion(pair.chosen),
        "rejected": builder.completion(pair.rejected),
        "weak_role": pair.weak_role,
        "confidence": pair.confidence,
    }
    return row | ({"confidence_most": pair.confidence_most} if pair.confidence_most > pair.confidence else {})


def keys(predictions: Sequence[str | None], match: Match) -> list[str | None]:
    """The key of each prediction; equal ones are read once."""
    different = list(dict.fromkeys(predictions))
    table = dict(zip(different, answers.keys(different, match), strict=True))
    return [table[prediction] for prediction in predictions]


def other_match(match: Match) -> Match:
    """The other way to compare answers."""
    return "string" if match == "equivalent" else "equivalent"


def _sides(question: Question, match: Match) -> tuple[Answered, Sequence[Answered]]:
    (weak,), strong = (side.answered[match] for side in question.sides)
    return weak, strong


def _undecided(question: Question, match: Match) -> set[str]:
    """The texts whose answers were not read in time."""
    return {
        answer.response
        for side in question.sides
        for answer in side.answered[match]
        if answers.undecided(answer.prediction, answer.key, match)
    }


def _side(side: Sequence[tuple[Given, int]], answered: Mapping[Match, Iterator[Answered]]) -> Side:
    return Side([given for given, _ in side], {match: [next(each) for _ in side] for match, each in answered.items()})


def _answered(given: Sequence[tuple[Given, int]], style: Style, match: Match) -> list[Answered]:
    texts = [each.response.strip() for each, _ in given]
    predictions = [stated.read(text, each.question, style, match) for (each, _), text in zip(given, texts, strict=True)]
    return [
        Answered(str(each.id), each.question, text, prediction, key, sample, each.rest)
        for (each, sample), text, prediction, key in zip(
            given, texts, predictions, keys(predictions, match), strict=True
        )
    ]
