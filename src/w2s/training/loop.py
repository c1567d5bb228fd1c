"""The loop that supervised and preference training share."""

from __future__ import annotations

import functools
import gc
import hashlib
import itertools
import json
import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import transformers

from w2s import models
from w2s.errors import UserError
from w2s.models import device, malloc
from w2s.training import data, distributed, signals
from w2s.training.data import Encoded
from w2s.training.early_stop import DropStop
from w2s.training.history import History, Measured, TrainResult
from w2s.training.losses import Loss, Part
from w2s.training.model import SharedModel
from w2s.training.saver import Saver

OnProgress = Callable[[int, int], None]
"""Gets (steps done, steps in all): first where the training begins, then each step."""


class Trainer(SharedModel):
    """A `SharedModel` in training."""

    def train(
        self,
        examples: Sequence[tuple[Encoded, ...]],
        loss: Loss,
        on_progress: OnProgress | None = None,
        *,
        stop: DropStop | None = None,
        weights: Sequence[Any] = (),
    ) -> TrainResult:
        """Train on examples of one row, or of two: to prefer and to avoid.

        Begins after the last state in `setup.state`; `weights`: what else in `loss` decides the training.

        Raises:
            UserError: loss or gradient is not finite; `stop` refuses.
        """
        config = self._config
        lengths = [max(len(row.tokens) for row in example) for example in examples]
        total = math.ceil(math.ceil(len(examples) / config.batch_size) * config.epochs)
        optimizer = torch.optim.AdamW(self._parameters(), lr=config.learning_rate, fused=True)
        schedule = transformers.get_scheduler(
            "constant_with_warmup" if config.schedule == "constant" else config.schedule,
            optimizer,
            num_warmup_steps=min(math.ceil(total * config.warmup_ratio), total - 1),  # its first step has rate 0
            num_training_steps=total,
        )
        epochs = (data.batches(lengths, config.batch_size, self._seed, epoch) for epoch in itertools.count())
        steps, history = itertools.chain.from_iterable(epochs), History(pairs=len(examples[0]) > 1)
        self._spread.train()
        device.watch()
        place, minutes = self._setup.state, self._setup.runtime.save_minutes
        facts: Mapping[str, Any] = {}
        done, saver = 0, None
        with signals.deferred(place is not None and minutes > 0) as waiting:
            if place is not None and minutes:
                saver = Saver(place, functools.partial(self._key, examples, weights), self._team, minutes, waiting)
                done, facts = saver.resume(self._model, optimizer)
            if done:
                history.resume(facts["history"])
                _resume_schedule(schedule, optimizer, facts["schedule"])
                if stop is not None:
                    stop.resume(facts["stop"])
            self._report(on_progress, done, total)
            for number, step in enumerate(itertools.islice(steps, done, total), start=done + 1):
                optimizer.zero_grad()
                value, margin, first = self._backward(examples, step, loss, (number - 1) / total)
                norm = self._clip()
                if not math.isfinite(value) or not math.isfinite(norm):
                    raise self._diverged(number, total, value, finite=math.isfinite(first) and math.isfinite(margin))
                if stop is not None:
                    stop.check(step, first, number, total)
                rate = optimizer.param_groups[0]["lr"]
                optimizer.step()
                schedule.step()
                per_token = first / sum(len(examples[place][0].completion) for place in step)
                tokens = sum(len(row.tokens) for place in step for row in examples[place])
                history.add(Measured(value, margin, norm, rate, per_token, tokens))
                self._report(on_progress, number, total)
                if saver is not None:
                    saver.after(number, self._model, optimizer, lambda: _facts(total, history, schedule, stop))
        return history.result(total, len(examples), stop)

    def _backward(
        self, examples: Sequence[tuple[Encoded, ...]], step: Sequence[int], loss: Loss, progress: float
    ) -> tuple[float, float, float]:
        """A step's loss, mean margin, and summed log-probability of first completions."""
        team, size = self._team, self._micro_batch
        mine = step[team.rank :: team.size]
        passes = math.ceil(math.ceil(len(step) / team.size) / size)
        tokens = sum(len(examples[place][0].completion) for place in step)
        measured = torch.zeros(3, device=team.device)
        for begin in range(0, passes * size, size):
            places = mine[begin : begin + size]
            weight = team.size if places else 0  # gradients are averaged over processes; who has none left adds none
            places = places or step[:1]
            rows = [row for side in zip(*(examples[place] for place in places), strict=True) for row in side]
            lengths = torch.tensor([len(row.completion) for row in rows], device=team.device)
            last = begin + size == passes * size
            with nullcontext() if last else distributed.no_exchange(self._spread):
                sums = self._log_probs(self._spread, rows).view(-1, len(places))
                value, margin = loss(Part(sums, lengths.view_as(sums), places, len(step), tokens, progress))
                (weight * value).backward()
            if weight:
                measured += torch.stack([value, margin, sums[0].sum()]).detach()
        value, margin, first = team.sum(measured).tolist()
        return value, margin / len(step), first

    def _key(self, examples: Sequence[tuple[Encoded, ...]], weights: Sequence[Any]) -> str:
        """Of all that decides this training, the starting weights too."""
        start, setup, digest = self._start, self._setup, hashlib.sha256()
        base = models.identify(start.adapter or start.base, setup.runtime.offline)
        config = [type(self._config).__name__, self._config.model_dump(mode="json")]
        trained = [(name, list(p.shape)) for name, p in self._model.named_parameters() if p.requires_grad]
        settings = [base, config, setup.seed, setup.dtype, setup.quantize, self._dropout, trained]
        settings += [list(weights)] if weights else []
        digest.update(json.dumps(settings, sort_keys=True).encode())
        for row in itertools.chain.from_iterable(examples):
            digest.update(array("q", [len(row.prompt), *row.tokens]).tobytes())
        return digest.hexdigest()

    def _report(self, on_progress: OnProgress | None, done: int, total: int) -> None:
        if on_progress is not None and self._team.rank == 0:
            on_progress(done, total)

    def _diverged(self, number: int, total: int, value: float, *, finite: bool) -> UserError:
        """`finite`: whether the log-probabilities are."""
        rate, bfloat16 = self._config.learning_rate, self._bfloat16
        name = "grad_norm" if math.isfinite(value) else "loss"
        if number > 1 and not finite:
            cause = "learning_rate", f"lower the learning rate (it is {rate:g}): updates have broken the weights"
        elif not finite:
            cause = "model", "no update was made yet: the weights are damaged, or a logit overflows"
        else:
            cause = "loss", "its log-probabilities are finite, so no learning rate cures it: try another loss"
        hint = f"{cause[1]}; or use dtype=float32" if bfloat16 else cause[1]
        return UserError(
            f"{name} is not a finite number at step {number} of {total}",
            field=cause[0],
            expected="a finite loss, with a finite gradient",
            hint=hint,
        )

    def _parameters(self) -> list[dict[str, Any]]:
        """Norms and biases do not decay."""
        trained = [parameter for parameter in self._spread.parameters() if parameter.requires_grad]
        return [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self._config.weight_decay},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        ]

    def _clip(self) -> float:
        """The norm before."""
        norm = torch.nn.utils.clip_grad_norm_(self._spread.parameters(), self._config.max_grad_norm)
        return float(distributed.whole(norm))


def _facts(total: int, history: History, schedule: Any, stop: DropStop | None) -> dict[str, Any]:
    """What a state has beside tensors and random states, as JSON."""
    rates = {name: value for name, value in schedule.state_dict().items() if name != "lr_lambdas"}  # functions
    return {
        "total": total,
        "history": history.facts(),
        "schedule": rates,
        "stop": None if stop is None else stop.facts(),
    }


def _resume_schedule(schedule: Any, optimizer: Any, facts: Mapping[str, Any]) -> None:
    schedule.load_state_dict({**facts, "lr_lambdas": [None] * len(optimizer.param_groups)})
    for group, rate in zip(optimizer.param_groups, schedule.get_last_lr(), strict=True):
        group["lr"] = rate


@contextmanager
def quiet() -> Iterator[None]:
    """Switch off transformers' progress bars."""
    enabled = transformers.logging.is_progress_bar_enabled()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            transformers.logging.enable_progress_bar()


def give_memory_back() -> None:
    """Free the memory that torch and glibc keep."""
    gc.collect()  # a model and its optimiser are in reference cycles
    malloc.give_back()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
