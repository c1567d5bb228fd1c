"""Fine-tuning steps: each Stage I model from the base, each Stage II model from M_plus.

`w2s.training` is imported inside: it takes seconds, and a run that reuses everything never needs it.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from w2s import models
from w2s.config import Preference, Training
from w2s.errors import BranchEnds
from w2s.flow.step import Context
from w2s.steps import launch
from w2s.steps.rows import read_examples, read_preferences


def fine_tune(context: Context) -> dict[str, Any]:
    """Supervised fine-tuning of the model on prompt-completion rows; writes a model folder."""
    from w2s.training import sft

    params = context.params
    examples = read_examples(context.inputs["data"], params["source"])
    if not examples:
        raise BranchEnds("there is no example to train on")
    result = launch.train(
        sft.train,
        context,
        _start(context),
        examples,
        context.output,
        Training.model_validate(params["training"]),
        seed=params["seed"],
        dtype=params["dtype"],
        quantize=_quantize(context),
        runtime=context.runtime,
    )
    return asdict(result)


def prefer(context: Context) -> dict[str, Any]:
    """Preference optimisation; the reference is the model that training starts from (paper: M_plus)."""
    from w2s.training import preference

    params = context.params
    result = launch.train(
        preference.train,
        context,
        _start(context),
        read_preferences(context.inputs["data"]),
        context.output,
        Preference.model_validate(params["training"]),
        params["loss"],
        seed=params["seed"],
        dtype=params["dtype"],
        quantize=_quantize(context),
        runtime=context.runtime,
        reference_cache=context.cache,
    )
    return asdict(result)


def _start(context: Context) -> Path:
    if "model" in context.inputs:
        return context.inputs["model"]
    return models.folder(context.given["model"], offline=context.runtime.offline)


def _quantize(context: Context) -> str | None:
    if "model" in context.inputs:
        return context.params.get("quantize")
    return models.parse(context.given["model"]).quantize
