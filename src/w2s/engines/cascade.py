"""Decoding with a key-value cache in three levels, so that nothing shared is stored or read twice.

Level 1, the tokens all prompts begin with (few-shot demonstrations): once a batch. Level 2, the rest of each
prompt: once a question, whatever the number of samples. Level 3, the generated tokens: once a row. A decoding
step multiplies all rows with level 1 in one matrix product, the samples of a question with its level 2 in
another, and joins the three in one softmax.
Source: ours; the idea is cascade (or bifurcated) attention, arXiv 2403.08845 and FlashInfer.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import Cache, PretrainedConfig, PreTrainedModel

from w2s.engines.cascade_cache import Layer, State

ARCHITECTURES = frozenset({"gemma", "llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3", "smollm3"})
"""Model types whose attention is plain softmax attention over a plain cache (each is tested against `generate`)."""

PREFILL_TOKENS = 2048
"""Prompt tokens a forward pass: bounds the activations, and keeps those of a small model in a CPU's cache."""

LEAST_PREFIX = 8
"""A shorter common prefix is not worth a level of its own."""


def supports(config: PretrainedConfig) -> bool:
    """Whether a model with this configuration can decode here: a known type without sliding windows."""
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None)
    return config.model_type in ARCHITECTURES and window is None and kinds == {"full_attention"}


class CascadeSession:
    """One batch: `prefill` the prompts, then `step` token by token; `keep` lets finished rows leave.

    Args:
        model: a causal language model that `supports` accepts, switched to `w2s.engines.attention`.
        pad: any token id; padded positions are masked.
    """

    def __init__(self, model: PreTrainedModel, pad: int) -> None:
        self._model, self._pad = model, pad
        self._layers = [Layer() for _ in range(model.config.get_text_config().num_hidden_layers)]
        self._cache = Cache(layers=self._layers)
        self._state = State(self._layers)

    def prefill(self, prompts: list[list[int]], samples: list[int]) -> Tensor:
        """Run each prompt once. Row r of the result belongs to the r-th sample, samples grouped by prompt.

        Args:
            prompts: token ids of Q prompts, each at least one token.
            samples: rows wanted of each prompt, Q numbers that sum to R.

        Returns:
            Logits of each row's first new token, (R, vocabulary).
        """
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
        """Feed one token a row, (R,); returns the next logits, (R, vocabulary)."""
        logits = self._forward(tokens[:, None], self._position[:, None])
        self._position = self._position + 1
        return logits

    def keep(self, rows: Tensor) -> None:
        """Only `rows`, an increasing index, stay in the batch."""
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
    """Tokens that all prompts begin with, at least one token of each left over."""
    first, last = min(prompts), max(prompts)
    limit = min(map(len, prompts)) - 1
    return next((i for i in range(limit) if first[i] != last[i]), limit)
