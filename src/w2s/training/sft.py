"""Supervised fine-tuning on completions: every Stage I model of the paper is made by one call of `train`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from w2s import config as configs
from w2s.records import Example
from w2s.training import checkpoint, data, losses, parallel
from w2s.training.loop import OnProgress, Trainer, TrainResult, quiet


@quiet()
def train(
    base: Path,
    examples: Sequence[Example],
    out: Path,
    config: configs.Training,
    *,
    seed: int,
    dtype: configs.Dtype,
    quantize: str | None = None,
    runtime: configs.Runtime | None = None,
    on_progress: OnProgress | None = None,
) -> TrainResult:
    """Fine-tune `base` on the completions of `examples` and save it to `out` (safetensors, tokenizer, configs).

    Where `base` is a folder with an adapter, that adapter is trained on; without `config.lora` it is merged first.

    Same base, examples (in any order), config, seed, dtype and threads: same bytes in `out`. `base` is only read.
    Weights are float32; `dtype` bfloat16 autocasts matrix products. The loss is the mean over the completion
    tokens of a batch. Where several processes form a group (see `parallel`), each calls this with the same
    arguments; they share each batch, the first one writes `out` and tells progress, and all get the same result.

    Args:
        base: model folder to start from.
        examples: prompts and completions; ids may repeat.
        out: folder to write; made if missing.
        config: learning rate, epochs, batch size and so on.
        seed: of data order, adapters and dropout.
        dtype: number format of matrix products.
        quantize: "4bit": the base's matrices are held so while adapters are trained, which are added to the base as it
            was (QLoRA, Dettmers et al. 2023); None: everything is float32.
        runtime: device, passes a step and memory; nothing in it changes more than the last bits.
        on_progress: called with (steps done, steps in all).

    Raises:
        UserError: unusable examples, tokenizer, LoRA targets or folder; a loss that is not finite; an adapter in `base`
            that is not one of `config.lora`; a saved model that is not the trained one (see `gate`); `quantize` without
            LoRA, with FSDP or without bitsandbytes.
    """
    runtime = runtime or configs.Runtime()
    with parallel.join(runtime.device) as team:
        start = checkpoint.find(base, out, offline=runtime.offline)
        tokenizer = checkpoint.load_tokenizer(start)
        ordered = sorted(examples, key=lambda example: (example.id, example.prompt, example.completion))
        rows = data.encode(tokenizer, ordered, checkpoint.longest(start.base, config.max_length))
        trainer = Trainer(start, tokenizer, config, team, seed=seed, dtype=dtype, quantize=quantize, runtime=runtime)
        result = trainer.train([(row,) for row in rows], losses.sft, on_progress)
        trainer.save(out, [example.prompt for example in ordered], rows)
        return result
