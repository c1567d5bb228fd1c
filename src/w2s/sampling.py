"""The verb `sample`: a model answers questions, outside any run. Killed half-way, the same command goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s import config, engines, jsonl, models, parity, tasks
from w2s.engines import canary, journal
from w2s.engines.base import Decoding, Engine, Request
from w2s.errors import UserError, enough_memory
from w2s.prompting import PLAIN, Builder
from w2s.records import Question, Response
from w2s.seeds import derive
from w2s.tasks import rows

MEND = "use --dtype bfloat16, a lower --max-new-tokens or another --engine; the same command goes on"
"""What helps where memory is too small for a model or its texts."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was written: responses, generated tokens, and how many responses were cut at the token limit."""

    responses: int
    tokens: int
    cut_off: int


def questions(task: str, split: str, limit: int | None = None) -> list[Question]:
    """The first `limit` questions of a split.

    Args:
        task: arith, gsm8k, math, olympicarena, word_problems or jsonl.
        split: for arith and word_problems train_1, train_2, test or validation; for a benchmark one of the first three
            (from the hub) or a file; for jsonl a file.
        limit: how many; for arith also how many are made.

    Raises:
        UserError: no such task or split, or a bad file.
    """
    described = tasks.by_name(task, limit)
    if isinstance(described, config.FilesTask) and (
        task == "jsonl" or split not in tasks.SPLITS or Path(split).exists()
    ):
        described, split = described.model_copy(update={"test": split}), "test"
    return tasks.load(described).questions(split)[:limit]


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
    builder: Builder = PLAIN,
    engine: str = "transformers",
    dtype: config.Dtype = "float32",
    trust_remote_code: bool = False,
    runtime: config.Runtime | None = None,
    on_progress: journal.OnProgress | None = None,
) -> Sampled:
    """Write `n` responses a question to `out` ("-": standard output), in the order of the questions.

    Questions are answered in parts (`journal.parts`): memory holds one part. Finished batches are kept beside `out`
    until it is complete; the files that keep them, one a part, are named by the model's identity, the engine and the
    number format, and each batch by its prompts, decoding and seed.

    Raises:
        UserError: greedy texts are asked for more than once, the model cannot be used, or with `runtime.canary` it does
            not say what it said when it was trained.
    """
    runtime = runtime or config.Runtime()
    if n > 1 and decoding.temperature == 0:
        raise UserError(
            f"{n} greedy texts of one question are all equal", field="--n", mend="use --n 1, or a --temperature above 0"
        )
    identity = models.identify(model, offline=runtime.offline)
    digest = hashlib.sha256(f"{identity} {engine} {dtype}".encode()).hexdigest()[:12]
    kept: list[Path] = []
    tokens = cut_off = 0

    def requests(part: Sequence[Question]) -> list[Request]:
        prompts = [(q.id, builder.prompt(q.question, shots)) for q in part]
        return [Request(id, number, prompt) for id, prompt in prompts for number in range(n)]

    def texts(loaded: Engine) -> Iterator[dict[str, Any]]:
        nonlocal tokens, cut_off
        for number, part in enumerate(journal.parts(asked, n)):
            if out != "-":
                kept.append(Path(out).with_name(f".{Path(out).name}.{digest}.{number}.partial"))
            told = None if on_progress is None else _after(on_progress, number * len(first) * n, len(asked) * n, tokens)
            made = journal.generate(loaded, requests(part), decoding, kept[-1] if kept else None, told)
            text = {question.id: question.question for question in part}
            for c in made:
                tokens, cut_off = tokens + c.tokens, cut_off + (c.finish == "length")
                row = {"id": c.id, "question": text[c.id], "response": c.text}
                yield row | ({"sample": c.sample} if n > 1 else {})

    first, *later = journal.parts(asked, n) if asked else [[]]
    with enough_memory(MEND):  # vLLM loads its weights at the first batch
        loaded = engines.load(engine, model, dtype=dtype, trust_remote_code=trust_remote_code, runtime=runtime)
        try:
            if runtime.canary and (said := parity.read(model)) is not None:
                canary.same_as_trained(loaded, said, model, dtype)
            for part in later:  # refused now, or after hours; the first part is next
                loaded.plan(requests(part), decoding)
            responses = jsonl.write(out, texts(loaded))
        finally:
            loaded.close()
    for journaled in kept:
        journaled.unlink(missing_ok=True)
    return Sampled(responses, tokens, cut_off)


def _after(on_progress: journal.OnProgress, done: int, most: int, tokens: int) -> journal.OnProgress:
    return lambda now, _, made: on_progress(done + now, most, tokens + made)


def step_seed(seed: int) -> int:
    """The seed that `sample` gives to the engine for a user's seed."""
    return derive(seed, "sample")
