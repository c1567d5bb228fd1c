"""A model answers the questions of a split: zero-shot, few-shot, greedy or sampled.

Questions are answered in parts (`journal.parts`), and one is written before the next is asked for: memory holds one
part, whatever the number of questions. Each part is planned apart and has journals of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from w2s import parity
from w2s.answers import answered_all, undecided
from w2s.engines import canary, journal
from w2s.engines.base import Completion, Decoding, Engine, Request
from w2s.errors import enough_memory
from w2s.flow.step import Context
from w2s.method import adaptive
from w2s.method.fate import Rule, Weak
from w2s.records import Answered, Question, Response
from w2s.references import Reference
from w2s.steps import launch, rows


@dataclass(slots=True)
class _Meter:
    """How much is done, over all parts and waves; `most` is how many responses there can be in all."""

    context: Context
    most: int
    done: int = 0
    tokens: int = 0

    def start(self) -> journal.OnProgress:
        """Progress of one more call of `journal.generate`."""
        done, tokens = self.done, self.tokens

        def told(now: int, _: int, made: int) -> None:
            self.done, self.tokens = done + now, tokens + made
            self.context.progress(self.done, self.most, self.tokens)

        return told


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of the questions, with their prompts by id."""

    number: int
    questions: Sequence[Question]
    prompts: dict[str, str]

    def requests(self, n: int) -> list[Request]:
        """All requests of the part, the samples of a question together."""
        return [Request(q.id, k, self.prompts[q.id]) for q in self.questions for k in range(n)]


MEND = (
    "use dtype=bfloat16 or a lower max_new_tokens, share the model between devices (engine=vllm "
    "runtime.tensor_parallel=N), or change runtime.device_memory; what is finished stays, and the same command goes on"
)
"""What helps where memory is too small for a model or its texts."""

Draw = Callable[[Engine, _Part, _Meter], Iterable[Completion]]
"""Draws the texts of a part, in the order of its questions."""


def answer(context: Context) -> dict[str, Any]:
    """Write the responses, in the order of the questions; unfinished work is kept in a journal and taken up again."""
    n, decoding = context.params["n"], _decoding(context)

    def draw(engine: Engine, part: _Part, meter: _Meter) -> Iterable[Completion]:
        journaled = context.scratch / f"journal-{part.number}.jsonl"
        return journal.generate(engine, part.requests(n), decoding, journaled, meter.start())

    return _generate(context, draw)


def answer_until_settled(context: Context) -> dict[str, Any]:
    """As `answer`, but of each question's `n` samples only as many as decide what becomes of it (ours, exact).

    With an input "weak" that is its fate in Stage II (`adaptive.settled`), else its majority answer
    (`adaptive.settled_vote`). Samples are drawn in waves: first the fewest that can settle anything, then a tenth of
    `n` more of each question that is open. Each has the seed that it would have with all `n` drawn. A wave follows
    from the ones before and has a journal of its own, so a run that was killed draws the same waves again. A question
    with an answer that was not read in time is drawn to the end: the selection may read it.
    """
    params, n, decoding = context.params, context.params["n"], _decoding(context)
    first, is_settled = _stopping(context)
    questions = waves = 0

    def draw(engine: Engine, part: _Part, meter: _Meter) -> Iterator[Completion]:
        nonlocal questions, waves
        text = {question.id: question.question for question in part.questions}
        drawn: dict[str, list[Completion]] = {id: [] for id in text}
        heard: dict[str, list[Answered]] = {id: [] for id in text}
        wanted = {id: first(id) for id in text}
        wave = 0
        while wanted:
            requests = [Request(id, k, part.prompts[id]) for id in wanted for k in range(len(drawn[id]), wanted[id])]
            journaled = context.scratch / f"journal-{part.number}-{wave}.jsonl"
            made = journal.generate(engine, requests, decoding, journaled, meter.start())
            responses = [Response(c.id, text[c.id], c.text, c.sample) for c in made]
            for c, answer in zip(made, answered_all(responses, params["style"], params["match"]), strict=True):
                drawn[c.id].append(c)
                heard[c.id].append(answer)
            unsettled = {id: k for id, k in wanted.items() if k < n and not is_settled(id, heard[id])}
            meter.most -= sum(n - k for id, k in wanted.items() if id not in unsettled)
            wanted = {id: min(n, k + max(1, n // 10)) for id, k in unsettled.items()}
            wave += 1
        questions, waves = questions + len(text), max(waves, wave)
        yield from itertools.chain.from_iterable(drawn.values())

    result = _generate(context, draw)
    return result | {"of_all": n * questions, "waves": waves}


def _stopping(context: Context) -> tuple[Callable[[str], int], Callable[[str, Sequence[Answered]], bool]]:
    """How many samples of a question to draw first, and whether those drawn are enough."""
    params, n = context.params, context.params["n"]

    def unread(answers: Iterable[Answered]) -> bool:
        return any(undecided(answer.prediction, answer.key, params["match"]) for answer in answers)

    if "weak" not in context.inputs:
        return (
            lambda id: adaptive.least(n),
            lambda id, samples: not unread(samples) and adaptive.settled_vote(samples, n) is not None,
        )
    rule = Rule(params["confidence"], params["reject_confidence"], params["max_pairs"])
    weak: dict[str, Weak | None] = {}
    for answer in rows.answers(context.inputs["weak"], params):
        weak[answer.id] = None if unread([answer]) else Weak(answer.key, not answer.response.strip())

    def first(id: str) -> int:
        known = weak[id]
        return n if known is None else adaptive.least(n, rule, known.key is not None)

    def is_settled(id: str, samples: Sequence[Answered]) -> bool:
        known = weak[id]
        return known is not None and not unread(samples) and adaptive.settled(samples, n, known, rule) is not None

    return first, is_settled


def _generate(context: Context, draw: Draw) -> dict[str, Any]:
    """Draw one part after the other, and write the responses as they come."""
    n, cut_off = context.params["n"], 0
    meter = _Meter(context, n * sum(1 for _ in rows.questions(context.inputs["questions"])))

    def responses(engine: Engine) -> Iterator[Response]:
        nonlocal cut_off
        for part in _parts(context):
            text = {question.id: question.question for question in part.questions}
            for c in draw(engine, part, meter):
                cut_off += c.finish == "length"
                yield Response(c.id, text[c.id], c.text, c.sample)

    started = time.perf_counter()
    if not meter.most:
        rows.write_responses(context.output, (), several=n > 1)  # nothing is asked: no model is loaded
        return {"of": 0, "tokens": 0, "cut_off": 0, "generation_seconds": 0.0}
    with enough_memory(MEND), _engine(context) as engine:
        same = _same_as_trained(context, engine)
        for part in itertools.islice(_parts(context), 1, None):  # refused now, or after hours; the first one is next
            engine.plan(part.requests(n), _decoding(context))
        rows.write_responses(context.output, responses(engine), several=n > 1)
    return {
        "of": meter.done,
        "tokens": meter.tokens,
        "cut_off": cut_off,
        "generation_seconds": round(time.perf_counter() - started, 3),
    } | ({} if same is None else {"parity": same})


def _same_as_trained(context: Context, engine: Engine) -> dict[str, Any] | None:
    """The parity gate (`canary.same_as_trained`), where the model's training left something to compare with."""
    kept = parity.read(_model(context)) if context.runtime.canary else None
    return None if kept is None else canary.same_as_trained(engine, kept, _model(context), context.params["dtype"])


def _model(context: Context) -> str:
    return str(context.inputs.get("model") or context.given["model"])


def _parts(context: Context) -> Iterator[_Part]:
    inputs, builder = context.inputs, context.given["builder"]
    shots = rows.read_responses(inputs["demonstrations"]) if "demonstrations" in inputs else []
    asked = journal.parts(rows.questions(inputs["questions"]), context.params["n"])
    for number, some in enumerate(asked):
        yield _Part(number, some, {question.id: builder.prompt(question.question, shots) for question in some})


def _decoding(context: Context) -> Decoding:
    params = context.params
    return Decoding(
        max_new_tokens=params["max_new_tokens"],
        temperature=params["temperature"],
        top_p=params["top_p"],
        stop=tuple(params["stop"]),
        seed=params["seed"],
    )


@contextlib.contextmanager
def _engine(context: Context) -> Iterator[Engine]:
    params = context.params
    model = _model(context)
    if "quantize" in params:
        model = str(Reference(model, quantize=params["quantize"]))
    engine = launch.engine(
        params["engine"],
        model,
        dtype=params["dtype"],
        trust_remote_code=params["trust_remote_code"],
        runtime=context.runtime,
    )
    try:
        yield engine
    finally:
        engine.close()
