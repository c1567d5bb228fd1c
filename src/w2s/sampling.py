"""The verb `sample`: a model answers questions, outside any run. Killed half-way, the same command goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from w2s import config, engines, jsonl, models, prompting, tasks
from w2s.engines import journal
from w2s.engines.base import Decoding, Request
from w2s.errors import UserError
from w2s.records import Question, Response
from w2s.seeds import derive
from w2s.tasks import rows

Files = Literal["gsm8k", "math", "olympicarena", "jsonl"]


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was written: responses, generated tokens, and how many responses were cut at the token limit."""

    responses: int
    tokens: int
    cut_off: int


def questions(task: str, split: str, limit: int | None = None) -> list[Question]:
    """The first `limit` questions of a split.

    Args:
        task: arith, gsm8k, math, olympicarena or jsonl.
        split: for arith train_1, train_2, test or validation; for a benchmark one of the first three (from the hub) or
            a file; for jsonl a file.
        limit: how many; for arith also how many are made.

    Raises:
        UserError: no such task or split, or a bad file.
    """
    if task not in tasks.names():
        raise UserError(f"there is no task {task!r}", field="--task", expected=", ".join(tasks.names()))
    if task == "arith":
        sizes = {} if limit is None else dict.fromkeys(("train_1", "train_2", "test"), limit)
        return tasks.load(config.ArithTask(**sizes)).questions(split)[:limit]
    name = cast(Files, task)
    if task != "jsonl" and split in tasks.SPLITS and not Path(split).exists():
        return tasks.load(config.FilesTask(name=name)).questions(split)[:limit]
    return tasks.load(config.FilesTask(name=name, test=split)).questions("test")[:limit]


def demonstrations(file: Path) -> list[Response]:
    """The rows of a responses file, to be shown in front of each question, in file order.

    Raises:
        UserError: the file cannot be read, a row has no question or response, or there is none.
    """
    shots = [
        Response(row.identity(f"row {row.line}"), row.text("question"), row.text("response")) for row in rows.read(file)
    ]
    if not shots:
        raise UserError("has no rows", file=file, field="--few-shot", expected='rows like {"question", "response"}')
    return shots


def sample(
    asked: Sequence[Question],
    out: str,
    *,
    model: str,
    n: int,
    decoding: Decoding,
    shots: Sequence[Response] = (),
    engine: str = "transformers",
    dtype: config.Dtype = "float32",
    trust_remote_code: bool = False,
    runtime: config.Runtime | None = None,
    on_progress: journal.OnProgress | None = None,
) -> Sampled:
    """Write `n` responses a question to `out` ("-": standard output), in the order of the questions.

    Finished batches are kept beside `out` until it is complete; the file that keeps them is named by the model's
    identity, the engine and the number format, and each batch in it by its prompts, decoding and seed.

    Raises:
        UserError: greedy texts are asked for more than once, or the model cannot be used.
    """
    runtime = runtime or config.Runtime()
    if n > 1 and decoding.temperature == 0:
        raise UserError(
            f"{n} greedy texts of one question are all equal", field="--n", mend="use --n 1, or a --temperature above 0"
        )
    identity = models.resolve(model, offline=runtime.offline).identity
    digest = hashlib.sha256(f"{identity} {engine} {dtype}".encode()).hexdigest()[:12]
    kept = None if out == "-" else Path(out).with_name(f".{Path(out).name}.{digest}.partial")
    requests = [Request(q.id, number, prompting.prompt(q.question, shots)) for q in asked for number in range(n)]
    loaded = engines.load(engine, model, dtype=dtype, trust_remote_code=trust_remote_code, runtime=runtime)
    try:
        completions = journal.generate(loaded, requests, decoding, kept, on_progress)
    finally:
        loaded.close()
    text = {question.id: question.question for question in asked}
    jsonl.write(
        out,
        (
            {"id": c.id, "question": text[c.id], "response": c.text} | ({"sample": c.sample} if n > 1 else {})
            for c in completions
        ),
    )
    if kept is not None:
        kept.unlink(missing_ok=True)
    return Sampled(len(completions), sum(c.tokens for c in completions), sum(c.finish == "length" for c in completions))


def step_seed(seed: int) -> int:
    """The seed that `sample` gives to the engine for a user's seed."""
    return derive(seed, "sample")
