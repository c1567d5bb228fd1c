"""A model answers the questions of a split: zero-shot, few-shot, greedy or sampled."""

from __future__ import annotations

import time
from typing import Any

from w2s import engines, prompting
from w2s.engines import journal
from w2s.engines.base import Decoding, Request
from w2s.flow.step import Context
from w2s.records import Response
from w2s.steps.rows import read_questions, read_responses, write_responses


def answer(context: Context) -> dict[str, Any]:
    """Write the responses, in the order of the questions; unfinished work is kept in a journal and taken up again."""
    params = context.params
    questions = read_questions(context.inputs["questions"])
    shots = read_responses(context.inputs["demonstrations"]) if "demonstrations" in context.inputs else []
    decoding = Decoding(
        max_new_tokens=params["max_new_tokens"],
        temperature=params["temperature"],
        top_p=params["top_p"],
        stop=tuple(params["stop"]),
        seed=params["seed"],
    )
    requests = [
        Request(question.id, sample, prompting.prompt(question.question, shots))
        for question in questions
        for sample in range(params["n"])
    ]
    started = time.perf_counter()
    engine = engines.load(
        params["engine"],
        str(context.inputs.get("model") or context.given["model"]),
        dtype=params["dtype"],
        trust_remote_code=params["trust_remote_code"],
        runtime=context.runtime,
    )
    try:
        completions = journal.generate(
            engine, requests, decoding, context.scratch / "journal.jsonl", on_progress=context.progress
        )
    finally:
        engine.close()
    text = {question.id: question.question for question in questions}
    write_responses(context.output, (Response(c.id, text[c.id], c.text, c.sample) for c in completions))
    return {
        "of": len(completions),
        "tokens": sum(c.tokens for c in completions),
        "cut_off": sum(c.finish == "length" for c in completions),
        "generation_seconds": round(time.perf_counter() - started, 3),
    }
