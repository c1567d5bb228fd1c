"""Fine-tuning steps. `w2s.training` is imported inside: it takes seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from w2s.config.schema import Dtype, Preference, Training, Trl
from w2s.errors import BranchEnds, enough_memory
from w2s.flow.step import Context, Params
from w2s.steps import launch
from w2s.steps.io import read_examples, read_preferences

if TYPE_CHECKING:
    from w2s.training.history import TrainResult
    from w2s.training.setup import Setup

HINT = (
    "set runtime.micro_batch=1 and runtime.gradient_checkpointing=true, train adapters (training.lora.rank=8, and for "
    "preference and weak_training likewise), or share the model between devices (runtime.launcher=ray "
    "runtime.train_workers=N runtime.sharding=fsdp); what is finished stays, and the same command goes on"
)

UNCOMPARED = (
    "the base was in 4 bits while adapters were trained and is saved as it was before: what was saved has other "
    "log-probabilities than what was trained, and nothing says how far off is too far"
)
"""Why a saved quantised base is not compared (`training.verify`)."""


class TrainingStep(Params):
    """What trainings share.

    Args:
        model: the base's identity; None where an input is the model.
        quantize: of an input model's base.
        dtype: of matrix products.
        trainer, trl: None: our loop.
    """

    model: str | None = None
    quantize: str | None = None
    training: Training
    seed: int
    dtype: Dtype
    trainer: Literal["trl"] | None = None
    trl: Trl | None = None


class FineTune(TrainingStep):
    """Rows of "weak", "icl" or "both"."""

    source: str


class Prefer(TrainingStep):
    """A loss; `source` is the hash of a user's own."""

    loss: str
    source: str | None = None
    training: Preference

    def identity(self) -> dict[str, Any]:
        """Without `losses`: each has its step."""
        return super().identity() | {"training": self.training.model_dump(exclude={"losses"})}


def fine_tune(context: Context[FineTune]) -> dict[str, Any]:
    """Supervised fine-tuning; writes a model folder.

    Raises:
        BranchEnds: no example, or all spell special tokens.
        UserError: as `sft.train`, or too little memory.
    """
    config = context.params.training
    job = _prepare(context, read_examples(context.inputs["data"], context.params.source))
    with enough_memory(HINT), launch.training(_function(context, "sft"), context) as train:
        result = train(job.start, job.examples, context.output, config, job.setup)
    return job.record(result)


def prefer(context: Context[Prefer]) -> dict[str, Any]:
    """Preference optimisation; the start model is the reference (paper: M_plus).

    Raises:
        BranchEnds: no pair, or all spell special tokens.
        UserError: as `preference.train`, or too little memory.
    """
    config, more = context.params.training, {"loss": context.params.loss, "reference_cache": context.cache}
    job = _prepare(context, read_preferences(context.inputs["data"]))
    with enough_memory(HINT), launch.training(_function(context, "preference"), context) as train:
        result = train(job.start, job.examples, context.output, config, job.setup, **more)
    return job.record(result)


def _function(context: Context[Any], kind: Literal["sft", "preference"]) -> Callable[..., Any]:
    from w2s.training import trainers

    return trainers.load(context.params.trainer or "w2s", kind)


@dataclass(frozen=True)
class _Job:
    """`skipped` examples spell special tokens."""

    start: Path
    examples: Sequence[Any]
    setup: Setup
    first: dict[str, Any]
    skipped: int

    def record(self, result: TrainResult) -> dict[str, Any]:
        record = asdict(result) | {"first_example": self.first}
        if self.skipped:
            record["spelled"] = self.skipped
        return record if self.setup.quantize is None else record | {"not_compared": UNCOMPARED}


def _prepare(context: Context[Any], examples: Sequence[Any]) -> _Job:
    """Skip examples that spell special tokens; show the first other."""
    from w2s.training import preview, state
    from w2s.training.setup import Setup

    if not examples:
        raise BranchEnds("there is no example to train on")
    params, runtime, start = context.params, context.runtime, _start(context)
    teachable = preview.teachable(start, examples, offline=runtime.offline)
    if not teachable:
        raise BranchEnds("every example spells the model's special tokens")
    first = preview.first_example(start, teachable, params.training.max_length, offline=runtime.offline)
    context.show(preview.block(first))
    setup = Setup(params.seed, params.dtype, _quantize(context), runtime, context.scratch / launch.STATE, params.trl)
    training = params.training
    steps = math.ceil(math.ceil(len(teachable) / training.batch_size) * training.epochs)  # as `Trainer.train`
    context.progress(*(state.reached(context.scratch / launch.STATE) or (0, steps)))  # loading a model takes a while
    return _Job(start, teachable, setup, first, len(examples) - len(teachable))


def _start(context: Context[Any]) -> Path:
    """The folder to start from; adapters are not merged."""
    if "model" in context.inputs:
        return context.inputs["model"]
    base = context.resources.model
    return base.adapter or base.folder()


def _quantize(context: Context[Any]) -> str | None:
    return context.params.quantize if "model" in context.inputs else context.resources.model.quantize
