"""Supervised fine-tuning on completions: every Stage I model of the paper is made by one call of `train`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from w2s import config as configs
from w2s.records import Example
from w2s.training import checkpoint, data, loop
from w2s.training.loop import TrainResult


@loop.quiet()
def train(
    base: Path,
    examples: Sequence[Example],
    out: Path,
    config: configs.Training,
    *,
    seed: int,
    dtype: configs.Dtype,
    device: str = "auto",
    on_progress: loop.OnProgress | None = None,
) -> TrainResult:
    """Fine-tune `base` on the completions of `examples` and save it to `out` (safetensors, tokenizer, configs).

    Same base, examples (in any order), config, seed, dtype and threads: same bytes in `out`. `base` is only read.
    Weights are float32; `dtype` bfloat16 autocasts matrix products. The loss is the mean over the completion
    tokens of a batch.

    Args:
        base: model folder to start from.
        examples: prompts and completions; ids may repeat.
        out: folder to write; made if missing.
        config: learning rate, epochs, batch size and so on.
        seed: of data order, adapters and dropout.
        dtype: number format of matrix products.
        device: "auto" (CUDA if there is one), "cpu" or "cuda".
        on_progress: called with (steps done, steps in all).

    Raises:
        UserError: unusable examples, tokenizer, LoRA targets or folder; a loss that is not finite.
    """
    tokenizer = checkpoint.load_tokenizer(base, out)
    ordered = sorted(examples, key=lambda example: (example.id, example.prompt, example.completion))
    rows = data.encode(tokenizer, ordered, checkpoint.longest(base, config.max_length))
    model = checkpoint.load_model(base, tokenizer)
    trainer = _Trainer(
        model=model,
        args=SFTConfig(
            **loop.arguments(config, out, seed, dtype, device),
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
        ),
        data_collator=lambda batch: data.pad([(r["input_ids"], r["labels"]) for r in batch], tokenizer.pad_token_id),
        train_dataset=Dataset.from_dict(
            {"input_ids": [row.tokens for row in rows], "labels": [row.labels for row in rows]}
        ),
        processing_class=tokenizer,
        peft_config=loop.adapters(model, config.lora),
    )
    trainer.lengths = [len(row.tokens) for row in rows]
    result = loop.run(trainer, len(rows), on_progress)
    checkpoint.save(trainer.model, tokenizer, out)
    return result


class _Trainer(loop.Local, SFTTrainer):
    """TRL's trainer with a loss that, on a CPU, computes no logits for prompts.

    Off the GPU, TRL 1.16 projects every position to the vocabulary, does so again in the backward pass, and
    computes entropy and accuracy a step. On a GPU its fused head is better than ours and is used.
    """

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        if return_outputs or inputs["input_ids"].is_cuda:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        tokens = num_items_in_batch if num_items_in_batch is not None else (inputs["labels"] != data.IGNORE).sum()
        return -loop.completion_log_probs(model, inputs).sum() / tokens
