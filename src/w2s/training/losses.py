"""Log-probabilities of texts, and the losses on them: SFT, DPO, ORPO.

A loss gets some of a step's examples and divides by what the whole step counts. So the parts' losses, wherever they are
computed, add up to the step's loss, and their gradients to its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from w2s.training import data
from w2s.training.data import IGNORE, Encoded


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the examples of a step.

    `log_probs` are the summed log-probabilities of the completions in nats and `lengths` their numbers of tokens, both
    of shape (texts an example, examples): first the texts to learn or prefer, then those to avoid. `examples` are the
    places of the examples in the data, `step_examples` and `step_tokens` the numbers of examples and of tokens of first
    completions in the whole step.
    """

    log_probs: Tensor
    lengths: Tensor
    examples: Sequence[int]
    step_examples: int
    step_tokens: int


Loss = Callable[[Part], tuple[Tensor, Tensor]]
"""A part to (its share of the loss, its margins summed)."""


def sft(part: Part) -> tuple[Tensor, Tensor]:
    """Mean NLL a completion token of the step. There is no margin."""
    loss = -part.log_probs[0].sum() / part.step_tokens
    return loss, torch.zeros_like(loss)


def dpo(part: Part, *, reference: Tensor, beta: float, nll_weight: float = 0.0) -> tuple[Tensor, Tensor]:
    """Rafailov et al. 2023, eq. 7: mean of -log sigmoid(margin); plus `nll_weight` times `sft` on the chosen texts.

    Args:
        part: chosen and rejected texts.
        reference: the reference's log-probabilities of all examples, shape (2, examples).
        beta: scale of the margin, beta * (chosen - its reference - (rejected - its reference)).
        nll_weight: ours; 0 is the paper's loss.
    """
    gain = part.log_probs - reference[:, part.examples]
    margins = beta * (gain[0] - gain[1])
    loss = -logsigmoid(margins).sum() / part.step_examples
    return loss + nll_weight * sft(part)[0], margins.sum()


def orpo(part: Part, *, beta: float) -> tuple[Tensor, Tensor]:
    """Hong et al. 2024, eq. 4-7: `sft` on the chosen texts, plus beta (its lambda) times the mean odds-ratio term.

    The odds are those of the geometric mean of the token probabilities. The margin is beta times the difference of mean
    log-probabilities a token.
    """
    means = part.log_probs / part.lengths
    log_odds = means - torch.log1p(-torch.exp(means))
    odds_ratio = -logsigmoid(log_odds[0] - log_odds[1]).sum() / part.step_examples
    return sft(part)[0] + beta * odds_ratio, beta * (means[0] - means[1]).sum()


def log_probs(
    model: Any,
    texts: Sequence[Encoded],
    pad_id: int,
    device: torch.device,
    *,
    packed: bool,
    share_prompts: bool = False,
) -> Tensor:
    """Summed log-probability of each text's completion in nats, shape (texts,).

    No logits are computed for prompts: packed, for completion tokens only; padded, from the first completion token of
    the batch on.

    Args:
        model: a causal language model.
        texts: what to score.
        pad_id: any token.
        device: the model's.
        packed: put the texts end to end in one row instead of padding them (see `data.concatenate`).
        share_prompts: packed, take equal prompts through the model once.
    """
    batch = data.concatenate(texts, share_prompts=share_prompts) if packed else data.pad(texts, pad_id)
    batch = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
    if packed:
        targets, owners = batch.pop("targets"), batch.pop("texts")
        logits = model(**batch, use_cache=False).logits[0]
        each = -cross_entropy(logits.float(), targets, reduction="none")
        return each.new_zeros(len(texts)).index_add(0, owners, each)
    keep = batch["input_ids"].shape[1] - min(len(text.prompt) for text in texts)
    labels = batch["labels"][:, -keep:]
    logits = model(input_ids=batch["input_ids"][:, :-1], use_cache=False, logits_to_keep=keep).logits
    return -cross_entropy(logits.transpose(1, 2).float(), labels, ignore_index=IGNORE, reduction="none").sum(dim=1)
