"""`w2s sample`: a model answers questions, resuming after a kill."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from w2s import engines, models, preflight, tasks
from w2s.config import schema
from w2s.data import index
from w2s.engines.base import Decoding, Loading
from w2s.engines.generation import Generation
from w2s.engines.journal import OnProgress
from w2s.errors import UserError, enough_memory
from w2s.findings import refuse
from w2s.models import chat
from w2s.prompting import PLAIN
from w2s.records import Question, Response
from w2s.seeds import derive
from w2s.steps import io
from w2s.verbs.inputs import refuse_overwriting
from w2s.verbs.options import SampleOptions

HINT = "use --dtype bfloat16, a lower --max-new-tokens or another --engine; the same command goes on"
"""For too little memory."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Responses, generated tokens, responses cut at the limit."""

    responses: int
    tokens: int
    cut_off: int


def questions(task: str, split: str, limit: int | None = None) -> list[Question]:
    """The first `limit` questions of a split, or of a file.

    Raises:
        UserError: no such task or split, or a bad file.
    """
    settings = tasks.by_name(task, limit)
    if isinstance(settings, schema.FilesTask) and (
        task == "jsonl" or split not in tasks.SPLITS or Path(split).exists()
    ):
        settings, split = settings.model_copy(update={"test": split}), "test"
    return tasks.load(settings).questions(split)[:limit]


def demonstrations(file: Path) -> list[Response]:
    """Responses to show before each question.

    Raises:
        UserError: a bad or empty file.
    """
    shots = []
    for row, raw in index.responses(file, index.Reader()):
        row.check_unicode("question", "response")
        if not raw.response.strip():
            raise row.error("response is empty", "response", expected="some text", hint="delete the row or fill it in")
        shots.append(Response(str(raw.id), raw.question, raw.response))
    return shots


def answer(
    model: str,
    task: str,
    split: str,
    out: str,
    options: SampleOptions,
    on_progress: OnProgress | None = None,
) -> Sampled:
    """Answer a split or a file.

    Raises:
        UserError: bad input or options, or `out` is an input.
    """
    runtime, temperature = options.get("runtime", schema.Runtime()), options.get("temperature", 1.0)
    few_shot, found = options.get("few_shot"), models.find(model, runtime.offline)
    inputs = {"--few-shot": few_shot, "--split": split if Path(split).is_file() else None}
    inputs |= {"--model": found.kind.text, "--model, its base": found.local()}
    refuse_overwriting(out, inputs)
    job = preflight.Job(options.get("engine", "transformers"), False, runtime, {"--model": found})
    refuse(preflight.of_job(job))
    shots = () if few_shot is None else demonstrations(Path(few_shot))
    builder = chat.builder(options.get("prompt", "plain"), found)
    return sample(
        questions(task, split, options.get("limit")),
        out,
        model=model,
        n=options.get("n") or (10 if temperature > 0 else 1),
        decoding=Decoding(
            options.get("max_new_tokens", 512),
            temperature,
            options.get("top_p", 1.0),
            builder.stop(bool(shots)),
            step_seed(options.get("seed", 0)),
        ),
        prompt=lambda question: builder.prompt(question, shots),
        loading=Loading(
            options.get("engine", "transformers"),
            options.get("dtype", "float32"),
            options.get("trust_remote_code", False),
            runtime,
        ),
        on_progress=on_progress,
    )


def sample(
    questions: Sequence[Question],
    out: str,
    *,
    model: str,
    n: int,
    decoding: Decoding,
    prompt: Callable[[str], str] = PLAIN.prompt,
    loading: Loading | None = None,
    on_progress: OnProgress | None = None,
) -> Sampled:
    """Write `n` responses per question to `out` ("-": standard output), in order.

    Finished batches stay beside `out` until it is complete. `decoding` has the engine's seed (`step_seed`). `loading`
    None: transformers, float32.

    Raises:
        UserError: several greedy responses, or a bad model.
    """
    loading = loading or Loading()
    if n > 1 and decoding.temperature == 0:
        raise UserError(
            f"{n} greedy responses to one question are all equal",
            field="--n",
            hint="use --n 1, or a --temperature above 0",
        )
    identity = models.identify(model, offline=loading.runtime.offline)
    digest = hashlib.sha256(f"{identity} {loading.engine} {loading.dtype}".encode()).hexdigest()[:12]
    journals: list[Path] = []

    def journal_file(name: str) -> Path | None:
        if out == "-":
            return None
        journals.append(Path(out).with_name(f".{Path(out).name}.{digest}.{name}.partial"))
        return journals[-1]

    def write(responses: Iterable[Response]) -> None:
        io.write_responses(out, responses, several=n > 1)

    generation = Generation(lambda: questions, prompt, n, decoding, journal_file, on_progress)
    with enough_memory(HINT):
        generation.run(lambda: engines.load(model, loading), model, loading, write)
    for journal in journals:
        journal.unlink(missing_ok=True)
    return Sampled(generation.done, generation.tokens, generation.cut_off)


def step_seed(seed: int) -> int:
    """The engine's seed for a user's seed."""
    return derive(seed, "sample")
