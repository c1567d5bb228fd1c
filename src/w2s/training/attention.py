"""Attention in training: the implementation that is fastest on a device. On CPUs it is one of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.utils import is_flash_attn_2_available

_Sides = tuple[torch.Tensor, ...]
"""Queries, keys and values."""
_ATTENTION = {"full_attention", "sliding_attention", "chunked_attention"}
"""The kinds of layers, by transformers' names, that mix tokens by attention alone."""
_BY_TEXT, _FLASH = "sdpa_by_text", "flash_attention_2"


def use_best(model: Any, device: torch.device, *, bfloat16: bool, whole: bool) -> None:
    """Give a freshly loaded model the fastest implementation that it knows; it may be its own, torch's `sdpa`.

    On a CPU it takes texts one by one out of a row of several (`_by_text`). On a GPU it is FlashAttention, where that
    is installed.

    Args:
        model: in evaluation, as it is loaded; not in pieces yet.
        device: where it will compute.
        bfloat16: whether products are in bfloat16. FlashAttention knows no float32.
        whole: whether its numbers are there (not on torch's device "meta", in this or another process).
    """
    if model.config._attn_implementation != "sdpa" or not _mixes_tokens_by_attention_alone(model):
        return
    if device.type == "cpu" and whole and model._supports_attention_backend:
        AttentionInterface.register(_BY_TEXT, _by_text)
        AttentionMaskInterface.register(_BY_TEXT, _no_mask_between_texts)
        model.set_attn_implementation(_BY_TEXT)
        if not _two_texts_stay_apart(model):
            model.set_attn_implementation("sdpa")
    elif device.type == "cuda" and bfloat16 and model._supports_flash_attn and is_flash_attn_2_available():
        model.set_attn_implementation(_FLASH)


def _mixes_tokens_by_attention_alone(model: Any) -> bool:
    """Else a convolution or a state would run on from one text into the next."""
    kinds = getattr(model.config.get_text_config(), "layer_types", None) or ()
    return not model._is_stateful and set(kinds) <= _ATTENTION


def _two_texts_stay_apart(model: Any) -> bool:
    """Whether two texts of two tokens have in one row the logits that they have in a row each: tried out.

    Not so where the model's layers do not tell their attention the positions.
    """
    tokens = torch.arange(4, device=model.device)
    positions = torch.tensor([0, 1, 0, 1], device=model.device)
    with torch.no_grad():
        apart = model(input_ids=tokens.view(2, 2), position_ids=positions.view(2, 2), use_cache=False).logits
        one_row = model(input_ids=tokens.view(1, 4), position_ids=positions.view(1, 4), use_cache=False).logits
    return bool((one_row.view_as(apart) - apart).abs().max() <= 1e-3 * apart.abs().max())


def keeps_texts_apart(model: Any) -> bool:
    """Whether texts can go through the model end to end in one row, without padding (`data.concatenate`)."""
    return model.config._attn_implementation in (_BY_TEXT, _FLASH)


def shares_prompts(model: Any) -> bool:
    """Whether several completions can follow a prompt in such a row (`data.concatenate`, `share_prompts`).

    Not where a layer sees only a stretch before a token: transformers makes its mask then, and that knows of no such
    rows.
    """
    config = model.config.get_text_config()
    stretches = ("sliding_window", "attention_chunk_size")
    return model.config._attn_implementation == _BY_TEXT and not any(getattr(config, name, None) for name in stretches)


def compute_exactly(model: Any) -> None:
    """Take an implementation that computes in float32, if the model's does not."""
    if model.config._attn_implementation == _FLASH:
        model.set_attn_implementation("sdpa")


def _by_text(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    position_ids: torch.Tensor | None = None,
    **keywords: Any,
) -> tuple[torch.Tensor, None]:
    """Attention by torch in float32, for each text of a row by itself.

    Texts are told by `position_ids`: one begins where they are 0, and where they go back to n > 0, one that has its
    first n tokens in common with the last that began at 0. No work goes into pairs of tokens of two texts, and none
    into padding. In float32, since the backward pass takes four times as long in bfloat16 (torch 2.13, AMD EPYC: 4.8 ms
    against 1.2).

    Args:
        module: the layer.
        query: (rows, heads, tokens, size).
        key: (rows, key-value heads, tokens, size).
        value: as `key`.
        attention_mask: None: causal. Else what may be seen by what, and texts are not looked for.
        position_ids: (rows, tokens); texts are looked for where there is one row. None: one text a row.
        keywords: for transformers' function.

    Returns:
        (rows, tokens, heads, size), in the number format of `query`; no weights.
    """
    with torch.autocast("cpu", enabled=False):
        row: _Sides = (query.float(), key.float(), value.float())
        texts: Iterable[tuple[int, _Sides]] = [(0, row)]
        if attention_mask is None and query.shape[0] == 1 and position_ids is not None:
            texts = _texts(row, position_ids[0])
        found = [
            sdpa_attention_forward(module, *text, attention_mask, **keywords)[0][:, shared:] for shared, text in texts
        ]
    return torch.cat(found, dim=1).to(query.dtype), None


def _texts(row: _Sides, positions: torch.Tensor) -> Iterator[tuple[int, _Sides]]:
    """The texts of a row, cut where positions do not go up by one; before each, its tokens shared with an earlier one.

    The row is one text where positions do not begin with 0: it goes on from what is cached.
    """
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


def _no_mask_between_texts(*arguments: Any, **keywords: Any) -> torch.Tensor | None:
    """Transformers' own, but None where it would only keep the texts of a row apart, or hide what comes later."""
    plain = keywords.get("attention_mask") is None and not keywords.get("use_vmap")  # vmap: a model's own rule
    whole = keywords.get("q_length") == keywords.get("kv_length")  # nothing is cached
    window = keywords.get("local_size")
    if plain and whole and (window is None or keywords["q_length"] <= window):
        return None
    return sdpa_mask(*arguments, **keywords)
