"""Fine-tuning steps: each Stage I model from the base, each Stage II model from M_plus.

`w2s.training` is imported inside: it takes seconds, and a run that reuses everything never needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from w2s import models
from w2s.config import Preference, Training
from w2s.errors import BranchEnds, enough_memory
from w2s.flow.step import Context
from w2s.models import adapters
from w2s.steps import launch
from w2s.steps.rows import read_examples, read_preferences

MEND = (
    "set runtime.micro_batch=1 and runtime.gradient_checkpointing=true, train adapters (training.lora.rank=8, and for "
    "preference and weak_training likewise), or share the model between devices (runtime.launcher=ray "
    "runtime.train_workers=N runtime.sharding=fsdp); what is finished stays, and the same command goes on"
)
"""What helps where memory is too small for a training."""

UNCOMPARED = (
    "the base was held in 4 bits while adapters were trained and is saved as it was before: what was saved has other "
    "log-probabilities than what was trained, and nothing says how far off is too far"
)
"""Why the saved model of a quantised base is not compared with the trained one (`training.gate`)."""


def fine_tune(context: Context) -> dict[str, Any]:
    """Supervised fine-tuning of the model on prompt-completion rows; writes a model folder."""
    from w2s.training import sft

    params = context.params
    examples = read_examples(context.inputs["data"], params["source"])
    if not examples:
        raise BranchEnds("there is no example to train on")
    return _train(sft.train, context, examples, Training.model_validate(params["training"]))


def prefer(context: Context) -> dict[str, Any]:
    """Preference optimisation; the reference is the model that training starts from (paper: M_plus)."""
    from w2s.training import preference

    pairs, config = read_preferences(context.inputs["data"]), Preference.model_validate(context.params["training"])
    return _train(preference.train, context, pairs, config, loss=context.params["loss"], reference_cache=context.cache)


def _train(function: Callable[..., Any], context: Context, examples: Any, config: Training, **more: Any) -> Any:
    """Show the first example, then train on all of them that do not spell special tokens: `spelled` counts the others.

    Models say such things, and one in thousands would stop a run.
    """
    from w2s.training import preview

    params, start, quantize = context.params, _start(context), _quantize(context)
    given, examples = len(examples), preview.teachable(start, examples, offline=context.runtime.offline)
    if given and not examples:
        raise BranchEnds("every example spells the model's special tokens")
    first = preview.first_example(start, examples, config.max_length, offline=context.runtime.offline)
    context.show(preview.block(first))
    with enough_memory(MEND):
        result = launch.train(
            function,
            context,
            start,
            examples,
            context.output,
            config,
            seed=params["seed"],
            dtype=params["dtype"],
            quantize=quantize,
            runtime=context.runtime,
            **more,
        )
    record = asdict(result) | {"first_example": first}
    if given > len(examples):
        record["spelled"] = given - len(examples)
    return record if quantize is None else record | {"not_compared": UNCOMPARED}


def _start(context: Context) -> Path:
    if "model" in context.inputs:
        return context.inputs["model"]
    asked = models.parse(context.given["model"])
    if asked.layers is None and adapters.is_adapter(Path(asked.source)):
        return Path(asked.source)  # to be trained on, not merged
    return models.folder(context.given["model"], offline=context.runtime.offline)


def _quantize(context: Context) -> str | None:
    if "model" in context.inputs:
        return context.params.get("quantize")
    return models.parse(context.given["model"]).quantize
