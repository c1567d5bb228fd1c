"""`w2s grade`: verdicts on a stream of responses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Unpack, get_args

from w2s import answers
from w2s.answers import Verdict, olympicarena, published
from w2s.config.choices import AnswerRule, Scoring, other_match
from w2s.data import index, jsonl, layouts
from w2s.data.layouts import RawResponse
from w2s.data.rows import Row
from w2s.data.selections import CHUNK, CHUNK_TEXT
from w2s.errors import UserError, one_of
from w2s.verbs.golds import Golds
from w2s.verbs.inputs import File, check_columns, one_standard_input, reading, refuse_overwriting
from w2s.verbs.options import GradeOptions
from w2s.verbs.summaries import GradeSummary
from w2s.verbs.tally import Graded, Tally

_OTHERS = frozenset({"verdict_string", "verdict_equivalent"})
"""Verdicts of an earlier grading."""
_FILTERS: dict[str, published.LmEvalFilter] = {"lm-eval-strict": "strict-match", "lm-eval-flexible": "flexible-extract"}


def grade(
    gold: File,
    responses: File | None,
    out: File | None = None,
    *,
    rule: AnswerRule,
    scoring: Scoring = "w2s",
    on_progress: jsonl.Progress | None = None,
    **options: Unpack[GradeOptions],
) -> GradeSummary:
    """Grade responses in one pass; `out` gets `prediction`, `verdict` and the verdict by the other match.

    `gold` has rows {"id", "answer"} and `responses` {"id", "question", "response"}, or another layout; None: `gold` is
    a log with both. `scoring`:
    "w2s", or GSM8K as lm-evaluation-harness scores it. `on_progress` gets (bytes read, bytes in all). `only_shared`
    leaves out what one file lacks. `by`: "level" or "subject" of gold. `k`: of pass@k and maj@k.

    Raises:
        UserError: bad input, a question of one file only, fewer samples than a `k`, or `out` is an input.
    """
    join, only_shared = options.get("join", "id"), options.get("only_shared", False)
    columns = options.get("columns", {})
    read_as = reading(options.get("layout", "auto"), columns)
    one_of("scoring", scoring, get_args(Scoring), "--scoring")
    log, responses = responses is None, gold if responses is None else responses
    if log and str(gold) == "-":
        raise UserError("a log is read twice, and standard input can be read once", field="LOG", hint="give a file")
    if not log:
        one_standard_input(gold, responses)
    refuse_overwriting(out, {"LOG": gold} if log else {"--gold": gold, "--responses": responses})
    if scoring != "w2s" and rule.style != "gsm8k":
        raise UserError(f"{scoring} scores GSM8K only", field="--scoring", hint="give --task gsm8k, or --scoring w2s")
    check_columns(columns, [gold, responses])
    golds = Golds(gold, rule.style, read_as, join, options.get("by"), log=log)
    reader = index.Reader(
        read_as, question_needed=join == "question" or rule.style == "olympicarena", by_question=join == "question"
    )
    tally = Tally(golds, reader, join, only_shared=only_shared)
    stream = index.responses(responses, reader, on_progress)
    other_verdict = f"verdict_{other_match(rule.match)}"

    def rows() -> Iterator[Mapping[str, Any]]:
        for chunk in _chunks(tally.shared(stream) if only_shared else stream):
            entered = [tally.enter(row, raw) for row, raw in chunk]
            right = [number for number, _, _ in entered]
            graded = _graded([raw for _, raw in chunk], golds, right, rule, scoring)
            tally.count(entered, graded)
            if out is None:
                continue
            others = [None] * len(chunk) if graded.others is None else graded.others
            for (row, raw), (_, _, sample), prediction, verdict, other in zip(
                chunk, entered, graded.predictions, graded.verdicts, others, strict=True
            ):
                fields = layouts.as_w2s(reader.layout, layouts.renamed(row, columns), raw, sample)
                verdicts = {"prediction": prediction, "verdict": verdict}
                if other is not None:
                    verdicts[other_verdict] = other
                yield {name: value for name, value in fields.items() if name not in _OTHERS} | verdicts
        golds.check_texts(responses)
        if only_shared:
            tally.note_left_out(gold, responses)
        else:
            golds.check_all_used(tally.used, responses)

    if out is None:
        for _ in rows():
            pass
    else:
        jsonl.write(out, rows())
    return tally.summary(rule, scoring, tuple(options.get("k", ())))


def _chunks(stream: Iterable[tuple[Row, RawResponse]]) -> Iterator[list[tuple[Row, RawResponse]]]:
    chunk: list[tuple[Row, RawResponse]] = []
    text = 0
    for row, raw in stream:
        chunk.append((row, raw))
        text += len(raw.response)
        if len(chunk) >= CHUNK or text >= CHUNK_TEXT:
            yield chunk
            chunk, text = [], 0
    if chunk:
        yield chunk


def _graded(
    raws: Sequence[RawResponse], golds: Golds, right: Sequence[int], rule: AnswerRule, scoring: Scoring
) -> Graded:
    """`right` numbers the gold of each response."""
    if scoring != "w2s":
        read = [published.lm_eval_answer(raw.response, _FILTERS[scoring]) for raw in raws]
        verdicts = [_lm_eval_verdict(each, golds.answer(gold)) for each, gold in zip(read, right, strict=True)]
        return Graded(read, read, verdicts, None)
    predictions, by_other = (
        [olympicarena.read(raw.response, raw.question, each) for raw in raws] for each in (rule, rule.other)
    )
    if rule.match == "string":
        others = golds.grade(right, by_other, "equivalent")
    else:
        others = [
            "correct" if golds.near(gold, each) else _by_string(each, golds.answer(gold))
            for each, gold in zip(by_other, right, strict=True)
        ]
    keys = answers.keys(predictions, rule.match)
    return Graded(predictions, keys, golds.grade(right, predictions, rule.match), others)


def _by_string(prediction: str | None, right: str) -> Verdict:
    key = None if prediction is None else _string_key(prediction)
    if key is None:
        return "no_answer"
    return "correct" if key == _string_key(right) else "wrong"


@lru_cache(maxsize=2**16)  # the released normal form takes 50 us, and many responses share few answers
def _string_key(answer: str) -> str | None:
    return answers.key(answer, "string")


def _lm_eval_verdict(prediction: str | None, right: str) -> Verdict:
    if prediction is None:
        return "no_answer"
    return "correct" if published.lm_eval_correct(prediction, right) else "wrong"
