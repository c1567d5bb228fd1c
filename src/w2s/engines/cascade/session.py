"""Decoding with a key-value cache in three levels; nothing shared is stored or read twice.

Level 1: the common prefix, per batch. Level 2: the rest, per question. Level 3: new tokens, per row. One softmax joins
them. Source: ours, after cascade attention (arXiv 2403.08845, FlashInfer).
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import Cache, PretrainedConfig, PreTrainedModel

from w2s.engines.cascade.cache import Layer, State

ARCHITECTURES = frozenset({"gemma", "llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3", "smollm3"})
"""Plain softmax attention, tested against `generate`."""

PREFILL_TOKENS = 2048
"""Per forward pass; bounds the activations."""

LEAST_PREFIX = 8
"""Tokens."""


def supports(config: PretrainedConfig) -> bool:
    """Whether its type is known, without sliding windows."""
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None)
    return config.model_type in ARCHITECTURES and window is None and kinds == {"full_attention"}


class CascadeSession:
    """One batch. `model` has the attention of `cascade.attention`."""

    def __init__(self, model: PreTrainedModel, pad: int) -> None:
        self._model, self._pad = model, pad
        self._layers = [Layer() for _ in range(model.config.get_text_config().num_hidden_layers)]
        self._cache = Cache(layers=self._layers)
        self._state = State(self._layers)

    def prefill(self, prompts: list[list[int]], samples: list[int]) -> Tensor:
        """Logits of first tokens, (R, vocabulary); `samples`: rows per prompt."""
        shared = common_prefix(prompts)
        shared = shared if shared >= LEAST_PREFIX else 0
        if shared:
            ids = self._ids([prompts[0][:shared]])
            self._forward(ids, torch.arange(shared, device=ids.device)[None])
        for layer in self._layers:
            layer.stage = "question"
        rest = [prompt[shared:] for prompt in prompts]
        width = max(map(len, rest))
        ids = self._ids([[self._pad] * (width - len(tokens)) + tokens for tokens in rest])
        real = torch.tensor([len(tokens) for tokens in rest], device=ids.device)
        column = torch.arange(width, device=ids.device)
        padded = column[None] < (width - real)[:, None]  # (Q, S)
        positions = (shared + column[None] - (width - real)[:, None]).clamp(min=0)
        logits = []
        for part in torch.arange(len(prompts), device=ids.device).split(max(1, PREFILL_TOKENS // width)):
            self._state.mask_questions(padded[part], shared)
            logits.append(self._forward(ids[part], positions[part]))
        for layer in self._layers:
            layer.seal()
        questions = torch.repeat_interleave(torch.arange(len(prompts)), torch.tensor(samples)).to(ids.device)
        self._state.seal(padded, questions, self._model.dtype)
        self._position = (shared + real)[questions]
        return torch.cat(logits)[questions]

    def step(self, tokens: Tensor) -> Tensor:
        """Tokens (R,) -> next logits, (R, vocabulary)."""
        logits = self._forward(tokens[:, None], self._position[:, None])
        self._position = self._position + 1
        return logits

    def keep(self, rows: Tensor) -> None:
        """Keep `rows`, increasing."""
        self._position = self._position[rows]
        questions = self._state.keep(rows)
        for layer in self._layers:
            layer.keep(rows, questions)

    def _ids(self, tokens: list[list[int]]) -> Tensor:
        return torch.tensor(tokens, device=self._model.device)

    def _forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        output = self._model(
            input_ids=ids,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
            w2s_cascade=self._state,
        )
        return output.logits[:, -1]


def common_prefix(prompts: list[list[int]]) -> int:
    """Its length; leaves one token per prompt."""
    first, last = min(prompts), max(prompts)
    limit = min(map(len, prompts)) - 1
    return next((i for i in range(limit) if first[i] != last[i]), limit)
