"""`w2s grade`: verdicts on a stream of responses."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from w2s import answers, files, jsonl, layouts, tasks
from w2s.answers import Style, Verdict, lm_eval, stated
from w2s.choices import Join, Match, Scoring
from w2s.errors import UserError
from w2s.layouts import Given
from w2s.metrics import accuracy
from w2s.streams import CHUNK, CHUNK_TEXT, keys, other_match
from w2s.tasks.rows import Row
from w2s.verbs.golds import Golds
from w2s.verbs.summaries import GradeSummary

_OTHERS = frozenset({"verdict_string", "verdict_equivalent"})
"""Never taken over from the responses: one of an earlier grading could not be told from ours."""
_SAMPLES = (1, 5, 10, 50, 100)
_FILTERS: dict[str, lm_eval.Filter] = {"lm-eval-strict": "strict-match", "lm-eval-flexible": "flexible-extract"}


class _Graded(NamedTuple):
    """For each response of a chunk; `others`: the verdicts by the other match."""

    predictions: Sequence[str | None]
    keys: Sequence[str | None]
    verdicts: Sequence[Verdict]
    others: Sequence[Verdict] | None


def grade(
    gold: str | Path,
    responses: str | Path,
    out: str | Path | None = None,
    *,
    task: str,
    match: Match = "equivalent",
    scoring: Scoring = "w2s",
    layout: layouts.Name = "auto",
    join: Join = "id",
    on_progress: jsonl.Progress | None = None,
) -> GradeSummary:
    """Grade responses against gold, in one pass; `out` gets the responses with `prediction`, `verdict` and one more.

    That one is `verdict_string`, or `verdict_equivalent` with `match` "string": the verdict that the other match gives,
    in every row, so that `verdict` and it can be compared as columns. There is none with a scoring of lm-eval.

    Memory: about 230 bytes a question with its gold and one response, 140 more where no two questions have one answer,
    and 40 for each further response (measured as in `files.Index`); never their texts.

    Args:
        gold: rows of {"id", "answer"}, or another layout that holds gold.
        responses: rows of {"id", "question", "response"}, or another layout.
        out: where graded rows go, as rows of the layout w2s.
        task: the name of a task or answer style.
        match: how answers are compared.
        scoring: "w2s", or GSM8K exactly as lm-evaluation-harness scores it (`match` has no part in that).
        layout: the layout of both files.
        join: how responses find their gold.
        on_progress: told (bytes of the responses read, bytes in all).

    Raises:
        UserError: bad input, or a question that only one of the files has.
    """
    style = tasks.style(task)
    one_standard_input(gold, responses)
    if scoring != "w2s" and style != "gsm8k":
        raise UserError(f"{scoring} scores GSM8K only", field="--scoring", mend="give --task gsm8k, or --scoring w2s")
    golds = Golds(gold, style, layout, join)
    reader = files.Reader(layout, question_needed=join == "question" or style == "olympicarena")
    tally = _Tally(golds, reader, join)
    stream = files.responses(responses, reader, on_progress)
    name = f"verdict_{other_match(match)}"

    def rows() -> Iterator[Mapping[str, Any]]:
        for chunk in _chunks(stream):
            entered = [tally.enter(row, given) for row, given in chunk]
            right = [number for number, _, _ in entered]
            graded = _graded([given for _, given in chunk], golds, right, style, match, scoring)
            tally.count(entered, graded)
            if out is None:
                continue
            others = [None] * len(chunk) if graded.others is None else graded.others
            for (row, given), (_, _, sample), prediction, verdict, other in zip(
                chunk, entered, graded.predictions, graded.verdicts, others, strict=True
            ):
                kept = layouts.shown(reader.layout, row, given, sample)
                made = {"prediction": prediction, "verdict": verdict}
                if other is not None:
                    made[name] = other
                yield {field: value for field, value in kept.items() if field not in _OTHERS} | made
        golds.check_all_used(tally.used, responses)

    if out is None:
        for _ in rows():
            pass
    else:
        jsonl.write(out, rows())
    return tally.summary(match, scoring)


def _chunks(stream: Iterable[tuple[Row, Given]]) -> Iterator[list[tuple[Row, Given]]]:
    chunk: list[tuple[Row, Given]] = []
    text = 0
    for row, given in stream:
        chunk.append((row, given))
        text += len(given.response)
        if len(chunk) >= CHUNK or text >= CHUNK_TEXT:
            yield chunk
            chunk, text = [], 0
    if chunk:
        yield chunk


def one_standard_input(*inputs: str | Path | None) -> None:
    """Raise UserError if two inputs are "-"."""
    if [str(path) for path in inputs].count("-") > 1:
        raise UserError("standard input can be read once only", field="-", mend="give one of the inputs as a file")


def _graded(
    given: Sequence[Given], golds: Golds, right: Sequence[int], style: Style, match: Match, scoring: Scoring
) -> _Graded:
    if scoring != "w2s":
        read = [lm_eval.extract(each.response, _FILTERS[scoring]) for each in given]
        verdicts = [_lm_eval_verdict(found, golds.answer(gold)) for found, gold in zip(read, right, strict=True)]
        return _Graded(read, read, verdicts, None)
    matches: tuple[Match, Match] = ("equivalent", "string")
    predictions, strict = ([stated.read(each.response, each.question, style, by) for each in given] for by in matches)
    if match == "string":
        others = golds.grade(right, predictions, "equivalent")
        predictions = strict
    else:
        others = [
            "correct" if golds.near(gold, found) else _by_string(found, golds.answer(gold))
            for found, gold in zip(strict, right, strict=True)
        ]
    return _Graded(predictions, keys(predictions, match), golds.grade(right, predictions, match), others)


def _by_string(prediction: str | None, right: str) -> Verdict:
    """As `answers.grade` by string, for less; gold that the released code cannot read equals nothing."""
    if prediction is None or (found := _string_key(prediction)) is None:
        return "no_answer"
    return "correct" if found == _string_key(right) else "wrong"


@lru_cache(maxsize=2**16)  # the released normal form takes 50 us, and many responses share few answers
def _string_key(answer: str) -> str | None:
    return answers.key(answer, "string")


def _lm_eval_verdict(prediction: str | None, right: str) -> Verdict:
    if prediction is None:
        return "no_answer"
    return "correct" if lm_eval.correct(prediction, right) else "wrong"


class _Tally:
    """What the summary needs, in a few numbers a question and a response."""

    def __init__(self, golds: Golds, reader: files.Reader, join: Join) -> None:
        self._golds = golds
        self._reader = reader
        self._join = join
        self._ledger = files.Ledger(reader)
        self._ledger.reserve(len(golds) if join == "id" else 0)
        self._ids: dict[str, int] = {}  # where gold is joined by question: several ids may share one
        self._used = bytearray(len(golds) if join == "question" else 0)
        self._verdicts: Counter[str] = Counter()
        self._correct = array("I")
        self._differ: int | None = 0
        self._questions, self._samples, self._keys, self._right = array("I"), array("Q"), array("q"), array("b")

    @property
    def used(self) -> Sequence[int]:
        """Whether each gold, by number, has been asked for."""
        return self._ledger.counts if self._join == "id" else self._used

    def enter(self, row: Row, given: Given) -> tuple[int, int, int]:
        """The numbers of a response's gold, question and sample. Raises UserError as `Golds.find`, `Ledger.enter`."""
        gold = question = self._golds.find(given, row)
        if self._join == "question":
            question = self._ids.setdefault(str(given.id), len(self._ids))
            self._used[gold] = 1
        return gold, question, self._ledger.enter(question, row, given, several=True)

    def count(self, entered: Sequence[tuple[int, int, int]], graded: _Graded) -> None:
        """Count a chunk."""
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

    def summary(self, match: Match, scoring: Scoring) -> GradeSummary:
        """The figures over all that has been counted."""
        n, correct = self._verdicts.total(), self._verdicts["correct"]
        counts, questions = self._ledger.counts, len(self._ledger.counts)
        least = min(counts)
        ks = sorted({k for k in _SAMPLES if k < least} | {least}) if least > 1 else []
        shares = Counter(zip(counts, self._correct, strict=True))  # the same few numbers, many times
        solved = sum((Fraction(c * times, of) for (of, c), times in shares.items()), Fraction())
        passed = {k: sum(accuracy.pass_at_k(of, c, k) * times for (of, c), times in shares.items()) for k in ks}
        voted = self._majorities([k for k in ks if k > 1]) if scoring == "w2s" else {}
        return GradeSummary(
            accuracy=float(solved / questions),
            ci95=accuracy.wilson(float(solved), questions),
            correct=correct,
            n=n,
            no_answer=self._verdicts["no_answer"],
            undecided=self._verdicts["undecided"],
            questions=questions,
            pass_at={k: of / questions for k, of in passed.items()},
            pass_at_ci95={k: accuracy.wilson(of, questions) for k, of in passed.items()},
            maj_at={k: of / questions for k, of in voted.items()},
            maj_at_ci95={k: accuracy.wilson(of, questions) for k, of in voted.items()},
            match=match,
            match_differs=self._differ,
            scoring=scoring,
            notes=self._reader.notes(),
        )

    def _majorities(self, ks: Sequence[int]) -> dict[int, float]:
        """The questions that a vote of k samples solves, by k: keys are compared by their hashes, of 64 bits."""
        if not ks:
            return {}
        of, samples = np.asarray(self._questions), np.asarray(self._samples)
        order = np.lexsort((samples, of))
        keys, right = np.asarray(self._keys)[order], np.asarray(self._right, bool)[order]
        solved, end = dict.fromkeys(ks, 0.0), 0
        for count in self._ledger.counts:
            begin, end = end, end + count
            given = [_name(key) for key in keys[begin:end].tolist()]
            correct = {_name(key) for key in keys[begin:end][right[begin:end]].tolist()}
            for k in ks:
                solved[k] += accuracy.maj_at_k(given, correct, k)
        return solved


def _name(key: int) -> str | None:
    return str(key) if key else None
