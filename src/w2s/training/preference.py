"""Preference optimisation (paper, Stage II)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from w2s import models
from w2s.config import functions
from w2s.config import schema as configs
from w2s.data import disk, sealed
from w2s.records import Preference
from w2s.training import checkpoint, data, distributed, losses
from w2s.training.data import Encoded
from w2s.training.distributed import Team
from w2s.training.early_stop import DropStop
from w2s.training.history import TrainResult
from w2s.training.loop import OnProgress, Trainer, quiet
from w2s.training.setup import Setup


@quiet()
def train(
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
    """Train `policy` to prefer chosen to rejected and save it to `out`.

    The reference is `policy` before the first step; there is no dropout. `reference_cache`: folder for its
    log-probabilities.

    Raises:
        UserError: as `sft.train` and `losses.find`, or chosen completions fell by more than `config.max_chosen_drop`.
    """
    runtime, config, preference_loss = setup.runtime, config.of(loss), losses.find(loss)
    with distributed.join(runtime) as team:
        start = checkpoint.find(policy, out, offline=runtime.offline)
        tokenizer = checkpoint.load_tokenizer(start)
        ordered = sorted(pairs, key=lambda pair: (pair.id, pair.prompt, pair.chosen, pair.rejected))
        chosen, rejected = data.encode_pairs(tokenizer, ordered, checkpoint.longest(start.base, config.max_length))
        trainer = Trainer(start, tokenizer, config, team, setup, dropout=False)
        given = [pair.weight for pair in ordered]
        weights = None if {*given} == {1.0} else torch.tensor(given, device=team.device)
        if preference_loss.needs_reference:
            key = f"{setup.dtype} {setup.quantize}" if setup.quantize else setup.dtype
            identity = models.identify(policy, runtime.offline)
            before = _reference(trainer, [identity, key], [*chosen, *rejected], team, reference_cache)
            reference = torch.tensor(before, device=team.device).view(2, -1)
            objective = preference_loss.objective(config, reference, weights)
        else:
            before = trainer.score(chosen)
            objective = preference_loss.objective(config, weights=weights)
        stop = DropStop(chosen, before[: len(chosen)], config.max_chosen_drop)
        examples = list(zip(chosen, rejected, strict=True))
        decides: list[Any] = [] if weights is None else given
        if functions.is_reference(loss):  # its name stays when it changes
            decides = [*decides, functions.identity(preference_loss.function)]
        result = trainer.train(examples, objective, on_progress, stop=stop, weights=decides)
        after = trainer.score(chosen)
        trainer.save(out, [pair.prompt for pair in ordered], chosen)
        return dataclasses.replace(
            result, chosen_logp_first=fmean(before[: len(chosen)]), chosen_logp_last=fmean(after)
        )


def _reference(
    trainer: Trainer, key: Sequence[str], rows: Sequence[Encoded], team: Team, cache: Path | None
) -> list[float]:
    if cache is None:
        return trainer.score(rows)
    content = json.dumps([*key, [(row.prompt, row.completion) for row in rows]])
    file = cache / f"reference-{hashlib.sha256(content.encode()).hexdigest()[:32]}.json"
    cached: list[float] | None = team.from_first(_cached(file, len(rows)) if team.rank == 0 else None)
    if cached is not None:
        return cached
    values = trainer.score(rows)
    if team.rank == 0:
        cache.mkdir(parents=True, exist_ok=True)
        with disk.replacing(file) as out:  # steps side by side may write the same file
            out.write(json.dumps(sealed.seal({"values": values})).encode())
    return values


def _cached(file: Path, count: int) -> list[float] | None:
    """None if it is missing, torn or changed."""
    try:
        content = json.loads(file.read_bytes())
        values = content["values"] if sealed.is_sealed(content) else None
    except (OSError, ValueError, RecursionError, AttributeError, KeyError):
        return None
    whole = isinstance(values, list) and len(values) == count and all(type(value) is float for value in values)
    return values if whole else None
