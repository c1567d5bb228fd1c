"""What supervised and preference training share: arguments, progress, data order, log-probabilities, the result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import datasets
import torch
import transformers
from torch.nn.functional import cross_entropy
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback

from w2s import config as configs
from w2s.errors import UserError
from w2s.training.data import IGNORE, LengthGrouped

OnProgress = Callable[[int, int], None]
_LAST = 10
"""Steps over which the last values are averaged, since one batch is noisy."""


@dataclass(frozen=True)
class TrainResult:
    """What a training run measured. JSON-able with `dataclasses.asdict`.

    `tokens` counts prompt, completion and EOS over all epochs, without padding. `*_first` values of loss and
    margin are those of the first step, before any update; `*_last` ones are means over the last 10 steps at most.
    The margin is beta * (difference of chosen and rejected), of summed log-probabilities relative to the
    reference in DPO, of mean log-probabilities a token in ORPO. `chosen_logp_*` is the mean over all pairs of
    the summed log-probability of the chosen text, before and after training: a fall is DPO's known failure.
    """

    steps: int
    examples: int
    tokens: int
    loss_first: float
    loss_last: float
    seconds: float
    margin_first: float | None = None
    margin_last: float | None = None
    chosen_logp_first: float | None = None
    chosen_logp_last: float | None = None


def arguments(config: configs.Training, out: Path, seed: int, dtype: configs.Dtype, device: str) -> dict[str, Any]:
    """The trainer arguments that do not depend on the loss: nothing saved, shown, reported or recomputed."""
    cpu = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
    return {
        "output_dir": str(out),
        "learning_rate": config.learning_rate,
        "num_train_epochs": config.epochs,
        "per_device_train_batch_size": config.batch_size,
        "warmup_steps": config.warmup_ratio,  # below 1: a share of all steps
        "lr_scheduler_type": "constant_with_warmup" if config.schedule == "constant" else config.schedule,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "seed": trainer_seed(seed),
        "bf16": dtype == "bfloat16",
        "use_cpu": cpu,
        "dataloader_pin_memory": not cpu,
        "gradient_checkpointing": False,
        "remove_unused_columns": False,
        "include_num_input_tokens_seen": "non_padding",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


def trainer_seed(seed: int) -> int:
    """`seed` in 31 bits: numpy's generator, which the trainer seeds too, takes no more than 32."""
    return seed % 2**31


def adapters(model: Any, lora: configs.Lora | None) -> Any:
    """PEFT's config for `lora`, or None.

    Raises:
        UserError: a target names no linear layer of the model (PEFT is silent if another target does).
    """
    if lora is None:
        return None
    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    layers = [name for name in linear if name != "lm_head"]  # TRL cannot train an adapter there
    unknown = [target for target in lora.targets if not any(f".{name}".endswith(f".{target}") for name in layers)]
    if unknown or not lora.targets:
        raise UserError(
            f"LoRA targets match no layer that can be adapted: {', '.join(unknown) or '(none given)'}",
            field="lora.targets",
            expected=f"some of {', '.join(sorted({name.rsplit('.', 1)[-1] for name in layers}))}",
        )
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        task_type="CAUSAL_LM",
    )


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of transformers and datasets inside; warnings stay."""
    bars = transformers.logging.is_progress_bar_enabled(), not datasets.are_progress_bars_disabled()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if bars[0]:
            transformers.logging.enable_progress_bar()
        if bars[1]:
            datasets.enable_progress_bars()


class Watch(TrainerCallback):
    """Tells progress, and stops at the first loss that is not a number."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After each optimiser step."""
        if self._on_progress is not None:
            self._on_progress(state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """After each step's loss is known."""
        bad = [name for name in ("loss", "grad_norm") if not math.isfinite((logs or {}).get(name, 0.0))]
        if bad:
            raise UserError(
                f"{bad[0]} is not a finite number at step {state.global_step} of {state.max_steps}",
                field="learning_rate",
                expected="a finite loss",
                mend=f"lower the learning rate (it is {args.learning_rate:g})",
            )


class Local:
    """Mixin before a TRL trainer: batches of similar length, and no telemetry (TRL sends it by default)."""

    lengths: Sequence[int]

    def _send_telemetry(self) -> None:
        pass

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGrouped:
        args = self.args  # type: ignore[attr-defined]
        return LengthGrouped(self.lengths, args.train_batch_size * args.gradient_accumulation_steps, args.seed)


def completion_log_probs(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Log-probability of each labelled token, 0 elsewhere, in nats; shape (rows, positions).

    Logits are computed from the first labelled position of the batch on, since prompts need none.
    """
    labels = batch["labels"][:, 1:]
    keep = labels.shape[1] - int((labels != IGNORE).any(dim=0).int().argmax())
    logits = model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        use_cache=False,
        logits_to_keep=keep + 1,
    ).logits[:, :-1]
    return -cross_entropy(logits.transpose(1, 2).float(), labels[:, -keep:], ignore_index=IGNORE, reduction="none")


def run(trainer: Any, examples: int, on_progress: OnProgress | None) -> TrainResult:
    """Train, and sum up what the trainer logged.

    Raises:
        UserError: a loss that is not a finite number.
    """
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Watch(on_progress))
    began = time.perf_counter()
    trainer.train()
    logs = [log for log in trainer.state.log_history if "loss" in log]
    margins = [log["rewards/margins"] for log in logs if "rewards/margins" in log]
    return TrainResult(
        steps=trainer.state.global_step,
        examples=examples,
        tokens=int(trainer.state.num_input_tokens_seen),
        loss_first=logs[0]["loss"],
        loss_last=fmean(log["loss"] for log in logs[-_LAST:]),
        seconds=time.perf_counter() - began,
        margin_first=margins[0] if margins else None,
        margin_last=fmean(margins[-_LAST:]) if margins else None,
    )
