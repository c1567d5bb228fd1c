"""Stops a preference training in which chosen completions fall too far. Source: ours."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from w2s.errors import UserError
from w2s.training.data import Encoded

STEPS = 10
"""Steps of the mean: one batch is noisy."""


class DropStop:
    """How far the chosen completions have fallen.

    `reference`: their summed log-probabilities before, in nats; `limit`: nats per token.
    """

    def __init__(self, chosen: Sequence[Encoded], reference: Sequence[float], limit: float | None) -> None:
        self._lengths, self._reference, self._limit = [len(row.completion) for row in chosen], reference, limit
        self._drops: deque[float] = deque(maxlen=STEPS)
        self.most = 0.0

    def facts(self) -> dict[str, Any]:
        """For `resume`, as JSON."""
        return {"drops": list(self._drops), "most": self.most}

    def resume(self, facts: Mapping[str, Any]) -> None:
        self._drops.extend(facts["drops"])
        self.most = facts["most"]

    def check(self, step: Sequence[int], log_probs: float, number: int, total: int) -> None:
        """Add a step and its summed chosen log-probabilities before the update.

        Raises:
            UserError: too far a fall.
        """
        before = sum(self._reference[place] for place in step)
        self.add((before - log_probs) / sum(self._lengths[place] for place in step), number, total)

    def add(self, fallen: float, number: int, total: int) -> None:
        """Add a step's fall, in nats per token.

        Raises:
            UserError: too far a fall.
        """
        self._drops.append(fallen)
        drop = fmean(self._drops)
        self.most = max(self.most, drop)
        if self._limit is not None and drop > self._limit:
            raise UserError(
                f"the chosen completions have lost {drop:.2f} nats per token against the reference at step {number} of "
                f"{total} (mean over {len(self._drops)} steps): the model unlearns what it is to prefer",
                field="preference.max_chosen_drop",
                expected=f"at most {self._limit:g}",
                hint="lower preference.learning_rate, set preference.nll_weight (1 is usual) or use "
                "preference.losses=orpo; preference.max_chosen_drop=null trains on all the same",
            )
