"""Checks that a saved model is the trained one. Source: ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from w2s.errors import UserError
from w2s.models import parity
from w2s.training.data import Encoded

TOLERANCE = 1e-3
"""Nats per token: merging costs 6e-7, an adapter learns 1e-2."""


def sample(prompts: Sequence[str], rows: Sequence[Encoded]) -> list[Encoded]:
    """At most `parity.PROMPTS` examples with different prompts."""
    return [rows[place] for place in parity.chosen(prompts)]


def saved_equals_trained(rows: Sequence[Encoded], trained: Sequence[float], saved: Sequence[float], out: Path) -> None:
    """Refuse a saved model with other summed log-probabilities.

    Raises:
        UserError: naming the row that differs most.
    """
    off = [abs(a - b) / len(row.completion) for row, a, b in zip(rows, trained, saved, strict=True)]
    worst = max(range(len(off)), key=lambda place: off[place] if off[place] == off[place] else float("inf"))
    if not off[worst] <= TOLERANCE:  # also where it is not a number
        raise UserError(
            f"the saved model is not the trained one: read again, its log-probability of example {rows[worst].id!r} is "
            f"off by {off[worst]:.2g} nats per token",
            file=out,
            field="lora.save",
            expected=f"at most {TOLERANCE:g} nats per token, on {len(rows)} training examples",
            hint="try the other value of lora.save, or other versions of peft and transformers; the model was not kept",
        )


def greedy(model: Any, prompts: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """`parity.TOKENS` greedy tokens after each prompt, (prompts, tokens); also after EOS."""
    width = max(map(len, prompts))
    tokens = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    cache, columns = DynamicCache(config=model.config), []
    for _ in range(parity.TOKENS):
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        logits = model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        tokens = logits[:, -1:].argmax(dim=-1)
        mask = torch.nn.functional.pad(mask, (0, 1), value=1)
        columns.append(tokens)
    return torch.cat(columns, dim=1)


def decode(tokenizer: Any, generation: Any, rows: Sequence[Sequence[int]]) -> list[str]:
    """Tokens to completions as engines do it, up to EOS."""
    configured = generation.eos_token_id if generation is not None else None
    ends = {tokenizer.eos_token_id, *(configured if isinstance(configured, list) else [configured])}
    cut = [row[: next((i for i, token in enumerate(row) if token in ends), len(row)) + 1] for row in rows]
    completions = tokenizer.batch_decode(cut, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return [text.strip() for text in completions]
