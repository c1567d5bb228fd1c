"""The loop that supervised and preference training share, and what it measures."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import transformers

from w2s import config as configs
from w2s import seeds
from w2s.errors import UserError
from w2s.training import checkpoint, data, losses, parallel
from w2s.training.data import Encoded
from w2s.training.losses import Loss, Part
from w2s.training.parallel import Team

OnProgress = Callable[[int, int], None]
_LAST = 10
"""Steps over which the last values are averaged, since one batch is noisy."""
_POINTS = 100
"""Most points of a loss curve that is kept."""
_CPU_PASSES = 4
"""Passes a step on a CPU: they cost nothing there, and texts of similar length need less padding (a fifth faster)."""


@dataclass(frozen=True)
class TrainResult:
    """What a training run measured. JSON-able with `dataclasses.asdict`.

    `tokens` counts prompt, completion and EOS over all epochs, without padding. `*_first` values of loss and
    margin are those of the first step, before any update; `*_last` ones are means over the last 10 steps at most.
    The margin is beta * (difference of chosen and rejected), of summed log-probabilities relative to the
    reference in DPO, of mean log-probabilities a token in ORPO. `chosen_logp_*` is the mean over all pairs of
    the summed log-probability of the chosen text, before and after training: a fall is DPO's known failure.
    `curve` is the loss over the steps, means over equal stretches of them where there are more than 100.
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
    curve: list[float] = field(default_factory=list)


class Trainer:
    """A model in training. With several processes, each makes one, and calls the same methods in the same order.

    Args:
        base: the model folder to start from.
        tokenizer: its tokenizer.
        config: learning rate, epochs, batch size and so on.
        team: the processes that share the work.
        seed: of data order, adapters and dropout.
        dtype: number format of matrix products; weights are float32.
        quantize: "4bit", or None; see `sft.train`.
        runtime: passes a step, memory and sharding; nothing in it changes more than the last bits.
        dropout: whether the model's dropout is on in training.

    Raises:
        UserError: LoRA targets that match nothing, missing weights, a quantised base that cannot be trained so.
    """

    def __init__(
        self,
        base: Path,
        tokenizer: Any,
        config: configs.Training,
        team: Team,
        *,
        seed: int,
        dtype: configs.Dtype,
        quantize: str | None = None,
        runtime: configs.Runtime,
        dropout: bool = True,
    ) -> None:
        self._base, self._tokenizer, self._config, self._team, self._seed = base, tokenizer, config, team, seed
        share = math.ceil(config.batch_size / team.size)
        at_once = share if team.device.type == "cuda" else math.ceil(share / _CPU_PASSES)
        self._rows = min(runtime.micro_batch or at_once, share)
        self._bfloat16 = dtype == "bfloat16"
        self._dropout = dropout
        self._sharded = team.size > 1 and runtime.sharding == "fsdp"
        self._quantize = quantize
        checkpoint.check_quantised(quantize, config.lora, self._sharded)
        self._model = self._load(empty=self._sharded and team.rank > 0)
        self._packed = getattr(self._model.config, "_attn_implementation", "").startswith("flash_attention")
        if runtime.gradient_checkpointing:
            self._model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self._spread = parallel.spread(self._model, runtime.sharding, team)
        torch.manual_seed(seeds.derive(seed, "dropout", team.rank))

    def _load(self, *, empty: bool = False) -> Any:
        """The model that training starts from, with fresh adapters if asked for: the same in every process."""
        torch.manual_seed(self._seed)
        attention = checkpoint.best_attention(self._team.device, self._bfloat16)
        if empty:
            model = checkpoint.empty_model(self._base, self._tokenizer, attention=attention)
        else:
            held = {"quantize": self._quantize, "device": self._team.device}
            model = checkpoint.load_model(self._base, self._tokenizer, attention=attention, **held)
        adapters = checkpoint.adapter_config(model, self._config.lora)
        if adapters is not None:
            from peft import get_peft_model

            with torch.device("meta") if empty else nullcontext():
                model = get_peft_model(model, adapters)
        if not self._dropout:
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
        return model

    def _log_probs(self, model: Any, texts: Sequence[Encoded]) -> torch.Tensor:
        device = self._team.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bfloat16):
            return losses.log_probs(model, texts, self._tokenizer.pad_token_id, device, packed=self._packed)

    def score(self, texts: Sequence[Encoded]) -> list[float]:
        """Summed log-probability of each text's completion in nats, with the model as it is now, without dropout."""
        team = self._team
        order = sorted(range(len(texts)), key=lambda place: len(texts[place].tokens))
        size = 2 * self._rows
        batches = [order[begin : begin + size] for begin in range(0, len(order), size)]
        found = torch.zeros(len(texts), device=team.device)
        self._model.eval()
        with torch.no_grad():
            for begin in range(0, len(batches), team.size):
                own = begin + team.rank < len(batches)  # else compute in step with the others, for nothing
                places = batches[begin + team.rank if own else begin]
                sums = self._log_probs(self._model, [texts[place] for place in places])
                if own:
                    found[places] = sums
        if self._sharded:
            self._model.reshard()  # else the outermost part stays whole, and an optimiser would get the wrong tensors
        return [float(value) for value in team.sum(found).tolist()]

    def train(
        self, examples: Sequence[tuple[Encoded, ...]], loss: Loss, on_progress: OnProgress | None = None
    ) -> TrainResult:
        """Train on the examples: one text each, or one to prefer and one to avoid.

        Raises:
            UserError: a loss or gradient that is not a finite number.
        """
        config, began = self._config, time.perf_counter()
        lengths = [max(len(text.tokens) for text in example) for example in examples]
        total = math.ceil(math.ceil(len(examples) / config.batch_size) * config.epochs)
        optimizer = torch.optim.AdamW(self._parameters(), lr=config.learning_rate, fused=True)
        schedule = transformers.get_scheduler(
            "constant_with_warmup" if config.schedule == "constant" else config.schedule,
            optimizer,
            num_warmup_steps=math.ceil(total * config.warmup_ratio),
            num_training_steps=total,
        )
        epochs = (data.batches(lengths, config.batch_size, self._seed, epoch) for epoch in itertools.count())
        curve, margins, tokens = [], [], 0
        self._spread.train()
        for number, step in enumerate(itertools.islice(itertools.chain.from_iterable(epochs), total), start=1):
            optimizer.zero_grad()
            value, margin = self._backward(examples, step, loss)
            norm = self._clip()
            for name, measured in (("loss", value), ("grad_norm", norm)):
                if not math.isfinite(measured):
                    raise UserError(
                        f"{name} is not a finite number at step {number} of {total}",
                        field="learning_rate",
                        expected="a finite loss",
                        mend=f"lower the learning rate (it is {config.learning_rate:g})",
                    )
            optimizer.step()
            schedule.step()
            curve.append(value)
            margins.append(margin)
            tokens += sum(len(text.tokens) for place in step for text in examples[place])
            if on_progress is not None and self._team.rank == 0:
                on_progress(number, total)
        pairs, points = len(examples[0]) > 1, min(total, _POINTS)
        return TrainResult(
            steps=total,
            examples=len(examples),
            tokens=tokens,
            loss_first=curve[0],
            loss_last=fmean(curve[-_LAST:]),
            seconds=time.perf_counter() - began,
            margin_first=margins[0] if pairs else None,
            margin_last=fmean(margins[-_LAST:]) if pairs else None,
            curve=[fmean(curve[i * total // points : (i + 1) * total // points]) for i in range(points)],
        )

    def _backward(
        self, examples: Sequence[tuple[Encoded, ...]], step: Sequence[int], loss: Loss
    ) -> tuple[float, float]:
        """Add the gradient of a step, each process that of every size-th example; returns its loss and mean margin."""
        team, rows = self._team, self._rows
        mine = step[team.rank :: team.size]
        passes = math.ceil(math.ceil(len(step) / team.size) / rows)
        tokens = sum(len(examples[place][0].completion) for place in step)
        measured = torch.zeros(2, device=team.device)
        for begin in range(0, passes * rows, rows):
            places = mine[begin : begin + rows]
            weight = team.size if places else 0  # gradients are averaged over processes; who has none left adds none
            places = places or step[:1]
            texts = [text for side in zip(*(examples[place] for place in places), strict=True) for text in side]
            lengths = torch.tensor([len(text.completion) for text in texts], device=team.device)
            last = begin + rows == passes * rows
            with nullcontext() if last else parallel.no_exchange(self._spread):
                sums = self._log_probs(self._spread, texts).view(-1, len(places))
                value, margin = loss(Part(sums, lengths.view_as(sums), places, len(step), tokens))
                (weight * value).backward()
            if weight:
                measured += torch.stack([value, margin]).detach()
        value, margin = team.sum(measured).tolist()
        return value, margin / len(step)

    def _parameters(self) -> list[dict[str, Any]]:
        """What is trained; norms and biases do not decay."""
        trained = [parameter for parameter in self._spread.parameters() if parameter.requires_grad]
        return [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self._config.weight_decay},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        ]

    def _clip(self) -> float:
        """Bound the norm of the gradient; returns what it was."""
        norm: Any = torch.nn.utils.clip_grad_norm_(self._spread.parameters(), self._config.max_grad_norm)
        return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)

    def save(self, out: Path) -> None:
        """The first process writes the model folder; all return when it is there."""
        weights = parallel.whole_weights(self._model) if self._sharded else None
        if self._team.rank == 0:
            model = self._model
            if weights is not None:
                model = self._load()
                model.load_state_dict(weights)
            if self._quantize:
                model = checkpoint.on_unquantised(model, self._base, self._tokenizer)
            checkpoint.save(model, self._tokenizer, out)
        self._team.wait()


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of transformers inside; warnings stay."""
    shown = transformers.logging.is_progress_bar_enabled()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers.logging.enable_progress_bar()
