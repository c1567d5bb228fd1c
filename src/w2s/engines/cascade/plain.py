"""Decoding with the cache of transformers, for models that `session` does not support."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel


class PlainSession:
    """As `CascadeSession`."""

    def __init__(self, model: PreTrainedModel, pad: int) -> None:
        self._model, self._pad = model, pad
        self._cache = DynamicCache(config=model.config)

    def prefill(self, prompts: list[list[int]], samples: list[int]) -> Tensor:
        width = max(map(len, prompts))
        device = self._model.device
        padding = [width - len(tokens) for tokens in prompts]
        ids = [[self._pad] * pad + tokens for pad, tokens in zip(padding, prompts, strict=True)]
        self._mask = torch.arange(width, device=device)[None] >= torch.tensor(padding, device=device)[:, None]
        logits = self._forward(torch.tensor(ids, device=device), (self._mask.long().cumsum(1) - 1).clamp(min=0))
        rows = torch.repeat_interleave(torch.arange(len(prompts)), torch.tensor(samples)).to(device)
        self._cache.batch_select_indices(rows)
        self._mask = self._mask[rows]
        return logits[rows]

    def step(self, tokens: Tensor) -> Tensor:
        self._mask = torch.nn.functional.pad(self._mask, (0, 1), value=True)
        return self._forward(tokens[:, None], self._mask.sum(1, keepdim=True) - 1)

    def keep(self, rows: Tensor) -> None:
        self._cache.batch_select_indices(rows)
        self._mask = self._mask[rows]

    def _forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        output = self._model(
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1]
