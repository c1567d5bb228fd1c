"""A model answers the questions of a split: zero-shot, few-shot, greedy or sampled."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from w2s import prompting
from w2s.answers import answered
from w2s.engines import journal
from w2s.engines.base import Completion, Decoding, Engine, Request
from w2s.flow.step import Context
from w2s.method import adaptive
from w2s.method.fate import Rule, Weak
from w2s.records import Answered, Question, Response
from w2s.steps import launch
from w2s.steps.rows import read_answered, read_questions, read_responses, write_responses


def answer(context: Context) -> dict[str, Any]:
    """Write the responses, in the order of the questions; unfinished work is kept in a journal and taken up again."""
    questions, prompts = _prompts(context)
    requests = [Request(q.id, k, prompts[q.id]) for q in questions for k in range(context.params["n"])]
    started = time.perf_counter()
    with _engine(context) as engine:
        completions = journal.generate(
            engine, requests, _decoding(context), context.scratch / "journal.jsonl", on_progress=context.progress
        )
    return _write(context, questions, completions, time.perf_counter() - started)


def answer_until_settled(context: Context) -> dict[str, Any]:
    """As `answer`, but of each question's `n` samples only as many as decide what becomes of it (ours, exact).

    With an input "weak" that is its fate in Stage II (`adaptive.settled`), else its majority answer
    (`adaptive.settled_vote`). Samples are drawn in waves: first the fewest that can settle anything, then a tenth of
    `n` more of each question that is open. Each has the seed that it would have with all `n` drawn. A wave follows
    from the ones before and has a journal of its own, so a run that was killed draws the same waves again.
    """
    params, n = context.params, context.params["n"]
    questions, prompts = _prompts(context)
    text = {question.id: question.question for question in questions}
    first, is_settled = _stopping(context)
    drawn: dict[str, list[Completion]] = {id: [] for id in text}
    heard: dict[str, list[Answered]] = {id: [] for id in text}
    wanted = {id: first(id) for id in text}
    wave = tokens = 0
    started = time.perf_counter()
    with _engine(context) as engine:
        while wanted:
            requests = [Request(id, k, prompts[id]) for id in wanted for k in range(len(drawn[id]), wanted[id])]
            before = sum(map(len, drawn.values()))
            most = before + sum(n - len(drawn[id]) for id in wanted)
            journaled = context.scratch / f"journal-{wave}.jsonl"
            on_progress = _shifted(context, before, most, tokens)
            for c in journal.generate(engine, requests, _decoding(context), journaled, on_progress):
                drawn[c.id].append(c)
                heard[c.id].append(
                    answered(Response(c.id, text[c.id], c.text, c.sample), params["style"], params["match"])
                )
                tokens += c.tokens
            wanted = {id: min(n, k + max(1, n // 10)) for id, k in wanted.items() if k < n}
            wanted = {id: k for id, k in wanted.items() if not is_settled(id, heard[id])}
            wave += 1
    everything = [completion for completions in drawn.values() for completion in completions]
    result = _write(context, questions, everything, time.perf_counter() - started)
    return result | {"of_all": n * len(questions), "waves": wave}


def _stopping(context: Context) -> tuple[Callable[[str], int], Callable[[str, Sequence[Answered]], bool]]:
    """How many samples of a question to draw first, and whether those drawn are enough."""
    params, n = context.params, context.params["n"]
    if "weak" not in context.inputs:
        return lambda id: adaptive.least(n), lambda id, samples: adaptive.settled_vote(samples, n) is not None
    rule = Rule(params["confidence"], params["reject_confidence"], params["max_pairs"])
    weak = {a.id: Weak(a.key, not a.response.strip()) for a in read_answered(context.inputs["weak"], params)}
    return (
        lambda id: adaptive.least(n, rule, weak[id].key is not None),
        lambda id, samples: adaptive.settled(samples, n, weak[id], rule) is not None,
    )


def _shifted(context: Context, done: int, total: int, tokens: int) -> journal.OnProgress:
    return lambda now, _, made: context.progress(done + now, total, tokens + made)


def _prompts(context: Context) -> tuple[list[Question], dict[str, str]]:
    questions = read_questions(context.inputs["questions"])
    shots = read_responses(context.inputs["demonstrations"]) if "demonstrations" in context.inputs else []
    return questions, {question.id: prompting.prompt(question.question, shots) for question in questions}


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
    engine = launch.engine(
        params["engine"],
        str(context.inputs.get("model") or context.given["model"]),
        dtype=params["dtype"],
        trust_remote_code=params["trust_remote_code"],
        runtime=context.runtime,
    )
    try:
        yield engine
    finally:
        engine.close()


def _write(
    context: Context, questions: Iterable[Question], completions: Sequence[Completion], seconds: float
) -> dict[str, Any]:
    text = {question.id: question.question for question in questions}
    write_responses(context.output, (Response(c.id, text[c.id], c.text, c.sample) for c in completions))
    return {
        "of": len(completions),
        "tokens": sum(c.tokens for c in completions),
        "cut_off": sum(c.finish == "length" for c in completions),
        "generation_seconds": round(seconds, 3),
    }
