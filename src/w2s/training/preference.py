"""Preference optimisation (paper, Stage II): DPO against the policy it starts from, or ORPO."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import torch
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # ORPO lives there; the warning would be the user's to read
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from w2s import config as configs
from w2s.records import Preference
from w2s.training import checkpoint, data, loop
from w2s.training.loop import TrainResult


@loop.quiet()
def train(
    policy: Path,
    pairs: Sequence[Preference],
    out: Path,
    config: configs.Preference,
    loss: Literal["dpo", "orpo"],
    *,
    seed: int,
    dtype: configs.Dtype,
    device: str = "auto",
    on_progress: loop.OnProgress | None = None,
) -> TrainResult:
    """Train `policy` to prefer chosen to rejected and save it to `out` (safetensors, tokenizer, configs).

    DPO (Rafailov et al. 2023): -log sigmoid(beta * margin) with `policy` itself as the reference, so the first
    loss is ln 2; plus nll_weight times the mean NLL a token of the chosen text. ORPO (Hong et al. 2024): mean NLL
    a completion token of the chosen text, plus beta (its lambda) times the odds-ratio term. TRL's own ORPO takes
    the NLL over the prompt too; here no loss of any kind is on prompts.

    The arguments, and what is promised about `out`, are those of `sft.train`.

    Raises:
        UserError: unusable pairs, tokenizer, LoRA targets or folder; a loss that is not finite.
    """
    tokenizer = checkpoint.load_tokenizer(policy, out)
    ordered = sorted(pairs, key=lambda pair: (pair.id, pair.prompt, pair.chosen, pair.rejected))
    chosen, rejected = data.encode_pairs(tokenizer, ordered, checkpoint.longest(policy, config.max_length))
    lengths = [max(len(c.tokens), len(r.tokens)) for c, r in zip(chosen, rejected, strict=True)]
    model = checkpoint.load_model(policy, tokenizer)
    shared = loop.arguments(config, out, seed, dtype, device) | {"beta": config.beta, "max_length": max(lengths)}
    keywords = {
        "model": model,
        "train_dataset": Dataset.from_dict(
            {
                "prompt_ids": [list(row.prompt) for row in chosen],
                "chosen_ids": [list(row.completion) for row in chosen],
                "rejected_ids": [list(row.completion) for row in rejected],
            }
        ),
        "processing_class": tokenizer,
        "peft_config": loop.adapters(model, config.lora),
    }
    trainer: Any
    if loss == "dpo":
        terms = {"sigmoid": 1.0} | ({"sft": config.nll_weight} if config.nll_weight else {})
        args = DPOConfig(
            **shared, loss_type=list(terms), loss_weights=list(terms.values()), precompute_ref_log_probs=True
        )
        trainer = _DPO(args=args, **keywords)
        before = fmean(trainer.train_dataset["ref_chosen_logps"])
    else:
        trainer = _ORPO(args=ORPOConfig(**shared), data_collator=_Collator(tokenizer.pad_token_id), **keywords)
        before = _mean_log_prob(trainer, chosen)
    trainer.lengths = lengths
    result = loop.run(trainer, len(chosen), on_progress)
    result = dataclasses.replace(result, chosen_logp_first=before, chosen_logp_last=_mean_log_prob(trainer, chosen))
    checkpoint.save(trainer.model, tokenizer, out)
    return result


def _mean_log_prob(trainer: Any, rows: Sequence[data.Encoded]) -> float:
    """Mean over `rows` of the summed log-probability of the completion, in nats."""
    model, size, total = trainer.model, trainer.args.train_batch_size, 0.0
    ordered = sorted(rows, key=lambda row: len(row.tokens))
    model.eval()
    with torch.no_grad(), trainer.accelerator.autocast():
        for begin in range(0, len(ordered), size):
            batch = data.pad(
                [(row.tokens, row.labels) for row in ordered[begin : begin + size]],
                trainer.processing_class.pad_token_id,
            )
            total += float(loop.completion_log_probs(model, trainer._prepare_inputs(batch)).sum())
    return total / len(rows)


class _DPO(loop.Local, DPOTrainer):
    """TRL's trainer on data that is in tokens already, its reference log-probabilities computed once."""

    def _prepare_dataset(self, dataset: Dataset, *args: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        """As TRL's, without its file cache and progress bars, and in batches of similar length."""
        rows = list(dataset)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]["prompt_ids"]) + len(rows[i]["chosen_ids"]))
        chosen, rejected = [0.0] * len(rows), [0.0] * len(rows)
        for begin in range(0, len(order), batch_size):
            places = order[begin : begin + batch_size]
            batch = self._prepare_inputs(self.data_collator([rows[i] for i in places]))
            good, bad = self.compute_ref_log_probs(self.model, batch)
            for place, good_log_prob, bad_log_prob in zip(places, good.tolist(), bad.tolist(), strict=True):
                chosen[place], rejected[place] = good_log_prob, bad_log_prob
        return dataset.add_column("ref_chosen_logps", chosen).add_column("ref_rejected_logps", rejected)


@dataclasses.dataclass(frozen=True)
class _Collator:
    """Pairs to one batch for ORPO: all chosen rows, then all rejected ones."""

    pad_id: int

    def __call__(self, pairs: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        rows = [
            (pair["prompt_ids"] + pair[side], [data.IGNORE] * len(pair["prompt_ids"]) + pair[side])
            for side in ("chosen_ids", "rejected_ids")
            for pair in pairs
        ]
        return data.pad(rows, self.pad_id)


class _ORPO(loop.Local, ORPOTrainer):
    """TRL's trainer on data that is in tokens already, with the NLL on completions only."""

    def tokenize_row(self, feature: dict[str, Any], model: Any = None) -> dict[str, Any]:
        """Nothing to do: the row is in tokens."""
        return feature

    def concatenated_forward(self, model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Mean log-probabilities a token, shape (pairs,), of chosen and rejected; logits (unused); NLL, a scalar."""
        log_probs = loop.completion_log_probs(model, batch)
        sums, lengths = log_probs.sum(dim=1), (batch["labels"][:, 1:] != data.IGNORE).sum(dim=1)
        chosen, rejected = (sums / lengths).chunk(2)
        nll = -sums.chunk(2)[0].sum() / lengths.chunk(2)[0].sum()
        return chosen, rejected, log_probs, log_probs, nll
