"""Attention over the three levels of `w2s.engines.cascade_cache`, in the form that transformers asks for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from w2s.engines.cascade_cache import Layer, State

NAME = "w2s_cascade"
"""The function's name in transformers, which also keeps transformers from building masks of its own."""


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
    """Attention in the form transformers asks for: query (B, heads, L, D), result (B, L, heads, D)."""
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
    """One query a row against the three levels. H = heads / G query heads share a key-value head."""
    rows, heads, _, size = query.shape
    kv_heads, length = key.shape[1], key.shape[2]
    group = heads // kv_heads
    query = (query * scaling).reshape(rows, kv_heads, group, size)
    question_key, question_value = layer.question[0]
    questions, _, width, _ = question_key.shape

    scores = []
    if layer.prefix is not None:
        flat = query.transpose(0, 1).reshape(kv_heads, rows * group, size)
        scores.append(_to_rows(torch.bmm(flat, layer.prefix[0][0].transpose(1, 2)), rows, group))
    at_question = torch.matmul(_to_grid(state, query, questions), question_key.transpose(2, 3))
    if state.mask is not None:
        at_question = at_question + state.mask
    scores.append(_from_grid(state, at_question, group))
    own = key.flatten(0, 1)
    if own.dtype == torch.bfloat16:  # torch's CPU kernel takes 2.5 times as long on the strided view as copy and all
        own = own.contiguous()
    flat = query.view(rows * kv_heads, group, size)
    scores.append(torch.bmm(flat, own.transpose(1, 2)).view(rows, kv_heads, group, length))

    weights = torch.softmax(torch.cat(scores, dim=-1), dim=-1, dtype=torch.float32).to(value.dtype)
    at_prefix, at_question, at_own = weights.split([weights.shape[-1] - width - length, width, length], dim=-1)

    out = torch.bmm(at_own.reshape(rows * kv_heads, group, length), value.flatten(0, 1))
    out = out.view(rows, kv_heads, group, -1)
    out = out + _from_grid(state, torch.matmul(_to_grid(state, at_question, questions), question_value), group)
    if layer.prefix is not None:
        flat = at_prefix.transpose(0, 1).reshape(kv_heads, rows * group, -1)
        out = out + _to_rows(torch.bmm(flat, layer.prefix[1][0]), rows, group)
    return out.view(rows, 1, heads, -1)


def _to_rows(flat: Tensor, rows: int, group: int) -> Tensor:
    """(G, R * H, X) -> (R, G, H, X)."""
    return flat.view(len(flat), rows, group, -1).transpose(0, 1)


def _to_grid(state: State, rows: Tensor, questions: int) -> Tensor:
    """(R, G, H, X) -> (Q, G, slots * H, X), zeros where a question has fewer live rows than slots."""
    _, kv_heads, group, size = rows.shape
    if state.grid is not None:
        grid = rows.new_zeros(questions * state.slots, kv_heads, group, size)
        rows = grid.index_copy_(0, state.grid, rows)
    grid = rows.view(questions, state.slots, kv_heads, group, size)
    return grid.transpose(1, 2).reshape(questions, kv_heads, state.slots * group, size)


def _from_grid(state: State, grid: Tensor, group: int) -> Tensor:
    """(Q, G, slots * H, X) -> (R, G, H, X)."""
    questions, kv_heads, _, size = grid.shape
    rows = grid.view(questions, kv_heads, state.slots, group, size).transpose(1, 2)
    rows = rows.reshape(questions * state.slots, kv_heads, group, size)
    return rows if state.grid is None else rows[state.grid]


AttentionInterface.register(NAME, attention)
