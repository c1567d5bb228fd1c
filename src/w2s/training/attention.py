"""The fastest attention in training for a device; on CPUs one of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.utils import is_flash_attn_2_available

_Sides = tuple[torch.Tensor, ...]
_ATTENTION = {"full_attention", "sliding_attention", "chunked_attention"}
"""Layers that mix tokens by attention alone, by transformers' names."""
_PACKED, _FLASH = "sdpa_by_sequence", "flash_attention_2"


def use_best(model: Any, device: torch.device, *, bfloat16: bool, whole: bool) -> None:
    """Give a model the fastest attention that it supports, else torch's `sdpa`.

    On CPUs ours, if `whole`: no process has weights on "meta". On GPUs FlashAttention, if installed, in bfloat16.
    """
    if model.config._attn_implementation != "sdpa" or not _mixes_tokens_by_attention_alone(model):
        return
    if device.type == "cpu" and whole and model._supports_attention_backend:
        AttentionInterface.register(_PACKED, _by_sequence)
        AttentionMaskInterface.register(_PACKED, _no_mask_between_sequences)
        model.set_attn_implementation(_PACKED)
        if not _two_sequences_stay_apart(model):
            model.set_attn_implementation("sdpa")
    elif device.type == "cuda" and bfloat16 and model._supports_flash_attn and is_flash_attn_2_available():
        model.set_attn_implementation(_FLASH)


def _mixes_tokens_by_attention_alone(model: Any) -> bool:
    """Else a state would run on into the next sequence."""
    kinds = getattr(model.config.get_text_config(), "layer_types", None) or ()
    return not model._is_stateful and set(kinds) <= _ATTENTION


def _two_sequences_stay_apart(model: Any) -> bool:
    """Not so where layers ignore positions."""
    tokens = torch.arange(4, device=model.device)
    positions = torch.tensor([0, 1, 0, 1], device=model.device)
    with torch.no_grad():
        apart = model(input_ids=tokens.view(2, 2), position_ids=positions.view(2, 2), use_cache=False).logits
        one_row = model(input_ids=tokens.view(1, 4), position_ids=positions.view(1, 4), use_cache=False).logits
    return bool((one_row.view_as(apart) - apart).abs().max() <= 1e-3 * apart.abs().max())


def can_pack(model: Any) -> bool:
    """Whether sequences can share a row, without padding (`data.pack`)."""
    return model.config._attn_implementation in (_PACKED, _FLASH)


def shares_prompts(model: Any) -> bool:
    """Whether completions can share a prompt in a packed row: not with windows."""
    config = model.config.get_text_config()
    stretches = ("sliding_window", "attention_chunk_size")
    return model.config._attn_implementation == _PACKED and not any(getattr(config, name, None) for name in stretches)


def compute_exactly(model: Any) -> None:
    """Switch to attention in float32."""
    if model.config._attn_implementation == _FLASH:
        model.set_attn_implementation("sdpa")


def _by_sequence(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    position_ids: torch.Tensor | None = None,
    **keywords: Any,
) -> tuple[torch.Tensor, None]:
    """Attention for each sequence of a packed row: (rows, tokens, heads, size).

    A sequence begins where `position_ids` are 0, or where they go back to n > 0: it then shares its first n tokens with
    the last one from 0. In float32: backward is slower in bfloat16.
    """
    with torch.autocast("cpu", enabled=False):
        row: _Sides = (query.float(), key.float(), value.float())
        sequences: Iterable[tuple[int, _Sides]] = [(0, row)]
        if attention_mask is None and query.shape[0] == 1 and position_ids is not None:
            sequences = _sequences(row, position_ids[0])
        outputs = [
            sdpa_attention_forward(module, *sides, attention_mask, **keywords)[0][:, shared:]
            for shared, sides in sequences
        ]
    return torch.cat(outputs, dim=1).to(query.dtype), None


def _sequences(row: _Sides, positions: torch.Tensor) -> Iterator[tuple[int, _Sides]]:
    """Each sequence of a row, and its number of shared tokens."""
    begins = [0, *((positions.diff() != 1).nonzero().flatten() + 1).tolist()]
    if len(begins) == 1 or positions[0] != 0:
        yield 0, row
        return
    lengths = [end - begin for begin, end in zip(begins, [*begins[1:], len(positions)], strict=True)]
    whole = row
    for shared, *piece in zip(positions[begins].tolist(), *(side.split(lengths, dim=2) for side in row), strict=True):
        if shared:
            yield shared, tuple(torch.cat([a[:, :, :shared], b], dim=2) for a, b in zip(whole, piece, strict=True))
        else:
            whole = tuple(piece)
            yield 0, whole


def _no_mask_between_sequences(*arguments: Any, **keywords: Any) -> torch.Tensor | None:
    """Transformers' mask, or None where `_by_sequence` needs none."""
    plain = keywords.get("attention_mask") is None and not keywords.get("use_vmap")  # vmap: a model's own rule
    whole = keywords.get("q_length") == keywords.get("kv_length")  # nothing is cached
    window = keywords.get("local_size")
    if plain and whole and (window is None or keywords["q_length"] <= window):
        return None
    return sdpa_mask(*arguments, **keywords)
