"""The verbs on files and models, as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

if TYPE_CHECKING:
    from w2s.config.choices import Match, Scoring
    from w2s.data.jsonl import Progress
    from w2s.engines.journal import OnProgress
    from w2s.verbs import GradeSummary, LabelSummary, SelectionSummary
    from w2s.verbs.options import AgreeOptions, GradeOptions, PairOptions, SampleOptions, SelectOptions, TrainOptions
    from w2s.verbs.sampling import Sampled
    from w2s.verbs.training import Trained

File = str | Path
"""A file of JSON Lines (.gz: gzip) or another format (docs/verbs.md), or "-" for standard input or output."""

_READING = ("layout", "columns", "questions", "join")


def sample(
    model: str,
    task: str,
    split: str,
    out: File,
    *,
    on_progress: OnProgress | None = None,
    **options: Unpack[SampleOptions],
) -> Sampled:
    """Let a model answer questions: rows {"id", "question", "response"}, and "sample" if there are several.

    Greedy with `temperature=0`, else `n` samples (10) at temperature 1. After a kill the same call goes on.

    Args:
        model: "w2s:tiny-strong", a folder, a hub id, "openai-chat:NAME", ... (docs/models.md).
        task: arith, gsm8k, math, olympicarena, word_problems or jsonl.
        split: a split of the task, or a file of questions.
        out: the file to write.
        on_progress: gets responses done, responses in all and tokens.
        options: n, temperature, top_p, max_new_tokens, seed, limit, few_shot (a responses file), prompt ("plain" or
            "chat"), engine, dtype, trust_remote_code, runtime.

    Returns:
        Counts of responses, tokens, and responses cut off at the limit.

    Raises:
        UserError: the model, the questions or the options cannot be used.
    """
    from w2s.verbs import sampling

    return sampling.answer(model, task, split, str(out), options, on_progress)


def grade(
    gold: File,
    responses: File | None = None,
    out: File | None = None,
    *,
    task: str,
    match: Match = "equivalent",
    scoring: Scoring = "w2s",
    on_progress: Progress | None = None,
    **options: Unpack[GradeOptions],
) -> GradeSummary:
    """Grade responses against gold: accuracy with a 95 % interval, pass@k and maj@k if there are several.

    Args:
        gold: rows {"id", "answer"}, or a log with the responses too (lm-eval, inspect_ai, ...).
        responses: rows {"id", "question", "response"}, or another tool's (docs/verbs.md); None: they are in `gold`.
        out: gets the responses with "prediction" and "verdict"; None: no file.
        task: a task or an answer style (`w2s tasks` lists both).
        match: "equivalent" compares by value, "string" as the paper's released code.
        scoring: "w2s", or GSM8K as lm-evaluation-harness scores it: "lm-eval-strict", "lm-eval-flexible".
        on_progress: gets (bytes read, bytes in all).
        options: layout, columns, pattern, join, only_shared, by ("level" or "subject"), k (1, 5, 10).

    Raises:
        UserError: a bad file, or files that do not belong together.
    """
    from w2s import tasks, verbs

    rule = tasks.answer_rule(task, match, options.pop("pattern", None))
    return verbs.grade(gold, responses, out, rule=rule, scoring=scoring, on_progress=on_progress, **options)


def agree(
    weak: File,
    strong: File,
    out: File,
    *,
    task: str,
    match: Match = "equivalent",
    gold: File | None = None,
    on_progress: Progress | None = None,
    **options: Unpack[AgreeOptions],
) -> SelectionSummary:
    """Stage I on any two files: keep the questions on which two models agree, as TRL prompt-completion rows.

    Args:
        weak: the weak model's responses, one per question.
        strong: the strong model's.
        out: the file to write: two rows per kept question.
        task: a task or an answer style.
        match: how final answers are compared.
        gold: right answers, for the summary only.
        on_progress: gets (done, in all).
        options: layout, columns, pattern, questions, join, only_shared, nothing_agrees, samples, augment_to, seed,
            keep, format (docs/verbs.md).

    Raises:
        UserError: a bad file, or files that do not belong together.
    """
    from w2s import tasks, verbs

    rest: dict[str, Any] = dict(options)
    inputs = verbs.Inputs(weak=weak, strong=strong, gold=gold, **_taken(rest, *_READING, "only_shared", "samples"))
    rule = tasks.answer_rule(task, match, rest.pop("pattern", None))
    rest["rows_as"] = verbs.RowOptions(**_taken(rest, "keep", "format"))
    return verbs.agree(inputs, out, rule=rule, on_progress=on_progress, **rest)


def pairs(
    weak: File,
    samples: File,
    out: File,
    *,
    task: str,
    match: Match = "equivalent",
    gold: File | None = None,
    on_progress: Progress | None = None,
    **options: Unpack[PairOptions],
) -> SelectionSummary:
    """Stage II on any two files: weak completions against the samples' majority vote, as TRL preference rows.

    Args:
        weak: the weak model's responses, one per question.
        samples: several responses of the strong model per question.
        out: the file to write.
        task: a task or an answer style.
        match: how final answers are compared.
        gold: right answers, for the summary only.
        on_progress: gets (done, in all).
        options: confidence (0.6), reject_confidence (0.8), max_pairs (1), seed, keep, format, layout, columns, pattern,
            questions, join, only_shared.

    Raises:
        UserError: a bad file, or files that do not belong together.
    """
    from w2s import tasks, verbs

    rest: dict[str, Any] = dict(options)
    inputs = verbs.Inputs(weak=weak, samples=samples, gold=gold, **_taken(rest, *_READING, "only_shared"))
    thresholds = {"confidence": 0.6, "reject_confidence": 0.8}
    pair_rule = verbs.PairRule(**thresholds | _taken(rest, "confidence", "reject_confidence", "max_pairs"))
    rule = tasks.answer_rule(task, match, rest.pop("pattern", None))
    rest["rows_as"] = verbs.RowOptions(**_taken(rest, "keep", "format"))
    return verbs.pairs(inputs, out, rule=rule, pair_rule=pair_rule, on_progress=on_progress, **rest)


def select(
    answers: Mapping[str, File],
    out: File,
    *,
    task: str,
    samples: File | None = None,
    match: Match = "equivalent",
    on_progress: Progress | None = None,
    **options: Unpack[SelectOptions],
) -> LabelSummary:
    """One answer per question out of several models' answers, kept where it is sure enough.

    Writes rows {"id", "answer", "posterior", "prompt", "completion", "source"}.

    Args:
        answers: responses by name, the weak model's first: {"weak": "weak.jsonl", "icl": "icl.jsonl"}.
        out: the file to write.
        task: a task or an answer style.
        samples: several responses of the strong model per question.
        match: how final answers are compared.
        on_progress: gets (done, in all).
        options: by ("posterior"; "agreement", "vote", "both_iterations", "certified"), threshold, calibration (right
            answers of some of the questions) with precision (0.95) and confidence (0.9), layout, columns, pattern,
            questions, only_shared, format.

    Returns:
        Counts, `certificate` if there is calibration gold, and `curve`: precision by coverage.

    Raises:
        UserError: a bad file, files that do not belong together, or options that do not.
    """
    from w2s import tasks
    from w2s.method.certificate import Promise
    from w2s.verbs import labelling
    from w2s.verbs.sources import Sources

    rest: dict[str, Any] = dict(options)
    named = _taken(rest, "calibration", "only_shared", *_READING[:3])
    sources = Sources(answers=answers, samples=samples, **named)
    stated = {name: value for name, value in _taken(rest, "precision", "confidence").items() if value is not None}
    usual = {"precision": labelling.PRECISION, "confidence": labelling.CONFIDENCE}
    promise = Promise(**usual | stated) if stated else None
    rule = tasks.answer_rule(task, match, rest.pop("pattern", None))
    return labelling.select(sources, out, rule=rule, promise=promise, on_progress=on_progress, **rest)


def train(
    model: File,
    data: File,
    out: File,
    *,
    loss: str = "sft",
    settings: Mapping[str, Any] | Sequence[str] = (),
    **options: Unpack[TrainOptions],
) -> Trained:
    """Fine-tune a model on rows of `agree` (sft) or `pairs` (any other loss), and write a model folder.

    Args:
        model: "w2s:tiny-strong", a folder, a hub id, ... (docs/models.md).
        data: prompt-completion rows for sft, preference rows else.
        out: the folder to write: new or empty.
        loss: sft, dpo, orpo, ipo, simpo, dpo_nll, or your own "module:function".
        settings: as in recipes: {"lora.rank": 8}, or ["lora.rank=8"].
        options: seed, dtype, on_progress.

    Returns:
        Examples, tokens, first and last loss.

    Raises:
        UserError: a bad row or setting, rows for another loss, or a model that cannot be trained.
    """
    from w2s.verbs import training

    return training.train(model, data, out, loss=loss, settings=settings, **options)


def _taken(options: dict[str, Any], *names: str) -> dict[str, Any]:
    """Removes these options and returns them."""
    return {name: options.pop(name) for name in names if name in options}
