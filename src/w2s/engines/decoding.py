"""Drawing tokens until every row of a batch is finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy
import torch
from torch import Tensor

from w2s import seeds
from w2s.engines.base import Decoding, Request

COMPACT_BELOW = 0.75
"""Finished rows leave once less than this share of the batch is live: a compaction copies the live cache."""


class Session(Protocol):
    """A batch inside a model; see `CascadeSession` for the shapes."""

    def prefill(self, prompts: list[list[int]], samples: list[int]) -> Tensor: ...
    def step(self, tokens: Tensor) -> Tensor: ...
    def keep(self, rows: Tensor) -> None: ...


def uniforms(requests: Sequence[Request], decoding: Decoding) -> Tensor:
    """One number in [0, 1) for each row and step, (R, max_new_tokens), float64.

    A row's numbers come from `seeds.derive(decoding.seed, id, sample)` alone, whatever the batch around it.
    """
    draws = [
        numpy.random.Generator(numpy.random.Philox(seeds.derive(decoding.seed, r.id, r.sample))).random(
            decoding.max_new_tokens
        )
        for r in requests
    ]
    return torch.from_numpy(numpy.stack(draws))


def draw(logits: Tensor, uniform: Tensor, temperature: float, top_p: float) -> Tensor:
    """One token a row by inversion of the cumulative distribution in vocabulary order.

    Args:
        logits: (R, vocabulary).
        uniform: (R,) in [0, 1), float64.
        temperature: more than 0.
        top_p: the smallest set of most likely tokens with at least this mass is kept, 1 keeps all.

    Returns:
        Token ids, (R,). A token of probability 0 is never drawn.
    """
    probabilities = torch.softmax(logits.float() / temperature, dim=-1)
    if top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
        ordered[ordered.cumsum(-1) - ordered >= top_p] = 0
        probabilities = torch.zeros_like(probabilities).scatter_(1, order, ordered)
    cumulative = probabilities.cumsum(-1, dtype=torch.float64)
    target = uniform[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, target, right=True)[:, 0].clamp_(max=logits.shape[1] - 1)


def decode(
    session: Session,
    prompts: list[list[int]],
    requests: Sequence[Sequence[Request]],
    decoding: Decoding,
    ends: Tensor,
    stopped: Callable[[list[int]], bool],
) -> list[list[int]]:
    """Generate for `requests[q]`, the samples of `prompts[q]`; returns each row's new tokens, rows in that order.

    Args:
        session: a fresh session.
        prompts: token ids.
        requests: one sequence of samples a prompt.
        decoding: greedy where the temperature is 0.
        ends: (vocabulary,) int8: 2 for end-of-text tokens, 1 for tokens after which `stopped` is asked, else 0.
        stopped: whether a row's tokens so far hold a stop string.

    Returns:
        Token lists; a finished row's last token is the end-of-text token or the one that completed a stop string.
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
    for step in range(decoding.max_new_tokens):
        if numbers is None:
            new = logits.argmax(-1)
        else:
            new = draw(logits, numbers[rows_there, step], decoding.temperature, decoding.top_p)
        new_here = new.cpu()
        tokens[rows, step] = new_here
        marks = ends[new].cpu()
        finished = marks == 2
        for place in torch.nonzero((marks == 1) & live).flatten().tolist():
            finished[place] = stopped(tokens[rows[place], : step + 1].tolist())
        ending = finished & live
        lengths[rows[ending]] = step + 1
        live &= ~finished
        count = int(live.sum())
        if count == 0 or step + 1 == decoding.max_new_tokens:
            break
        if count < COMPACT_BELOW * len(live):
            places = torch.nonzero(live).flatten()
            session.keep(places.to(device))
            rows, new, live = rows[places], new[places.to(device)], live[places]
            rows_there = rows.to(device)
        logits = session.step(new)
    return [row[:length].tolist() for row, length in zip(tokens, lengths.tolist(), strict=True)]
