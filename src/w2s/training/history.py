"""What a training measures, step by step."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, NamedTuple

import torch

from w2s.callback import Callback
from w2s.models import device
from w2s.training.early_stop import DropStop

measures: Callback[[int, Mapping[str, float]]] = Callback("measures")
"""What a training measures at each step, while it runs: the step's number, from 1, and values by name."""

_LAST = 10
"""Steps of the last means."""
_POINTS = 100
"""Most points of a curve."""
_OTHERS = ("grad_norm", "learning_rate", "chosen_logp")
"""What a history has beside losses and margins."""


@dataclass(frozen=True)
class TrainResult:
    """What a training measured.

    `tokens`: all epochs, no padding. `*_first`: before any update. `loss_last`, `margin_last`: means over 10 steps.
    Margin: beta * (chosen - rejected), less the reference's. `chosen_logp_*`: mean sums in nats.
    `chosen_drop_most`: nats per token. `curve` (loss) and `curves`: at most 100 means over equal parts of the steps:
    "grad_norm" before clipping, "learning_rate", and of pairs "margin" and "chosen_logp" (nats per token).
    `device_memory`: most bytes that torch allocated on a GPU.
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
    curves: dict[str, list[float]] = field(default_factory=dict)
    device: str = ""
    device_memory: int | None = None


class Measured(NamedTuple):
    """Of one step: log-probabilities and loss before its update; `chosen_logp` in nats per token; None: not known."""

    loss: float
    margin: float
    grad_norm: float
    learning_rate: float | None = None
    chosen_logp: float | None = None
    tokens: int = 0


@dataclass
class History:
    """Of the steps so far. `pairs`: whether margins mean something."""

    pairs: bool = False
    losses: list[float] = field(default_factory=list)
    margins: list[float] = field(default_factory=list)
    others: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _OTHERS})
    tokens: int = 0
    began: float = field(default_factory=time.perf_counter)

    def add(self, step: Measured) -> None:
        """One more step; tells `measures`."""
        self.losses.append(step.loss)
        self.margins.append(step.margin)
        for name, values in self.others.items():
            if (value := getattr(step, name)) is not None:
                values.append(value)
        self.tokens += step.tokens
        told = {"loss": step.loss, "grad_norm": step.grad_norm, "learning_rate": step.learning_rate}
        told |= {"margin": step.margin} if self.pairs else {}
        measures.tell(len(self.losses), {name: value for name, value in told.items() if value is not None})

    def facts(self) -> dict[str, Any]:
        """For `resume`, as JSON."""
        seconds = time.perf_counter() - self.began
        return {
            "losses": self.losses,
            "margins": self.margins,
            "others": self.others,
            "tokens": self.tokens,
            "seconds": seconds,
        }

    def resume(self, facts: Mapping[str, Any]) -> None:
        self.losses, self.margins, self.tokens = facts["losses"], facts["margins"], facts["tokens"]
        self.others = facts.get("others") or {}  # a state of an earlier version: then without these curves
        self.began -= facts["seconds"]

    def result(self, total: int, examples: int, stop: DropStop | None = None) -> TrainResult:
        losses, margins, pairs = self.losses, self.margins, self.pairs
        curves = self.others | {"margin": margins} if pairs else self.others | {"chosen_logp": []}
        return TrainResult(
            steps=total,
            examples=examples,
            tokens=self.tokens,
            loss_first=losses[0],
            loss_last=fmean(losses[-_LAST:]),
            seconds=time.perf_counter() - self.began,
            margin_first=margins[0] if pairs else None,
            margin_last=fmean(margins[-_LAST:]) if pairs else None,
            chosen_drop_most=stop.most if stop is not None else None,
            curve=_means(losses),
            curves={name: _means(values) for name, values in curves.items() if values},
            **_device(),
        )


def _means(values: Sequence[float]) -> list[float]:
    total, points = len(values), min(len(values), _POINTS)
    return [fmean(values[i * total // points : (i + 1) * total // points]) for i in range(points)]


def _device() -> dict[str, Any]:
    """Where this process trained: words, and the most memory in bytes on a GPU."""
    if not torch.cuda.is_available():
        return {"device": f"CPU, threads: {torch.get_num_threads()}"}
    return {"device": torch.cuda.get_device_name(), "device_memory": device.most()}
