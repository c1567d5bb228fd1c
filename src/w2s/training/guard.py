"""Watches that training on preferences does not take the chosen texts down with the rejected ones.

DPO's loss knows the difference of the two alone, so both may fall, and as a rule they do (huggingface/trl#800,
eric-mitchell/direct-preference-optimization#32): by some tenths of a nat a token, which is no fault. Beyond, the model
forgets how to write either. Source: ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import fmean

from w2s.errors import UserError
from w2s.training.data import Encoded

STEPS = 10
"""Steps over which the fall is averaged, since one batch is noisy."""


class Guard:
    """Keeps how far the chosen texts have fallen.

    Args:
        chosen: the texts, in the places that steps name.
        reference: their summed log-probabilities before training, in nats.
        most: nats a token that they may fall, mean over the last `STEPS` steps (fewer at the beginning); None: any.
    """

    def __init__(self, chosen: Sequence[Encoded], reference: Sequence[float], most: float | None) -> None:
        self._lengths, self._reference, self._limit = [len(text.completion) for text in chosen], reference, most
        self._drops: deque[float] = deque(maxlen=STEPS)
        self.most = 0.0

    def look(self, step: Sequence[int], log_probs: float, number: int, total: int) -> None:
        """Take note of a step: the places of its texts, and the sum of their log-probabilities before its update.

        Raises:
            UserError: they have fallen too far.
        """
        before = sum(self._reference[place] for place in step)
        self._drops.append((before - log_probs) / sum(self._lengths[place] for place in step))
        drop = fmean(self._drops)
        self.most = max(self.most, drop)
        if self._limit is not None and drop > self._limit:
            raise UserError(
                f"the chosen texts have lost {drop:.2f} nats a token against the reference at step {number} of {total} "
                f"(mean over {len(self._drops)} steps): the model unlearns what it is to prefer",
                field="preference.max_chosen_drop",
                expected=f"at most {self._limit:g}",
                mend="lower preference.learning_rate, set preference.nll_weight (1 is usual) or use "
                "preference.losses=[orpo]; preference.max_chosen_drop=null trains on all the same",
            )
