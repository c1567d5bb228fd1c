"""Preference optimisation (paper, Stage II): DPO against the policy it starts from, or ORPO."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Literal

import torch

from w2s import config as configs
from w2s import models
from w2s.records import Preference
from w2s.training import checkpoint, data, losses, parallel
from w2s.training.data import Encoded
from w2s.training.guard import Guard
from w2s.training.loop import OnProgress, Trainer, TrainResult, quiet
from w2s.training.parallel import Team


@quiet()
def train(
    policy: Path,
    pairs: Sequence[Preference],
    out: Path,
    config: configs.Preference,
    loss: Literal["dpo", "orpo"],
    *,
    seed: int,
    dtype: configs.Dtype,
    quantize: str | None = None,
    runtime: configs.Runtime | None = None,
    on_progress: OnProgress | None = None,
    reference_cache: Path | None = None,
) -> TrainResult:
    """Train `policy` to prefer chosen to rejected and save it to `out` (safetensors, tokenizer, configs).

    DPO (Rafailov et al. 2023): -log sigmoid(beta * margin) with `policy` itself as the reference, so the first
    loss is ln 2; plus nll_weight times the mean NLL a token of the chosen text. ORPO (Hong et al. 2024): mean NLL
    a completion token of the chosen text, plus beta (its lambda) times the odds-ratio term. TRL's own ORPO takes
    the NLL over the prompt too; here no loss of any kind is on prompts. There is no dropout.

    Where `policy` is a folder with an adapter, that adapter is trained on, and the reference is still `policy`: it is
    asked before the first step. Without `config.lora` the adapter is merged first.

    On CPUs the prompt of a pair goes through the model once for both its texts (`data.concatenate`).

    The arguments, and what is promised about `out`, are those of `sft.train`. The log-probabilities of the
    reference are computed once; with `reference_cache`, a folder, they are kept there by what decides them (the
    model's files, the texts in tokens, dtype), and another run with the same ones reads them, whatever its beta.

    Raises:
        UserError: as `sft.train`; or the chosen texts have fallen by more than `config.max_chosen_drop`.
    """
    runtime = runtime or configs.Runtime()
    with parallel.join(runtime.device) as team:
        start = checkpoint.find(policy, out, offline=runtime.offline)
        tokenizer = checkpoint.load_tokenizer(start)
        ordered = sorted(pairs, key=lambda pair: (pair.id, pair.prompt, pair.chosen, pair.rejected))
        chosen, rejected = data.encode_pairs(tokenizer, ordered, checkpoint.longest(start.base, config.max_length))
        trainer = Trainer(
            start, tokenizer, config, team, seed=seed, dtype=dtype, quantize=quantize, runtime=runtime, dropout=False
        )
        if loss == "dpo":
            identity = models.identify(policy, runtime.offline)
            held = f"{dtype} {quantize}" if quantize else dtype
            before = _reference(trainer, identity, [*chosen, *rejected], held, team, reference_cache)
            reference = torch.tensor(before, device=team.device).view(2, -1)
            objective: losses.Loss = partial(
                losses.dpo, reference=reference, beta=config.beta, nll_weight=config.nll_weight
            )
        else:
            before = trainer.score(chosen)
            objective = partial(losses.orpo, beta=config.beta)
        guard = Guard(chosen, before[: len(chosen)], config.max_chosen_drop)
        result = trainer.train(list(zip(chosen, rejected, strict=True)), objective, on_progress, guard=guard)
        after = trainer.score(chosen)
        trainer.save(out, [pair.prompt for pair in ordered], chosen)
        return dataclasses.replace(
            result, chosen_logp_first=fmean(before[: len(chosen)]), chosen_logp_last=fmean(after)
        )


def _reference(
    trainer: Trainer, identity: str, texts: Sequence[Encoded], dtype: str, team: Team, cache: Path | None
) -> list[float]:
    """The log-probabilities of the model that training starts from, out of the cache if they are there."""
    if cache is None:
        return trainer.score(texts)
    content = json.dumps([identity, dtype, [(row.prompt, row.completion) for row in texts]])
    file = cache / f"reference-{hashlib.sha256(content.encode()).hexdigest()[:32]}.json"
    found: list[float] | None = team.first_says(json.loads(file.read_text()) if file.is_file() else None)
    if found is not None:
        return found
    values = trainer.score(texts)
    if team.rank == 0:
        cache.mkdir(parents=True, exist_ok=True)
        partial_file = file.with_suffix(f".{os.getpid()}")
        partial_file.write_text(json.dumps(values))
        partial_file.replace(file)
    return values
