"""The selections of `w2s.method` over files joined by question id, in chunks."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from w2s.answers import answered_all
from w2s.config.choices import AnswerRule
from w2s.data import jsonl, layouts
from w2s.data.index import Index, Reading
from w2s.data.layouts import RawResponse
from w2s.data.rows import Row
from w2s.method.augment import Candidate
from w2s.method.pairs import Pair
from w2s.method.selector import Contrast, Judged, Selected, Target, targets
from w2s.records import Answered, Response

CHUNK = 4096
"""Responses per chunk."""
CHUNK_TEXT = 2**23
"""Characters that end a chunk early."""
IDS = 100
"""Ids kept where the matches differ."""

Kept = TypeVar("Kept", bound=Selected | Sequence[Target])
"""What a selector returns for a question to learn from."""
Files = Mapping[str, Index]
"""By role; the first one's questions count."""
Offer = Callable[[Answered, Sequence[Answered]], Candidate | None]
"""`method.augment.agreeing` or `disagreeing` for one question."""


class Joined(NamedTuple):
    """One question with its answers by rule and role, by sample number.

    `row` and `raw` are from the first file.
    """

    row: Row
    raw: RawResponse
    answers: Mapping[AnswerRule, Mapping[str, Sequence[Answered]]]


@dataclass(slots=True)
class SelectionCounts:
    """Questions of a selection so far.

    `differ`: another outcome under the other match. `undecided`: an answer timed out. `distinct_texts`: per question,
    summed.
    """

    kept: int = 0
    differ: int = 0
    differ_ids: list[str | int] = field(default_factory=list)
    undecided: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    same_text: int = 0
    samples: int = 0
    distinct_texts: int = 0

    def add(self, id: str | int, reason: str | None, *, differs: bool, undecided: bool) -> None:
        if reason is None:
            self.kept += 1
        else:
            self.dropped[reason] += 1
        self.differ += differs
        if differs and len(self.differ_ids) < IDS:
            self.differ_ids.append(id)
        self.undecided += undecided


@contextmanager
def open_files(
    paths: Mapping[str, str | Path],
    reading: layouts.Name | Reading = "w2s",
    *,
    several: Container[str] | None = None,
    only_shared: Container[str] = (),
    partial: bool = False,
    on_progress: jsonl.Progress | None = None,
) -> Iterator[Files]:
    """Index files by role; those of `several` (None: roles that end in "samples") may have several per question.

    `only_shared`: roles whose files may have other questions. `partial`: files may lack questions of the first.

    Raises:
        UserError: a bad file, or other questions than the first.
    """
    with ExitStack() as stack:
        files: dict[str, Index] = {}
        for role, path in paths.items():
            files[role] = stack.enter_context(
                Index(
                    path,
                    reading,
                    several=role.endswith("samples") if several is None else role in several,
                    beside=next(iter(files.values()), None),
                    only_shared=role in only_shared,
                    partial=partial,
                    progress=on_progress,
                )
            )
        _check_questions(files)
        yield files


def _check_questions(files: Files) -> None:
    """UserError: no file has the text of a question."""
    first = next(iter(files.values()))
    unknown = ~np.logical_or.reduce([file.has_text() for file in files.values()])
    if unknown.any():
        raise first.row(int(unknown.argmax())).error(
            "question is missing",
            "question",
            expected="the text of each question, in one of the files at least",
            hint="--questions FILE gives the questions by id; a batch's input file will do",
        )


def questions(
    files: Files,
    rules: Sequence[AnswerRule],
    on_progress: jsonl.Progress | None = None,
    *,
    numbers: Sequence[int] | None = None,
) -> Iterator[Joined]:
    """All questions in the first file's order, or `numbers` in theirs, with answers by each rule.

    `on_progress` gets (questions done, questions in all), also below.
    """
    first = next(iter(files.values()))
    numbers = range(len(first.ids)) if numbers is None else numbers
    total, done = len(numbers), 0
    while done < total:
        chunk: list[tuple[Row, dict[str, list[tuple[RawResponse, int]]]]] = []
        responses: list[Response] = []
        characters = 0
        while done < total and len(responses) < CHUNK and characters < CHUNK_TEXT:
            number = numbers[done]
            sides = _with_question({role: sorted(file.read(number), key=itemgetter(1)) for role, file in files.items()})
            chunk.append((first.row(number), sides))
            for side in sides.values():
                for raw, sample in side:
                    responses.append(
                        Response(str(raw.id), raw.question, raw.response.strip(), sample, raw.rest, raw.cut)
                    )
                    characters += len(raw.response)
            done += 1
        answers = {rule: iter(answered_all(responses, rule)) for rule in rules}
        for row, sides in chunk:
            by_rule = {
                rule: {role: [next(of_rule) for _ in side] for role, side in sides.items()}
                for rule, of_rule in answers.items()
            }
            raw, _ = next(iter(sides.values()))[0]
            yield Joined(row, raw, by_rule)
        if on_progress is not None:
            on_progress(done, total)


def _with_question(sides: dict[str, list[tuple[RawResponse, int]]]) -> dict[str, list[tuple[RawResponse, int]]]:
    """The question of one file in the rows of those without; that of --questions where no file has it."""
    raws = [raw for side in sides.values() for raw, _ in side]
    if not any(raw.supplied or not raw.question for raw in raws):
        return sides
    known = max(raws, key=lambda raw: (bool(raw.question), not raw.supplied))

    def asked(raw: RawResponse) -> RawResponse:
        missing = raw.supplied or not raw.question
        return raw._replace(question=known.question, supplied=known.supplied) if missing else raw

    return {role: [(asked(raw), sample) for raw, sample in side] for role, side in sides.items()}


def select(
    files: Files,
    rule: AnswerRule,
    counts: SelectionCounts,
    selector: Callable[[Judged], Kept | str | None],
    on_progress: jsonl.Progress | None = None,
) -> Iterator[tuple[Joined, Kept]]:
    """Each kept question with the responses to learn from: of Stage I, two. None is cut."""
    for question in questions(files, (rule, rule.other), on_progress):
        result, other = (decision(question.answers[each], each, selector) for each in (rule, rule.other))
        counts.add(
            question.raw.id,
            result if isinstance(result, str) else None,
            differs=isinstance(result, str) != isinstance(other, str),
            undecided=_undecided(question, rule),
        )
        if not isinstance(result, str):
            counts.same_text += isinstance(result, Selected) and result.weak.response == result.strong.response
            yield question, result


def augment(
    files: Files,
    rule: AnswerRule,
    selection: Container[str],
    offer: Offer,
    limit: int,
    on_progress: jsonl.Progress | None = None,
) -> Iterator[tuple[Joined, Selected]]:
    """Questions to add to the ids of `selection`, best first.

    The strong file may lack questions.
    """
    if limit < 1:
        return

    def candidates(
        numbers: Sequence[int], on_progress: jsonl.Progress | None = None
    ) -> Iterator[tuple[Joined, Candidate | None]]:
        for question in questions(files, (rule,), on_progress, numbers=numbers):
            (weak,), strong = question.answers[rule].values()
            yield question, offer(weak, strong)

    numbers = [number for id, number in files["weak"].ids.items() if id not in selection]
    ranked = zip(numbers, candidates(numbers, on_progress), strict=True)
    ranks = ((candidate.rank, number) for number, (_, candidate) in ranked if candidate is not None)
    for question, candidate in candidates([number for _, number in heapq.nsmallest(limit, ranks)]):
        assert candidate is not None
        yield question, candidate.selected


def pairs(
    files: Files,
    rule: AnswerRule,
    counts: SelectionCounts,
    make: Contrast,
    *,
    compare: bool,
    on_progress: jsonl.Progress | None = None,
) -> Iterator[tuple[Joined, Sequence[Pair]]]:
    """Each question with preference pairs.

    `compare`: also count in `differ`, by the weak completion's role.
    """
    rules = (rule, rule.other) if compare else (rule,)
    for question in questions(files, rules, on_progress):
        samples = question.answers[rule].get("samples", ())
        counts.samples += len(samples)
        counts.distinct_texts += len({sample.response for sample in samples})
        results = [make(judged(question.answers[each], each)) for each in rules]
        roles = [None if isinstance(each, str) else each[0].weak_role for each in results]
        result = results[0]
        counts.add(
            question.raw.id,
            result if isinstance(result, str) else None,
            differs=roles[0] != roles[-1],
            undecided=_undecided(question, rule),
        )
        if not isinstance(result, str):
            yield question, result


def decision(
    answers: Mapping[str, Sequence[Answered]], rule: AnswerRule, selector: Callable[[Judged], Kept | str | None]
) -> Kept | str:
    """What is learnt from a question, or why nothing: "cut" where a text has no end that could be learnt."""
    if not answers.get("strong", True):
        return "only_in_weak"
    result = selector(judged(answers, rule)) or "not_selected"
    if not isinstance(result, str) and any(target.answer.cut for target in targets(result)):
        return "cut"
    return result


def judged(answers: Mapping[str, Sequence[Answered]], rule: AnswerRule) -> Judged:
    """The answers of one question by role."""
    single = {role: side[0] for role, side in answers.items() if not role.endswith("samples") and side}
    sets = {role: side for role, side in answers.items() if role.endswith("samples")}
    return Judged(single, sets.get("samples", ()), rule.match, sets)


def _undecided(question: Joined, rule: AnswerRule) -> bool:
    return any(answer.undecided for side in question.answers[rule].values() for answer in side)
