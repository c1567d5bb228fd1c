"""What is checked when adapters have been trained: that the model's folder holds the model that was trained.

Merged, saved and read again, an adapter must give the log-probabilities it had in training. That the folder's model is
also the one that an engine serves is asked later, there (`w2s.parity`). Source: ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from w2s import parity
from w2s.errors import UserError
from w2s.training.data import Encoded

TOLERANCE = 1e-3
"""Nats a token. Both sides are computed in float32, where merging rounds each weight to 24 bits and sums in another
order: 6e-7 at most on `tiny-strong`, so there is room for models of a thousand times its depth and width. What an
adapter learns is hundredths of a nat and more."""


def some(prompts: Sequence[str], texts: Sequence[Encoded]) -> list[Encoded]:
    """At most `parity.PROMPTS` of the training texts, with different prompts, drawn by a hash."""
    return [texts[place] for place in parity.chosen(prompts)]


def compare(texts: Sequence[Encoded], trained: Sequence[float], saved: Sequence[float], out: Path) -> None:
    """Refuse a saved model whose summed log-probabilities are not the trained one's, by text.

    Raises:
        UserError: naming the text that is furthest off.
    """
    off = [abs(a - b) / len(text.completion) for text, a, b in zip(texts, trained, saved, strict=True)]
    worst = max(range(len(off)), key=lambda place: off[place] if off[place] == off[place] else float("inf"))
    if not off[worst] <= TOLERANCE:  # also where it is not a number
        raise UserError(
            f"the model that was saved is not the one that was trained: read again, its log-probability of example "
            f"{texts[worst].id!r} is off by {off[worst]:.2g} nats a token",
            file=out,
            field="lora.save",
            expected=f"at most {TOLERANCE:g} nats a token, on {len(texts)} training texts",
            mend="try the other value of lora.save, or other versions of peft and transformers; nothing was kept",
        )


def greedy(model: Any, prompts: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """The `parity.TOKENS` most likely tokens in a row after each prompt, shape (prompts, tokens).

    Also after an end of text, so that processes that share the model stay in step.
    """
    width = max(map(len, prompts))
    tokens = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    cache, found = DynamicCache(config=model.config), []
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
        found.append(tokens)
    return torch.cat(found, dim=1)


def texts(tokenizer: Any, generation: Any, rows: Sequence[Sequence[int]]) -> list[str]:
    """Tokens to texts as engines make them: up to the first end of text, no special tokens, no white space around."""
    configured = generation.eos_token_id if generation is not None else None
    ends = {tokenizer.eos_token_id, *(configured if isinstance(configured, list) else [configured])}
    cut = [row[: next((i for i, token in enumerate(row) if token in ends), len(row)) + 1] for row in rows]
    found = tokenizer.batch_decode(cut, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return [text.strip() for text in found]
