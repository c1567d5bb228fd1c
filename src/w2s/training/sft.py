"""Supervised fine-tuning on completions (paper, Stage I)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from w2s.config import schema as configs
from w2s.records import Example
from w2s.training import checkpoint, data, distributed, losses
from w2s.training.history import TrainResult
from w2s.training.loop import OnProgress, Trainer, quiet
from w2s.training.setup import Setup


@quiet()
def train(
    base: Path,
    examples: Sequence[Example],
    out: Path,
    config: configs.Training,
    setup: Setup,
    *,
    on_progress: OnProgress | None = None,
) -> TrainResult:
    """Fine-tune `base` on the completions of `examples` and save it to `out`.

    Loss: mean over a batch's completion tokens, weighted. Without `config.lora` an adapter in `base` is merged first.
    Same arguments (examples in any order) and threads: same bytes. All processes of a group call this.

    Raises:
        UserError: unusable examples, tokenizer, LoRA targets, adapter, folder or `setup.quantize`; a loss that is not
            finite; a saved model that is not the trained one.
    """
    with distributed.join(setup.runtime) as team:
        start = checkpoint.find(base, out, offline=setup.runtime.offline)
        tokenizer = checkpoint.load_tokenizer(start)
        ordered = sorted(examples, key=lambda example: (example.id, example.prompt, example.completion))
        rows = data.encode(tokenizer, ordered, checkpoint.longest(start.base, config.max_length))
        trainer = Trainer(start, tokenizer, config, team, setup)
        weights = [_weights(example) for example in ordered]
        plain = {*weights} == {(1.0, 1.0)}
        loss: losses.Loss = losses.sft
        if not plain:
            first, last = torch.tensor(weights, device=team.device).unbind(1)
            loss = losses.weighted_sft(first, last)
        result = trainer.train([(row,) for row in rows], loss, on_progress, weights=() if plain else weights)
        trainer.save(out, [example.prompt for example in ordered], rows)
        return result


def _weights(example: Example) -> tuple[float, float]:
    """First and last."""
    return example.weight if example.first_weight is None else example.first_weight, example.weight
