"""Keys and values of a batch in three levels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import CacheLayerMixin

_FIRST_CAPACITY = 32
"""New tokens per row; doubled when full."""


class Layer(CacheLayerMixin):
    """Keys and values of a layer. G key-value heads, D head size, R rows, Q questions.

    prefix: (1, G, P, D); question: (G, Q, S, D), left-padded; own: (G, R, capacity, D).
    """

    def __init__(self) -> None:
        super().__init__()
        self.prefix: tuple[Tensor, Tensor] | None = None
        self.question: list[tuple[Tensor, Tensor]] = []
        self.own: tuple[Tensor, Tensor] | None = None
        self.length = 0
        self.stage = "prefix"

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None: ...

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Store states in the current stage's level."""
        if self.stage == "prefix":
            self.prefix = (key_states, value_states)
        elif self.stage == "question":
            self.question.append((key_states, value_states))
        else:
            return self._append(key_states, value_states)
        return key_states, value_states

    def _append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        capacity = 0 if self.own is None else self.own[0].shape[2]
        if self.length == capacity:
            shape = (key.shape[1], key.shape[0], max(_FIRST_CAPACITY, 2 * capacity), key.shape[3])
            grown = (key.new_empty(shape), value.new_empty(*shape[:3], value.shape[3]))
            if self.own is not None:
                for new, old in zip(grown, self.own, strict=True):
                    new[:, :, :capacity] = old
            self.own = grown
        assert self.own is not None
        own_key, own_value = self.own
        own_key[:, :, self.length] = key[:, :, 0].transpose(0, 1)
        own_value[:, :, self.length] = value[:, :, 0].transpose(0, 1)
        self.length += 1
        return own_key[:, :, : self.length], own_value[:, :, : self.length]

    def seal(self) -> None:
        keys, values = zip(*self.question, strict=True)
        self.question = [(_heads_first(keys), _heads_first(values))]
        self.stage = "own"

    def keep(self, rows: Tensor, questions: Tensor | None) -> None:
        """Drop the others; `questions` None keeps all."""
        if self.own is not None:
            tensors = []
            for old in self.own:
                new = old.new_empty(old.shape[0], len(rows), *old.shape[2:])
                new[:, :, : self.length] = old[:, rows, : self.length]
                tensors.append(new)
            self.own = (tensors[0], tensors[1])
        if questions is not None:
            key, value = self.question[0]
            self.question = [(key[:, questions], value[:, questions])]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0

    def get_seq_length(self) -> int:
        return self.length

    def get_max_length(self) -> int:
        return -1


def _heads_first(parts: tuple[Tensor, ...]) -> Tensor:
    return torch.cat(parts).transpose(0, 1).contiguous()


class State:
    """The batch for attention. P shared tokens, S others per prompt."""

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers
        self.prefill_mask: Tensor | None = None
        self.mask: Tensor | None = None  # (Q, 1, S), added to the scores of level 2
        self.questions = torch.empty(0)  # (R,) the question of each row
        self.grid: Tensor | None = None  # (R,) place of each row in the grid of questions x slots; None: the same
        self.slots = 1

    def mask_questions(self, padded: Tensor, shared: int) -> None:
        """Set the causal mask, (Q, 1, S, P + S), true where visible."""
        width = padded.shape[1]
        causal = torch.ones(width, width, dtype=torch.bool, device=padded.device).tril()
        own = causal[None] & ~padded[:, None, :]
        own |= torch.eye(width, dtype=torch.bool, device=padded.device)  # a padded query must see something
        self.prefill_mask = nn.functional.pad(own, (shared, 0), value=True)[:, None]

    def seal(self, padded: Tensor, questions: Tensor, dtype: torch.dtype) -> None:
        self.prefill_mask = None
        if bool(padded.any()):
            low = torch.finfo(dtype).min
            self.mask = torch.zeros(padded.shape, dtype=dtype, device=padded.device).masked_fill(padded, low)
            self.mask = self.mask[:, None]
        self.questions = questions
        self._arrange()

    def keep(self, rows: Tensor) -> Tensor | None:
        """The questions that stay, None if all."""
        before = int(self.questions[-1]) + 1
        remaining, self.questions = torch.unique_consecutive(self.questions[rows], return_inverse=True)
        if self.mask is not None:
            self.mask = self.mask[remaining]
        self._arrange()
        return None if len(remaining) == before else remaining

    def _arrange(self) -> None:
        counts = torch.bincount(self.questions)
        self.slots = int(counts.max())
        slot = torch.arange(len(self.questions), device=counts.device) - (counts.cumsum(0) - counts)[self.questions]
        full = len(counts) * self.slots == len(self.questions)
        self.grid = None if full else self.questions * self.slots + slot
