"""Sampling tokens until every row is finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy
import torch
from torch import Tensor

from w2s import seeds
from w2s.engines.base import Decoding, Request, ticks

COMPACT_BELOW = 0.75
"""Share of live rows; dropping the others copies the cache."""


class Session(Protocol):
    """A batch, as `CascadeSession`."""

    def prefill(self, prompts: list[list[int]], samples: list[int]) -> Tensor: ...
    def step(self, tokens: Tensor) -> Tensor: ...
    def keep(self, rows: Tensor) -> None: ...


def uniforms(requests: Sequence[Request], decoding: Decoding) -> Tensor:
    """(R, max_new_tokens), float64 in [0, 1), from (seed, id, sample) alone."""
    draws = [
        numpy.random.Generator(numpy.random.Philox(seeds.derive(decoding.seed, r.id, r.sample))).random(
            decoding.max_new_tokens
        )
        for r in requests
    ]
    return torch.from_numpy(numpy.stack(draws))


def draw(logits: Tensor, uniform: Tensor, temperature: float, top_p: float) -> Tensor:
    """Sample a token per row, (R,), by inverting the cumulative distribution; none of probability 0.

    -1 where the sum of probabilities is no number, as logits are not finite.

    logits (R, vocabulary); uniform (R,) in [0, 1), float64; temperature above 0.
    """
    probabilities = torch.softmax(logits.float() / temperature, dim=-1)
    if top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
        ordered[ordered.cumsum(-1) - ordered >= top_p] = 0
        probabilities = torch.zeros_like(probabilities).scatter_(1, order, ordered)
    cumulative = probabilities.cumsum(-1, dtype=torch.float64)
    target = uniform[:, None] * cumulative[:, -1:]
    tokens = torch.searchsorted(cumulative, target, right=True)[:, 0].clamp_(max=logits.shape[1] - 1)
    return tokens.masked_fill_(cumulative[:, -1].isnan(), -1)


def greedy(logits: Tensor) -> Tensor:
    """The first token of the highest logit per row, (R,); -1 where that is not finite."""
    highest, tokens = logits.max(-1)
    return tokens.masked_fill_(~highest.isfinite(), -1)


def decode(
    session: Session,
    prompts: list[list[int]],
    requests: Sequence[Sequence[Request]],
    decoding: Decoding,
    ends: Tensor,
    stopped: Callable[[list[int]], bool],
) -> list[list[int]]:
    """New tokens per row, for `requests[q]` of `prompts[q]`, in a fresh session.

    `ends`, (vocabulary,) int8: 2 ends the text, 1 may complete a stop string (then `stopped` decides), else 0.

    Raises:
        FloatingPointError: logits are not finite, of any token.
    """
    flat = [request for group in requests for request in group]
    device = ends.device
    logits = session.prefill(prompts, [len(group) for group in requests])
    tokens = torch.zeros(len(flat), decoding.max_new_tokens, dtype=torch.long)
    lengths = torch.full((len(flat),), decoding.max_new_tokens)
    numbers = uniforms(flat, decoding).to(device) if decoding.temperature > 0 else None
    rows = torch.arange(len(flat))  # the row of `flat` at each place of the batch
    rows_there = rows.to(device)
    live = torch.ones(len(flat), dtype=torch.bool)  # by place
    count, written = len(flat), 0
    for step in range(decoding.max_new_tokens):
        if numbers is None:
            new = greedy(logits)
        else:
            new = draw(logits, numbers[rows_there, step], decoding.temperature, decoding.top_p)
        new_here = new.cpu()
        if bool((new_here < 0).any()):
            raise FloatingPointError("logits are not finite")
        tokens[rows, step] = new_here
        marks = ends[new].cpu()
        finished = marks == 2
        for place in torch.nonzero((marks == 1) & live).flatten().tolist():
            finished[place] = stopped(tokens[rows[place], : step + 1].tolist())
        ending = finished & live
        lengths[rows[ending]] = step + 1
        live &= ~finished
        written += count
        count = int(live.sum())
        ticks.tell(len(flat) - count, written)
        if count == 0 or step + 1 == decoding.max_new_tokens:
            break
        if count < COMPACT_BELOW * len(live):
            places = torch.nonzero(live).flatten()
            session.keep(places.to(device))
            rows, new, live = rows[places], new[places.to(device)], live[places]
            rows_there = rows.to(device)
        logits = session.step(new)
    return [row[:length].tolist() for row, length in zip(tokens, lengths.tolist(), strict=True)]
