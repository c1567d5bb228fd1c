"""Attention over the three levels of `w2s.engines.cascade.cache`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from w2s.engines.cascade.cache import Layer, State

NAME = "w2s_cascade"
"""Its name in transformers, which builds no masks for it."""


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    w2s_cascade: State,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Query (B, heads, L, D); result (B, L, heads, D)."""
    layer = w2s_cascade.layers[module.layer_idx]
    if layer.stage == "own":
        return _decode(w2s_cascade, layer, query, key, value, scaling), None
    if layer.stage == "question" and layer.prefix is not None:
        key, value = (
            torch.cat([prefix.expand(len(own), -1, -1, -1), own], dim=2)
            for prefix, own in zip(layer.prefix, (key, value), strict=True)
        )
    mask = w2s_cascade.prefill_mask
    out = nn.functional.scaled_dot_product_attention(
        query, key, value, mask, is_causal=mask is None, scale=scaling, enable_gqa=query.shape[1] != key.shape[1]
    )
    return out.transpose(1, 2), None


def _decode(state: State, layer: Layer, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
    """One query per row; H = heads / G. Key-value heads first, for views."""
    rows, heads, _, size = query.shape
    kv_heads, _, length, _ = key.shape
    group = heads // kv_heads
    question_key, question_value = layer.question[0]
    questions, width = question_key.shape[1:3]
    shared = 0 if layer.prefix is None else layer.prefix[0].shape[2]

    query = (query * scaling).view(rows, kv_heads, group, size).transpose(0, 1).contiguous()
    scores = query.new_empty(kv_heads, rows, group, shared + width + length)
    if layer.prefix is not None:
        prefix = scores.view(kv_heads, rows * group, -1)[..., :shared]
        torch.bmm(query.view(kv_heads, rows * group, size), layer.prefix[0][0].transpose(1, 2), out=prefix)
    at_question = torch.bmm(_to_grid(state, query, questions), question_key.flatten(0, 1).transpose(1, 2))
    if state.mask is not None:
        at_question = at_question.view(kv_heads, questions, -1, width) + state.mask
    scores[..., shared : shared + width] = _from_grid(state, at_question, questions, group)
    if key.dtype == torch.bfloat16 and layer.own is not None:
        key = layer.own[0]  # the unused part too: the CPU kernel takes 3 times as long on a view that is not contiguous
    at_own = torch.bmm(query.view(kv_heads * rows, group, size), key.flatten(0, 1).transpose(1, 2))
    scores[..., shared + width :] = at_own.view(kv_heads, rows, group, -1)[..., :length]

    weights = torch.softmax(scores, dim=-1)  # sums in float32 whatever the dtype
    at_prefix, at_question, at_own = weights.split([shared, width, length], dim=-1)

    out = torch.bmm(at_own.flatten(0, 1), value.flatten(0, 1)).view(kv_heads, rows, group, -1)
    in_question = torch.bmm(_to_grid(state, at_question, questions), question_value.flatten(0, 1))
    out += _from_grid(state, in_question, questions, group)
    if layer.prefix is not None:
        in_prefix = torch.bmm(at_prefix.flatten(1, 2), layer.prefix[1][0])
        out += in_prefix.view_as(out)
    return out.transpose(0, 1).reshape(rows, 1, heads, -1)


def _to_grid(state: State, rows: Tensor, questions: int) -> Tensor:
    """(G, R, H, X) -> (G * Q, slots * H, X), zeros where empty."""
    kv_heads, _, group, size = rows.shape
    if state.grid is not None:
        grid = rows.new_zeros(kv_heads, questions * state.slots, group, size)
        rows = grid.index_copy_(1, state.grid, rows)
    return rows.unflatten(1, (questions, state.slots)).flatten(0, 1).flatten(1, 2)


def _from_grid(state: State, grid: Tensor, questions: int, group: int) -> Tensor:
    """(G * Q, slots * H, X) -> (G, R, H, X)."""
    rows = grid.view(-1, questions * state.slots, group, grid.shape[-1])
    return rows if state.grid is None else rows[:, state.grid]


AttentionInterface.register(NAME, attention)
