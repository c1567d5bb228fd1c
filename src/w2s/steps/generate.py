"""A model answers a split: zero-shot, few-shot, greedy or sampled."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from w2s.answers import answered_all
from w2s.config.choices import Dtype
from w2s.config.references import Reference
from w2s.engines.base import Completion, Decoding, Engine, Loading, Request
from w2s.engines.generation import Generation, Part, Sampler
from w2s.errors import enough_memory
from w2s.flow.step import Context
from w2s.method import early_stopping
from w2s.method.voting import PairRule
from w2s.records import Answered, Response
from w2s.steps import io, launch
from w2s.steps.params import Prompted, Reading

HINT = (
    "use dtype=bfloat16 or a lower max_new_tokens, share the model between devices (engine=vllm "
    "runtime.tensor_parallel=N), or change runtime.device_memory; finished work is kept, and the same command goes on"
)


class Answer(Prompted):
    """What decides responses, beside questions and demonstrations.

    Args:
        model: the base's identity; None where an input is the model.
        quantize: of an input model's base.
    """

    model: str | None = None
    quantize: str | None = None
    engine: str
    dtype: Dtype
    n: int
    temperature: float
    top_p: float
    max_new_tokens: int
    seed: int
    stop: tuple[str, ...]
    trust_remote_code: bool

    def decoding(self) -> Decoding:
        return Decoding(self.max_new_tokens, self.temperature, self.top_p, self.stop, self.seed)


class AnswerUntilSettled(Reading, Answer):
    """Thresholds of Stage II; None for a majority vote."""

    confidence: float | None = None
    reject_confidence: float | None = None
    max_pairs: int | None = None


def unmarked(result: Mapping[str, Any]) -> str | None:
    """Why the rows of an earlier version do not do: some are cut, and do not say so."""
    if not result.get("cut_off") or result.get("cut_marked"):
        return None
    return f"{result['cut_off']:,} of its responses are cut, and its rows do not say which"


def answer(context: Context[Answer]) -> dict[str, Any]:
    """Write `n` responses per question; a killed step resumes."""
    return _generate(context)


def answer_until_settled(context: Context[AnswerUntilSettled]) -> dict[str, Any]:
    """As `answer`, with only as many samples as decide the outcome (ours, exact).

    The outcome: Stage II's with input "weak", else the majority answer. All `n` where an answer timed out.
    """
    params, n = context.params, context.params.n
    first, is_settled = _stopping(context)
    questions = waves = 0

    def sample(generation: Generation, engine: Engine, part: Part) -> Iterator[Completion]:
        nonlocal questions, waves
        text = {question.id: question.question for question in part.questions}
        completions: dict[str, list[Completion]] = {id: [] for id in text}
        answers: dict[str, list[Answered]] = {id: [] for id in text}
        target = {id: first(id) for id in text}
        wave = 0
        while target:
            new = [Request(id, k, part.prompts[id]) for id in target for k in range(len(completions[id]), target[id])]
            batch = generation.complete(engine, new, f"{part.number}-{wave}")
            responses = [Response(c.id, text[c.id], c.text, c.sample) for c in batch]
            for c, answer in zip(batch, answered_all(responses, params.rule), strict=True):
                completions[c.id].append(c)
                answers[c.id].append(answer)
            unsettled = {id: k for id, k in target.items() if k < n and not is_settled(id, answers[id])}
            generation.most -= sum(n - k for id, k in target.items() if id not in unsettled)
            target = {id: min(n, k + max(1, n // 10)) for id, k in unsettled.items()}
            wave += 1
        questions, waves = questions + len(text), max(waves, wave)
        yield from itertools.chain.from_iterable(completions.values())

    result = _generate(context, sample)
    return result | {"of_all": n * questions, "waves": waves}


def _stopping(
    context: Context[AnswerUntilSettled],
) -> tuple[Callable[[str], int], Callable[[str, Sequence[Answered]], bool]]:
    """How many samples come first, and whether they suffice."""
    params, n = context.params, context.params.n

    def undecided(answers: Iterable[Answered]) -> bool:
        return any(answer.undecided for answer in answers)

    if "weak" not in context.inputs:
        return (
            lambda id: early_stopping.least(n),
            lambda id, samples: not undecided(samples) and early_stopping.settled_vote(samples, n) is not None,
        )
    assert params.confidence is not None and params.reject_confidence is not None and params.max_pairs is not None
    rule = PairRule(params.confidence, params.reject_confidence, params.max_pairs)
    weak: dict[str, Answered] = {}
    for answer in io.answers(context.inputs["weak"], params.rule):  # of its text, only whether it is empty counts
        weak[answer.id] = replace(answer, question="", response=answer.response.strip()[:1], prediction=None)

    def first(id: str) -> int:
        return n if weak[id].undecided else early_stopping.least(n, rule, weak[id].key is not None)

    def is_settled(id: str, samples: Sequence[Answered]) -> bool:
        if undecided((weak[id], *samples)):
            return False
        return early_stopping.settled(samples, n, weak[id], rule) is not None

    return first, is_settled


def _generate(context: Context[Answer], sample: Sampler | None = None) -> dict[str, Any]:
    params, inputs, builder = context.params, context.inputs, context.resources.builder
    shots = io.read_responses(inputs["demonstrations"]) if "demonstrations" in inputs else []
    model = str(inputs.get("model") or context.resources.model)
    quantized = model if params.quantize is None else str(Reference(model, quantize=params.quantize))
    loading = Loading(params.engine, params.dtype, params.trust_remote_code, context.runtime, context.processes)
    generation = Generation(
        lambda: io.questions(inputs["questions"]),
        lambda question: builder.prompt(question, shots),
        params.n,
        params.decoding(),
        lambda name: context.scratch / f"journal-{name}.jsonl",
        context.progress,
    )
    started = time.perf_counter()
    with enough_memory(HINT):
        check = generation.run(
            lambda: launch.engine(quantized, loading),
            model,
            loading,
            lambda responses: io.write_responses(context.output, responses, several=params.n > 1),
            sample,
        )
    known = {"device_memory": generation.device_memory, "parity": check}
    return {
        "of": generation.done,
        "tokens": generation.tokens,
        "cut_off": generation.cut_off,
        "cut_marked": True,
        "generation_seconds": round(time.perf_counter() - started, 3),
    } | {name: value for name, value in known.items() if value is not None}
