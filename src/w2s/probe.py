"""A few seconds of generation and of training with the recipe's models: what this machine's speed is (ours)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from w2s import chat, engines, models
from w2s.config import Run, Training
from w2s.engines.base import Decoding, Request
from w2s.errors import UserError, enough_memory
from w2s.records import Example, Question

SECONDS = 3.0
"""Generation goes on for this long, in whole batches."""

QUESTIONS = 64
"""Questions a batch. A run's batches are larger, so it is rather faster than this."""

STEPS = 4
"""Optimiser steps of the training probe, fewer where there are too few questions."""


def measure(run: Run, questions: Sequence[Question]) -> tuple[dict[str, float], dict[str, float]]:
    """Tokens a second that each model writes, and that it is trained on, by role. Writes to a temporary folder only.

    Models are loaded as a run loads them; loading is not timed. The training texts are the model's own.

    Raises:
        UserError: a model cannot be loaded or does not fit, or there is no question to answer.
    """
    if not questions:
        raise UserError("there is no question to probe with")
    generated: dict[str, float] = {}
    trained: dict[str, float] = {}
    for role, reference in (("weak", run.recipe.weak), ("strong", run.recipe.strong)):
        with enough_memory(f"the {role} model is too large to be measured here: give --tokens-per-second instead"):
            generated[role], examples = _generate(run, reference, questions)
            training = run.recipe.weak_training if role == "weak" else run.recipe.training
            if run.recipe.engine != "scripted":
                trained[role] = _train(run, reference, examples, training)
    return generated, trained


def _generate(run: Run, reference: str, questions: Sequence[Question]) -> tuple[float, list[Example]]:
    recipe = run.recipe
    engine = engines.load(
        recipe.engine,
        reference,
        dtype=recipe.dtype,
        trust_remote_code=recipe.trust_remote_code,
        runtime=run.runtime,
    )
    builder = chat.builder(recipe.prompt_of(reference), reference, run.runtime.offline)
    sampling = recipe.sampling
    decoding = Decoding(recipe.max_new_tokens, sampling.temperature, sampling.top_p, builder.stop(False))
    tokens, examples = 0, []
    try:
        engine.run([Request(questions[0].id, 0, builder.prompt(questions[0].question))], decoding)  # warm
        began, place = time.perf_counter(), 0
        while place < len(questions) and (place == 0 or time.perf_counter() - began < SECONDS):
            asked = questions[place : place + QUESTIONS]
            prompts = {question.id: builder.prompt(question.question) for question in asked}
            for batch in engine.plan([Request(id, 0, prompt) for id, prompt in prompts.items()], decoding):
                for done in engine.run(batch, decoding):
                    tokens += done.tokens
                    examples.append(Example(done.id, prompts[done.id], builder.completion(done.text or "#### 0")))
            place += len(asked)
        return tokens / (time.perf_counter() - began), examples
    finally:
        engine.close()


def _train(run: Run, reference: str, examples: Sequence[Example], training: Training) -> float:
    from w2s.training import sft

    base = models.folder(reference, offline=run.runtime.offline)
    with tempfile.TemporaryDirectory() as folder:
        result = sft.train(
            base,
            examples[: STEPS * training.batch_size],
            Path(folder) / "model",
            training.model_copy(update={"epochs": 1}),
            seed=0,
            dtype=run.recipe.dtype,
            quantize=models.parse(reference).quantize,
            runtime=run.runtime,
        )
    return result.tokens / result.seconds
