"""The loop that supervised and preference training share, and what it measures."""

from __future__ import annotations

import gc
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import torch
import transformers

from w2s.errors import UserError
from w2s.training import data, parallel
from w2s.training.data import Encoded
from w2s.training.guard import Guard
from w2s.training.held import Held
from w2s.training.losses import Loss, Part

OnProgress = Callable[[int, int], None]
_LAST = 10
"""Steps over which the last values are averaged, since one batch is noisy."""
_POINTS = 100
"""Most points of a loss curve that is kept."""


@dataclass(frozen=True)
class TrainResult:
    """What a training run measured. JSON-able with `dataclasses.asdict`.

    `tokens` counts prompt, completion and EOS over all epochs, without padding. `*_first` values of loss and
    margin are those of the first step, before any update; `*_last` ones are means over the last 10 steps at most.
    The margin is beta * (difference of chosen and rejected), of summed log-probabilities relative to the
    reference in DPO, of mean log-probabilities a token in ORPO. `chosen_logp_*` is the mean over all pairs of
    the summed log-probability of the chosen text, before and after training: a fall is DPO's known failure.
    `chosen_drop_most` is how far the chosen texts fell below the reference at most: nats a token, mean over 10 steps.
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
    chosen_drop_most: float | None = None
    curve: list[float] = field(default_factory=list)


class Trainer(Held):
    """A model in training: see `Held`."""

    def train(
        self,
        examples: Sequence[tuple[Encoded, ...]],
        loss: Loss,
        on_progress: OnProgress | None = None,
        *,
        guard: Guard | None = None,
    ) -> TrainResult:
        """Train on the examples: one text each, or one to prefer and one to avoid, which `guard` then watches.

        Raises:
            UserError: a loss or gradient that is not a finite number; what the guard refuses.
        """
        config, began = self._config, time.perf_counter()
        lengths = [max(len(text.tokens) for text in example) for example in examples]
        total = math.ceil(math.ceil(len(examples) / config.batch_size) * config.epochs)
        optimizer = torch.optim.AdamW(self._parameters(), lr=config.learning_rate, fused=True)
        schedule = transformers.get_scheduler(
            "constant_with_warmup" if config.schedule == "constant" else config.schedule,
            optimizer,
            num_warmup_steps=min(math.ceil(total * config.warmup_ratio), total - 1),  # its first step has rate 0
            num_training_steps=total,
        )
        epochs = (data.batches(lengths, config.batch_size, self._seed, epoch) for epoch in itertools.count())
        curve, margins, tokens = [], [], 0
        self._spread.train()
        for number, step in enumerate(itertools.islice(itertools.chain.from_iterable(epochs), total), start=1):
            optimizer.zero_grad()
            value, margin, first = self._backward(examples, step, loss)
            norm = self._clip()
            for name, measured in (("loss", value), ("grad_norm", norm)):
                if not math.isfinite(measured):
                    raise UserError(
                        f"{name} is not a finite number at step {number} of {total}",
                        field="learning_rate",
                        expected="a finite loss",
                        mend=f"lower the learning rate (it is {config.learning_rate:g})",
                    )
            if guard is not None:
                guard.look(step, first, number, total)
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
            chosen_drop_most=guard.most if guard is not None else None,
            curve=[fmean(curve[i * total // points : (i + 1) * total // points]) for i in range(points)],
        )

    def _backward(
        self, examples: Sequence[tuple[Encoded, ...]], step: Sequence[int], loss: Loss
    ) -> tuple[float, float, float]:
        """Add the gradient of a step, each process that of every size-th example.

        Returns its loss, its mean margin, and the summed log-probability of its first (or preferred) texts.
        """
        team, rows = self._team, self._rows
        mine = step[team.rank :: team.size]
        passes = math.ceil(math.ceil(len(step) / team.size) / rows)
        tokens = sum(len(examples[place][0].completion) for place in step)
        measured = torch.zeros(3, device=team.device)
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
                measured += torch.stack([value, margin, sums[0].sum()]).detach()
        value, margin, first = team.sum(measured).tolist()
        return value, margin / len(step), first

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


def give_memory_back() -> None:
    """Let go of what a training held of the GPU: torch keeps it, and a vLLM in another process asks for most of it."""
    gc.collect()  # a model and its optimiser are held by cycles
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
