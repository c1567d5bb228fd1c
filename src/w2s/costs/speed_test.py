"""Seconds of generation and training to measure this machine (ours)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from w2s import engines, models
from w2s.config.schema import Run, Training
from w2s.engines.base import Decoding, Loading, Request
from w2s.errors import UserError, enough_memory
from w2s.models import Model, chat
from w2s.records import Example, Question

SECONDS = 3.0
"""Of generation, in whole batches."""

QUESTIONS = 64
"""Per batch."""

STEPS = 4
"""Optimiser steps, at most."""


def measure(run: Run, questions: Sequence[Question]) -> dict[str, dict[str, float]]:
    """Tokens per second by kind and role, without loading. Writes to a temporary folder only.

    Raises:
        UserError: a model does not load or fit, or there is no question.
    """
    if not questions:
        raise UserError("the speed test needs a question, and train_2 has none")
    rates: dict[str, dict[str, float]] = {"generate": {}, "train": {}}
    for role, reference in (("weak", run.recipe.weak), ("strong", run.recipe.strong)):
        with enough_memory(f"the {role} model is too large to be measured here: give --tokens-per-second instead"):
            model = models.find(reference, run.runtime.offline)
            rates["generate"][role], examples = _generate(run, model, questions)
            training = run.recipe.weak_training if role == "weak" else run.recipe.training
            if run.recipe.engine != "scripted":
                rates["train"][role] = _train(run, model, examples, training)
    return rates


def _generate(run: Run, model: Model, questions: Sequence[Question]) -> tuple[float, list[Example]]:
    recipe = run.recipe
    engine = engines.load(str(model), Loading(recipe.engine, recipe.dtype, recipe.trust_remote_code, run.runtime))
    builder = chat.builder(recipe.prompt_of(str(model)), model)
    sampling = recipe.sampling
    decoding = Decoding(recipe.max_new_tokens, sampling.temperature, sampling.top_p, builder.stop(False))
    tokens, examples = 0, []
    try:
        engine.run([Request(questions[0].id, 0, builder.prompt(questions[0].question))], decoding)  # warm
        began, number = time.perf_counter(), 0
        while number < len(questions) and (number == 0 or time.perf_counter() - began < SECONDS):
            some = questions[number : number + QUESTIONS]
            prompts = {question.id: builder.prompt(question.question) for question in some}
            for batch in engine.plan([Request(id, 0, prompt) for id, prompt in prompts.items()], decoding):
                for done in engine.run(batch, decoding):
                    tokens += done.tokens
                    examples.append(Example(done.id, prompts[done.id], builder.completion(done.text or "#### 0")))
            number += len(some)
        return tokens / (time.perf_counter() - began), examples
    finally:
        engine.close()


def _train(run: Run, model: Model, examples: Sequence[Example], training: Training) -> float:
    from w2s.training import sft
    from w2s.training.setup import Setup

    with tempfile.TemporaryDirectory() as folder:
        result = sft.train(
            model.folder(),
            examples[: STEPS * training.batch_size],
            Path(folder) / "model",
            training.model_copy(update={"epochs": 1}),
            Setup(0, run.recipe.dtype, model.quantize, run.runtime),
        )
    return result.tokens / result.seconds
