"""TRL's trainers in the place of our loop (`trainer: trl`).

Rows, masks, EOS, LoRA's start and the saved folder are ours, by the same code. The order of examples, the losses and
the updates are TRL's, through accelerate.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from transformers import PrinterCallback

from w2s.config import schema as configs
from w2s.config import trainers
from w2s.errors import UserError
from w2s.records import Example, Preference
from w2s.training import attention, checkpoint, data, distributed, signals, trl_launch, trl_trainers
from w2s.training.checkpoint import Start
from w2s.training.data import Encoded
from w2s.training.distributed import Team
from w2s.training.early_stop import DropStop
from w2s.training.history import TrainResult
from w2s.training.loop import OnProgress, give_memory_back, quiet
from w2s.training.model import SharedModel
from w2s.training.setup import Setup
from w2s.training.trl_states import Watch


class Shared(SharedModel):
    """The model that TRL trains; whole in this process."""

    @property
    def network(self) -> Any:
        return self._model

    def autocast(self) -> Any:
        return self._autocast()

    def put(self, weights: Mapping[str, torch.Tensor]) -> None:
        for name, parameter in self._model.named_parameters():
            if parameter.requires_grad:
                parameter.data.copy_(weights[name])


@dataclass(frozen=True)
class Job:
    """A training: `rows`, one or two per example; `learned`, the first of each."""

    start: Start
    tokenizer: Any
    config: configs.Training
    team: Team
    setup: Setup
    prompts: list[str]
    rows: Sequence[tuple[Encoded, ...]]

    @property
    def trl(self) -> configs.Trl:
        return self.setup.trl or configs.Trl()

    @property
    def learned(self) -> list[Encoded]:
        return [row[0] for row in self.rows]

    def load(self) -> Shared:
        alone = replace(self.team, rank=0, size=1)
        pairs = isinstance(self.config, configs.Preference)
        return Shared(self.start, self.tokenizer, self.config, alone, self.setup, dropout=not pairs)

    def arguments(self, folder: Path) -> dict[str, Any]:
        """Of transformers' `TrainingArguments`; what is not here is TRL's default."""
        config, runtime, device = self.config, self.setup.runtime, self.team.device
        share = config.batch_size // self.team.size
        most = min(runtime.micro_batch or share, share)
        size = next(size for size in range(most, 0, -1) if share % size == 0)
        return {
            "output_dir": str(folder),
            "learning_rate": config.learning_rate,
            "lr_scheduler_type": "constant_with_warmup" if config.schedule == "constant" else config.schedule,
            "weight_decay": config.weight_decay,
            "max_grad_norm": config.max_grad_norm,
            "num_train_epochs": config.epochs,
            "per_device_train_batch_size": size,
            "gradient_accumulation_steps": share // size,
            "gradient_checkpointing": runtime.gradient_checkpointing,
            "gradient_checkpointing_kwargs": {"use_reentrant": False},
            "bf16": self.setup.dtype == "bfloat16",
            "use_cpu": device.type == "cpu",
            "dataloader_pin_memory": device.type != "cpu",
            "use_liger_kernel": self.trl.liger,
            "seed": self.setup.seed % 2**32,
            "logging_steps": 1,
            "logging_nan_inf_filter": False,
            "save_strategy": "no",  # `Watch` says when
            "save_total_limit": 2,
            "report_to": "none",
            "disable_tqdm": True,
        }


@quiet()
def fine_tune(
    base: Path,
    examples: Sequence[Example],
    out: Path,
    config: configs.Training,
    setup: Setup,
    *,
    on_progress: OnProgress | None = None,
) -> TrainResult:
    """As `sft.train`, by TRL's SFTTrainer.

    Raises:
        UserError: as `sft.train`, weighted examples, or settings that TRL has not (`config.trainers`).
    """
    trl = _checked(setup, config, examples, "sft")
    if trl_launch.needed(setup.runtime):
        return trl_launch.run("sft", base, examples, out, config, setup, on_progress)
    with distributed.join(setup.runtime) as team:
        start = checkpoint.find(base, out, offline=setup.runtime.offline)
        tokenizer = checkpoint.load_tokenizer(start)
        ordered = sorted(examples, key=lambda example: (example.id, example.prompt, example.completion))
        rows = data.encode(tokenizer, ordered, checkpoint.longest(start.base, config.max_length))
        job = Job(start, tokenizer, config, team, setup, [each.prompt for each in ordered], [(row,) for row in rows])
        table: dict[str, list[Any]] = {
            "input_ids": [row.tokens for row in rows],
            "labels": [row.labels for row in rows],
        }
        return _train(job, out, table, lambda given: trl_trainers.supervised(config, trl, given), on_progress)


@quiet()
def prefer(
    policy: Path,
    pairs: Sequence[Preference],
    out: Path,
    config: configs.Preference,
    setup: Setup,
    loss: str,
    *,
    on_progress: OnProgress | None = None,
    reference_cache: Path | None = None,
) -> TrainResult:
    """As `preference.train`, by TRL's DPOTrainer; ORPO and SimPO by its experimental trainers.

    `reference_cache` is not used: TRL computes the reference once, before the first step.

    Raises:
        UserError: as `preference.train`, weighted pairs, or settings that TRL has not (`config.trainers`).
    """
    trl = _checked(setup, config, pairs, loss)
    config = config.of(loss)
    if trl_launch.needed(setup.runtime):
        return trl_launch.run(loss, policy, pairs, out, config, setup, on_progress)
    with distributed.join(setup.runtime) as team:
        start = checkpoint.find(policy, out, offline=setup.runtime.offline)
        tokenizer = checkpoint.load_tokenizer(start)
        ordered = sorted(pairs, key=lambda pair: (pair.id, pair.prompt, pair.chosen, pair.rejected))
        chosen, rejected = data.encode_pairs(tokenizer, ordered, checkpoint.longest(start.base, config.max_length))
        rows = list(zip(chosen, rejected, strict=True))
        job = Job(start, tokenizer, config, team, setup, [pair.prompt for pair in ordered], rows)
        table: dict[str, list[Any]] = {
            "prompt": [pair.prompt for pair in ordered],
            "chosen": [pair.chosen for pair in ordered],
            "rejected": [pair.rejected for pair in ordered],
            "prompt_ids": [list(row.prompt) for row in chosen],
            "chosen_ids": [list(row.completion) for row in chosen],
            "rejected_ids": [list(row.completion) for row in rejected],
        }
        return _train(job, out, table, lambda given: trl_trainers.preferring(loss, config, trl, given), on_progress)


def _checked(
    setup: Setup, config: configs.Training, examples: Sequence[Example] | Sequence[Preference], loss: str
) -> configs.Trl:
    trl = setup.trl or configs.Trl()
    trainers.check("trl", trl, setup.runtime, config, loss=loss, quantize=setup.quantize)
    weighted = [each for each in examples if each.weight != 1 or getattr(each, "first_weight", None) not in (None, 1)]
    if weighted:
        raise UserError(
            f"example {weighted[0].id!r} has a weight, and TRL's trainers have none",
            field="trainer",
            hint="train with trainer=w2s, or by a strategy without weights",
        )
    return trl


def _train(
    job: Job,
    out: Path,
    table: dict[str, list[Any]],
    trainer_of: Callable[[dict[str, Any]], tuple[Any, Any]],
    on_progress: OnProgress | None,
) -> TrainResult:
    pairs = isinstance(job.config, configs.Preference)
    disable_progress_bars()
    with environment(), signals.deferred(job.setup.state is not None) as waiting:
        shared = job.load()
        _check_attention(shared.network, job)
        before = shared.score(job.learned) if pairs else []
        watch = Watch(job.setup, job.config, job.team, waiting, [job.start, *job.rows], on_progress)
        kind, arguments = trainer_of(job.arguments(watch.folder))
        if isinstance(job.config, configs.Preference):
            watch.stop, watch.fallen = DropStop(job.learned, before, job.config.max_chosen_drop), kind.fallen
            each = zip(job.learned, before, strict=True)
            watch.before = {tuple(row.tokens): value / len(row.completion) for row, value in each}
        trainer = kind(
            model=shared.network.train(),
            args=arguments,
            train_dataset=Dataset.from_dict(table),
            processing_class=job.tokenizer,
            callbacks=[watch],
            **_reference(kind, job),
        )
        trainer.remove_callback(PrinterCallback)
        _check_layout(trainer, job.setup)
        total = watch.plan(trainer)
        trainer.train(resume_from_checkpoint=watch.resume())
        tokens = sum(len(row.tokens) for rows in job.rows for row in rows)
        tokens = round(tokens * _epochs(total, len(trainer.train_dataset), job.config.batch_size))
        result = replace(watch.history.result(total, len(job.rows), watch.stop), tokens=tokens)
        weights = _weights(trainer, job.team)
        del trainer, shared
        give_memory_back()
    if job.team.rank == 0:
        trained = job.load()
        trained.put(weights)
        after = trained.score(job.learned) if pairs else []
        trained.save(out, job.prompts, job.learned)
        if pairs:
            result = replace(result, chosen_logp_first=fmean(before), chosen_logp_last=fmean(after))
    job.team.wait()
    watch.close()
    return result


def _epochs(steps: int, rows: int, batch_size: int) -> float:
    """Passes over the rows; the last batch of a pass may be smaller."""
    whole, more = divmod(steps, math.ceil(rows / batch_size))
    return whole + more * batch_size / rows


def _weights(trainer: Any, team: Team) -> Mapping[str, torch.Tensor]:
    """Trained weights on the CPU; sharded ones are gathered on the first process."""
    if team.size > 1:
        whole: Mapping[str, torch.Tensor] = trainer.accelerator.get_state_dict(trainer.model_wrapped)
        return whole
    return {name: p.detach().cpu().clone() for name, p in trainer.model.named_parameters() if p.requires_grad}


def _reference(kind: Any, job: Job) -> dict[str, Any]:
    """With FSDP and without LoRA, TRL reads a reference from the path of the base, whatever the policy begins with."""
    fsdp = os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("true", "1")
    return {"ref_model": job.load().network.eval()} if kind is trl_trainers.Dpo and fsdp and not job.config.lora else {}


def _check_attention(network: Any, job: Job) -> None:
    """Raises UserError where examples that share a row would see each other."""
    trl, used = job.trl, network.config._attn_implementation
    if isinstance(job.config, configs.Preference) and not trl.flash_attention:
        return
    if trl.flash_attention and used != "flash_attention_2":
        problem, field = f"this model's attention is {used} here", "trl.flash_attention"
    elif (trl.packing or trl.padding_free) and not attention.can_pack(network):
        problem, field = f"with {used} examples in one row would see each other", "trl.packing"
    else:
        return
    hint = "on GPUs: install flash-attn, and use dtype=bfloat16 and a model that supports it; or leave it out"
    raise UserError(problem, field=field, hint=hint)


def _check_layout(trainer: Any, setup: Setup) -> None:
    """Raises UserError where accelerate leaves out what its config says, as it does on CPUs."""
    wanted = trainers.accelerate_config(setup.runtime).get("distributed_type")
    if (wanted == "FSDP" and not trainer.is_fsdp_enabled) or (
        wanted == "DEEPSPEED" and not trainer.is_deepspeed_enabled
    ):
        raise UserError(
            f"accelerate uses no {wanted} on this device",
            file=setup.runtime.accelerate,
            field="distributed_type",
            hint="use GPUs, or a config with distributed_type: MULTI_GPU (on CPUs too, with use_cpu: true)",
        )


@contextlib.contextmanager
def environment() -> Iterator[None]:
    """Transformers leaves a training's settings in the environment, where the next would find them."""
    before = dict(os.environ)
    os.environ["TQDM_DISABLE"] = "1"
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
