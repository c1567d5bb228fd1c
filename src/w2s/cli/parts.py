"""Verbs: sample, grade, agree, pairs, select, train."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

import w2s
from w2s.cli.app import (
    Columns,
    Gold,
    Join,
    Json,
    Keep,
    Layout,
    Limit,
    Match,
    ModelName,
    OnlyShared,
    Pattern,
    Questions,
    RowFormat,
    TaskName,
    app,
    named,
    say,
    summarise,
)  # fmt: skip
from w2s.config import choices
from w2s.errors import UserError


@app.command(epilog="Example: w2s sample --model w2s:tiny-strong --task arith --split test --limit 9 --out s.jsonl")
def sample(
    model: ModelName,
    task: Annotated[str, typer.Option(help="arith, gsm8k, math, olympicarena, word_problems or jsonl.")],
    split: Annotated[str, typer.Option(help="A split of the task, or a file of questions.")],
    out: Annotated[str, typer.Option(help="The file to write (.gz: compressed); - is standard output.")],
    n: Annotated[
        int | None, typer.Option(min=1, help="Responses per question (default 10; 1 at temperature 0).")
    ] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 1.0,
    top_p: Annotated[float, typer.Option(help="The share of probability that is sampled from.")] = 1.0,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="The most tokens of a response.")] = 512,
    engine: Annotated[str, typer.Option(help="transformers, vllm, openai or scripted.")] = "transformers",
    few_shot: Annotated[Path | None, typer.Option(help="A responses file, shown before each question.")] = None,
    prompt: Annotated[
        choices.Prompt, typer.Option(help="Question and Answer, or the model's own chat template.")
    ] = "plain",
    dtype: Annotated[choices.Dtype, typer.Option(help="Of weights and cache.")] = "float32",
    device: Annotated[choices.Device, typer.Option(help="Where the model is.")] = "auto",
    offline: Annotated[bool, typer.Option("--offline", help="Never ask a model hub.")] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the Python code of a model folder.")
    ] = False,
    server: Annotated[str | None, typer.Option(help="The server's base URL (engine openai).")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once (engine openai).")] = 32,
    tensor_parallel: Annotated[int, typer.Option(min=1, help="GPUs that share the model (engine vllm).")] = 1,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not check that the engine serves the model right.")
    ] = False,
    no_canary: Annotated[bool, typer.Option("--no-canary", hidden=True, help="The old name of --no-check.")] = False,
    limit: Limit = None,
    seed: Annotated[int, typer.Option(help="Of the samples.")] = 0,
) -> None:
    """Let a model answer questions; resumes when stopped."""
    from w2s.cli import progress
    from w2s.config.schema import Runtime

    runtime = Runtime(
        device=device,
        offline=offline,
        server=server,
        concurrency=concurrency,
        tensor_parallel=tensor_parallel,
        check_engine=not (no_check or no_canary),
    )
    with progress.bar("sample") as on_progress:
        done = w2s.sample(
            model, task, split, out, n=n, temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens,
            engine=engine, few_shot=few_shot, prompt=prompt, dtype=dtype, trust_remote_code=trust_remote_code,
            runtime=runtime, limit=limit, seed=seed, on_progress=on_progress,
        )  # fmt: skip
    say([f"{done.responses:,} responses, {done.tokens:,} tokens, {done.cut_off:,} cut at the limit"], out)


@app.command(epilog="Example: w2s grade --task gsm8k --gold gold.jsonl --responses responses.jsonl --out graded.jsonl")
def grade(
    task: TaskName,
    log: Annotated[
        str | None, typer.Argument(metavar="[LOG]", help="Responses and gold in one file (lm-eval, inspect_ai, ...).")
    ] = None,
    gold: Annotated[
        str | None, typer.Option(help='Rows {"id", "answer"}, as `w2s tasks NAME --out FOLDER` writes them.')
    ] = None,
    responses: Annotated[
        str | None, typer.Option(help='Rows {"id", "question", "response"}; - is standard input.')
    ] = None,
    out: Annotated[str | None, typer.Option(help="Responses with prediction and verdict.")] = None,
    match: Match = "equivalent",
    scoring: Annotated[
        choices.Scoring, typer.Option(help="Ours, or GSM8K as lm-evaluation-harness scores it.")
    ] = "w2s",
    layout: Layout = "auto",
    column: Columns = None,
    pattern: Pattern = None,
    join: Join = "id",
    only_shared: OnlyShared = False,
    by: Annotated[choices.By | None, typer.Option(help="Accuracy by this field of gold too.")] = None,
    k: Annotated[str | None, typer.Option(metavar="K,K", help="Of pass@k and maj@k: 1,5,10.")] = None,
    as_json: Json = False,
) -> None:
    """Grade responses: accuracy with a 95 % interval."""
    from w2s.cli import progress

    if (gold is None or responses is None) if log is None else (gold is not None or responses is not None):
        raise UserError(
            "grade needs responses and their gold",
            field="LOG",
            expected="--gold GOLD.jsonl --responses RESPONSES.jsonl, or one LOG that has both",
        )
    with progress.bar("grade") as move:
        graded = w2s.grade(
            str(gold or log), responses, out, task=task, match=match, scoring=scoring, layout=layout,
            columns=named(column, "--column"), pattern=pattern, join=join,
            only_shared=only_shared, by=by, k=_numbers(k, "--k"), on_progress=lambda done, of: move(done, of, 0),
        )  # fmt: skip
    summarise(graded, out, as_json)


@app.command(epilog="Example: w2s agree --task gsm8k --weak weak.jsonl --strong strong.jsonl --out stage1.jsonl")
def agree(
    task: TaskName,
    weak: Annotated[str, typer.Option(help="The weak model's responses.")],
    strong: Annotated[str, typer.Option(help="The strong model's responses.")],
    out: Annotated[str, typer.Option(help="TRL prompt-completion rows.")],
    match: Match = "equivalent",
    gold: Gold = None,
    layout: Layout = "auto",
    column: Columns = None,
    pattern: Pattern = None,
    questions: Questions = None,
    join: Join = "id",
    only_shared: OnlyShared = False,
    nothing_agrees: Annotated[
        bool | None,
        typer.Option(
            "--nothing-agrees/--no-nothing-agrees",
            help="Two responses without an answer agree (default: with string).",
        ),
    ] = None,
    augment_to: Annotated[int | None, typer.Option(min=1, help="Add questions until there are so many.")] = None,
    samples: Annotated[str | None, typer.Option(help="More strong responses, from which --augment-to adds.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order in which questions are added.")] = 0,
    keep: Keep = None,
    row_format: RowFormat = "trl",
    as_json: Json = False,
) -> None:
    """Keep the questions on which two models agree (Stage I)."""
    from w2s.cli import progress

    with progress.bar("agree") as move:
        selected = w2s.agree(
            weak, strong, out, task=task, match=match, gold=gold, layout=layout, columns=named(column, "--column"),
            pattern=pattern, questions=questions, join=join, only_shared=only_shared, format=row_format,
            nothing_agrees=nothing_agrees, augment_to=augment_to, samples=samples, seed=seed, keep=keep or (),
            on_progress=lambda done, of: move(done, of, 0),
        )  # fmt: skip
    summarise(selected, out, as_json)


@app.command(epilog="Example: w2s pairs --task gsm8k --weak weak.jsonl --samples samples.jsonl --out pairs.jsonl")
def pairs(
    task: TaskName,
    weak: Annotated[str, typer.Option(help="The weak model's responses.")],
    samples: Annotated[str, typer.Option(help="Several responses of the strong model to each question.")],
    out: Annotated[str, typer.Option(help="TRL preference rows.")],
    confidence: Annotated[float, typer.Option(help="Votes below this are dropped.")] = 0.6,
    reject_confidence: Annotated[float, typer.Option(help="From here the weak response may be rejected.")] = 0.8,
    max_pairs: Annotated[int, typer.Option(help="The most pairs per question.")] = 1,
    match: Match = "equivalent",
    gold: Gold = None,
    layout: Layout = "auto",
    column: Columns = None,
    pattern: Pattern = None,
    questions: Questions = None,
    join: Join = "id",
    only_shared: OnlyShared = False,
    as_json: Json = False,
    keep: Keep = None,
    row_format: RowFormat = "trl",
    seed: Annotated[int, typer.Option(help="Of which samples stand in pairs.")] = 0,
) -> None:
    """Make preference pairs from weak responses and strong majority votes (Stage II)."""
    from w2s.cli import progress

    with progress.bar("pairs") as move:
        selected = w2s.pairs(
            weak, samples, out, task=task, match=match, gold=gold, layout=layout, columns=named(column, "--column"),
            pattern=pattern, questions=questions, join=join, only_shared=only_shared, format=row_format,
            confidence=confidence, reject_confidence=reject_confidence, max_pairs=max_pairs, seed=seed, keep=keep or (),
            on_progress=lambda done, of: move(done, of, 0),
        )  # fmt: skip
    summarise(selected, out, as_json)


@app.command(
    epilog="Example: w2s select --task gsm8k --answers weak=weak.jsonl --answers icl=icl.jsonl --out kept.jsonl"
)
def select(
    task: TaskName,
    out: Annotated[str, typer.Option(help="One row per kept question.")],
    answers: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="One response per question; the weak model's first.")
    ] = None,
    samples: Annotated[str | None, typer.Option(help="Several responses of the strong model to each question.")] = None,
    by: Annotated[choices.SelectBy, typer.Option(help="How answers are chosen and kept.")] = "posterior",
    threshold: Annotated[
        float | None, typer.Option(help="The least posterior (default 0.9), or share of votes (0.6).")
    ] = None,
    calibration: Annotated[
        str | None, typer.Option(help="Right answers of some of the questions, which no training saw.")
    ] = None,
    precision: Annotated[float | None, typer.Option(help="The share to certify as right (default 0.95).")] = None,
    confidence: Annotated[float | None, typer.Option(help="The certificate's confidence (default 0.9).")] = None,
    match: Match = "equivalent",
    layout: Layout = "auto",
    column: Columns = None,
    pattern: Pattern = None,
    questions: Questions = None,
    only_shared: OnlyShared = False,
    row_format: RowFormat = "trl",
    as_json: Json = False,
) -> None:
    """Choose one answer per question, and keep the sure ones, with a certificate if there is gold."""
    from w2s.cli import progress

    with progress.bar("select") as move:
        selected = w2s.select(
            named(answers), out, task=task, samples=samples, match=match, by=by, threshold=threshold,
            calibration=calibration, precision=precision, confidence=confidence, layout=layout, only_shared=only_shared,
            columns=named(column, "--column"), pattern=pattern, questions=questions, format=row_format,
            on_progress=lambda done, of: move(done, of, 0),
        )  # fmt: skip
    summarise(selected, out, as_json)


@app.command(
    epilog="Example: w2s train --model w2s:tiny-strong --data stage1.jsonl --out model learning_rate=1e-4 lora.rank=8"
)
def train(
    model: ModelName,
    data: Annotated[str, typer.Option(help="Rows of `agree` (sft) or `pairs` (any other loss), or TRL's.")],
    out: Annotated[Path, typer.Option(help="The model folder to write.")],
    settings: Annotated[list[str] | None, typer.Argument(metavar="[KEY.SUB=VALUE]...", help="As in recipes.")] = None,
    loss: Annotated[str, typer.Option(help="sft, dpo, orpo, ipo, simpo, dpo_nll, or module:function.")] = "sft",
    dtype: Annotated[choices.Dtype, typer.Option(help="Of matrix products; weights are float32.")] = "float32",
    seed: Annotated[int, typer.Option(help="Of the order of rows, fresh adapters and dropout.")] = 0,
) -> None:
    """Fine-tune a model on rows of `agree` or `pairs`."""
    from w2s.cli import progress

    tell = progress.resumption(lambda text: typer.echo(text, err=True))
    with progress.bar("train") as move:

        def on_progress(done: int, of: int) -> None:
            tell(done, of)
            move(done, of, 0)

        trained = w2s.train(
            model, data, out, loss=loss, settings=settings or [], seed=seed, dtype=dtype, on_progress=on_progress
        )
    say(trained.lines())


def _numbers(text: str | None, option: str) -> tuple[int, ...]:
    """The integers from 1 in "1,5,10"."""
    parts = [] if text is None else text.split(",")
    if not all(re.fullmatch(r"\s*0*[1-9]\d{0,8}\s*", part) for part in parts):
        raise UserError(f"{text!r} is no list of numbers", field=option, expected="integers from 1, such as 1,5,10")
    return tuple(int(part) for part in parts)
